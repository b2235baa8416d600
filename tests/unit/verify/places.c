/*
 * places - questions to next hops: joined, bounded, asked again, given up; a thread plays the next hop
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/system/clock.h"
#include "delivery/tls.h"
#include "delivery/verify/places.h"
#include "tests/unit/delivery/sink.h"

#define WAIT_MS 15000

static struct sink sink;
static struct loop *loop;
static struct places places;
static struct config *config;
static struct loop_timer too_late;

/* the answers that came, in their order: address, outcome, waiters */
static char answers[4000];
static size_t expected, came;
static struct probe_answer last;
static const void *leaves_when_told; /* a client that goes away over its first answer */

static void
free_waiter(struct waiter *w)
{
	free(w);
}

static void
done(void *owner, struct question *q, const struct probe_answer *a)
{
	static const char *const words[] = {"", "taken", "refused", "unknown"};
	size_t waiters = 0, len = strlen(answers);

	(void)owner;
	while (q->waiters != NULL) {
		struct waiter *w = q->waiters;

		bool leaves = w->owner == leaves_when_told;

		q->waiters = w->next;
		free(w);
		waiters++;
		if (leaves)
			places_leave(&places, leaves_when_told, free_waiter);
	}
	snprintf(answers + len, sizeof(answers) - len, "%s %s %zu; ", q->address, words[a->outcome],
		 waiters);
	last = *a;
	if (++came == expected)
		loop_stop(loop);
}

static void
give_up(struct loop_timer *t)
{
	(void)t;
	loop_stop(loop);
}

static const char *
await(size_t count)
{
	expected = count;
	came = 0;
	answers[0] = '\0';
	loop_timer_set(loop, &too_late, clock_monotonic_ms() + WAIT_MS);
	loop_run(loop);
	loop_timer_clear(loop, &too_late);
	return answers;
}

static void
start(void (*script)(struct sink *s), unsigned probes)
{
	static const struct config_defaults defaults = {.as_root = true,
							.hostname = "client.test",
							.runtime = "/run/culver",
							.spool = "/var/spool/culver",
							.state = "/var/lib/culver"};
	struct config_errors errors;
	struct probe_start begin;
	char text[400];

	sink_start(&sink, script, 0);
	snprintf(text, sizeof(text),
		 "domain c.test {\n\trelay 127.0.0.1:%u\n\trecipients verify\n\ttls none\n}\n"
		 "domain d.test {\n\trelay 127.0.0.1:1\n}\nverify {\n\tprobes %u\n}\n",
		 sink.port, probes);
	config_errors_init(&errors);
	config = config_parse(span_of(text), &defaults, &errors);
	assert_non_null(config);
	config_errors_free(&errors);
	begin = (struct probe_start){.config = config};
	loop = loop_new();
	too_late = (struct loop_timer){.fire = give_up};
	places_start(&places, loop, &begin, done, NULL);
}

static void
end(void)
{
	places_end(&places);
	loop_free(loop);
	config_free(config);
	sink_end(&sink);
	assert_string_equal(sink.wrong, "");
}

static struct question *
ask(const char *address, const void *owner)
{
	struct place *place = places_find(&places, SPAN("c.test"));
	struct probe_answer why;
	struct waiter *w = owner != NULL ? calloc(1, sizeof(*w)) : NULL;
	struct question *q;

	assert_non_null(place);
	if (w != NULL)
		w->owner = (void *)(uintptr_t)owner;
	q = places_ask(&places, place, span_of(address), w, &why);
	if (q == NULL) {
		free(w);
		last = why;
	}
	return q;
}

/* MAIL, RCPT and RSET of one probe */
static void
probe(struct sink *s, const char *rcpt, const char *reply)
{
	sink_expect(s, "MAIL FROM:<>");
	sink_say(s, "250 ok\r\n");
	sink_expect(s, rcpt);
	sink_say(s, reply);
	sink_expect(s, "RSET");
	sink_say(s, "250 ok\r\n");
}

static void
answer_in_turn(struct sink *s)
{
	sink_greet(s, "");
	probe(s, "RCPT TO:<ann@c.test>", "250 2.1.5 ok\r\n");
	probe(s, "RCPT TO:<eve@c.test>", "550-5.1.1 not\r\n550 5.1.1 here\r\n");
	probe(s, "RCPT TO:<old@c.test>", "553 not here\r\n");
	probe(s, "RCPT TO:<gray@c.test>", "450 4.2.0 later\r\n");
	probe(s, "RCPT TO:<we@c.test>", "550 5.7.1 not from you\r\n");
	sink_expect(s, "MAIL FROM:<>");
	sink_say(s, "550 5.5.0 no null senders\r\n");
	sink_expect(s, "QUIT");
}

static void
one_connection_is_asked_one_thing_after_another(void **state)
{
	static int client;
	(void)state;
	start(answer_in_turn, 1);
	assert_null(places_find(&places, SPAN("d.test")));
	ask("ann@c.test", &client);
	ask("eve@c.test", &client);
	ask("old@c.test", NULL);
	ask("gray@c.test", &client);
	ask("we@c.test", &client);
	ask("mail@c.test", &client);
	assert_string_equal(await(6),
			    "ann@c.test taken 1; eve@c.test refused 1; old@c.test refused 0; "
			    "gray@c.test unknown 1; we@c.test unknown 1; mail@c.test unknown 1; ");
	assert_int_equal(last.code, 550);
	assert_false(last.is_down);
	/* an idle probe says QUIT and ends */
	pthread_join(sink.thread, NULL);
	sink.script = NULL;
	end();
}

static void
answer_one(struct sink *s)
{
	sink_greet(s, "");
	sink_expect(s, "MAIL FROM:<>");
	sink_say(s, "250 ok\r\n");
	sink_wait_go(s);
	sink_expect(s, "RCPT TO:<ann@c.test>");
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "RSET");
	sink_say(s, "250 ok\r\n");
}

static void
who_asks_the_same_shares_the_answer_and_who_left_has_none(void **state)
{
	static int one, two, gone;
	(void)state;
	start(answer_one, 4);
	assert_ptr_equal(ask("ann@c.test", &one), ask("ann@c.test", &two));
	ask("ann@c.test", &gone);
	ask("ann@c.test", &gone);
	places_leave(&places, &gone, free_waiter);
	sem_post(&sink.go);
	assert_string_equal(await(1), "ann@c.test taken 2; ");
	end();
}

static void
who_leaves_over_his_answer_is_told_no_second_time(void **state)
{
	static int one, two;
	(void)state;
	start(answer_one, 4);
	leaves_when_told = &two;
	ask("ann@c.test", &two);
	ask("ann@c.test", &one);
	ask("ann@c.test", &two);
	ask("ann@c.test", &two);
	sem_post(&sink.go);
	assert_string_equal(await(1), "ann@c.test taken 2; ");
	leaves_when_told = NULL;
	end();
}

/* the kept connection is closed just when the next question comes: that says nothing of it */
static void
close_between(struct sink *s)
{
	sink_greet(s, "");
	probe(s, "RCPT TO:<ann@c.test>", "250 ok\r\n");
	sink_hang_up(s);
	sink_greet(s, "");
	probe(s, "RCPT TO:<eve@c.test>", "550 5.1.1 no\r\n");
}

static void
a_connection_that_went_away_is_made_anew(void **state)
{
	static int client;
	(void)state;
	start(close_between, 1);
	ask("ann@c.test", &client);
	ask("eve@c.test", &client);
	assert_string_equal(await(2), "ann@c.test taken 1; eve@c.test refused 1; ");
	end();
}

static void
a_place_that_is_down_is_left_alone(void **state)
{
	static int client;
	(void)state;
	start(NULL, 1);
	close(sink.listener);
	ask("ann@c.test", &client);
	assert_string_equal(await(1), "ann@c.test unknown 1; ");
	assert_true(last.is_down);
	memset(&last, 0, sizeof(last));
	assert_null(ask("bob@c.test", &client));
	assert_int_equal(last.outcome, VERIFY_UNKNOWN);
	assert_non_null(strstr(last.reply, "cannot connect"));
	sink.listener = -1;
	end();
}

static void
no_more_wait_than_may(void **state)
{
	char name[40];
	(void)state;
	start(NULL, 1);
	for (int i = 0; i < PLACES_QUEUE_MAX; i++) {
		snprintf(name, sizeof(name), "n%d@c.test", i);
		assert_non_null(ask(name, NULL));
	}
	assert_null(ask("more@c.test", NULL));
	assert_int_equal(last.outcome, VERIFY_UNKNOWN);
	assert_non_null(ask("n0@c.test", NULL));
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_connection_is_asked_one_thing_after_another),
		cmocka_unit_test(who_asks_the_same_shares_the_answer_and_who_left_has_none),
		cmocka_unit_test(who_leaves_over_his_answer_is_told_no_second_time),
		cmocka_unit_test(a_connection_that_went_away_is_made_anew),
		cmocka_unit_test(a_place_that_is_down_is_left_alone),
		cmocka_unit_test(no_more_wait_than_may),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
