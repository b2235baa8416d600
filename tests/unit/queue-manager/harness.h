/*
 * harness - a queue-manager in a test: a spool of its own, true sockets, and every other program played by the test
 *
 * Included by the tests of this folder.  The clock is the true one unless a test sets q->false_ms; turns() runs the loop until nothing is
 * left to do at once.
 */
#ifndef TESTS_UNIT_QUEUE_MANAGER_HARNESS_H
#define TESTS_UNIT_QUEUE_MANAGER_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol/control.h"
#include "common/protocol/intake.h"
#include "common/protocol/jobs.h"
#include "common/protocol/lookup.h"
#include "common/system/events.h"
#include "common/text/checksum.h"
#include "queue-manager/manager.h"

struct harness {
	struct manager *q;
	struct config config;
	char folder[64];
	struct start_listen intake, jobs, control, lookup;
	int lookup_fd; /* our end of the connection that route made; -1: not accepted yet */
	int parent;    /* our end of a parent; -1 */
};

/* ours, sorted: lookup is asked about them; about all others it is not */
#define OURS(text) \
	{ \
		.name = { text, sizeof(text) - 1 } \
	}
static struct config_name our_names[] = {
	OURS("a.example"),
	OURS("ay.example"),
	OURS("b"),
	OURS("b.example"),
	OURS("c.example"),
	OURS("example.org"),
	OURS("list.example"),
	OURS("n.example"),
	OURS("new.example"),
	OURS("o"),
	OURS("other.example"),
	OURS("sub.y.example"),
	OURS("w.example"),
	OURS("x.example"),
	OURS("y"),
	OURS("y.example"),
	OURS("z"),
	OURS("z.example"),
};
static struct config_domain ours;

__attribute__((unused)) static void
default_config(struct config *c)
{
	*c = (struct config){.names = our_names,
			     .name_count = sizeof(our_names) / sizeof(our_names[0]),
			     .domains = &ours,
			     .domain_count = 1,
			     .outbound = {.retry_first = 300000,
					  .retry_max = 4 * 3600000,
					  .lifetime = 5 * 86400000,
					  .refuse_dead = 3 * 86400000}};
	c->limits = (struct config_limits){.sessions = 100,
					   .recipients_per_transaction = 100,
					   .concurrency = 20,
					   .messages_per_connection = 1000,
					   .agents = 50,
					   .mailbox_agents = 20,
					   .pipe_agents = 20,
					   .mailbox_concurrency = 2,
					   .mailbox_time = 300000,
					   .pipe_time = 1000000};
}

__attribute__((unused)) static int
listen_at(struct harness *h, struct start_listen *l, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(l->name, sizeof(l->name), "%s", name);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", h->folder, name);
	l->anybody = true;
	static const char *const programs[] = {"smtpd", "submit", "delivery", "local", "bounce"};
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		l->peers[i].uid = getuid();
		snprintf(l->peers[i].program, sizeof(l->peers[i].program), "%s", programs[i]);
	}
	l->peer_count = sizeof(programs) / sizeof(programs[0]);
	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(l->fd >= 0);
	assert_int_equal(bind(l->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return listen(l->fd, 128);
}

__attribute__((unused)) static void
begin_manager(struct harness *h, const char *boot)
{
	char path[128];
	h->q = manager_new(&h->config, NULL);
	snprintf(path, sizeof(path), "%s/spool", h->folder);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	spool_use(&h->q->spool, dir, boot);
	spool_start(&h->q->spool, clock_wall_us());
	snprintf(path, sizeof(path), "%s/lookup", h->folder);
	manager_begin(h->q, path);
	intake_start(h->q, &h->intake);
	jobs_start(h->q, &h->jobs);
	control_start(h->q, &h->control);
	h->lookup_fd = h->parent = -1;
}

__attribute__((unused)) static int
setup(void **state)
{
	struct harness *h = calloc(1, sizeof(*h));
	char path[128];
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (getenv("CULVER_TEST_EVENTS") == NULL) /* else they are shown */
		dup2(null, STDERR_FILENO);
	close(null);
	events_start("queue-manager", NULL);
	snprintf(h->folder, sizeof(h->folder), "/tmp/culver-unit-XXXXXX");
	assert_non_null(mkdtemp(h->folder));
	snprintf(path, sizeof(path), "%s/spool", h->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	default_config(&h->config);
	assert_int_equal(listen_at(h, &h->intake, "intake"), 0);
	assert_int_equal(listen_at(h, &h->jobs, "jobs"), 0);
	assert_int_equal(listen_at(h, &h->control, "control"), 0);
	assert_int_equal(listen_at(h, &h->lookup, "lookup"), 0);
	begin_manager(h, "boot-1");
	*state = h;
	return 0;
}

static inline int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

__attribute__((unused)) static void
end_manager(struct harness *h)
{
	if (h->lookup_fd >= 0)
		close(h->lookup_fd);
	if (h->parent >= 0)
		close(h->parent);
	h->lookup_fd = h->parent = -1;
	intake_stop(h->q);
	peer_listen_end(&h->q->jobs.listener);
	peer_listen_end(&h->q->control.listener);
	manager_free(h->q);
	h->q = NULL;
	/* connections of its route that were never taken */
	for (int fd; (fd = accept4(h->lookup.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;)
		close(fd);
}

__attribute__((unused)) static int
teardown(void **state)
{
	struct harness *h = *state;
	spool_fault = NULL;
	if (h->q != NULL)
		end_manager(h);
	close(h->intake.fd);
	close(h->jobs.fd);
	close(h->control.fd);
	close(h->lookup.fd);
	nftw(h->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(h);
	return 0;
}

/* as after a crash: nothing is said at the end; the next one finds what is on disk */
__attribute__((unused)) static void
restart(struct harness *h, const char *boot)
{
	end_manager(h);
	begin_manager(h, boot);
}

/* the loop ends with a task, so that the other tasks of its last turn are done */
static inline bool
stop_loop(struct loop_task *t)
{
	loop_stop(t->owner);
	return false;
}

static inline void
stop_soon(struct loop_timer *t)
{
	struct loop_task *task = t->owner;
	loop_task_wake(task->owner, task);
}

/* runs the loop for so long, a turn at least */
static inline void
run_for(struct harness *h, int64_t ms)
{
	struct loop_task task = {.step = stop_loop, .owner = h->q->loop};
	struct loop_timer t = {.fire = stop_soon, .owner = &task};
	if (ms == 0)
		loop_task_wake(h->q->loop, &task);
	else
		loop_timer_set(h->q->loop, &t, clock_monotonic_ms() + ms);
	loop_run(h->q->loop);
	loop_timer_clear(h->q->loop, &t);
	loop_task_clear(h->q->loop, &task);
}

/* a few turns: whatever can be done at once is done */
static inline void
turns(struct harness *h)
{
	for (int i = 0; i < 4; i++)
		run_for(h, 0);
}

__attribute__((unused)) static void
say(int fd, const struct wire_shape *shapes, uint16_t type, uint32_t request, const void *message)
{
	assert_int_equal(wire_send(fd, wire_find(shapes, type), 0, request, message, NULL),
			 CHANNEL_OK);
}

/* what a datagram with several messages still holds, by descriptor */
#define LEFT_FDS_MAX 1024
static struct {
	char *at;
	size_t len;
} left_over[LEFT_FDS_MAX];

/* the next message: its type, 0 when there is none, -1 when the connection is closed */
struct heard {
	int type;
	struct wire_header header;
	struct channel_fds fds;
	char datagram[CHANNEL_MAX];
	size_t len;
};

static inline void
forget_left_over(int fd)
{
	free(left_over[fd].at);
	left_over[fd].at = NULL;
	left_over[fd].len = 0;
}

__attribute__((unused)) static int
connect_to(struct harness *h, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", h->folder, name);
	int fd = channel_connect(path, 0);
	assert_true(fd >= 0 && fd < LEFT_FDS_MAX);
	forget_left_over(fd); /* of the one before that had this number */
	return fd;
}

__attribute__((unused)) static int
hear(struct harness *h, int fd, struct heard *w)
{
	struct span rest, one;
	turns(h);
	w->fds.count = 0;
	assert_true(fd >= 0 && fd < LEFT_FDS_MAX);
	if (left_over[fd].len > 0) {
		w->len = left_over[fd].len;
		memcpy(w->datagram, left_over[fd].at, w->len);
		forget_left_over(fd);
	} else {
		switch (channel_receive(fd, w->datagram, &w->len, &w->fds)) {
		case CHANNEL_OK:
			break;
		case CHANNEL_AGAIN:
			return w->type = 0;
		case CHANNEL_CLOSED:
		case CHANNEL_BROKEN:
			return w->type = -1;
		}
	}
	rest = span_from(w->datagram, w->len);
	assert_int_equal(wire_cut(&rest, &one), 0);
	assert_int_equal(wire_peek(one, &w->header), 0);
	w->len = one.len;
	if (rest.len > 0) {
		left_over[fd].at = malloc(rest.len);
		left_over[fd].len = rest.len;
		memcpy(left_over[fd].at, rest.at, rest.len);
	}
	return w->type = w->header.type;
}

__attribute__((unused)) static void
decode(const struct heard *w, const struct wire_shape *shapes, void *message)
{
	assert_int_equal(wire_decode(span_from(w->datagram, w->len),
				     wire_find(shapes, (uint16_t)w->type), message),
			 0);
}

/* ---- the session's side of the intake ---- */

struct session {
	int fd;
	uint64_t id;
	int writer, reader;
};

__attribute__((unused)) static void
session_open(struct harness *h, struct session *s)
{
	static struct heard w;
	const struct intake_open o = {0};
	struct intake_file f;
	say(s->fd, intake_calls, INTAKE_OPEN, 1, &o);
	assert_int_equal(hear(h, s->fd, &w), INTAKE_FILE);
	decode(&w, intake_answers, &f);
	s->id = f.id;
	s->writer = w.fds.fd[0];
	s->reader = w.fds.fd[1];
}

__attribute__((unused)) static void
session_write(struct session *s, const char *content)
{
	assert_int_equal(write(s->writer, content, strlen(content)), strlen(content));
	close(s->writer);
	s->writer = -1;
}

__attribute__((unused)) static void
session_envelope_by(struct session *s, const char *content, const char *sender,
		    const char *protocol, uint64_t uid, const char *login)
{
	const struct intake_envelope e = {.origin = uid != 0 ? INTAKE_LOCAL : INTAKE_NETWORK,
					  .uid = uid,
					  .client = SPAN("192.0.2.1"),
					  .helo = SPAN("client.example"),
					  .protocol = span_of(protocol),
					  .login = span_of(login),
					  .sender = span_of(sender),
					  .length = strlen(content),
					  .checksum = checksum_of(content, strlen(content)),
					  .top = SPAN("Received: from x\r\n\tby y; now\r\n")};
	say(s->fd, intake_calls, INTAKE_ENVELOPE, 1, &e);
}

__attribute__((unused)) static void
session_envelope_of(struct session *s, const char *content, const char *sender,
		    const char *protocol, uint64_t uid)
{
	session_envelope_by(s, content, sender, protocol, uid, "");
}

__attribute__((unused)) static void
session_envelope(struct session *s, const char *content, const char *sender, const char *protocol)
{
	session_envelope_of(s, content, sender, protocol, 0);
}

/* addresses parted by blanks */
__attribute__((unused)) static uint64_t
session_recipients(struct session *s, const char *addresses)
{
	static struct wire list;
	struct span rest = span_of(addresses);
	uint64_t count = 0;
	wire_list_start(&list);
	for (struct span word; (word = span_word(&rest)).len > 0; count++) {
		const struct intake_recipient r = {.address = word};
		if (wire_list_add(&list, WIRE_LIST_ROOM, &intake_recipient_shape, &r) == 0)
			continue;
		const struct intake_recipients part = {wire_list_get(&list)};
		say(s->fd, intake_calls, INTAKE_RECIPIENTS, 1, &part);
		wire_list_start(&list);
		assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &intake_recipient_shape, &r),
				 0);
	}
	const struct intake_recipients all = {wire_list_get(&list)};
	say(s->fd, intake_calls, INTAKE_RECIPIENTS, 1, &all);
	return count;
}

__attribute__((unused)) static void
session_commit(struct session *s, uint64_t count)
{
	const struct intake_commit c = {count, 0};
	say(s->fd, intake_calls, INTAKE_COMMIT, 1, &c);
}

#define CONTENT "Subject: x\r\n\r\ntext\r\n"

/* a message up to QUEUED */
__attribute__((unused)) static void
session_queue(struct harness *h, struct session *s, const char *sender, const char *addresses)
{
	static struct heard w;
	s->fd = connect_to(h, "intake");
	session_open(h, s);
	session_write(s, CONTENT);
	session_envelope(s, CONTENT, sender, "ESMTP");
	session_commit(s, session_recipients(s, addresses));
	assert_int_equal(hear(h, s->fd, &w), INTAKE_QUEUED);
}

__attribute__((unused)) static void
session_close(struct session *s)
{
	if (s->writer >= 0)
		close(s->writer);
	close(s->reader);
	close(s->fd);
}

/* accepted: QUEUED, KEEP, gone */
__attribute__((unused)) static uint64_t
accept_message(struct harness *h, const char *sender, const char *addresses)
{
	struct session s = {.writer = -1};
	session_queue(h, &s, sender, addresses);
	say(s.fd, intake_calls, INTAKE_KEEP, 1, &(struct intake_keep){0});
	turns(h);
	session_close(&s);
	turns(h);
	return s.id;
}

/* ---- lookup's side ---- */

/* accepts route's connection, if it is made; answers every question by `leaf` (which fills in a leaf); returns how many */
typedef void leaf_maker(const struct lookup_question *q, struct lookup_leaf *l);

__attribute__((unused)) static void
to_smarthost(const struct lookup_question *q, struct lookup_leaf *l)
{
	*l = (struct lookup_leaf){.number = q->number,
				  .leaves = 1,
				  .kind = LOOKUP_SMTP,
				  .address = q->address,
				  .domain = SPAN("outbound"),
				  .hosts = SPAN("192.0.2.2:25")};
}

__attribute__((unused)) static void
accept_lookup(struct harness *h)
{
	turns(h);
	if (h->lookup_fd < 0)
		h->lookup_fd = accept4(h->lookup.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

__attribute__((unused)) static unsigned
answer_lookup(struct harness *h, leaf_maker *leaf)
{
	static struct heard w;
	static struct wire list;
	struct lookup_questions questions;
	unsigned count = 0;
	accept_lookup(h);
	while (h->lookup_fd >= 0 && hear(h, h->lookup_fd, &w) == LOOKUP_ROUTES) {
		struct lookup_question one;
		decode(&w, lookup_calls, &questions);
		wire_list_start(&list);
		for (; wire_list_next(&questions.questions, &lookup_question_shape, &one);
		     count++) {
			struct lookup_leaf l;
			leaf(&one, &l);
			assert_int_equal(
				wire_list_add(&list, WIRE_LIST_ROOM, &lookup_leaf_shape, &l), 0);
		}
		const struct lookup_leaves answer = {wire_list_get(&list)};
		say(h->lookup_fd, lookup_answers, LOOKUP_LEAVES, w.header.request, &answer);
	}
	turns(h);
	return count;
}

/* ---- the side of those who deliver ---- */

__attribute__((unused)) static int
parent_of(struct harness *h, enum jobs_kind kind)
{
	const struct jobs_parent p = {kind};
	int fd = connect_to(h, "jobs");
	say(fd, jobs_calls, JOBS_PARENT, 1, &p);
	turns(h);
	return fd;
}

/* an agent for the WANT that the parent has; -1: it has none */
__attribute__((unused)) static int
agent_of(struct harness *h, int parent)
{
	static struct heard w;
	if (hear(h, parent, &w) != JOBS_WANT)
		return -1;
	const struct jobs_agent a = {w.header.request};
	int fd = connect_to(h, "jobs");
	say(fd, jobs_calls, JOBS_AGENT, 1, &a);
	turns(h);
	return fd;
}

struct heard_job {
	struct jobs_job job;
	int fd;
	uint64_t numbers[256];
	char sender[128], addresses[256][128], originals[256][128];
	unsigned count;
};

__attribute__((unused)) static bool
hear_job(struct harness *h, int agent, struct heard_job *j)
{
	static struct heard w;
	struct jobs_recipients r;
	struct jobs_recipient one;
	if (hear(h, agent, &w) != JOBS_JOB)
		return false;
	decode(&w, jobs_orders, &j->job);
	assert_int_equal(span_copy(j->job.sender, j->sender, sizeof(j->sender)), 0);
	j->fd = w.fds.fd[0];
	j->count = 0;
	assert_int_equal(hear(h, agent, &w), JOBS_RECIPIENTS);
	decode(&w, jobs_orders, &r);
	while (wire_list_next(&r.recipients, &jobs_recipient_shape, &one)) {
		j->numbers[j->count] = one.number;
		assert_int_equal(span_copy(one.address, j->addresses[j->count], 128), 0);
		assert_int_equal(span_copy(one.original, j->originals[j->count], 128), 0);
		j->count++;
	}
	close(j->fd);
	return true;
}

__attribute__((unused)) static void
say_result(int agent, uint64_t number, enum fate fate, bool last, bool trouble)
{
	const struct jobs_result r = {.number = number,
				      .fate = fate,
				      .code = fate == FATE_DELIVERED  ? 250
					      : fate == FATE_DEFERRED ? 451
								      : 550,
				      .status = fate == FATE_DELIVERED	? SPAN("2.0.0")
						: fate == FATE_DEFERRED ? SPAN("4.2.0")
									: SPAN("5.1.1"),
				      .text = SPAN("so it is"),
				      .host = SPAN("mx.example[192.0.2.2]:25"),
				      .last = last,
				      .meaning = trouble ? REPLY_CONNECTING : REPLY_ORDINARY};
	say(agent, jobs_calls, JOBS_RESULT, 0, &r);
}

/* ---- the spool ---- */

__attribute__((unused)) static void
path_of(struct harness *h, uint64_t id, char path[128])
{
	char name[SPOOL_NAME_MAX];
	spool_name(id, name);
	snprintf(path, 128, "%s/spool/%s", h->folder, name);
}

__attribute__((unused)) static bool
file_exists(struct harness *h, uint64_t id)
{
	char path[128];
	path_of(h, id, path);
	return access(path, F_OK) == 0;
}

__attribute__((unused)) static bool
is_damaged(struct harness *h, uint64_t id)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/spool/damaged/%013llX", h->folder, (unsigned long long)id);
	return access(path, F_OK) == 0;
}

/* the whole file as a C string; the caller frees */
__attribute__((unused)) static char *
file_text(struct harness *h, uint64_t id)
{
	char path[128];
	path_of(h, id, path);
	char *text = calloc(1, 1 << 20);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, (1 << 20) - 1) >= 0);
	close(fd);
	return text;
}

static inline unsigned
count_open_fds(void)
{
	unsigned count = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count;
}

#endif
