/*
 * agent - jobs in at one end, SMTP out at the other, a result for each recipient
 */
#include "tests/unit/delivery/job.h"

/* ---- what goes well ---- */

static void
take_two(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 2);
	sink_say(s, "250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.1.5 ok\r\n354 go on\r\n");
	sink_data(s);
	sink_say(s, "250 2.6.0 taken as 1234\r\n");
	sink_expect(s, "QUIT");
	sink_say(s, "221 bye\r\n");
}

static void
a_pipelined_peer_gets_the_message_byte_for_byte(void **state)
{
	static const char content[] = "Subject: dots\r\n\r\n.\r\n..\r\n.one\r\na.b\r\n.\r\n";
	static const char whole[] =
		"Received: from here\r\nSubject: dots\r\n\r\n.\r\n..\r\n.one\r\na.b\r\n.\r\n";
	(void)state;

	start(take_two, 0);
	send_job(content, 2);
	expect((struct outcome){1, FATE_DELIVERED, 250, "2.6.0", false, false});
	expect((struct outcome){2, FATE_DELIVERED, 250, "2.6.0", true, false});
	close(agent.channel);
	agent.channel = -1;
	end_agent();
	pthread_join(sink.thread, NULL);
	assert_string_equal(sink.wrong, "");
	assert_int_equal(sink.data_len, strlen(whole));
	assert_memory_equal(sink.data, whole, sink.data_len);
	sink.script = NULL;
	sink_end(&sink);
}

static void
take_in_old_style(struct sink *s)
{
	sink_accept(s);
	sink_say(s, "220 old\r\n");
	sink_expect(s, "EHLO");
	sink_say(s, "502 what?\r\n");
	sink_expect(s, "HELO client.test");
	sink_say(s, "250 hello\r\n");
	sink_expect(s, "MAIL FROM:<sender@example.com>");
	if (strstr(s->line, "SIZE") != NULL || strstr(s->line, "BODY") != NULL)
		sink_wrong(s, "no parameters", s->line);
	if (sink_has_more(s, 30))
		sink_wrong(s, "no pipelining", s->in);
	sink_say(s, "250 ok\r\n");
	for (int i = 0; i < 2; i++) {
		sink_expect(s, "RCPT TO:<r");
		if (sink_has_more(s, 30))
			sink_wrong(s, "no pipelining", s->in);
		sink_say(s, "250 ok\r\n");
	}
	sink_expect(s, "DATA");
	sink_say(s, "354-go\r\n354 on\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "QUIT");
}

static void
a_peer_that_knows_only_helo_is_asked_one_thing_at_a_time(void **state)
{
	(void)state;
	start(take_in_old_style, 0);
	send_job_head(SPAN("A: b\r\n\r\n\xe4\r\n"), 2, true);
	send_recipients(2, 1, false);
	expect((struct outcome){1, FATE_DELIVERED, 250, "2.0.0", false, false});
	expect((struct outcome){2, FATE_DELIVERED, 250, "2.0.0", true, false});
	end();
}

static void
take_parameters(struct sink *s)
{
	sink_greet(s, PIPELINED);
	/* 21 bytes on top and 11 of content */
	sink_expect(s, "MAIL FROM:<sender@example.com> SIZE=32 BODY=8BITMIME");
	sink_expect(s, "RCPT");
	sink_expect(s, "DATA");
	sink_say(s, "250 ok\r\n250 ok\r\n354 ok\r\n");
	sink_data(s);
	if (s->data_len != 32)
		sink_wrong(s, "32 bytes", "another number");
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "QUIT");
}

static void
size_and_body_are_said_where_they_are_known(void **state)
{
	(void)state;
	start(take_parameters, 0);
	send_job_head(SPAN("A: b\r\n\r\n\xe4\r\n"), 1, true);
	send_recipients(1, 1, false);
	expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
	end();
}

static void
take_many(struct sink *s)
{
	sink_greet(s, PIPELINED);
	sink_expect(s, "MAIL");
	sink_say(s, "250 ok\r\n");
	for (int i = 0; i < 250; i++) {
		sink_expect(s, "RCPT");
		sink_say(s, i == 120 ? "550 5.1.1 not this one\r\n" : "250 ok\r\n");
	}
	sink_expect(s, "DATA");
	sink_say(s, "354 ok\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "QUIT");
}

static void
recipients_come_in_parts_and_go_out_in_groups(void **state)
{
	(void)state;
	start(take_many, 0);
	send_job_head(SPAN("A: b\r\n\r\n"), 250, false);
	send_recipients(100, 1, true);
	send_recipients(100, 101, true);
	send_recipients(50, 201, false);
	expect((struct outcome){121, FATE_FAILED, 550, "5.1.1", false, false});
	for (uint64_t i = 1; i <= 250; i++)
		if (i != 121)
			expect((struct outcome){i, FATE_DELIVERED, 250, NULL, i == 250, false});
	end();
}

static void
the_connection_is_kept_for_the_next_message(void **state)
{
	(void)state;
	start(take_several_messages, 3);
	for (int i = 0; i < 3; i++) {
		send_job("A: b\r\n\r\nx\r\n", 1);
		expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
	}
	end();
}

static void
a_last_line_without_end_gets_one(void **state)
{
	(void)state;
	start(take_several_messages, 1);
	send_job("A: b\r\n\r\nno end", 1);
	expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
	end();
}

static void
a_large_message_arrives_whole(void **state)
{
	size_t size = 5u << 20;
	char *text = malloc(size);
	size_t top = strlen("Received: from here\r\n");
	(void)state;

	assert_non_null(text);
	/* lines of every length, many led by a dot, ends at every place of a block */
	for (size_t i = 0, line = 1; i < size; line = line % 97 + 1) {
		for (size_t k = 0; k < line && i < size - 2; k++)
			text[i++] = k == 0 && line % 3 == 0 ? '.' : (char)('a' + k % 26);
		text[i++] = '\r';
		if (i < size)
			text[i++] = '\n';
		if (i > size - 2)
			break;
	}
	memcpy(text + size - 2, "\r\n", 2);
	if (text[size - 3] == '\r')
		text[size - 3] = 'x';
	start(take_several_messages, 1);
	send_job_head(span_from(text, size), 1, false);
	send_recipients(1, 1, false);
	expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
	close(agent.channel);
	agent.channel = -1;
	end_agent();
	pthread_join(sink.thread, NULL);
	assert_string_equal(sink.wrong, "");
	assert_int_equal(sink.data_len, size + top);
	assert_memory_equal(sink.data + top, text, size);
	sink.script = NULL;
	sink_end(&sink);
	free(text);
}

/* ---- refusals ---- */

static void
refuse_some(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 4);
	sink_say(s,
		 "250 ok\r\n550 5.1.1 nobody\r\n250 ok\r\n450 4.2.0 later\r\n250 ok\r\n354 go\r\n");
	sink_data(s);
	/* the refused ones are known before this is said */
	sink_wait_go(s);
	sink_say(s, "250 2.0.0 ok\r\n");
	sink_expect(s, "QUIT");
}

static void
refused_recipients_are_told_at_once_the_others_after_the_data(void **state)
{
	(void)state;
	start(refuse_some, 0);
	send_job("A: b\r\n\r\n", 4);
	expect((struct outcome){1, FATE_FAILED, 550, "5.1.1", false, false});
	expect((struct outcome){3, FATE_DEFERRED, 450, "4.2.0", false, false});
	sem_post(&sink.go);
	expect((struct outcome){2, FATE_DELIVERED, 250, "2.0.0", false, false});
	expect((struct outcome){4, FATE_DELIVERED, 250, "2.0.0", true, false});
	end();
}

/* 0: 354 all the same; 1: DATA refused */
static void
refuse_all(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 2);
	sink_say(s, "250 ok\r\n550 5.1.1 no\r\n550 5.1.1 no\r\n");
	if (s->stage == 0) {
		sink_say(s, "354 go\r\n");
		sink_data(s);
		if (s->data_len != 0)
			sink_wrong(s, "a dot alone", s->data);
		sink_say(s, "554 5.5.1 no recipients\r\n");
		sink_expect(s, "MAIL");
	} else {
		sink_say(s, "503 5.5.1 no recipients\r\n");
		/* the transaction was left open */
		sink_expect(s, "RSET");
		sink_say(s, "250 ok\r\n");
		sink_expect(s, "MAIL");
	}
	sink_expect(s, "RCPT");
	sink_expect(s, "DATA");
	sink_say(s, "250 ok\r\n250 ok\r\n354 go\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "QUIT");
}

static void
when_all_are_refused_nothing_is_sent_and_the_next_message_passes(void **state)
{
	(void)state;
	for (int stage = 0; stage < 2; stage++) {
		start(refuse_all, stage);
		send_job("A: b\r\n\r\n", 2);
		expect((struct outcome){1, FATE_FAILED, 550, "5.1.1", false, false});
		expect((struct outcome){2, FATE_FAILED, 550, "5.1.1", true, false});
		send_job("A: b\r\n\r\n", 1);
		expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
		end();
	}
}

/* 0: DATA refused too; 1: 354 */
static void
refuse_mail(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 2);
	sink_say(s, "550 5.7.1 not from you\r\n503 no MAIL\r\n503 no MAIL\r\n");
	if (s->stage == 0) {
		sink_say(s, "503 no MAIL\r\n");
	} else {
		sink_say(s, "354 go\r\n");
		sink_data(s);
		sink_say(s, "503 nothing\r\n");
	}
	if (sink_line(s) && strcmp(s->line, "QUIT") != 0)
		sink_wrong(s, "QUIT", s->line);
}

static void
a_refused_sender_is_every_recipients_refusal(void **state)
{
	(void)state;
	for (int stage = 0; stage < 2; stage++) {
		start(refuse_mail, stage);
		send_job("A: b\r\n\r\n", 2);
		expect((struct outcome){1, FATE_FAILED, 550, "5.7.1", false, false});
		expect((struct outcome){2, FATE_FAILED, 550, "5.7.1", true, false});
		end();
	}
}

/* 0: at DATA, 1: after the dot */
static void
refuse_data(struct sink *s)
{
	sink_greet(s, s->stage < 2 ? PIPELINED : "");
	sink_expect(s, "MAIL");
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "RCPT");
	sink_say(s, "250 ok\r\n");
	sink_expect(s, "DATA");
	if (s->stage % 2 == 0) {
		sink_say(s, "451 4.3.0 not now\r\n");
	} else {
		sink_say(s, "354 go\r\n");
		sink_data(s);
		sink_say(s, "451 4.3.0 not now\r\n");
	}
	sink_expect(s, "QUIT");
}

static void
a_refusal_of_the_data_is_that_of_the_accepted(void **state)
{
	(void)state;
	for (int stage = 0; stage < 4; stage++) {
		start(refuse_data, stage);
		send_job("A: b\r\n\r\n", 1);
		expect((struct outcome){1, FATE_DEFERRED, 451, "4.3.0", true, false});
		end();
	}
}

static void
take_two_at_a_time(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 5);
	sink_say(s, "250 ok\r\n250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n452 too many\r\n552 too "
		    "many\r\n354 go\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	expect_group(s, 3);
	sink_say(s, "250 ok\r\n250 ok\r\n452 too many\r\n452 4.2.2 full\r\n354 go\r\n");
	sink_data(s);
	sink_say(s, "250 ok\r\n");
	expect_group(s, 1);
	/* the first of a transaction is not "too many" */
	sink_say(s, "250 ok\r\n452 4.3.1 no room\r\n503 nobody\r\n");
	sink_expect(s, "QUIT");
}

static void
recipients_beyond_what_the_peer_takes_go_in_the_next_transaction(void **state)
{
	(void)state;
	start(take_two_at_a_time, 0);
	send_job("A: b\r\n\r\n", 5);
	expect((struct outcome){1, FATE_DELIVERED, 250, NULL, false, false});
	expect((struct outcome){2, FATE_DELIVERED, 250, NULL, false, false});
	expect((struct outcome){5, FATE_DEFERRED, 452, "4.2.2", false, false});
	expect((struct outcome){3, FATE_DELIVERED, 250, NULL, false, false});
	expect((struct outcome){4, FATE_DEFERRED, 452, "4.3.1", true, false});
	end();
}

static void
announce_little(struct sink *s)
{
	sink_greet(s, "250-SIZE 20\r\n");
	sink_expect(s, "QUIT");
}

static void
what_is_larger_than_announced_is_not_tried(void **state)
{
	(void)state;
	start(announce_little, 0);
	send_job("A: b\r\n\r\n", 1);
	expect((struct outcome){1, FATE_FAILED, 0, "5.3.4", true, false});
	end();
}

static void
see_no_dot(struct sink *s)
{
	sink_greet(s, PIPELINED);
	expect_group(s, 1);
	sink_say(s, "250 ok\r\n250 ok\r\n354 go\r\n");
	while (sink_line(s))
		if (strcmp(s->line, ".") == 0)
			sink_wrong(s, "no dot", s->line);
}

static void
a_bare_line_end_is_never_relayed(void **state)
{
	static const char *const contents[] = {"A: b\r\n\r\nx\n.\r\n", "A: b\r\n\r\nx\r.\r\n",
					       "A: b\r\n\r\nx\r", "\n", "A\r\r\n"};
	(void)state;

	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		start(see_no_dot, 0);
		send_job(contents[i], 1);
		expect((struct outcome){1, FATE_FAILED, 0, "5.6.0", true, false});
		end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipelined_peer_gets_the_message_byte_for_byte),
		cmocka_unit_test(a_peer_that_knows_only_helo_is_asked_one_thing_at_a_time),
		cmocka_unit_test(size_and_body_are_said_where_they_are_known),
		cmocka_unit_test(recipients_come_in_parts_and_go_out_in_groups),
		cmocka_unit_test(the_connection_is_kept_for_the_next_message),
		cmocka_unit_test(a_last_line_without_end_gets_one),
		cmocka_unit_test(a_large_message_arrives_whole),
		cmocka_unit_test(refused_recipients_are_told_at_once_the_others_after_the_data),
		cmocka_unit_test(when_all_are_refused_nothing_is_sent_and_the_next_message_passes),
		cmocka_unit_test(a_refused_sender_is_every_recipients_refusal),
		cmocka_unit_test(a_refusal_of_the_data_is_that_of_the_accepted),
		cmocka_unit_test(recipients_beyond_what_the_peer_takes_go_in_the_next_transaction),
		cmocka_unit_test(what_is_larger_than_announced_is_not_tried),
		cmocka_unit_test(a_bare_line_end_is_never_relayed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
