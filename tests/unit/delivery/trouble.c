/*
 * trouble - peers that hang up, close or talk nonsense at every stage; queue-managers that go or are wrong
 */
#include "tests/unit/delivery/job.h"

/* the agent ends without another word */
static void
expect_agent_ends(void)
{
	size_t len;

	assert_int_equal(channel_receive_wait(agent.channel, agent.in, &len, NULL,
					      clock_monotonic_ms() + WAIT_MS),
			 CHANNEL_CLOSED);
}

/* ---- trouble ---- */

static void
close_kept(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 1);
	sink_say(s, "250 ok\r\n250 ok\r\n354 go\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	if (s->stage == 1) /* only once the next message begins */
		sink_expect(s, "MAIL");
	if (s->stage == 2) {
		sink_expect(s, "MAIL");
		sink_say(s, "421 4.4.2 too slow\r\n");
	}
	sink_hang_up(s);
	sem_post(&s->go);
	sink_greet(s, PIPELINED);
	expect_group(s, 1);
	sink_say(s, "250 ok\r\n250 ok\r\n354 go\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "QUIT");
}

static void
a_kept_connection_that_died_is_made_anew(void **state)
{
	(void)state;
	for (int stage = 0; stage < 3; stage++) {
		start(close_kept, stage);
		send_job("A: b\r\n\r\n", 1);
		expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
		if (stage == 0)
			sem_wait(&sink.go);
		send_job("A: b\r\n\r\n", 1);
		expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
		end();
	}
}

enum hang_up {
	BEFORE_GREETING,
	AFTER_GREETING,
	AT_MAIL,
	AT_RCPT,
	AT_DATA,
	IN_CONTENT,
	AFTER_DOT,
	HANG_UPS
};

static void
hang_up_at(struct sink *s)
{
	bool pipelined = s->stage < 100;
	int stage = s->stage % 100;

	sink_accept(s);
	if (stage == BEFORE_GREETING)
		return;
	sink_say(s, "220 hello\r\n");
	sink_expect(s, "EHLO");
	if (stage == AFTER_GREETING)
		return;
	sink_say(s, pipelined ? "250-sink.test\r\n250 PIPELINING\r\n" : "250 sink.test\r\n");
	sink_expect(s, "MAIL");
	if (stage == AT_MAIL)
		return;
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "RCPT");
	if (stage == AT_RCPT)
		return;
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "DATA");
	if (stage == AT_DATA)
		return;
	sink_say(s, "354 go\r\n");
	if (stage == IN_CONTENT) {
		sink_line(s);
		return;
	}
	sink_data(s);
}

static void
a_peer_that_hangs_up_at_any_stage_defers(void **state)
{
	size_t size = 20u << 20; /* more than the two kernels buffer */
	char *text = malloc(size);
	(void)state;

	assert_non_null(text);
	for (size_t i = 0; i < size; i += 2)
		memcpy(text + i, i % 80 == 78 ? "\r\n" : "xx", 2);
	for (int pipelined = 0; pipelined < 2; pipelined++) {
		for (int stage = 0; stage < HANG_UPS; stage++) {
			start(hang_up_at, stage + (pipelined ? 0 : 100));
			send_job_head(span_from(text, stage == IN_CONTENT ? size : 80), 1, false);
			send_recipients(1, 1, false);
			expect((struct outcome){1, FATE_DEFERRED, 0, "4.4.2", true,
						stage < IN_CONTENT});
			end();
		}
	}
	free(text);
}

static void
be_silent_at(struct sink *s)
{
	hang_up_at(s);
	sink_expect_end(s); /* not even a QUIT: nobody would answer it */
}

static void
a_silent_peer_is_left_after_reply_time_at_any_stage(void **state)
{
	(void)state;
	for (int stage = 0; stage < HANG_UPS; stage++) {
		if (stage == IN_CONTENT) /* there it is we who speak */
			continue;
		start(be_silent_at, stage + 100);
		agent.config.limits.reply_time = 100;
		send_job("A: b\r\n\r\n", 1);
		expect((struct outcome){1, FATE_DEFERRED, 0, "4.4.2", true, stage < IN_CONTENT});
		end();
	}
}

static void
say_421_at(struct sink *s)
{
	if (s->stage == 0) {
		sink_accept(s);
		sink_say(s, "421 4.3.2 busy\r\n");
	} else if (s->stage == 1) {
		sink_greet(s, PIPELINED);
		sink_expect(s, "MAIL");
		sink_say(s, "421 4.3.2 busy\r\n");
	} else {
		sink_greet(s, PIPELINED);
		expect_group(s, 3);
		sink_say(s, "250 ok\r\n550 5.1.1 no\r\n250 ok\r\n421 4.3.2 busy\r\n");
	}
}

static void
a_421_is_the_places_trouble_and_not_the_recipients(void **state)
{
	(void)state;
	for (int stage = 0; stage < 3; stage++) {
		start(say_421_at, stage);
		send_job("A: b\r\n\r\n", 3);
		if (stage == 2)
			expect((struct outcome){1, FATE_FAILED, 550, "5.1.1", false, false});
		else
			expect((struct outcome){1, FATE_DEFERRED, 421, "4.3.2", false, true});
		expect((struct outcome){2, FATE_DEFERRED, 421, "4.3.2", false, true});
		expect((struct outcome){3, FATE_DEFERRED, 421, "4.3.2", true, true});
		end();
	}
}

static void
refuse_in_content(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 1);
	sink_say(s, "250 ok\r\n250 ok\r\n354 go\r\n");
	sink_line(s);
	sink_say(s, "554 5.6.0 I do not like how this begins\r\n");
	/* not read to its end: the kernel resets the connection */
}

static void
a_reason_given_in_the_middle_of_the_data_is_read(void **state)
{
	size_t size = 20u << 20;
	char *text = malloc(size);
	struct jobs_result r;
	(void)state;

	assert_non_null(text);
	for (size_t i = 0; i < size; i += 2)
		memcpy(text + i, i % 80 == 78 ? "\r\n" : "xx", 2);
	start(refuse_in_content, 0);
	send_job_head(span_from(text, size), 1, false);
	send_recipients(1, 1, false);
	/* a reset may have thrown the reply away on its way: then it is a lost connection */
	take_result(&r);
	assert_true(r.last == 1 && r.meaning == REPLY_ORDINARY);
	assert_true(r.fate == FATE_FAILED ? r.code == 554 : r.fate == FATE_DEFERRED && r.code == 0);
	end();
	free(text);
}

static void
talk_nonsense(struct sink *s)
{
	static const char *const greetings[] = {"hello\r\n", "\r\n", "999 no\r\n",
						"220-a\r\n550 b\r\n", "SSH-2.0-x\r\n"};
	char endless[4096];

	if (s->stage < 5) {
		sink_accept(s);
		sink_say(s, greetings[s->stage]);
		sink_line(s);
		return;
	}
	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	sink_accept(s);
	for (int i = 0; i < 100; i++)
		sink_say(s, endless);
	sink_say(s, "\r\n");
	sink_line(s);
}

static void
a_peer_that_talks_nonsense_defers(void **state)
{
	(void)state;
	for (int stage = 0; stage < 6; stage++) {
		start(talk_nonsense, stage);
		send_job("A: b\r\n\r\n", 1);
		expect((struct outcome){1, FATE_DEFERRED, 0, "4.5.0", true, true});
		end();
	}
}

static void
a_host_that_does_not_answer_is_passed_over(void **state)
{
	struct sink dead;
	char place[128];
	(void)state;

	sink_start(&dead, NULL, 0);
	close(dead.listener); /* the port is free again: refused */
	sink_start(&sink, take_several_messages, 1);
	snprintf(place, sizeof(place), "127.0.0.1:%u 127.0.0.1:%u", dead.port, sink.port);
	start_agent(place);
	send_job("A: b\r\n\r\n", 1);
	expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
	end();
	free(dead.data);
}

static void
a_host_that_is_to_be_avoided_comes_last(void **state)
{
	struct sink dead;
	char place[128], avoid[128];
	(void)state;

	for (int is_avoided = 0; is_avoided < 2; is_avoided++) {
		sink_start(&dead, NULL, 0);
		close(dead.listener);
		sink_start(&sink, take_several_messages, 1);
		snprintf(place, sizeof(place), "127.0.0.1:%u 127.0.0.1:%u", dead.port, sink.port);
		snprintf(avoid, sizeof(avoid), "other[192.0.2.1]:25 127.0.0.1[127.0.0.1]:%u",
			 dead.port);
		agent.avoid = is_avoided ? avoid : NULL;
		agent.host[0] = '\0';
		start_agent(place);
		send_job("A: b\r\n\r\n", 1);
		expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
		/* tried, and told of, only where nobody said that it is dead */
		assert_string_equal(agent.host, is_avoided ? "" : avoid + 20);
		agent.avoid = NULL;
		end();
		free(dead.data);
	}
}

static void
nobody_there_defers_with_a_reason(void **state)
{
	struct sink dead;
	char place[128];
	struct jobs_result r;
	(void)state;

	sink_start(&dead, NULL, 0);
	close(dead.listener);
	snprintf(place, sizeof(place), "127.0.0.1:%u", dead.port);
	start_agent(place);
	send_job("A: b\r\n\r\n", 1);
	take_result(&r);
	assert_int_equal(r.fate, FATE_DEFERRED);
	assert_int_equal(r.meaning, REPLY_CONNECTING);
	assert_non_null(memmem(r.text.at, r.text.len, "refused", 7));
	assert_true(span_starts(r.host, SPAN("127.0.0.1[127.0.0.1]:")));
	end_agent();
	free(dead.data);
}

/* ---- queue-manager goes, or is wrong ---- */

static void
wait_before_354(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 1);
	sink_wait_go(s);
	sink_say(s, "250 ok\r\n250 ok\r\n354 go\r\n");
	while (sink_line(s))
		if (strcmp(s->line, ".") == 0)
			sink_wrong(s, "no dot", s->line);
}

static void
nothing_is_delivered_that_nobody_would_remember(void **state)
{
	(void)state;
	start(wait_before_354, 0);
	send_job("A: b\r\n\r\n", 1);
	close(agent.channel);
	agent.channel = -1;
	sem_post(&sink.go);
	end();
}

static void
send_raw(const void *at, size_t len)
{
	assert_int_equal(channel_send(agent.channel, span_from(at, len), NULL, 0), CHANNEL_OK);
}

static void
an_order_that_is_none_ends_the_agent(void **state)
{
	static const char zeros[64];
	static struct wire w;
	struct jobs_job job = {.id = 1, .sender = SPAN_NONE, .top = SPAN_NONE, .recipients = 1};
	struct jobs_want want = {.kind = JOBS_SMTP,
				 .hosts = SPAN("127.0.0.1:1"),
				 .user = SPAN_NONE,
				 .domain = SPAN_NONE};
	(void)state;

	for (int i = 0; i < 7; i++) {
		start_agent("127.0.0.1:1");
		switch (i) {
		case 0:
			send_raw(zeros, sizeof(zeros));
			break;
		case 1:
			send_raw("x", 1);
			break;
		case 2: /* for a parent */
			assert_int_equal(wire_send(agent.channel, wire_find(jobs_orders, JOBS_WANT),
						   0, 1, &want, NULL),
					 CHANNEL_OK);
			break;
		case 3: /* no descriptor */
			assert_int_equal(
				wire_encode(&w, wire_find(jobs_orders, JOBS_JOB), 0, 7, &job), 0);
			send_raw(w.at, w.len);
			break;
		case 4: /* no job before them */
			send_recipients(1, 1, false);
			break;
		case 5: /* more than announced */
			send_job_head(SPAN("A: b\r\n"), 1, false);
			send_recipients(2, 1, false);
			break;
		case 6: /* fewer */
			send_job_head(SPAN("A: b\r\n"), 3, false);
			send_recipients(2, 1, false);
			break;
		}
		expect_agent_ends();
		end_agent();
	}
}

static void
addresses_that_cannot_be_said_are_refused_here(void **state)
{
	static struct wire list;
	static const struct span bad[] = {SPAN("a\r\nDATA@x.test"), SPAN("\xc3@x.test"),
					  SPAN("a\x7f@x.test")};
	struct jobs_recipients m;
	(void)state;

	start_agent("127.0.0.1:1");
	send_job_head(SPAN("A: b\r\n"), 3, false);
	wire_list_start(&list);
	for (size_t i = 0; i < 3; i++) {
		struct jobs_recipient r = {
			.number = i + 1, .address = bad[i], .original = SPAN_NONE};

		assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &jobs_recipient_shape, &r),
				 0);
	}
	m.recipients = wire_list_get(&list);
	assert_int_equal(
		wire_send(agent.channel, wire_find(jobs_orders, JOBS_RECIPIENTS), 0, 7, &m, NULL),
		CHANNEL_OK);
	for (uint64_t i = 1; i <= 3; i++)
		expect((struct outcome){i, FATE_FAILED, 0, "5.1.3", i == 3, false});
	end_agent();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kept_connection_that_died_is_made_anew),
		cmocka_unit_test(a_peer_that_hangs_up_at_any_stage_defers),
		cmocka_unit_test(a_silent_peer_is_left_after_reply_time_at_any_stage),
		cmocka_unit_test(a_421_is_the_places_trouble_and_not_the_recipients),
		cmocka_unit_test(a_reason_given_in_the_middle_of_the_data_is_read),
		cmocka_unit_test(a_peer_that_talks_nonsense_defers),
		cmocka_unit_test(a_host_that_does_not_answer_is_passed_over),
		cmocka_unit_test(a_host_that_is_to_be_avoided_comes_last),
		cmocka_unit_test(nobody_there_defers_with_a_reason),
		cmocka_unit_test(nothing_is_delivered_that_nobody_would_remember),
		cmocka_unit_test(an_order_that_is_none_ends_the_agent),
		cmocka_unit_test(addresses_that_cannot_be_said_are_refused_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
