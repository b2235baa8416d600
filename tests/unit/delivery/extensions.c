/* extensions: what a peer announces is used, and what it does not is not asked of it; LMTP */
#include "tests/unit/delivery/job.h"

#include "common/protocol/intake.h"

#define ALL PIPELINED "250-CHUNKING\r\n250-DSN\r\n250-SMTPUTF8\r\n"

static void
send_addressed(const char *content, const char *sender, bool utf8,
	       const struct jobs_recipient *recipients, size_t count)
{
	static struct wire list;
	int fd = file_of(span_of(content));
	struct jobs_job job = {
		.id = 0x5A1B2C3D4E5F6,
		.content_at = 13,
		.content_length = strlen(content),
		.arrived_us = 1,
		.utf8 = utf8,
		.ret = INTAKE_RET_HDRS,
		.envid = SPAN("a b"),
		.sender = span_of(sender),
		.top = SPAN("Received: from here\r\n"),
		.recipients = count,
	};

	assert_int_equal(
		wire_send(agent.channel, wire_find(jobs_orders, JOBS_JOB), 0, 7, &job, &fd),
		CHANNEL_OK);
	close(fd);
	wire_list_start(&list);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
			wire_list_add(&list, WIRE_LIST_ROOM, &jobs_recipient_shape, &recipients[i]),
			0);
	struct jobs_recipients m = {wire_list_get(&list)};
	assert_int_equal(
		wire_send(agent.channel, wire_find(jobs_orders, JOBS_RECIPIENTS), 0, 7, &m, NULL),
		CHANNEL_OK);
}

static void
expect_relayed(uint64_t number, enum fate fate, const char *status, enum jobs_relayed relayed)
{
	struct jobs_result r;

	take_result(&r);
	assert_int_equal(r.number, number);
	assert_int_equal(r.fate, fate);
	assert_true(span_equal(r.status, span_of(status)));
	assert_int_equal(r.relayed, relayed);
}

/* the bytes of a chunk, as they are */
static void
sink_chunk(struct sink *s, size_t size)
{
	s->data_len = 0;
	while (s->data_len < size) {
		size_t n = s->in_len < size - s->data_len ? s->in_len : size - s->data_len;

		memcpy(s->data + s->data_len, s->in, n);
		s->data_len += n;
		s->in_len -= n;
		memmove(s->in, s->in + n, s->in_len);
		if (s->data_len == size)
			return;
		if (!sink_readable(s->fd, SINK_WAIT_MS))
			break;
		ssize_t got = recv(s->fd, s->in, sizeof(s->in), 0);
		if (got <= 0)
			break;
		s->in_len = (size_t)got;
	}
	sink_wrong(s, "a whole chunk", "less");
}

/* ---- BDAT ---- */

static void
take_ahead(struct sink *s)
{
	sink_greet(s, ALL);
	/* one write, no reply before its end */
	sink_expect(s, "MAIL FROM:<sender@example.com> SIZE=39 RET=HDRS ENVID=a+20b");
	sink_expect(s, "RCPT TO:<a@x.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bc");
	sink_expect(s, "RCPT TO:<b@x.test>");
	sink_expect(s, "BDAT 41 LAST");
	sink_chunk(s, 41);
	if (memcmp(s->data, "Received: from here\r\nA: b\r\n\r\n..\r\n.\r\nend\r\n", 41) != 0)
		sink_wrong(s, "the message as it is", s->data);
	sink_say(s, "250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 2.6.0 done\r\n");
	/* nobody is accepted: the chunk's reply is read away, and RSET comes before the next */
	sink_expect(s, "MAIL");
	sink_expect(s, "RCPT");
	sink_expect(s, "BDAT");
	sink_chunk(s, 24);
	sink_say(s, "250 ok\r\n550 5.1.1 no\r\n503 5.5.1 nobody\r\n");
	sink_expect(s, "RSET");
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "MAIL");
	sink_expect(s, "RCPT");
	sink_expect(s, "BDAT");
	sink_chunk(s, 24);
	sink_say(s, "250 ok\r\n250 ok\r\n452 4.3.1 full\r\n");
	sink_expect(s, "QUIT");
}

static void
a_small_message_goes_out_with_its_envelope(void **state)
{
	static const struct jobs_recipient both[] = {
		{1, SPAN("a@x.test"), SPAN_NONE, INTAKE_NOTIFY_SUCCESS | INTAKE_NOTIFY_DELAY,
		 SPAN("rfc822;b+c")},
		{2, SPAN("b@x.test"), SPAN_NONE, 0, SPAN_NONE}};
	(void)state;

	start(take_ahead, 0);
	/* a last line without an end gets one */
	send_addressed("A: b\r\n\r\n..\r\n.\r\nend", "sender@example.com", false, both, 2);
	expect_relayed(2, FATE_FAILED, "5.1.1", JOBS_RELAYED_FINAL);
	expect_relayed(1, FATE_DELIVERED, "2.6.0", JOBS_RELAYED_PASSED);
	send_addressed("x\r\n", "s@x.test", false, both + 1, 1);
	expect_relayed(2, FATE_FAILED, "5.1.1", JOBS_RELAYED_FINAL);
	send_addressed("x\r\n", "s@x.test", false, both + 1, 1);
	expect_relayed(2, FATE_DEFERRED, "4.3.1", JOBS_RELAYED_FINAL);
	end();
}

static void
take_large(struct sink *s)
{
	sink_greet(s, ALL);
	sink_expect(s, "MAIL");
	sink_expect(s, "RCPT");
	if (sink_has_more(s, 30))
		sink_wrong(s, "a wait for replies", s->in);
	sink_say(s, "250 ok\r\n250 ok\r\n");
	sink_expect(s, "BDAT 200021 LAST");
	sink_chunk(s, 200021);
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "QUIT");
}

static void
a_large_message_waits_for_the_envelope(void **state)
{
	static char content[200001];
	(void)state;

	for (size_t i = 0; i < 200000; i += 50) {
		memset(content + i, '.', 48);
		memcpy(content + i + 48, "\r\n", 2);
	}
	start(take_large, 0);
	send_job(content, 1);
	expect_relayed(1, FATE_DELIVERED, "2.0.0", JOBS_RELAYED_PASSED);
	end();
}

/* ---- SMTPUTF8 ---- */

static void
take_utf8(struct sink *s)
{
	sink_greet(s, s->stage == 0 ? PIPELINED : PIPELINED "250-SMTPUTF8\r\n250-DSN\r\n");
	if (s->stage == 0) {
		sink_expect(s, "MAIL FROM:<s@x.test> SIZE=");
		if (strstr(s->line, "UTF8") != NULL)
			sink_wrong(s, "no SMTPUTF8", s->line);
		sink_expect(s, "RCPT TO:<b@x.test>");
	} else {
		sink_expect(s, "MAIL FROM:<s@x.test> SIZE=24 SMTPUTF8 RET=HDRS");
		sink_expect(s, "RCPT TO:<\xc3\xa4@x.test> ORCPT=utf-8;\xc3\xa4@x.test");
		sink_expect(s, "RCPT TO:<b@x.test>");
	}
	sink_expect(s, "DATA");
	sink_say(s, s->stage == 0 ? "250 ok\r\n250 ok\r\n354 ok\r\n"
				  : "250 ok\r\n250 ok\r\n250 ok\r\n354 ok\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "QUIT");
}

static void
utf8_is_said_to_who_takes_it_and_refused_for_who_does_not(void **state)
{
	static const struct jobs_recipient both[] = {
		{1, SPAN("\xc3\xa4@x.test"), SPAN_NONE, 0, SPAN("utf-8;\xc3\xa4@x.test")},
		{2, SPAN("b@x.test"), SPAN_NONE, 0, SPAN_NONE}};
	(void)state;

	start(take_utf8, 0);
	send_addressed("x\r\n", "s@x.test", true, both, 2);
	expect_relayed(1, FATE_FAILED, "5.6.7", JOBS_RELAYED_FINAL);
	expect_relayed(2, FATE_DELIVERED, "2.0.0", JOBS_RELAYED_SILENT);
	end();
	start(take_utf8, 1);
	send_addressed("x\r\n", "s@x.test", true, both, 2);
	expect_relayed(1, FATE_DELIVERED, "2.0.0", JOBS_RELAYED_PASSED);
	expect_relayed(2, FATE_DELIVERED, "2.0.0", JOBS_RELAYED_PASSED);
	end();
}

static void
take_utf8_header(struct sink *s)
{
	sink_greet(s, s->stage == 0 ? PIPELINED : PIPELINED "250-SMTPUTF8\r\n");
	sink_expect(s, "MAIL");
	if ((strstr(s->line, " SMTPUTF8") != NULL) != (s->stage == 1))
		sink_wrong(s, "SMTPUTF8 where it is offered and needed", s->line);
	sink_expect(s, "RCPT");
	sink_expect(s, "DATA");
	sink_say(s, "250 ok\r\n250 ok\r\n354 ok\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "QUIT");
}

static void
utf8_in_the_header_alone_bounces_nothing(void **state)
{
	static const struct jobs_recipient one = {1, SPAN("b@x.test"), SPAN_NONE, 0, SPAN_NONE};
	(void)state;

	for (int stage = 0; stage < 3; stage++) {
		start(take_utf8_header, stage);
		send_addressed(stage == 2 ? "A: b\r\n\r\n\xc3\xa4\r\n" : "A: \xc3\xa4\r\n\r\nb\r\n",
			       "s@x.test", true, &one, 1);
		expect_relayed(1, FATE_DELIVERED, "2.0.0", JOBS_RELAYED_SILENT);
		end();
	}
}

/* ---- LIMITS ---- */

static void
take_two_at_a_time(struct sink *s)
{
	for (int connection = 0; connection < 2; connection++) {
		sink_greet(s, PIPELINED "250-LIMITS MAILMAX=1 RCPTMAX=2\r\n");
		expect_group(s, connection == 0 ? 2 : 1);
		sink_say(s, connection == 0 ? "250 ok\r\n250 ok\r\n250 ok\r\n354 ok\r\n"
					    : "250 ok\r\n250 ok\r\n354 ok\r\n");
		sink_data(s);
		sink_say(s, "250 ok\r\n");
		sink_expect(s, "QUIT");
		sink_hang_up(s);
	}
}

static void
limits_of_the_peer_are_kept(void **state)
{
	(void)state;
	start(take_two_at_a_time, 0);
	send_job("A: b\r\n\r\nx\r\n", 3);
	for (uint64_t n = 1; n <= 3; n++)
		expect_relayed(n, FATE_DELIVERED, "2.0.0", JOBS_RELAYED_SILENT);
	end();
}

/* ---- LMTP ---- */

static void
take_by_lmtp(struct sink *s)
{
	sink_accept(s);
	sink_say(s, "220 lmtp.test\r\n");
	sink_expect(s, "LHLO client.test");
	sink_say(s, "250-lmtp.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 8BITMIME\r\n");
	for (int i = 0; i < 2; i++) {
		sink_expect(s, "MAIL FROM:<sender@example.com>");
		for (int n = 0; n < 4; n++)
			sink_expect(s, "RCPT TO:<r");
		sink_expect(s, "DATA");
		sink_say(s, "250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 ok\r\n250 ok\r\n354 ok\r\n");
		sink_data(s);
		sink_say(s, "250 2.0.0 one\r\n");
		sink_wait_go(s); /* the first is told before the second is known */
		sink_say(s, "452 4.2.2 full\r\n");
		if (i == 1) {
			sink_hang_up(s);
			return;
		}
		sink_say(s, "554 5.7.1 never\r\n");
	}
}

static void
lmtp_has_a_reply_for_each(void **state)
{
	(void)state;
	sink_start(&sink, take_by_lmtp, 0);
	char place[64];
	snprintf(place, sizeof(place), "lmtp:127.0.0.1:%u", sink.port);
	start_agent(place);
	send_job("A: b\r\n\r\nx\r\n", 4);
	expect((struct outcome){2, FATE_FAILED, 550, "5.1.1", false, false});
	expect_relayed(1, FATE_DELIVERED, "2.0.0", JOBS_RELAYED_FINAL);
	sem_post(&sink.go);
	expect((struct outcome){3, FATE_DEFERRED, 452, "4.2.2", false, false});
	expect((struct outcome){4, FATE_FAILED, 554, "5.7.1", true, false});
	send_job("A: b\r\n\r\nx\r\n", 4);
	expect((struct outcome){2, FATE_FAILED, 550, "5.1.1", false, false});
	expect_relayed(1, FATE_DELIVERED, "2.0.0", JOBS_RELAYED_FINAL);
	sem_post(&sink.go);
	expect((struct outcome){3, FATE_DEFERRED, 452, "4.2.2", false, false});
	expect((struct outcome){4, FATE_DEFERRED, 0, "4.4.2", true, false});
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_message_goes_out_with_its_envelope),
		cmocka_unit_test(a_large_message_waits_for_the_envelope),
		cmocka_unit_test(utf8_is_said_to_who_takes_it_and_refused_for_who_does_not),
		cmocka_unit_test(utf8_in_the_header_alone_bounces_nothing),
		cmocka_unit_test(limits_of_the_peer_are_kept),
		cmocka_unit_test(lmtp_has_a_reply_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
