/*
 * resolver-client - see the header
 *
 * The request number of a question is that of its call plus its index.  After trouble the connection is closed, so that an answer which
 * comes late cannot be taken for that of a later question.
 */
#include "common/protocol/resolver-client.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/system/clock.h"

#define RECORDS_FIRST 16
#define ATTEMPTS_MAX 2 /* to have a question answered that was taken */

enum outcome {
	OUTCOME_OK,
	OUTCOME_LATE,
	OUTCOME_UNASKED, /* it is a former generation's, and nothing new is taken there: the new one is asked */
	OUTCOME_GONE, /* the connection is: once more with a new one */
	OUTCOME_WRONG,
	OUTCOME_NO_MEMORY,
};

/* one call */
struct call {
	struct resolver_client *c;
	struct arena *arena;
	int64_t deadline_ms;
	struct resolver_found *found;
	size_t room[RESOLVER_QUESTIONS_MAX]; /* records that found[i].records has room for */
	bool is_whole[RESOLVER_QUESTIONS_MAX];
	size_t count, missing;
};

void
resolver_client_init(struct resolver_client *c, const char *path)
{
	c->path = path;
	c->fd = -1;
	c->request = 0;
}

void
resolver_client_close(struct resolver_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static enum outcome
outcome_of(enum channel_outcome outcome)
{
	switch (outcome) {
	case CHANNEL_OK:
		return OUTCOME_OK;
	case CHANNEL_AGAIN:
		return OUTCOME_LATE;
	case CHANNEL_CLOSED:
		return OUTCOME_GONE;
	case CHANNEL_BROKEN:
		break;
	}
	return OUTCOME_WRONG;
}

/* ---- an answer ---- */

static enum outcome
copy(struct arena *arena, struct span from, struct span *to)
{
	*to = arena_span(arena, from);
	return to->at != NULL ? OUTCOME_OK : OUTCOME_NO_MEMORY;
}

static enum outcome
add_record(struct call *call, size_t i, const struct resolver_record *r)
{
	struct resolver_found *f = &call->found[i];
	struct resolver_record *to;

	if (f->count == RESOLVER_ANSWER_MAX)
		return OUTCOME_OK;
	if (f->count == call->room[i]) {
		size_t room = call->room[i] == 0 ? RECORDS_FIRST : call->room[i] * 2;
		struct resolver_record *larger = arena_alloc(call->arena, room * sizeof(*larger));

		if (larger == NULL)
			return OUTCOME_NO_MEMORY;
		if (f->count > 0)
			memcpy(larger, f->records, f->count * sizeof(*larger));
		f->records = larger;
		call->room[i] = room;
	}
	to = &f->records[f->count];
	to->preference = r->preference;
	if (copy(call->arena, r->name, &to->name) != OUTCOME_OK ||
	    copy(call->arena, r->data, &to->data) != OUTCOME_OK)
		return OUTCOME_NO_MEMORY;
	f->count++;
	return OUTCOME_OK;
}

static enum outcome
take_part(struct call *call, size_t i, const struct resolver_answer *m)
{
	struct resolver_found *f = &call->found[i];
	struct wire_list records = m->records;
	struct resolver_record r;

	f->outcome = (enum resolver_outcome)m->outcome;
	f->security = (enum resolver_security)m->security;
	f->ttl = m->ttl;
	if (copy(call->arena, m->canonical, &f->canonical) != OUTCOME_OK ||
	    copy(call->arena, m->text, &f->text) != OUTCOME_OK)
		return OUTCOME_NO_MEMORY;
	while (wire_list_next(&records, &resolver_record_shape, &r))
		if (add_record(call, i, &r) != OUTCOME_OK)
			return OUTCOME_NO_MEMORY;
	return OUTCOME_OK;
}

static enum outcome
take_answer(struct call *call, struct span datagram)
{
	struct resolver_answer m;
	struct wire_header h;
	enum outcome outcome;
	size_t i;

	if (wire_peek(datagram, &h) < 0 || h.type != RESOLVER_ANSWER ||
	    (h.flags & ~WIRE_MORE) != 0 ||
	    wire_decode(datagram, wire_find(resolver_answers, RESOLVER_ANSWER), &m) < 0)
		return OUTCOME_WRONG;
	i = h.request - call->c->request;
	if (i >= call->count || call->is_whole[i])
		return OUTCOME_WRONG;
	outcome = take_part(call, i, &m);
	if (outcome == OUTCOME_OK && (h.flags & WIRE_MORE) == 0) {
		call->is_whole[i] = true;
		call->missing--;
		/* found, and nothing there: that is none of the outcomes */
		if ((call->found[i].outcome == RESOLVER_FOUND) != (call->found[i].count > 0))
			return OUTCOME_WRONG;
	}
	return outcome;
}

/* ---- a call ---- */

static enum outcome
connect_to(struct call *call)
{
	struct resolver_client *c = call->c;

	if (c->fd >= 0)
		return OUTCOME_OK;
	c->fd = c->path != NULL ? channel_connect(c->path, call->deadline_ms) : -1;
	if (c->fd >= 0)
		return OUTCOME_OK;
	return c->path != NULL && (errno == EAGAIN || errno == ETIMEDOUT) ? OUTCOME_LATE
									  : OUTCOME_GONE;
}

static enum outcome
put_questions(struct call *call, const struct resolver_question *questions)
{
	enum outcome outcome = OUTCOME_OK;

	for (size_t i = 0; i < call->count && outcome == OUTCOME_OK; i++) {
		struct resolver_ask m = {.rr = questions[i].rr, .name = questions[i].name};

		if (call->is_whole[i])
			continue;
		/* parts of an answer whose connection broke are had again */
		call->found[i].count = 0;
		outcome = outcome_of(wire_send_wait(
			call->c->fd, wire_find(resolver_calls, RESOLVER_ASK), 0,
			call->c->request + (uint32_t)i, &m, NULL, call->deadline_ms));
	}
	return outcome == OUTCOME_GONE ? OUTCOME_UNASKED : outcome;
}

static enum outcome
get_answers(struct call *call)
{
	struct resolver_client *c = call->c;

	while (call->missing > 0) {
		size_t len = 0;
		enum outcome outcome = outcome_of(
			channel_receive_wait(c->fd, c->in, &len, NULL, call->deadline_ms));

		if (outcome == OUTCOME_OK)
			outcome = take_answer(call, span_from(c->in, len));
		if (outcome != OUTCOME_OK)
			return outcome;
	}
	return OUTCOME_OK;
}

static const char *
outcome_text(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_OK:
		break;
	case OUTCOME_LATE:
		return "the resolver did not answer in time";
	case OUTCOME_UNASKED:
	case OUTCOME_GONE:
		return "the resolver is not there";
	case OUTCOME_WRONG:
		return "the resolver answered what is no answer";
	case OUTCOME_NO_MEMORY:
		return "no memory for the answer of the resolver";
	}
	return "";
}

void
resolver_client_ask(struct resolver_client *c, const struct resolver_question *questions,
		    size_t count, struct arena *arena, int64_t deadline_ms,
		    struct resolver_found *found)
{
	struct call call = {.c = c,
			    .arena = arena,
			    .deadline_ms = deadline_ms,
			    .found = found,
			    .count = count < RESOLVER_QUESTIONS_MAX ? count
								    : RESOLVER_QUESTIONS_MAX};
	enum outcome outcome = OUTCOME_GONE;
	int attempts = 0;

	call.missing = call.count;
	for (size_t i = 0; i < count; i++)
		found[i] = (struct resolver_found){.canonical = SPAN_NONE, .text = SPAN_NONE};
	/*
	 * A resolver that died with the question is asked once more, not for ever: it may have died of it.  One that took no question has
	 * been replaced, and says so at most once for each reload.
	 */
	while (outcome == OUTCOME_UNASKED ? clock_monotonic_ms() < deadline_ms
					  : outcome == OUTCOME_GONE && attempts++ < ATTEMPTS_MAX) {
		outcome = connect_to(&call);
		if (outcome == OUTCOME_OK)
			outcome = put_questions(&call, questions);
		if (outcome == OUTCOME_OK)
			outcome = get_answers(&call);
		if (outcome != OUTCOME_OK)
			resolver_client_close(c);
	}
	c->request += RESOLVER_QUESTIONS_MAX;
	for (size_t i = 0; i < count; i++) {
		if (i < call.count && call.is_whole[i] && outcome != OUTCOME_WRONG)
			continue;
		found[i] = (struct resolver_found){.outcome = RESOLVER_TROUBLE,
						   .security = RESOLVER_INSECURE,
						   .canonical = SPAN_NONE,
						   .text = span_of(outcome_text(outcome))};
	}
}
