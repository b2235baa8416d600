/*
 * intake-client - see the header
 *
 * Called by smtpd/accept.c and bounce/agent.c.  One request number stands for a whole transaction, so that an answer to
 * an earlier one is seen to be out of turn.
 */
#include "common/protocol/intake-client.h"

#include <errno.h>
#include <unistd.h>

void
intake_client_init(struct intake_client *c)
{
	c->fd = -1;
	c->request = 0;
	c->count = 0;
	c->out.len = 0;
	c->refused = (struct intake_refused){0, SPAN_NONE, SPAN_NONE};
}

void
intake_client_close(struct intake_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* every outcome that is no answer ends the connection */
static enum intake_outcome
ended(struct intake_client *c, enum channel_outcome outcome)
{
	switch (outcome) {
	case CHANNEL_OK:
		return INTAKE_CLIENT_OK;
	case CHANNEL_AGAIN:
		intake_client_close(c);
		return INTAKE_CLIENT_LATE;
	case CHANNEL_CLOSED:
		intake_client_close(c);
		return INTAKE_CLIENT_GONE;
	case CHANNEL_BROKEN:
		break;
	}
	intake_client_close(c);
	return INTAKE_CLIENT_WRONG;
}

/* what was gathered, as one datagram */
static enum intake_outcome
flush(struct intake_client *c, int64_t deadline_ms)
{
	struct span bytes = span_from(c->out.at, c->out.len);

	c->out.len = 0;
	if (c->fd < 0)
		return INTAKE_CLIENT_GONE;
	return ended(c, channel_send_wait(c->fd, bytes, NULL, 0, deadline_ms));
}

/* one more message to what is gathered; that goes out first if there is no room beside it */
static enum intake_outcome
gather(struct intake_client *c, uint16_t type, const void *message, int64_t deadline_ms)
{
	const struct wire_shape *shape = wire_find(intake_calls, type);
	enum intake_outcome outcome;

	if (c->fd < 0)
		return INTAKE_CLIENT_GONE;
	if (wire_append(&c->out, shape, 0, c->request, message) == 0)
		return INTAKE_CLIENT_OK;
	if (c->out.len > 0) {
		outcome = flush(c, deadline_ms);
		if (outcome != INTAKE_CLIENT_OK)
			return outcome;
		if (wire_append(&c->out, shape, 0, c->request, message) == 0)
			return INTAKE_CLIENT_OK;
	}
	return ended(c, CHANNEL_BROKEN);
}

static enum intake_outcome
ask(struct intake_client *c, uint16_t type, const void *message, int64_t deadline_ms)
{
	enum intake_outcome outcome = gather(c, type, message, deadline_ms);

	return outcome == INTAKE_CLIENT_OK ? flush(c, deadline_ms) : outcome;
}

/* FINISHED of an earlier transaction, which crossed the KEEP of one who had lost patience */
static bool
is_passed_over(const struct intake_client *c, const struct wire_header *h)
{
	return h->type == INTAKE_FINISHED && h->request != c->request;
}

/*
 * answer - waits for `type`, or for REFUSED; in place of QUEUED it may be TAKEN; `fds` has what came with it
 */
static enum intake_outcome
answer(struct intake_client *c, uint16_t type, void *message, struct channel_fds *fds,
       int64_t deadline_ms)
{
	const struct wire_shape *shape;
	struct wire_header h;
	struct span datagram;
	size_t len = 0;
	enum channel_outcome received;

	fds->count = 0;
	if (c->fd < 0)
		return INTAKE_CLIENT_GONE;
	do {
		received = channel_await(c->fd, c->in, &len, fds, deadline_ms);
		if (received == CHANNEL_AGAIN && type == INTAKE_FINISHED)
			return INTAKE_CLIENT_LATE;
		if (received != CHANNEL_OK)
			return ended(c, received);
		datagram = span_from(c->in, len);
		if (wire_peek(datagram, &h) == -1)
			goto wrong;
	} while (is_passed_over(c, &h));
	if (h.request != c->request || h.flags != 0)
		goto wrong;
	if (h.type != type && (h.type != INTAKE_REFUSED || type == INTAKE_FINISHED) &&
	    (h.type != INTAKE_TAKEN || type != INTAKE_QUEUED))
		goto wrong;
	shape = wire_find(intake_answers, h.type);
	if (shape == NULL || fds->count != shape->fds)
		goto wrong;
	if (h.type == INTAKE_REFUSED) {
		if (wire_decode(datagram, shape, &c->refused) == -1)
			goto wrong;
		return INTAKE_CLIENT_REFUSED;
	}
	if (wire_decode(datagram, shape, message) == -1)
		goto wrong;
	return INTAKE_CLIENT_OK;
wrong:
	channel_close_fds(fds);
	fds->count = 0;
	return ended(c, CHANNEL_BROKEN);
}

enum intake_outcome
intake_client_connect(struct intake_client *c, const char *path, int64_t deadline_ms)
{
	intake_client_close(c);
	if (path == NULL)
		return INTAKE_CLIENT_GONE;
	c->fd = channel_connect(path, deadline_ms);
	if (c->fd >= 0 && channel_block(c->fd) == 0)
		return INTAKE_CLIENT_OK;
	intake_client_close(c);
	return errno == ETIMEDOUT || errno == EAGAIN ? INTAKE_CLIENT_LATE : INTAKE_CLIENT_GONE;
}

enum intake_outcome
intake_client_open(struct intake_client *c, uint64_t size, int64_t deadline_ms)
{
	struct intake_open m = {.size = size};

	c->request++;
	c->count = 0;
	c->out.len = 0; /* an envelope without its COMMIT was abandoned with its connection */
	wire_list_start(&c->recipients);
	return ask(c, INTAKE_OPEN, &m, deadline_ms);
}

enum intake_outcome
intake_client_await_file(struct intake_client *c, uint64_t *id, int *writer, int *reader,
			 int64_t deadline_ms)
{
	struct intake_file m;
	struct channel_fds fds;
	enum intake_outcome outcome = answer(c, INTAKE_FILE, &m, &fds, deadline_ms);

	if (outcome != INTAKE_CLIENT_OK)
		return outcome;
	*id = m.id;
	*writer = fds.fd[0];
	*reader = fds.fd[1];
	return INTAKE_CLIENT_OK;
}

enum intake_outcome
intake_client_envelope(struct intake_client *c, const struct intake_envelope *envelope,
		       int64_t deadline_ms)
{
	return gather(c, INTAKE_ENVELOPE, envelope, deadline_ms);
}

static enum intake_outcome
gather_recipients(struct intake_client *c, int64_t deadline_ms)
{
	struct intake_recipients m = {.recipients = wire_list_get(&c->recipients)};
	enum intake_outcome outcome;

	if (m.recipients.count == 0)
		return INTAKE_CLIENT_OK;
	outcome = gather(c, INTAKE_RECIPIENTS, &m, deadline_ms);
	wire_list_start(&c->recipients);
	return outcome;
}

enum intake_outcome
intake_client_recipient(struct intake_client *c, const struct intake_recipient *recipient,
			int64_t deadline_ms)
{
	enum intake_outcome outcome;

	c->count++;
	if (wire_list_add(&c->recipients, WIRE_LIST_ROOM, &intake_recipient_shape, recipient) == 0)
		return INTAKE_CLIENT_OK;
	outcome = gather_recipients(c, deadline_ms);
	if (outcome != INTAKE_CLIENT_OK)
		return outcome;
	if (wire_list_add(&c->recipients, WIRE_LIST_ROOM, &intake_recipient_shape, recipient) == -1)
		return ended(c, CHANNEL_BROKEN);
	return INTAKE_CLIENT_OK;
}

enum intake_outcome
intake_client_commit(struct intake_client *c, bool early, int64_t deadline_ms)
{
	struct intake_commit m = {.count = c->count, .early = early};
	enum intake_outcome outcome = gather_recipients(c, deadline_ms);

	if (outcome != INTAKE_CLIENT_OK)
		return outcome;
	return ask(c, INTAKE_COMMIT, &m, deadline_ms);
}

enum intake_outcome
intake_client_await_queued(struct intake_client *c, uint64_t *wait_ms, int *reader,
			   int64_t deadline_ms)
{
	struct intake_queued m = {0};
	struct channel_fds fds;
	enum intake_outcome outcome = answer(c, INTAKE_QUEUED, &m, &fds, deadline_ms);

	if (outcome != INTAKE_CLIENT_OK)
		return outcome;
	if (fds.count == 1) { /* TAKEN */
		close(*reader);
		*reader = fds.fd[0];
	}
	*wait_ms = m.wait_ms;
	return INTAKE_CLIENT_OK;
}

enum intake_outcome
intake_client_await_finished(struct intake_client *c, struct intake_finished *finished,
			     int64_t deadline_ms)
{
	struct channel_fds fds;

	return answer(c, INTAKE_FINISHED, finished, &fds, deadline_ms);
}

enum intake_outcome
intake_client_keep(struct intake_client *c, uint64_t sync_us, int64_t deadline_ms)
{
	struct intake_keep m = {.sync_us = sync_us};

	return ask(c, INTAKE_KEEP, &m, deadline_ms);
}

enum intake_outcome
intake_client_answered(struct intake_client *c, int64_t deadline_ms)
{
	return ask(c, INTAKE_ANSWERED, NULL, deadline_ms);
}

enum intake_outcome
intake_client_abandon(struct intake_client *c, int64_t deadline_ms)
{
	return ask(c, INTAKE_ABANDON, NULL, deadline_ms);
}

enum intake_outcome
intake_client_retry(struct intake_client *c, const struct intake_retry *retry,
		    enum intake_retry_outcome *outcome, int64_t deadline_ms)
{
	struct channel_fds fds;
	struct intake_retrying m = {.outcome = INTAKE_RETRY_SOON};

	c->request++;
	enum intake_outcome o = ask(c, INTAKE_RETRY, retry, deadline_ms);
	if (o == INTAKE_CLIENT_OK)
		o = answer(c, INTAKE_RETRYING, &m, &fds, deadline_ms);
	*outcome = (enum intake_retry_outcome)m.outcome;
	return o;
}
