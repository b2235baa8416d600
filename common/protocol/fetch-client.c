/*
 * fetch-client - see the header
 */
#include "common/protocol/fetch-client.h"

#include <unistd.h>

#include "common/system/clock.h"

void
fetch_client_init(struct fetch_client *c, const char *path)
{
	c->path = path;
	c->fd = -1;
	c->request = 0;
}

void
fetch_client_close(struct fetch_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static bool
copy(struct arena *arena, struct span from, struct span *to)
{
	*to = arena_span(arena, from);
	return to->at != NULL;
}

static int
keep(const struct fetch_sts_answer *m, struct arena *arena, struct fetch_policy *to)
{
	struct wire_list list = m->mx;
	struct fetch_mx mx;

	*to = (struct fetch_policy){.mode = (enum sts_mode)m->mode, .age = m->age, .left = m->left};
	to->mx = arena_alloc(arena, (size_t)list.count * sizeof(*to->mx) + 1);
	if (to->mx == NULL || !copy(arena, m->id, &to->id) || !copy(arena, m->reason, &to->reason))
		return -1;
	while (wire_list_next(&list, &fetch_mx_shape, &mx))
		if (!copy(arena, mx.pattern, &to->mx[to->mx_count++]))
			return -1;
	return 0;
}

/* the answer to `call` once; its spans point into c->in */
static enum channel_outcome
ask_once(struct fetch_client *c, enum fetch_type type, const void *call, int64_t deadline_ms,
	 enum fetch_type answer_type, void *answer)
{
	enum channel_outcome outcome;
	struct wire_header h;
	size_t len = 0;

	if (c->fd < 0 && c->path != NULL)
		c->fd = channel_connect(c->path, deadline_ms);
	if (c->fd < 0)
		return CHANNEL_AGAIN;
	outcome = wire_send_wait(c->fd, wire_find(fetch_calls, type), 0, ++c->request, call, NULL,
				 deadline_ms);
	if (outcome == CHANNEL_OK)
		outcome = channel_receive_wait(c->fd, c->in, &len, NULL, deadline_ms);
	if (outcome == CHANNEL_OK &&
	    (wire_peek(span_from(c->in, len), &h) < 0 || h.type != answer_type || h.flags != 0 ||
	     h.request != c->request ||
	     wire_decode(span_from(c->in, len), wire_find(fetch_answers, answer_type), answer) < 0))
		outcome = CHANNEL_BROKEN;
	if (outcome != CHANNEL_OK)
		fetch_client_close(c);
	return outcome;
}

/* one that was killed is started again, and its socket waits for it meanwhile */
static enum channel_outcome
ask(struct fetch_client *c, enum fetch_type type, const void *call, int64_t deadline_ms,
    enum fetch_type answer_type, void *answer)
{
	enum channel_outcome outcome;

	do
		outcome = ask_once(c, type, call, deadline_ms, answer_type, answer);
	while (outcome == CHANNEL_CLOSED && clock_monotonic_ms() < deadline_ms);
	return outcome;
}

int
fetch_client_sts(struct fetch_client *c, struct span domain, struct span id, struct arena *arena,
		 int64_t deadline_ms, struct fetch_policy *to)
{
	const struct fetch_sts_ask call = {.domain = domain, .id = id};
	struct fetch_sts_answer answer;

	if (ask(c, FETCH_STS_ASK, &call, deadline_ms, FETCH_STS_ANSWER, &answer) != CHANNEL_OK)
		return -1;
	return keep(&answer, arena, to);
}

int
fetch_client_token(struct fetch_client *c, struct span login, bool is_refused, int64_t deadline_ms,
		   struct fetch_token_answer *answer)
{
	const struct fetch_token_ask call = {.login = login, .is_refused = is_refused};

	return ask(c, FETCH_TOKEN_ASK, &call, deadline_ms, FETCH_TOKEN_ANSWER, answer) == CHANNEL_OK
		       ? 0
		       : -1;
}

struct span
fetch_client_id(const struct resolver_found *txt)
{
	struct span id = SPAN_NONE;
	size_t records = 0;

	for (size_t i = 0; txt->outcome == RESOLVER_FOUND && i < txt->count; i++) {
		if (!sts_is_record(txt->records[i].data))
			continue;
		if (++records > 1 || sts_record(txt->records[i].data, &id) < 0)
			return SPAN_NONE;
	}
	return id;
}
