/* what refusals mean: the standard patterns, the administrator's before them, and times that a reply names */
#include "tests/unit/delivery/job.h"

#include "common/config/replies.h"
#include "delivery/replies.h"

#define MINUTES(n) ((uint64_t)(n)*60000)

static struct verdict
refusal(int code, const char *status, const char *text)
{
	struct verdict v;

	verdict_set(&v, code / 100 == 5 ? FATE_FAILED : FATE_DEFERRED, code, status, "%s", text);
	return v;
}

static void
every_standard_pattern_can_be_used(void **state)
{
	const struct config config = {.hostname = NULL};
	(void)state;
	assert_int_equal(replies_load(&config), 0);
}

static void
replies_of_the_world_mean_what_they_say(void **state)
{
	static const struct {
		int code;
		const char *status, *text;
		enum reply_meaning meaning;
		uint64_t pause_ms;
	} cases[] = {
		{421, "4.7.0", "Too many connections from your host", REPLY_BUSY, 0},
		{421, "4.7.28", "Our system has detected an unusual rate of unsolicited mail",
		 REPLY_RATE, MINUTES(10)},
		{421, "4.7.0",
		 "[TSS04] Messages from 192.0.2.1 temporarily deferred due to user "
		 "complaints - 4.16.55.1",
		 REPLY_RATE, MINUTES(30)},
		{451, "4.7.1", "Greylisting in action, please come back later", REPLY_GREYLIST, 0},
		{450, "4.2.0", "<a@b.example>: Recipient address rejected: Greylisted",
		 REPLY_GREYLIST, 0},
		{450, "4.2.0", "Greylisted for 300 seconds", REPLY_GREYLIST, MINUTES(5)},
		{451, "4.0.0", "greylisted, try again in 4 minutes", REPLY_GREYLIST, MINUTES(4)},
		{452, "4.2.2", "The email account that you tried to reach is over quota",
		 REPLY_RECIPIENT, 0},
		{550, "5.1.1", "User unknown", REPLY_RECIPIENT, 0},
		{554, "5.7.1", "Client host [192.0.2.1] blocked using zen.spamhaus.org",
		 REPLY_BLOCKED, 0},
		{554, "5.7.1", "Message rejected because of spam content", REPLY_CONTENT, 0},
		{450, "4.0.0", "Sender is being throttled", REPLY_RATE, MINUTES(10)},
		{451, "4.3.0", "Queue file write error", REPLY_ORDINARY, 0},
		{451, "4.0.0", "not now", REPLY_ORDINARY, 0},
	};
	const struct config config = {.hostname = NULL};
	(void)state;

	assert_int_equal(replies_load(&config), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct verdict v = refusal(cases[i].code, cases[i].status, cases[i].text);
		struct replies_meaning m = replies_mean(&v);

		if (m.meaning != cases[i].meaning || m.pause_ms != cases[i].pause_ms)
			fail_msg("%s: %s, %u ms", cases[i].text, reply_meaning_word(m.meaning),
				 (unsigned)m.pause_ms);
	}
}

static void
no_reply_means_nothing(void **state)
{
	const struct verdict v = {.fate = FATE_DEFERRED, .text = "greylisted"};
	(void)state;
	assert_int_equal(replies_mean(&v).meaning, REPLY_ORDINARY);
}

static void
the_administrator_is_asked_first(void **state)
{
	static char lines[][64] = {"/(wrong/ rate 1h", "/over quota.*wait (\\d+)h/ rate ${1}h",
				   "/over quota/ ordinary", "/wait (\\d+)/ rate ${1}"};
	static char file[] = "culver.conf";
	struct config_reply replies[4];
	const struct config config = {.outbound = {.replies = replies, .reply_count = 4}};
	struct verdict v;
	(void)state;

	for (unsigned i = 0; i < 4; i++)
		replies[i] = (struct config_reply){lines[i], file, i + 1};
	/* the first does not compile, and costs itself alone */
	assert_int_equal(replies_load(&config), 1);
	v = refusal(452, "4.2.2", "over quota");
	assert_int_equal(replies_mean(&v).meaning, REPLY_ORDINARY);
	v = refusal(452, "4.2.2", "over quota, wait 3h");
	assert_int_equal(replies_mean(&v).meaning, REPLY_RATE);
	assert_int_equal(replies_mean(&v).pause_ms, MINUTES(180));
	/* a time without a unit, and one out of all reason: none */
	v = refusal(451, "4.0.0", "wait 100000");
	assert_int_equal(replies_mean(&v).meaning, REPLY_RATE);
	assert_int_equal(replies_mean(&v).pause_ms, 0);
	v = refusal(452, "4.2.2", "over quota, wait 100000h");
	assert_int_equal(replies_mean(&v).pause_ms, 0);
}

/* ---- what the agent tells ---- */

static void
turn_away(struct sink *s)
{
	sink_accept(s);
	sink_say(s, s->stage == 0 ? "421 4.3.2 not one more\r\n" : "554 5.7.1 go away\r\n");
	sink_line(s);
}

static void
who_turns_away_at_the_greeting_is_busy(void **state)
{
	(void)state;
	for (int stage = 0; stage < 2; stage++) {
		struct jobs_result r;

		start(turn_away, stage);
		send_job("A: b\r\n\r\n", 1);
		take_result(&r);
		assert_int_equal(r.fate, FATE_DEFERRED);
		assert_int_equal(r.meaning, stage == 0 ? REPLY_BUSY : REPLY_CONNECTING);
		end();
	}
}

static void
greylist_one(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 2);
	sink_say(s, "250 ok\r\n451 4.7.1 greylisted for 60 seconds\r\n250 ok\r\n354 ok\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "QUIT");
	sink_say(s, "221 bye\r\n");
}

static void
what_a_reply_means_is_told_with_its_recipient(void **state)
{
	const struct config config = {.hostname = NULL};
	struct jobs_result r;
	(void)state;

	assert_int_equal(replies_load(&config), 0);
	start(greylist_one, 0);
	send_job("A: b\r\n\r\n", 2);
	take_result(&r);
	assert_int_equal(r.meaning, REPLY_GREYLIST);
	assert_int_equal(r.pause_ms, MINUTES(1));
	take_result(&r);
	assert_int_equal(r.fate, FATE_DELIVERED);
	assert_int_equal(r.meaning, REPLY_ORDINARY);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_standard_pattern_can_be_used),
		cmocka_unit_test(replies_of_the_world_mean_what_they_say),
		cmocka_unit_test(no_reply_means_nothing),
		cmocka_unit_test(the_administrator_is_asked_first),
		cmocka_unit_test(who_turns_away_at_the_greeting_is_busy),
		cmocka_unit_test(what_a_reply_means_is_told_with_its_recipient),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
