/*
 * agent - a job in, a notice by the intake, one result; the test plays queue-manager at both sockets
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bounce/agent.h"
#include "common/mail/reply.h"
#include "common/protocol/intake.h"
#include "common/protocol/jobs.h"
#include "common/system/clock.h"
#include "common/text/checksum.h"

#define WAIT_MS 10000
#define CONTENT_MAX 65536

static struct {
	pthread_t thread;
	struct config config;
	char directory[64];
	char path[100];
	int listener;
	int channel; /* queue-manager's end of the job */
	int agents_end;
	int intake;	 /* queue-manager's end of the intake */
	int file;	 /* the notice's */
	uint64_t demand; /* of the job, and so of the notice */
	char in[CHANNEL_MAX];
	char content[CONTENT_MAX];
} t;

static void *
run_agent(void *arg)
{
	(void)arg;
	agent_serve(&t.config, t.path, t.agents_end);
	return NULL;
}

static void
start(bool with_intake)
{
	static char hostname[] = "mail.example.org";
	static char origin[] = "example.org";
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int ends[2];

	t.config.hostname = hostname;
	t.config.origin = origin;
	t.intake = t.file = -1;
	strcpy(t.directory, "/tmp/culver-bounce-XXXXXX");
	assert_non_null(mkdtemp(t.directory));
	snprintf(t.path, sizeof(t.path), "%s/intake", t.directory);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", t.path);
	t.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(t.listener >= 0);
	if (with_intake) {
		assert_int_equal(bind(t.listener, (struct sockaddr *)&a, sizeof(a)), 0);
		assert_int_equal(listen(t.listener, 4), 0);
	}
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	t.channel = ends[0];
	t.agents_end = ends[1];
	assert_int_equal(pthread_create(&t.thread, NULL, run_agent, NULL), 0);
}

static void
end(void)
{
	close(t.channel);
	if (t.intake >= 0)
		close(t.intake);
	if (t.file >= 0)
		close(t.file);
	pthread_join(t.thread, NULL);
	close(t.listener);
	unlink(t.path);
	rmdir(t.directory);
}

/* ---- the job ---- */

static void
send_failures(const char *address, size_t count, bool more)
{
	static struct wire list;
	struct jobs_failures m;

	wire_list_start(&list);
	for (size_t i = 0; i < count; i++) {
		struct jobs_failure f = {
			.number = i + 1,
			.address = span_of(address),
			.original = SPAN_NONE,
			.status = SPAN("5.1.1"),
			.reply = SPAN("no such user"),
			.code = 550,
			.host = SPAN("mx.example.net[192.0.2.1]:25"),
			.at_us = 1,
		};

		assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &jobs_failure_shape, &f), 0);
	}
	m.failures = wire_list_get(&list);
	assert_int_equal(wire_send(t.channel, wire_find(jobs_orders, JOBS_FAILURES),
				   more ? WIRE_MORE : 0, 3, &m, NULL),
			 CHANNEL_OK);
}

static void
send_job(const char *sender, const char *content, size_t failures)
{
	int fd = memfd_create("failed", MFD_CLOEXEC);
	struct jobs_job job = {
		.id = 0x5A1B2C3D4E5F6,
		.content_at = 4,
		.content_length = strlen(content),
		.arrived_us = 1764000000000000,
		.tls_demand = t.demand,
		.sender = span_of(sender),
		.top = SPAN("Received: from here\r\n"),
		.recipients = failures,
	};

	assert_true(fd >= 0);
	dprintf(fd, "head%s", content);
	assert_int_equal(wire_send(t.channel, wire_find(jobs_orders, JOBS_JOB), 0, 3, &job, &fd),
			 CHANNEL_OK);
	close(fd);
}

static void
expect_result(enum fate fate, const char *host)
{
	struct jobs_result r;
	struct wire_header h;
	size_t len = 0;

	assert_int_equal(
		channel_receive_wait(t.channel, t.in, &len, NULL, clock_monotonic_ms() + WAIT_MS),
		CHANNEL_OK);
	assert_int_equal(wire_peek(span_from(t.in, len), &h), 0);
	assert_int_equal(h.request, 3);
	assert_int_equal(wire_decode(span_from(t.in, len), wire_find(jobs_calls, JOBS_RESULT), &r),
			 0);
	assert_int_equal(r.number, 0);
	assert_int_equal(r.last, 1);
	assert_int_equal(r.fate, fate);
	assert_int_equal(r.host.len, strlen(host));
	assert_memory_equal(r.host.at, host, r.host.len);
}

static void
expect_nothing_yet(void)
{
	size_t len;

	assert_int_equal(channel_receive(t.channel, t.in, &len, NULL), CHANNEL_AGAIN);
}

/* ---- the intake ---- */

static uint32_t
expect_call(enum intake_type type, void *message)
{
	static struct span left; /* of a datagram with several */
	struct span one;
	struct wire_header h;
	size_t len = 0;

	if (left.len == 0) {
		assert_int_equal(channel_receive_wait(t.intake, t.in, &len, NULL,
						      clock_monotonic_ms() + WAIT_MS),
				 CHANNEL_OK);
		left = span_from(t.in, len);
	}
	assert_int_equal(wire_cut(&left, &one), 0);
	assert_int_equal(wire_peek(one, &h), 0);
	assert_int_equal(h.type, type);
	assert_int_equal(wire_decode(one, wire_find(intake_calls, (uint16_t)type), message), 0);
	return h.request;
}

static void
answer(enum intake_type type, uint32_t request, const void *message, const int *fds)
{
	assert_int_equal(wire_send(t.intake, wire_find(intake_answers, (uint16_t)type), 0, request,
				   message, fds),
			 CHANNEL_OK);
}

static void
accept_intake(void)
{
	struct pollfd p = {t.listener, POLLIN, 0};
	struct channel_peer peer;

	if (t.intake >= 0)
		return; /* the one before is used again */
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	t.intake = channel_accept(t.listener, &peer);
	assert_true(t.intake >= 0);
}

static void
give_file(void)
{
	struct intake_open open_message;
	struct intake_file m = {.id = 0x5A1B2C3D4E600};
	uint32_t request = expect_call(INTAKE_OPEN, &open_message);
	int fds[2];

	t.file = memfd_create("notice", MFD_CLOEXEC);
	fds[0] = fds[1] = t.file;
	answer(INTAKE_FILE, request, &m, fds);
}

/* the notice comes in and is queued, and its text stands in t.content */
static void
take_notice(const char *to, const char *protocol, bool keep)
{
	struct intake_envelope e;
	struct intake_recipients recipients;
	struct intake_recipient r;
	struct intake_commit c;
	uint32_t request;
	ssize_t n;

	expect_call(INTAKE_ENVELOPE, &e);
	assert_int_equal(e.origin, INTAKE_NOTICE);
	assert_int_equal(e.sender.len, 0);
	assert_int_equal(e.tls_demand, t.demand);
	assert_int_equal(e.protocol.len, strlen(protocol));
	assert_memory_equal(e.protocol.at, protocol, e.protocol.len);
	n = pread(t.file, t.content, sizeof(t.content) - 1, 0);
	assert_int_equal(n, e.length);
	t.content[n] = '\0';
	assert_true(e.checksum == checksum_of(t.content, (size_t)n));
	expect_call(INTAKE_RECIPIENTS, &recipients);
	assert_int_equal(recipients.recipients.count, 1);
	assert_true(wire_list_next(&recipients.recipients, &intake_recipient_shape, &r));
	assert_int_equal(r.address.len, strlen(to));
	assert_memory_equal(r.address.at, to, r.address.len);
	request = expect_call(INTAKE_COMMIT, &c);
	assert_int_equal(c.count, 1);
	expect_nothing_yet();
	answer(INTAKE_QUEUED, request, &(struct intake_queued){0}, NULL);
	if (keep)
		expect_call(INTAKE_KEEP, &(struct intake_keep){0});
}

static void
a_notice_is_kept_before_it_is_reported(void **state)
{
	(void)state;
	start(true);
	for (int i = 0; i < 2; i++) {
		/* the second by the same connection */
		send_job("a@example.com", "Subject: hello\r\n\r\ntext\r\n", 3);
		send_failures("nobody@example.net", 2, true);
		send_failures("other@example.net", 1, false);
		accept_intake();
		give_file();
		take_notice("a@example.com", "NOTICE", true);
		expect_result(FATE_DELIVERED, "5A1B2C3D4E600");
		assert_non_null(
			strstr(t.content, "Final-Recipient: rfc822; other@example.net\r\n"));
		assert_non_null(
			strstr(t.content,
			       "\r\n\r\nReceived: from here\r\nSubject: hello\r\n\r\ntext\r\n"));
		close(t.file);
		t.file = -1;
	}
	end();
}

static void
what_demands_tls_comes_back_with_the_same_demand_and_without_its_text(void **state)
{
	(void)state;
	for (t.demand = 0; t.demand <= INTAKE_TLS_WAIVED; t.demand++) {
		start(true);
		send_job("a@example.com", "Subject: hello\r\n\r\nsecret\r\n", 1);
		send_failures("nobody@example.net", 1, false);
		accept_intake();
		give_file();
		take_notice("a@example.com", "NOTICE", true);
		expect_result(FATE_DELIVERED, "5A1B2C3D4E600");
		assert_int_equal(strstr(t.content, "secret") == NULL,
				 t.demand == INTAKE_TLS_REQUIRED);
		assert_int_equal(strstr(t.content, "\r\nTLS-Required: No\r\n") != NULL,
				 t.demand == INTAKE_TLS_WAIVED);
		end();
	}
	t.demand = INTAKE_TLS_BY_POLICY;
}

static void
a_message_without_sender_goes_to_the_postmaster(void **state)
{
	(void)state;
	start(true);
	send_job("", "Subject: a notice\r\n\r\n", 1);
	send_failures("nobody@example.net", 1, false);
	accept_intake();
	give_file();
	take_notice("postmaster@example.org", "DOUBLE-BOUNCE", true);
	expect_result(FATE_DELIVERED, "5A1B2C3D4E600");
	assert_non_null(strstr(t.content, "X-Culver-Notice: double\r\n"));
	end();
}

static void
nobody_is_told_about_a_double_bounce(void **state)
{
	(void)state;
	start(true);
	send_job("", "Subject: a notice\r\nX-Culver-Notice: double\r\n\r\n", 1);
	send_failures("admin@example.net", 1, false);
	expect_result(FATE_DELIVERED, "");
	send_job("", "Subject: a notice\r\n\r\n", 1);
	send_failures("Postmaster@example.org", 1, false);
	expect_result(FATE_DELIVERED, "");
	end();
}

static void
a_notice_that_is_not_taken_is_deferred(void **state)
{
	struct intake_refused refused = {
		.code = 452, .status = SPAN("4.3.1"), .text = SPAN("the disk is full")};
	struct intake_open m;
	(void)state;

	start(true);
	send_job("a@example.com", "Subject: hello\r\n\r\n", 1);
	send_failures("nobody@example.net", 1, false);
	accept_intake();
	answer(INTAKE_REFUSED, expect_call(INTAKE_OPEN, &m), &refused, NULL);
	expect_result(FATE_DEFERRED, "");
	/* the connection is good for the next one */
	send_job("a@example.com", "Subject: hello\r\n\r\n", 1);
	send_failures("nobody@example.net", 1, false);
	give_file();
	take_notice("a@example.com", "NOTICE", true);
	expect_result(FATE_DELIVERED, "5A1B2C3D4E600");
	end();
}

static void
no_intake_defers(void **state)
{
	(void)state;
	start(false);
	send_job("a@example.com", "Subject: hello\r\n\r\n", 1);
	send_failures("nobody@example.net", 1, false);
	expect_result(FATE_DEFERRED, "");
	end();
}

static void
an_intake_that_goes_away_or_is_wrong_defers_and_is_asked_anew(void **state)
{
	struct intake_file file = {.id = 1};
	struct intake_open m;
	int fds[2];
	(void)state;

	start(true);
	for (int i = 0; i < 4; i++) {
		send_job("a@example.com", "Subject: hello\r\n\r\n", 1);
		send_failures("nobody@example.net", 1, false);
		accept_intake();
		if (i == 0) { /* before the file */
			expect_call(INTAKE_OPEN, &m);
		} else if (i == 1) { /* QUEUED before anything */
			int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

			answer(INTAKE_QUEUED, expect_call(INTAKE_OPEN, &m),
			       &(struct intake_queued){0}, &null);
			close(null);
		} else if (i == 2) { /* an answer to another question */
			fds[0] = fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
			answer(INTAKE_FILE, expect_call(INTAKE_OPEN, &m) + 1, &file, fds);
			close(fds[0]);
		} else { /* a file that cannot be written: the agent gives it up */
			fds[0] = fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
			answer(INTAKE_FILE, expect_call(INTAKE_OPEN, &m), &file, fds);
			close(fds[0]);
			expect_call(INTAKE_ABANDON, NULL);
		}
		if (i == 0) {
			close(t.intake);
			t.intake = -1;
		}
		expect_result(FATE_DEFERRED, "");
		if (i > 0 && i < 3) {
			close(t.intake);
			t.intake = -1;
		}
	}
	end();
}

static void
a_notice_with_queued_but_without_keep_counts(void **state)
{
	(void)state;
	start(true);
	send_job("a@example.com", "Subject: hello\r\n\r\n", 1);
	send_failures("nobody@example.net", 1, false);
	accept_intake();
	give_file();
	take_notice("a@example.com", "NOTICE", false);
	close(t.intake);
	t.intake = -1;
	expect_result(FATE_DELIVERED, "5A1B2C3D4E600");
	end();
}

static void
an_order_that_is_none_ends_the_agent(void **state)
{
	size_t len;
	(void)state;

	for (int i = 0; i < 4; i++) {
		start(true);
		switch (i) {
		case 0:
			assert_int_equal(channel_send(t.channel, SPAN("nonsense"), NULL, 0),
					 CHANNEL_OK);
			break;
		case 1:
			send_failures("a@b", 1, false);
			break;
		case 2:
			send_job("a@example.com", "A: b\r\n\r\n", 1);
			send_failures("a@b", 2, false);
			break;
		case 3:
			send_job("a@example.com", "A: b\r\n\r\n", 2);
			send_failures("a@b", 1, false);
			break;
		}
		assert_int_equal(channel_receive_wait(t.channel, t.in, &len, NULL,
						      clock_monotonic_ms() + WAIT_MS),
				 CHANNEL_CLOSED);
		end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_notice_is_kept_before_it_is_reported),
		cmocka_unit_test(
			what_demands_tls_comes_back_with_the_same_demand_and_without_its_text),
		cmocka_unit_test(a_message_without_sender_goes_to_the_postmaster),
		cmocka_unit_test(nobody_is_told_about_a_double_bounce),
		cmocka_unit_test(a_notice_that_is_not_taken_is_deferred),
		cmocka_unit_test(no_intake_defers),
		cmocka_unit_test(an_intake_that_goes_away_or_is_wrong_defers_and_is_asked_anew),
		cmocka_unit_test(a_notice_with_queued_but_without_keep_counts),
		cmocka_unit_test(an_order_that_is_none_ends_the_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
