/*
 * job - the test as queue-manager: jobs to an agent in a thread of its own, results from it
 *
 * A thread plays the next hop (sink.h).
 */
#ifndef TESTS_UNIT_DELIVERY_JOB_H
#define TESTS_UNIT_DELIVERY_JOB_H

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
	char place[128];
	char login[64]; /* "": none; else one of */
	const struct config_login *logins;
	size_t login_count;
	int channel; /* queue-manager's end */
	int agents_end;
	int status;
	char host[JOBS_HOST_MAX + 1]; /* the last one that was told to take no connection */
	const char *avoid;	      /* of the jobs to come; NULL: none */
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

static inline void *
run_agent(void *arg)
{
	struct agent_thread *a = arg;

	const struct agent_place place = {span_of(a->place), SPAN("outbound"), span_of(a->login)};

	a->status =
		agent_serve(&(struct agent_paths){NULL, NULL}, &a->config, &place, a->agents_end);
	return NULL;
}

static inline void
start_agent(const char *place)
{
	static char hostname[] = "client.test";
	int ends[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	memset(&agent.config, 0, sizeof(agent.config));
	agent.config.hostname = hostname;
	if (agent.login_count > 0)
		memcpy(agent.config.logins, agent.logins,
		       agent.login_count * sizeof(*agent.logins));
	agent.config.login_count = agent.login_count;
	snprintf(agent.place, sizeof(agent.place), "%s", place);
	agent.channel = ends[0];
	agent.agents_end = ends[1];
	assert_int_equal(pthread_create(&agent.thread, NULL, run_agent, &agent), 0);
}

static inline void
start(void (*script)(struct sink *), int stage)
{
	char place[64];

	sink_start(&sink, script, stage);
	snprintf(place, sizeof(place), "127.0.0.1:%u", sink.port);
	start_agent(place);
}

static inline void
end_agent(void)
{
	if (agent.channel >= 0)
		close(agent.channel);
	pthread_join(agent.thread, NULL);
}

static inline void
end(void)
{
	end_agent();
	sink_end(&sink);
	assert_string_equal(sink.wrong, "");
}

/* ---- queue-manager's part ---- */

static inline int
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

static inline void
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

static inline void
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
		.avoid = span_of(agent.avoid != NULL ? agent.avoid : ""),
	};

	assert_int_equal(
		wire_send(agent.channel, wire_find(jobs_orders, JOBS_JOB), 0, 7, &job, &fd),
		CHANNEL_OK);
	close(fd);
}

static inline void
send_job(const char *content, size_t recipients)
{
	send_job_head(span_of(content), recipients, false);
	send_recipients(recipients, 1, false);
}

static inline void
take_result(struct jobs_result *r)
{
	size_t len = 0;
	struct wire_header h;

	/* what was learned of the place is told before */
	do {
		len = 0;
		assert_int_equal(channel_receive_wait(agent.channel, agent.in, &len, NULL,
						      clock_monotonic_ms() + WAIT_MS),
				 CHANNEL_OK);
		assert_int_equal(wire_peek(span_from(agent.in, len), &h), 0);
		if (h.type == JOBS_HOST) {
			struct jobs_host host;

			assert_int_equal(wire_decode(span_from(agent.in, len),
						     wire_find(jobs_calls, JOBS_HOST), &host),
					 0);
			snprintf(agent.host, sizeof(agent.host), "%.*s", SPAN_ARG(host.host));
		}
	} while (h.type == JOBS_HOST || h.type == JOBS_SITE);
	assert_int_equal(h.type, JOBS_RESULT);
	assert_int_equal(h.request, 7);
	assert_int_equal(
		wire_decode(span_from(agent.in, len), wire_find(jobs_calls, JOBS_RESULT), r), 0);
}

static inline void
expect(struct outcome o)
{
	struct jobs_result r;

	take_result(&r);
	assert_int_equal(r.number, o.number);
	assert_int_equal(r.fate, o.fate);
	assert_int_equal(r.code, o.code);
	assert_int_equal(r.last, o.last);
	assert_int_equal(r.meaning == REPLY_CONNECTING || r.meaning == REPLY_BUSY ||
				 r.meaning == REPLY_BROKEN,
			 o.connection);
	if (o.status != NULL) {
		assert_int_equal(r.status.len, strlen(o.status));
		assert_memory_equal(r.status.at, o.status, r.status.len);
	}
}

/* ---- parts of the next hop's scripts ---- */

#define PIPELINED "250-PIPELINING\r\n250-SIZE 40000000\r\n250-8BITMIME\r\n"

static inline void
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

static inline void
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

#endif
