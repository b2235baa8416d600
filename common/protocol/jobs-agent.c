/*
 * jobs-agent - see the header.  Used by delivery/agent.c and bounce/agent.c
 */
#include "common/protocol/jobs-agent.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"

#define STATUS_BYTES_MAX 11

int
jobs_agent_start(struct jobs_agent_end *a, int channel)
{
	sigset_t mask;

	a->fd = channel;
	a->request = 0;
	a->left = SPAN_NONE;
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) == -1)
		return -1;
	a->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return a->signals < 0 ? -1 : 0;
}

void
jobs_agent_close(struct jobs_agent_end *a)
{
	if (a->fd >= 0)
		close(a->fd);
	if (a->signals >= 0)
		close(a->signals);
	a->fd = a->signals = -1;
}

enum jobs_event
jobs_agent_wait(struct jobs_agent_end *a, int other, int64_t deadline_ms)
{
	struct pollfd p[] = {{a->signals, POLLIN, 0}, {a->fd, POLLIN, 0}, {other, POLLIN, 0}};

	events_flush();
	for (;;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		int n = poll(p, 3, left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);

		if (n > 0 && p[0].revents != 0)
			return JOBS_EVENT_END;
		if (n > 0 && p[1].revents != 0)
			return JOBS_EVENT_MESSAGE;
		if (n > 0)
			return JOBS_EVENT_OTHER;
		if (n == 0 && left <= 0)
			return JOBS_EVENT_IDLE;
		if (n < 0 && errno != EINTR)
			return JOBS_EVENT_END;
	}
}

static enum jobs_outcome
wrong(const char *reason)
{
	EVENT("jobs-wrong", event_string("reason", reason));
	return JOBS_WRONG;
}

static enum jobs_outcome
outcome_of(enum channel_outcome outcome, const char *reason)
{
	switch (outcome) {
	case CHANNEL_OK:
		return JOBS_OK;
	case CHANNEL_AGAIN:
		return JOBS_LATE;
	case CHANNEL_CLOSED:
		return JOBS_CLOSED;
	case CHANNEL_BROKEN:
		break;
	}
	return wrong(reason);
}

/* the next datagram, unless something of the last one is left */
static enum jobs_outcome
receive_datagram(struct jobs_agent_end *a, struct channel_fds *fds)
{
	size_t len = 0;
	enum jobs_outcome outcome;

	fds->count = 0;
	if (a->left.len > 0)
		return JOBS_OK;
	outcome = outcome_of(channel_receive_wait(a->fd, a->in, &len, fds,
						  clock_monotonic_ms() + JOBS_AGENT_PART_MS),
			     "a datagram that is none of ours");
	a->left = span_from(a->in, len);
	return outcome;
}

/* one order of that type, with its descriptors and nothing else */
static enum jobs_outcome
receive(struct jobs_agent_end *a, uint16_t type, void *message, struct wire_header *h,
	struct channel_fds *fds)
{
	const struct wire_shape *shape = wire_find(jobs_orders, type);
	struct span one;
	enum jobs_outcome outcome = receive_datagram(a, fds);

	if (outcome != JOBS_OK)
		return outcome;
	if (wire_cut(&a->left, &one) == 0 && wire_peek(one, h) == 0 && h->type == type &&
	    fds->count == shape->fds && wire_decode(one, shape, message) == 0)
		return JOBS_OK;
	channel_close_fds(fds);
	return wrong("not the order that may come now");
}

enum jobs_outcome
jobs_agent_job(struct jobs_agent_end *a, struct jobs_job *job, int *content)
{
	struct channel_fds fds = {.fd = {-1}}; /* with JOBS_OK there is one, as its shape says */
	struct wire_header h;
	enum jobs_outcome outcome = receive(a, JOBS_JOB, job, &h, &fds);

	if (outcome != JOBS_OK)
		return outcome;
	a->request = h.request;
	*content = fds.fd[0];
	return JOBS_OK;
}

enum jobs_outcome
jobs_agent_part(struct jobs_agent_end *a, enum jobs_type type, void *part, bool *more)
{
	struct channel_fds fds;
	struct wire_header h;
	enum jobs_outcome outcome = receive(a, (uint16_t)type, part, &h, &fds);

	if (outcome != JOBS_OK)
		return outcome;
	if (h.request != a->request)
		return wrong("a part of another job");
	*more = (h.flags & WIRE_MORE) != 0;
	return JOBS_OK;
}

static struct span
cut(struct span s, size_t max)
{
	return span_from(s.at, s.len < max ? s.len : max);
}

enum jobs_outcome
jobs_agent_result(struct jobs_agent_end *a, const struct jobs_result *result)
{
	struct jobs_result m = *result;

	m.status = cut(m.status, STATUS_BYTES_MAX);
	m.text = cut(m.text, JOBS_REPLY_MAX);
	m.host = cut(m.host, JOBS_HOST_MAX);
	return outcome_of(wire_send_wait(a->fd, wire_find(jobs_calls, JOBS_RESULT), 0, a->request,
					 &m, NULL, clock_monotonic_ms() + JOBS_AGENT_RESULT_MS),
			  "a result that cannot be spelled");
}

static enum jobs_outcome
send_part(struct jobs_agent_end *a, const struct jobs_expanded *part, bool more)
{
	return outcome_of(wire_send_wait(a->fd, wire_find(jobs_calls, JOBS_EXPANDED),
					 more ? WIRE_MORE : 0, a->request, part, NULL,
					 clock_monotonic_ms() + JOBS_AGENT_RESULT_MS),
			  "an expansion that cannot be spelled");
}

enum jobs_outcome
jobs_agent_expanded(struct jobs_agent_end *a, uint64_t number, bool is_last,
		    const struct jobs_child *children, size_t count)
{
	static struct wire list;
	struct jobs_expanded part = {.number = number, .last = is_last};

	wire_list_start(&list);
	for (size_t i = 0; i < count; i++) {
		enum jobs_outcome o;

		if (wire_list_add(&list, WIRE_LIST_ROOM, &jobs_child_shape, &children[i]) == 0)
			continue;
		part.children = wire_list_get(&list);
		o = send_part(a, &part, true);
		if (o != JOBS_OK)
			return o;
		wire_list_start(&list);
		if (wire_list_add(&list, WIRE_LIST_ROOM, &jobs_child_shape, &children[i]) < 0)
			return wrong("a recipient that cannot be spelled");
	}
	part.children = wire_list_get(&list);
	return send_part(a, &part, false);
}

static enum jobs_outcome
tell(struct jobs_agent_end *a, enum jobs_type type, const void *message)
{
	return outcome_of(wire_send_wait(a->fd, wire_find(jobs_calls, (uint16_t)type), 0,
					 a->request, message, NULL,
					 clock_monotonic_ms() + JOBS_AGENT_RESULT_MS),
			  "what was learned cannot be spelled");
}

enum jobs_outcome
jobs_agent_site(struct jobs_agent_end *a, struct span name)
{
	const struct jobs_site m = {name};

	return tell(a, JOBS_SITE, &m);
}

enum jobs_outcome
jobs_agent_host(struct jobs_agent_end *a, struct span host)
{
	const struct jobs_host m = {cut(host, JOBS_HOST_MAX)};

	return tell(a, JOBS_HOST, &m);
}

void
jobs_agent_leave(struct jobs_agent_end *a)
{
	int64_t deadline_ms = clock_monotonic_ms() + JOBS_AGENT_LEAVE_MS;
	struct channel_fds fds;
	size_t len;

	events_flush();
	if (wire_send_wait(a->fd, wire_find(jobs_calls, JOBS_LEAVE), 0, 0, NULL, NULL,
			   deadline_ms) != CHANNEL_OK)
		return;
	while (channel_receive_wait(a->fd, a->in, &len, &fds, deadline_ms) == CHANNEL_OK)
		channel_close_fds(&fds);
}

bool
jobs_agent_is_held(const struct jobs_agent_end *a)
{
	struct pollfd p = {a->fd, 0, 0}; /* a close is always told */

	return poll(&p, 1, 0) == 0;
}
