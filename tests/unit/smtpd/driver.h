/*
 * driver - an intake and a lookup of the test's own, and a session that talks to them
 *
 * Included by tests/unit/smtpd/session.c and tests/fuzz/smtpd/session.c.  The two servers are processes that listen below a fresh folder and
 * behave as the test says; what the intake was told comes back as lines through a pipe, so that a test waits for what must happen:
 * `OPEN 0`, `ENVELOPE from=a@b helo=c size=3 ok`, `TO d@e`, `COMMIT 1 early`, `KEEP`, `ABANDON`, `ANSWERED`, `GONE`.
 */
#ifndef TESTS_UNIT_SMTPD_DRIVER_H
#define TESTS_UNIT_SMTPD_DRIVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol/intake.h"
#include "common/protocol/lookup.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/text/checksum.h"
#include "smtpd/session.h"

#define DRIVER_WAIT_MS 20000

/* what a server does wrong */
enum fault {
	FAULT_NONE,
	FAULT_REFUSES_OPEN, /* 452 */
	FAULT_CLOSES_AT_OPEN_ONCE,
	FAULT_CLOSES_AT_OPEN,
	FAULT_GARBAGE,		/* an answer that is none */
	FAULT_FULL_FILE,	/* a writer that has no room */
	FAULT_CLOSES_AT_COMMIT, /* no QUEUED */
	FAULT_REFUSES_COMMIT,	/* 452 */
	FAULT_NO_SYNC,		/* QUEUED with a descriptor that cannot be synced */
	FAULT_CLOSES_AFTER_QUEUED,
	/* no faults: QUEUED names a time to wait, with a descriptor that cannot be synced where it need not be, then FINISHED */
	EARLY_DELIVERED,
	EARLY_REFUSED,
	EARLY_REFUSED_WITHOUT_CODE,
	EARLY_NOT,
	EARLY_TOO_LATE, /* it crosses KEEP */
	EARLY_CLOSES,	/* in place of FINISHED */
	FAULT_LOOKUP_CLOSES_ONCE,
	FAULT_LOOKUP_CLOSES,
};

struct driver {
	char folder[64];
	char intake_path[100], lookup_path[100];
	struct config config;
	struct config_listen listen;
	struct config_network relay_from;
	pid_t intake, lookup, session;
	int client; /* our end of the connection */
	int told;   /* the intake's lines */
	char text[65536];
};

static int
driver_listener(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, 64) != 0)
		abort();
	return fd;
}

static void
driver_answer(int fd, const struct wire_shape *shapes, uint16_t type, uint32_t request,
	      const void *m, const int *fds)
{
	/* a peer that is gone already hears nothing */
	enum channel_outcome outcome = wire_send_wait(fd, wire_find(shapes, type), 0, request, m,
						      fds, clock_monotonic_ms() + DRIVER_WAIT_MS);
	(void)outcome;
}

/* ---- intake ---- */

struct driver_intake {
	enum fault fault;
	int told; /* -1: nobody listens */
	int file;
	uint64_t id;
	bool did_fail;
};

__attribute__((format(printf, 2, 3))) static void
driver_tell(const struct driver_intake *in, const char *format, ...)
{
	va_list arguments;

	if (in->told < 0)
		return;
	va_start(arguments, format);
	vdprintf(in->told, format, arguments);
	va_end(arguments);
}

static void
driver_file(struct driver_intake *in, int fd, uint32_t request)
{
	struct intake_refused full = {
		.code = 452, .status = SPAN("4.3.1"), .text = SPAN("the disk is full")};
	struct intake_file file = {.id = ++in->id};
	char path[40];
	int fds[2], pipes[2] = {-1, -1};

	if (in->fault == FAULT_REFUSES_OPEN) {
		driver_answer(fd, intake_answers, INTAKE_REFUSED, request, &full, NULL);
		return;
	}
	if (in->fault == FAULT_GARBAGE) {
		driver_answer(fd, intake_answers, INTAKE_REFUSED, request + 7, &full, NULL);
		return;
	}
	if (in->file >= 0)
		close(in->file);
	in->file = memfd_create("message", MFD_CLOEXEC);
	if (pwrite(in->file, "culver-message 1 0000000000000000000000\n", INTAKE_CONTENT_AT, 0) !=
	    INTAKE_CONTENT_AT)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in->file);
	fds[0] = open(in->fault == FAULT_FULL_FILE ? "/dev/full" : path, O_WRONLY | O_CLOEXEC);
	lseek(fds[0], INTAKE_CONTENT_AT, SEEK_SET);
	/* a pipe cannot be synced */
	bool no_sync = in->fault == FAULT_NO_SYNC || in->fault == EARLY_DELIVERED ||
		       in->fault == EARLY_REFUSED;
	if (no_sync && pipe2(pipes, O_CLOEXEC) != 0)
		abort();
	fds[1] = no_sync ? pipes[0] : open(path, O_RDONLY | O_CLOEXEC);
	driver_answer(fd, intake_answers, INTAKE_FILE, request, &file, fds);
	close(fds[0]);
	close(fds[1]);
	if (no_sync)
		close(pipes[1]);
}

static bool
driver_envelope(const struct driver_intake *in, struct span datagram)
{
	struct intake_envelope e;
	struct stat st;

	if (wire_decode(datagram, wire_find(intake_calls, INTAKE_ENVELOPE), &e) == -1 ||
	    fstat(in->file, &st) != 0)
		return false;
	uint64_t length = (uint64_t)st.st_size - INTAKE_CONTENT_AT;
	char *content = malloc(length + 1);
	bool right = pread(in->file, content, length, INTAKE_CONTENT_AT) == (ssize_t)length &&
		     length == e.length && checksum_of(content, length) == e.checksum &&
		     span_starts(e.top, SPAN("Received: from ")) && span_ends(e.top, SPAN("\r\n"));
	free(content);
	driver_tell(in, "ENVELOPE from=%.*s helo=%.*s with=%.*s client=%.*s high=%d size=%" PRIu64,
		    SPAN_ARG(e.sender), SPAN_ARG(e.helo), SPAN_ARG(e.protocol), SPAN_ARG(e.client),
		    (int)e.eight_bit, e.length);
	if (e.utf8 != 0)
		driver_tell(in, " utf8");
	if (e.tls_demand != 0)
		driver_tell(in, " demand=%" PRIu64, e.tls_demand);
	if (e.ret != 0)
		driver_tell(in, " ret=%" PRIu64, e.ret);
	if (e.envid.len > 0)
		driver_tell(in, " envid=%.*s", SPAN_ARG(e.envid));
	driver_tell(in, " %s\n", right ? "ok" : "wrong");
	return true;
}

static void
driver_recipient(const struct driver_intake *in, const struct intake_recipient *r)
{
	driver_tell(in, "TO %.*s", SPAN_ARG(r->address));
	if (r->notify != 0)
		driver_tell(in, " notify=%" PRIu64, r->notify);
	if (r->orcpt.len > 0)
		driver_tell(in, " orcpt=%.*s", SPAN_ARG(r->orcpt));
	driver_tell(in, "\n");
}

static void
driver_finished(int fd, uint32_t request, enum intake_finish finish, uint64_t code)
{
	bool is_refused = finish == INTAKE_FINISH_REFUSED;
	const struct intake_finished f = {
		.finish = finish,
		.code = is_refused ? code : 0,
		.status = is_refused ? SPAN("5.7.1") : SPAN_NONE,
		.text = is_refused ? SPAN("not liked there") : SPAN_NONE,
	};

	driver_answer(fd, intake_answers, INTAKE_FINISHED, request, &f, NULL);
}

static void
driver_queued(const struct driver_intake *in, int fd, uint32_t request)
{
	struct intake_refused full = {
		.code = 452, .status = SPAN("4.3.1"), .text = SPAN("the disk is full")};

	if (in->fault == FAULT_REFUSES_COMMIT) {
		driver_answer(fd, intake_answers, INTAKE_REFUSED, request, &full, NULL);
		return;
	}
	bool is_early = in->fault >= EARLY_DELIVERED && in->fault <= EARLY_CLOSES;
	const struct intake_queued queued = {!is_early			   ? 0
					     : in->fault == EARLY_TOO_LATE ? 1
									   : DRIVER_WAIT_MS};
	driver_answer(fd, intake_answers, INTAKE_QUEUED, request, &queued, NULL);
	if (in->fault == EARLY_DELIVERED)
		driver_finished(fd, request, INTAKE_FINISH_DELIVERED, 0);
	if (in->fault == EARLY_REFUSED)
		driver_finished(fd, request, INTAKE_FINISH_REFUSED, 554);
	if (in->fault == EARLY_REFUSED_WITHOUT_CODE)
		driver_finished(fd, request, INTAKE_FINISH_REFUSED, 0);
	if (in->fault == EARLY_NOT)
		driver_finished(fd, request, INTAKE_FINISH_NOT, 0);
}

/* one message; false: the connection is over */
static bool
driver_take_one(struct driver_intake *in, int fd, struct span datagram)
{
	struct wire_header h;
	struct intake_open open_;
	struct intake_recipients list;
	struct intake_recipient r;
	struct intake_commit commit;

	if (wire_peek(datagram, &h) == -1)
		return false;
	switch (h.type) {
	case INTAKE_OPEN:
		if (wire_decode(datagram, wire_find(intake_calls, INTAKE_OPEN), &open_) == -1)
			return false;
		driver_tell(in, "OPEN %" PRIu64 "\n", open_.size);
		if (in->fault == FAULT_CLOSES_AT_OPEN ||
		    (in->fault == FAULT_CLOSES_AT_OPEN_ONCE && !in->did_fail)) {
			in->did_fail = true;
			return false;
		}
		driver_file(in, fd, h.request);
		return true;
	case INTAKE_ENVELOPE:
		return driver_envelope(in, datagram);
	case INTAKE_RECIPIENTS:
		if (wire_decode(datagram, wire_find(intake_calls, INTAKE_RECIPIENTS), &list) == -1)
			return false;
		while (wire_list_next(&list.recipients, &intake_recipient_shape, &r))
			driver_recipient(in, &r);
		return true;
	case INTAKE_COMMIT:
		if (wire_decode(datagram, wire_find(intake_calls, INTAKE_COMMIT), &commit) == -1)
			return false;
		driver_tell(in, "COMMIT %" PRIu64 "%s\n", commit.count,
			    commit.early != 0 ? " early" : "");
		if (in->fault == FAULT_CLOSES_AT_COMMIT)
			return false;
		driver_queued(in, fd, h.request);
		return in->fault != FAULT_CLOSES_AFTER_QUEUED && in->fault != EARLY_CLOSES;
	case INTAKE_KEEP:
		driver_tell(in, "KEEP\n");
		if (in->fault == EARLY_TOO_LATE)
			driver_finished(fd, h.request, INTAKE_FINISH_REFUSED, 554);
		return true;
	case INTAKE_ANSWERED:
		driver_tell(in, "ANSWERED\n");
		return true;
	case INTAKE_ABANDON:
		driver_tell(in, "ABANDON\n");
		return true;
	}
	return false;
}

/* one datagram */
static bool
driver_take(struct driver_intake *in, int fd)
{
	static char room[CHANNEL_MAX];
	size_t len;

	if (channel_receive_wait(fd, room, &len, NULL, INT64_MAX) != CHANNEL_OK)
		return false;
	for (struct span left = span_from(room, len), one; left.len > 0;)
		if (wire_cut(&left, &one) == -1 || !driver_take_one(in, fd, one))
			return false;
	return true;
}

/* ---- lookup ---- */

static void
driver_judge(struct span address, struct lookup_verdict *v)
{
	struct span local = address_local_of(address);

	if (!span_ends(address, SPAN("@example.org")) &&
	    !span_ends(address, SPAN("@mx.example.org"))) {
		v->class = LOOKUP_RELAY;
	} else if (span_starts(local, SPAN("nobody"))) {
		*v = (struct lookup_verdict){v->number, LOOKUP_REFUSED, 550, SPAN("5.1.1"),
					     SPAN("no such user")};
	} else if (span_starts(local, SPAN("trouble"))) {
		*v = (struct lookup_verdict){v->number, LOOKUP_TROUBLE, 451, SPAN("4.3.0"),
					     SPAN("a table is broken")};
	} else {
		v->class = LOOKUP_LOCAL;
	}
}

static bool
driver_look_up(int fd)
{
	static char room[CHANNEL_MAX];
	static struct wire answers;
	struct lookup_questions m;
	struct lookup_question q;
	struct wire_header h;
	size_t len;

	if (channel_receive_wait(fd, room, &len, NULL, INT64_MAX) != CHANNEL_OK)
		return false;
	struct span datagram = span_from(room, len);
	if (wire_peek(datagram, &h) == -1 ||
	    wire_decode(datagram, wire_find(lookup_calls, LOOKUP_RECIPIENTS), &m) == -1)
		return false;
	wire_list_start(&answers);
	while (wire_list_next(&m.questions, &lookup_question_shape, &q)) {
		struct lookup_verdict v = {
			.number = q.number, .status = SPAN_NONE, .text = SPAN_NONE};
		driver_judge(q.address, &v);
		if (wire_list_add(&answers, WIRE_LIST_ROOM, &lookup_verdict_shape, &v) == -1)
			return false;
	}
	struct lookup_verdicts all = {.verdicts = wire_list_get(&answers)};
	driver_answer(fd, lookup_answers, LOOKUP_VERDICTS, h.request, &all, NULL);
	return true;
}

/* ---- start and stop ---- */

_Noreturn static void
driver_serve(int listener, enum fault fault, int told, bool is_intake)
{
	struct driver_intake in = {.fault = fault, .told = told, .file = -1, .id = 0x5000000000000};
	bool did_fail = false;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			abort();
		if (is_intake) {
			while (driver_take(&in, fd))
				continue;
			driver_tell(&in, "GONE\n");
		} else if (fault == FAULT_LOOKUP_CLOSES ||
			   (fault == FAULT_LOOKUP_CLOSES_ONCE && !did_fail)) {
			did_fail = true;
		} else {
			while (driver_look_up(fd))
				continue;
		}
		close(fd);
	}
}

static pid_t
driver_fork(const char *path, enum fault fault, int told, bool is_intake)
{
	int listener = driver_listener(path);
	pid_t pid = fork();

	if (pid < 0)
		abort();
	if (pid == 0)
		driver_serve(listener, fault, told, is_intake);
	close(listener);
	return pid;
}

static void
driver_configure(struct driver *d)
{
	static char hostname[] = "mx.example.org";
	static struct config_domain ours;
	/* lookup is asked about them */
	static struct config_name names[] = {{.name = {"example.org", 11}},
					     {.name = {"mx.example.org", 14}}};

	d->relay_from = (struct config_network){.family = AF_INET, .address = {127}, .bits = 8};
	d->config = (struct config){
		.hostname = hostname,
		.domains = &ours,
		.domain_count = 1,
		.names = names,
		.name_count = 2,
		.relay_from = &d->relay_from,
		.relay_from_count = 1,
		.listens = &d->listen,
		.listen_count = 1,
	};
	d->listen.limits = (struct config_limits){
		.message_size = 1 << 20,
		.recipients = 10000,
		.commands = 100000,
		.errors = 1000,
		.command_time = 10000,
		.message_time = 10000,
		.session_time = 100000,
		.hops = 5,
		.line = 2000,
	};
}

/* the two servers; `is_heard`: the intake's lines are read by the test */
static void
driver_start(struct driver *d, enum fault fault, bool is_heard)
{
	int pipes[2] = {-1, -1};

	*d = (struct driver){.client = -1, .told = -1};
	driver_configure(d);
	snprintf(d->folder, sizeof(d->folder), "/tmp/culver-smtpd-XXXXXX");
	if (mkdtemp(d->folder) == NULL || (is_heard && pipe2(pipes, O_CLOEXEC) != 0))
		abort();
	snprintf(d->intake_path, sizeof(d->intake_path), "%s/intake", d->folder);
	snprintf(d->lookup_path, sizeof(d->lookup_path), "%s/lookup", d->folder);
	d->intake = driver_fork(d->intake_path, fault, pipes[1], true);
	d->lookup = driver_fork(d->lookup_path, fault, -1, false);
	d->told = pipes[0];
	if (is_heard)
		close(pipes[1]);
}

static void
driver_stop(struct driver *d)
{
	pid_t pids[] = {d->session, d->intake, d->lookup};

	if (d->client >= 0)
		close(d->client);
	if (d->told >= 0)
		close(d->told);
	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
		if (pids[i] > 0 &&
		    (kill(pids[i], SIGKILL) != 0 || waitpid(pids[i], NULL, 0) != pids[i]))
			abort();
	}
	unlink(d->intake_path);
	unlink(d->lookup_path);
	rmdir(d->folder);
}

static struct session_start
driver_session(const struct driver *d, int fd, const char *address)
{
	struct session_start start = {
		.config = &d->config,
		.listen = &d->listen,
		.intake = d->intake_path,
		.lookup = d->lookup_path,
		.fd = fd,
		.started_us = (uint64_t)clock_wall_us(),
	};
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		abort();
	if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
		memcpy(&start.client, &four, sizeof(four));
	else if (inet_pton(AF_INET6, address, &six.sin6_addr) == 1)
		memcpy(&start.client, &six, sizeof(six));
	return start;
}

#endif
