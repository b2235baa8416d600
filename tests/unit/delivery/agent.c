/*
 * agent - jobs in at one end, SMTP out at the other, a result for each recipient
 *
 * The test plays queue-manager; a thread plays the next hop (sink.h); the agent runs in a thread of its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "common/protocol/jobs.h"
#include "common/system/clock.h"
#include "delivery/agent.h"
#include "tests/unit/delivery/sink.h"

#define WAIT_MS 15000

struct agent_thread {
	pthread_t thread;
	struct config config;
	struct hosts_list hosts;
	int channel; /* queue-manager's end */
	int agents_end;
	int status;
	char in[CHANNEL_MAX];
};

/* spelled as a test wants it */
struct outcome {
	uint64_t number;
	enum fate fate;
	unsigned code;
	const char *status;
	bool last;
	bool connection;
};

static struct sink sink;
static struct agent_thread agent;

static void *
run_agent(void *arg)
{
	struct agent_thread *a = arg;

	a->status = agent_serve(&a->config, &a->hosts, a->agents_end);
	return NULL;
}

static void
start_agent(const char *place)
{
	static char hostname[] = "client.test";
	struct verdict why;
	int ends[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	memset(&agent.config, 0, sizeof(agent.config));
	agent.config.hostname = hostname;
	assert_int_equal(hosts_find(span_of(place), &agent.hosts, &why), 0);
	agent.channel = ends[0];
	agent.agents_end = ends[1];
	assert_int_equal(pthread_create(&agent.thread, NULL, run_agent, &agent), 0);
}

static void
start(void (*script)(struct sink *), int stage)
{
	char place[64];

	sink_start(&sink, script, stage);
	snprintf(place, sizeof(place), "127.0.0.1:%u", sink.port);
	start_agent(place);
}

static void
end_agent(void)
{
	if (agent.channel >= 0)
		close(agent.channel);
	pthread_join(agent.thread, NULL);
}

static void
end(void)
{
	end_agent();
	sink_end(&sink);
	assert_string_equal(sink.wrong, "");
}

/* ---- queue-manager's part ---- */

static int
file_of(struct span content)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "(header line)", 13), 13);
	for (size_t have = 0; have < content.len;) {
		ssize_t n = write(fd, content.at + have, content.len - have);

		assert_true(n > 0);
		have += (size_t)n;
	}
	return fd;
}

static void
send_recipients(size_t count, size_t from, bool more)
{
	static struct wire list;
	struct jobs_recipients m;

	wire_list_start(&list);
	for (size_t i = from; i < from + count; i++) {
		char address[64];
		struct jobs_recipient r = {.number = i, .original = SPAN_NONE};

		snprintf(address, sizeof(address), "r%zu@example.org", i);
		r.address = span_of(address);
		assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &jobs_recipient_shape, &r),
				 0);
	}
	m.recipients = wire_list_get(&list);
	assert_int_equal(wire_send(agent.channel, wire_find(jobs_orders, JOBS_RECIPIENTS),
				   more ? WIRE_MORE : 0, 7, &m, NULL),
			 CHANNEL_OK);
}

static void
send_job_head(struct span content, size_t recipients, bool eight_bit)
{
	int fd = file_of(content);
	struct jobs_job job = {
		.id = 0x5A1B2C3D4E5F6,
		.content_at = 13,
		.content_length = content.len,
		.arrived_us = 1,
		.eight_bit = eight_bit,
		.sender = SPAN("sender@example.com"),
		.top = SPAN("Received: from here\r\n"),
		.recipients = recipients,
	};

	assert_int_equal(
		wire_send(agent.channel, wire_find(jobs_orders, JOBS_JOB), 0, 7, &job, &fd),
		CHANNEL_OK);
	close(fd);
}

static void
send_job(const char *content, size_t recipients)
{
	send_job_head(span_of(content), recipients, false);
	send_recipients(recipients, 1, false);
}

static void
take_result(struct jobs_result *r)
{
	size_t len = 0;
	struct wire_header h;

	assert_int_equal(channel_receive_wait(agent.channel, agent.in, &len, NULL,
					      clock_monotonic_ms() + WAIT_MS),
			 CHANNEL_OK);
	assert_int_equal(wire_peek(span_from(agent.in, len), &h), 0);
	assert_int_equal(h.type, JOBS_RESULT);
	assert_int_equal(h.request, 7);
	assert_int_equal(
		wire_decode(span_from(agent.in, len), wire_find(jobs_calls, JOBS_RESULT), r), 0);
}

static void
expect(struct outcome o)
{
	struct jobs_result r;

	take_result(&r);
	assert_int_equal(r.number, o.number);
	assert_int_equal(r.fate, o.fate);
	assert_int_equal(r.code, o.code);
	assert_int_equal(r.last, o.last);
	assert_int_equal(r.connection, o.connection);
	if (o.status != NULL) {
		assert_int_equal(r.status.len, strlen(o.status));
		assert_memory_equal(r.status.at, o.status, r.status.len);
	}
}

/* the agent ends without another word */
static void
expect_agent_ends(void)
{
	size_t len;

	assert_int_equal(channel_receive_wait(agent.channel, agent.in, &len, NULL,
					      clock_monotonic_ms() + WAIT_MS),
			 CHANNEL_CLOSED);
}

/* ---- what goes well ---- */

#define PIPELINED "250-PIPELINING\r\n250-SIZE 40000000\r\n250-8BITMIME\r\n"

static void
expect_group(struct sink *s, size_t recipients)
{
	sink_expect(s, "MAIL FROM:<sender@example.com>");
	/* all of it came in one write: the rest is here already */
	if (!sink_has_more(s, 0))
		sink_wrong(s, "a pipelined group", "a single command");
	for (size_t i = 0; i < recipients; i++)
		sink_expect(s, "RCPT TO:<r");
	sink_expect(s, "DATA");
	if (sink_has_more(s, 0))
		sink_wrong(s, "a wait for 354", s->in);
}

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
take_several_messages(struct sink *s)
{
	sink_greet(s, PIPELINED);
	for (int i = 0; i < s->stage; i++) {
		expect_group(s, 1);
		sink_say(s, "250 ok\r\n250 ok\r\n354 ok\r\n");
		sink_data(s);
		sink_say(s, "250 ok\r\n");
	}
	sink_expect(s, "QUIT");
	sink_say(s, "221 bye\r\n");
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
	assert_true(r.last == 1 && r.connection == 0);
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
	assert_int_equal(r.connection, 1);
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
	static const struct span bad[] = {SPAN("a\r\nDATA@x.test"), SPAN("\xc3\xa4@x.test"),
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
		cmocka_unit_test(a_kept_connection_that_died_is_made_anew),
		cmocka_unit_test(a_peer_that_hangs_up_at_any_stage_defers),
		cmocka_unit_test(a_421_is_the_places_trouble_and_not_the_recipients),
		cmocka_unit_test(a_reason_given_in_the_middle_of_the_data_is_read),
		cmocka_unit_test(a_peer_that_talks_nonsense_defers),
		cmocka_unit_test(a_host_that_does_not_answer_is_passed_over),
		cmocka_unit_test(nobody_there_defers_with_a_reason),
		cmocka_unit_test(nothing_is_delivered_that_nobody_would_remember),
		cmocka_unit_test(an_order_that_is_none_ends_the_agent),
		cmocka_unit_test(addresses_that_cannot_be_said_are_refused_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
