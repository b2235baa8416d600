/*
 * trace - see log/trace.h
 */
#include "log/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol/trace.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/descriptors.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "log/scan.h"

struct asker {
	struct trace *trace; /* NULL: this place is free */
	struct loop_watch watch;
	struct loop_timer deadline;
	struct channel_peer who;
};

struct child {
	pid_t pid; /* 0: this place is free */
	uid_t uid;
};

struct trace {
	struct loop *loop;
	const struct start *start;
	const struct store *store;
	struct loop_watch listener;
	struct loop_timer again;
	struct asker askers[TRACE_ASKERS_MAX];
	struct child children[TRACE_CHILDREN_MAX];
	char datagram[CHANNEL_MAX];
};

/* ---- in the child ---- */

static void
refuse(int fd, const char *text)
{
	struct trace_refused m = {.text = span_of(text)};
	/* an asker that is gone, or does not read one sentence, needs no answer */
	if (wire_send(fd, wire_find(trace_answers, TRACE_REFUSED), 0, 0, &m, NULL) != CHANNEL_OK)
		return;
}

static enum channel_outcome
send_lines(int fd, const struct scan *s, int64_t deadline_ms)
{
	static struct wire list;
	size_t n = 0;
	while (n < s->count) {
		wire_list_start(&list);
		for (; n < s->count; n++) {
			struct trace_line line = {.json = scan_line(s, n)};
			if (wire_list_add(&list, WIRE_LIST_ROOM, &trace_line_shape, &line) < 0)
				break;
		}
		struct trace_event m = {.lines = wire_list_get(&list)};
		enum channel_outcome o = wire_send_wait(fd, wire_find(trace_answers, TRACE_EVENT),
							0, 0, &m, NULL, deadline_ms);
		if (o != CHANNEL_OK)
			return o;
	}
	struct trace_end end = {.count = s->matched};
	return wire_send_wait(fd, wire_find(trace_answers, TRACE_END), 0, 0, &end, NULL,
			      deadline_ms);
}

static int
answer(int fd, const struct store *store, struct span what, uint64_t only_uid)
{
	static struct scan found;
	const struct scan_store files = {store->directory, store->first, store->last};
	int64_t deadline_ms = clock_monotonic_ms() + TRACE_ANSWER_MS;
	if (scan_run(&found, &files, what, only_uid, deadline_ms) < 0) {
		refuse(fd, errno == ETIMEDOUT ? "the trace store could not be read in time"
					      : "the trace store cannot be read");
		return 1;
	}
	return send_lines(fd, &found, deadline_ms) == CHANNEL_OK ? 0 : 1;
}

static _Noreturn void
child_run(int fd, const struct store *store, struct span what, uint64_t only_uid)
{
	int kept[] = {fd, store->directory};
	confine_child(); /* its rules are a descriptor, too */
	descriptors_keep(kept, sizeof(kept) / sizeof(kept[0]));
	_exit(answer(fd, store, what, only_uid));
}

/* ---- children ---- */

static struct child *
free_place(struct trace *t, uid_t uid)
{
	struct child *place = NULL;
	size_t own = 0;
	for (size_t i = 0; i < TRACE_CHILDREN_MAX; i++) {
		struct child *c = &t->children[i];
		if (c->pid == 0)
			place = c;
		else if (c->uid == uid)
			own++;
	}
	return uid != 0 && own >= TRACE_CHILDREN_OF_UID ? NULL : place;
}

static void
child_ended(void *owner)
{
	struct trace *t = owner;
	pid_t pid;
	int status;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < TRACE_CHILDREN_MAX; i++) {
			struct child *c = &t->children[i];
			if (c->pid != pid)
				continue;
			c->pid = 0;
			if (WIFSIGNALED(status))
				EVENT("trouble", event_string("what", "an answer to culver trace"),
				      event_number("pid", pid),
				      event_number("signal", WTERMSIG(status)));
		}
}

/* ---- askers ---- */

static void
asker_free(struct asker *a)
{
	loop_unwatch(a->trace->loop, &a->watch);
	loop_timer_clear(a->trace->loop, &a->deadline);
	close(a->watch.fd);
	a->trace = NULL;
}

static void
asker_late(struct loop_timer *t)
{
	asker_free(t->owner);
}

static bool
may_see_all(const struct trace *t, const struct asker *a)
{
	const struct start *s = t->start;
	return a->who.uid == 0 || (s->admin_uid != 0 && a->who.uid == s->admin_uid) ||
	       (s->admin_gid != (gid_t)-1 && channel_peer_in_group(a->watch.fd, s->admin_gid) > 0);
}

static void
ask(struct asker *a, struct span what)
{
	struct trace *t = a->trace;
	uint64_t only_uid = may_see_all(t, a) ? 0 : (uint64_t)a->who.uid + 1;
	struct child *place = free_place(t, a->who.uid);
	if (place == NULL) {
		refuse(a->watch.fd, "too many questions are being answered now; ask again");
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		child_run(a->watch.fd, t->store, what, only_uid);
	if (pid < 0) {
		EVENT("trouble", event_string("what", "fork"),
		      event_string("reason", strerror(errno)));
		refuse(a->watch.fd, "there is no room for another process; ask again");
		return;
	}
	*place = (struct child){pid, a->who.uid};
}

static void
asker_ready(struct loop_watch *w, uint32_t events)
{
	struct asker *a = w->owner;
	struct trace *t = a->trace;
	struct wire_header header;
	struct trace_ask m;
	size_t len = 0;
	(void)events;
	enum channel_outcome o = channel_receive(w->fd, t->datagram, &len, NULL);
	if (o == CHANNEL_AGAIN)
		return;
	if (o == CHANNEL_OK) {
		struct span datagram = span_from(t->datagram, len);
		const struct wire_shape *shape = wire_peek(datagram, &header) == 0
							 ? wire_find(trace_calls, header.type)
							 : NULL;
		if (shape != NULL && wire_decode(datagram, shape, &m) == 0)
			ask(a, m.what);
		else
			o = CHANNEL_BROKEN;
	}
	if (o == CHANNEL_BROKEN)
		EVENT("peer-ended", event_string("program", "culver"),
		      event_number("pid", a->who.pid), event_number("uid", a->who.uid),
		      event_string("reason", "no question of ours on `trace`"));
	asker_free(a);
}

static void
again_fire(struct loop_timer *timer)
{
	struct trace *t = timer->owner;
	loop_watch(t->loop, &t->listener, EPOLLIN);
}

/* a free place; NULL: there is none, or none for this user */
static struct asker *
asker_place(struct trace *t, uid_t uid)
{
	struct asker *place = NULL;
	size_t own = 0;
	for (size_t i = 0; i < TRACE_ASKERS_MAX; i++) {
		struct asker *a = &t->askers[i];
		if (a->trace == NULL)
			place = a;
		else if (a->who.uid == uid)
			own++;
	}
	return uid != 0 && own >= TRACE_ASKERS_OF_UID ? NULL : place;
}

static void
listener_ready(struct loop_watch *w, uint32_t events)
{
	struct trace *t = w->owner;
	struct channel_peer who;
	(void)events;
	int fd = channel_accept(w->fd, &who);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		loop_unwatch(t->loop, w);
		loop_timer_set(t->loop, &t->again, loop_now_ms(t->loop) + TRACE_AGAIN_MS);
	}
	if (fd < 0)
		return;
	struct asker *a = asker_place(t, who.uid);
	if (a == NULL) {
		refuse(fd, "too many are connected now; ask again");
		close(fd);
		return;
	}
	*a = (struct asker){.trace = t,
			    .watch = {.fd = fd, .ready = asker_ready, .owner = a},
			    .deadline = {.fire = asker_late, .owner = a},
			    .who = who};
	loop_watch(t->loop, &a->watch, EPOLLIN);
	loop_timer_set(t->loop, &a->deadline, loop_now_ms(t->loop) + TRACE_ASK_MS);
}

struct trace *
trace_serve(struct loop *l, const struct start *s, const struct store *store)
{
	struct trace *t = calloc(1, sizeof(*t));
	if (t == NULL)
		fatal(EXIT_OS, ENOMEM, "askers");
	t->loop = l;
	t->start = s;
	t->store = store;
	t->listener = (struct loop_watch){
		.fd = start_listen(s, "trace")->fd, .ready = listener_ready, .owner = t};
	t->again = (struct loop_timer){.fire = again_fire, .owner = t};
	loop_signal(l, SIGCHLD, child_ended, t);
	loop_watch(l, &t->listener, EPOLLIN);
	return t;
}

void
trace_free(struct trace *t)
{
	loop_unwatch(t->loop, &t->listener);
	loop_timer_clear(t->loop, &t->again);
	for (size_t i = 0; i < TRACE_ASKERS_MAX; i++)
		if (t->askers[i].trace != NULL)
			asker_free(&t->askers[i]);
	free(t);
}
