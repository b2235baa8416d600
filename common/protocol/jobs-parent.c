/*
 * jobs-parent - see the header
 *
 * An agent's connection is made, and bound to its WANT, by the parent; the child never says whom it serves.  The binding is
 * said after the fork has succeeded, so that a fork that fails leaves a connection that never said anything.
 */
#include "common/protocol/jobs-parent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mail/reply.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"

#define CONNECT_WAIT_MS 1000 /* for a place in the backlog */
#define PAUSE_FIRST_MS 50    /* before the next try to connect, doubled up to: */
#define PAUSE_MAX_MS 5000
#define WANTS_A_TURN 32

struct parent {
	const struct jobs_parent_program *program;
	struct loop *loop;
	struct loop_watch jobs;
	struct loop_timer again; /* connects anew */
	struct loop_timer grace; /* kills what does not end */
	int64_t pause_ms;
	bool ending;
	pid_t *agents;
	size_t agent_count, agents_max;
	char in[CHANNEL_MAX];
};

static void
disconnect(struct parent *p)
{
	if (p->jobs.fd < 0)
		return;
	loop_unwatch(p->loop, &p->jobs);
	close(p->jobs.fd);
	p->jobs.fd = -1;
}

static void
connect_later(struct parent *p)
{
	disconnect(p);
	loop_timer_set(p->loop, &p->again, clock_monotonic_ms() + p->pause_ms);
	p->pause_ms = p->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : p->pause_ms * 2;
}

static void
connect_now(struct loop_timer *t)
{
	struct parent *p = t->owner;
	struct jobs_parent m = {.kind = p->program->kind};

	p->jobs.fd = channel_connect(p->program->path, clock_monotonic_ms() + CONNECT_WAIT_MS);
	if (p->jobs.fd < 0) {
		/* said once an outage: at its first try */
		if (p->pause_ms == PAUSE_FIRST_MS)
			EVENT("jobs-unreachable", event_string("reason", strerror(errno)));
		connect_later(p);
		return;
	}
	if (wire_send(p->jobs.fd, wire_find(jobs_calls, JOBS_PARENT), 0, 0, &m, NULL) !=
	    CHANNEL_OK) {
		close(p->jobs.fd);
		p->jobs.fd = -1;
		connect_later(p);
		return;
	}
	loop_watch(p->loop, &p->jobs, EPOLLIN);
}

/* queue-manager has sent what is no order for a parent */
static void
is_wrong(struct parent *p, const char *reason)
{
	EVENT("jobs-wrong", event_string("reason", reason));
	connect_later(p);
}

/* ---- agents ---- */

static void
say_cannot(struct parent *p, uint32_t want, const struct jobs_cannot *cannot)
{
	if (wire_send(p->jobs.fd, wire_find(jobs_calls, JOBS_CANNOT), 0, want, cannot, NULL) !=
	    CHANNEL_OK)
		connect_later(p);
}

static void
cannot_now(struct parent *p, uint32_t want, const char *text)
{
	struct jobs_cannot cannot = {FATE_DEFERRED, SPAN("4.3.2"), span_of(text)};

	EVENT("agent-refused", event_string("reason", text));
	say_cannot(p, want, &cannot);
}

/* the child's life; of the parent it keeps nothing but the events' connection */
static _Noreturn void
be_agent(struct parent *p, const struct jobs_want *want, int channel)
{
	const struct jobs_parent_program *program = p->program;
	int status;

	close(p->jobs.fd);
	loop_free(p->loop);
	status = program->serve(program->owner, want, channel);
	events_end();
	_exit(status);
}

static void
start_agent(struct parent *p, uint32_t want_number, const struct jobs_want *want)
{
	struct jobs_agent m = {.want = want_number};
	int channel;
	pid_t pid;

	channel = channel_connect(p->program->path, clock_monotonic_ms() + CONNECT_WAIT_MS);
	if (channel < 0) {
		cannot_now(p, want_number, "the agent cannot connect to queue-manager");
		return;
	}
	events_flush(); /* or the child would tell them again */
	pid = fork();
	if (pid == 0)
		be_agent(p, want, channel);
	if (pid < 0) {
		close(channel);
		cannot_now(p, want_number, "the system has no room for another process");
		return;
	}
	p->agents[p->agent_count++] = pid;
	EVENT("agent-started", event_number("pid", pid),
	      p->program->kind == JOBS_MAILBOX ? event_text("user", want->user)
					       : event_text("host", want->hosts));
	/* when this fails queue-manager is gone, and the child sees the close */
	if (wire_send(channel, wire_find(jobs_calls, JOBS_AGENT), 0, want_number, &m, NULL) !=
	    CHANNEL_OK)
		EVENT("agent-unbound", event_number("pid", pid));
	close(channel);
}

static void
take_want(struct parent *p, uint32_t number, const struct jobs_want *want)
{
	struct jobs_cannot cannot = {FATE_DEFERRED, SPAN("4.3.0"), SPAN("not served here")};

	if (p->agent_count == p->agents_max)
		cannot_now(p, number, "there are as many agents as may be");
	else if (p->program->may_serve != NULL &&
		 !p->program->may_serve(p->program->owner, want, &cannot))
		say_cannot(p, number, &cannot);
	else
		start_agent(p, number, want);
}

static void
jobs_ready(struct loop_watch *w, uint32_t events)
{
	struct parent *p = w->owner;
	struct wire_header h;
	struct jobs_want want;
	(void)events;

	for (int i = 0; i < WANTS_A_TURN && p->jobs.fd >= 0; i++) {
		size_t len = 0;
		enum channel_outcome outcome = channel_receive(p->jobs.fd, p->in, &len, NULL);
		struct span datagram = span_from(p->in, len);

		switch (outcome) {
		case CHANNEL_OK:
			break;
		case CHANNEL_AGAIN:
			return;
		case CHANNEL_CLOSED:
			connect_later(p);
			return;
		case CHANNEL_BROKEN:
			is_wrong(p, "a datagram that is none of ours");
			return;
		}
		if (wire_peek(datagram, &h) == -1 || h.type != JOBS_WANT || h.flags != 0 ||
		    h.request == 0 ||
		    wire_decode(datagram, wire_find(jobs_orders, JOBS_WANT), &want) == -1 ||
		    jobs_parent_kind((enum jobs_kind)want.kind) != p->program->kind) {
			is_wrong(p, "no order for a parent");
			return;
		}
		p->pause_ms = PAUSE_FIRST_MS;
		take_want(p, h.request, &want);
	}
}

/* ---- signals ---- */

static void
end_when_empty(struct parent *p)
{
	if (p->ending && p->agent_count == 0)
		loop_stop(p->loop);
}

static void
forget_agent(struct parent *p, pid_t pid)
{
	for (size_t i = 0; i < p->agent_count; i++) {
		if (p->agents[i] == pid) {
			p->agents[i] = p->agents[--p->agent_count];
			return;
		}
	}
}

static void
on_child(void *owner)
{
	struct parent *p = owner;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		forget_agent(p, pid);
		if (WIFSIGNALED(status))
			EVENT("agent-ended", event_number("pid", pid),
			      event_number("signal", WTERMSIG(status)));
		else
			EVENT("agent-ended", event_number("pid", pid),
			      event_number("status", WEXITSTATUS(status)));
	}
	end_when_empty(p);
}

static void
signal_agents(struct parent *p, int signal)
{
	for (size_t i = 0; i < p->agent_count; i++)
		if (kill(p->agents[i], signal) == -1 && errno != ESRCH)
			EVENT("agent-unreachable", event_number("pid", p->agents[i]),
			      event_string("errno", strerror(errno)));
}

static void
take_nothing_new(struct parent *p, int signal)
{
	p->ending = true;
	disconnect(p);
	loop_timer_clear(p->loop, &p->again);
	signal_agents(p, signal);
	end_when_empty(p);
}

static void
on_stop(void *owner)
{
	struct parent *p = owner;

	loop_timer_set(p->loop, &p->grace, clock_monotonic_ms() + JOBS_PARENT_GRACE_MS);
	take_nothing_new(p, SIGTERM);
}

static void
on_retire(void *owner)
{
	take_nothing_new(owner, SIGUSR1);
}

static void
grace_is_over(struct loop_timer *t)
{
	struct parent *p = t->owner;

	EVENT("agents-killed", event_number("count", (int64_t)p->agent_count));
	signal_agents(p, SIGKILL);
}

void
jobs_parent_run(const struct jobs_parent_program *program)
{
	static struct parent parent; /* a process is the parent of one kind of agents */
	struct parent *p = &parent;

	p->program = program;
	p->agents_max = program->agents_max < JOBS_PARENT_AGENTS_MAX ? program->agents_max
								     : JOBS_PARENT_AGENTS_MAX;
	p->agents = calloc(p->agents_max, sizeof(*p->agents));
	if (p->agents == NULL)
		fatal(EXIT_OS, ENOMEM, "a table of %zu agents", p->agents_max);
	p->loop = loop_new();
	p->pause_ms = PAUSE_FIRST_MS;
	p->jobs = (struct loop_watch){.fd = -1, .ready = jobs_ready, .owner = p};
	p->again = (struct loop_timer){.fire = connect_now, .owner = p};
	p->grace = (struct loop_timer){.fire = grace_is_over, .owner = p};
	loop_signal(p->loop, SIGCHLD, on_child, p);
	loop_signal(p->loop, SIGTERM, on_stop, p);
	loop_signal(p->loop, SIGUSR1, on_retire, p);
	connect_now(&p->again);
	loop_run(p->loop);
	disconnect(p);
	loop_free(p->loop);
	free(p->agents);
}
