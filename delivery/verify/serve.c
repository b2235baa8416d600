/*
 * serve - see serve.h; called by main.c
 *
 * A client's questions are answered in any order; it may have VERIFY_ASKED_MAX of them under way.  Trouble with what is kept is no trouble for who
 * asks: then the next hop is asked.
 */
#include "delivery/verify/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/service.h"
#include "delivery/verify/places.h"

struct client {
	struct service_client base;
	size_t asked; /* of it, without answer */
};

struct serve {
	struct service service;
	struct places places;
	struct verified_store *store;
	const struct config_verify *config;
	struct wire out;
};

static struct serve *
serve_of(const struct client *c)
{
	return c->base.service->owner;
}

/* wall clock: what is kept outlives this boot */
static int64_t
now_ms(void)
{
	return (int64_t)(clock_wall_us() / 1000);
}

/* ---- what is kept ---- */

static void
store_trouble(enum verified_outcome outcome, const char *reason)
{
	if (outcome == VERIFIED_DAMAGE)
		/* the next start sets it aside: here no file can be opened */
		fatal(EXIT_OS, 0, "what next hops have answered is damaged: %s", reason);
	EVENT("verified-trouble", event_string("reason", reason));
}

/* keeps what was said for good; an answer that says nothing leaves what is known as it is */
static void
keep(struct serve *s, const struct question *q, const struct probe_answer *a)
{
	static struct verified_row row;
	char reason[VERIFIED_REASON_MAX] = "";
	enum verified_outcome outcome;

	if (a->outcome == VERIFY_UNKNOWN)
		return;
	row = (struct verified_row){
		.outcome = a->outcome, .asked_ms = now_ms(), .code = (unsigned)a->code};
	memcpy(row.address, q->address, sizeof(row.address));
	memcpy(row.status, a->status, sizeof(row.status));
	memcpy(row.reply, a->reply, sizeof(row.reply));
	memcpy(row.host, a->host, sizeof(row.host));
	outcome = verified_put(s->store, &row, reason);
	if (outcome != VERIFIED_DONE)
		store_trouble(outcome, reason);
}

/* find - does an answer to it still hold?  *is_old: it is time to ask again */
static bool
find(struct serve *s, struct span address, struct verified_row *row, bool *is_old)
{
	char reason[VERIFIED_REASON_MAX] = "";
	enum verified_outcome outcome = verified_find(s->store, address, row, reason);
	const uint64_t *times;
	int64_t age_ms;

	if (outcome == VERIFIED_ABSENT)
		return false;
	if (outcome != VERIFIED_DONE) {
		store_trouble(outcome, reason);
		return false;
	}
	times = row->outcome == VERIFY_TAKEN ? s->config->positive : s->config->negative;
	/* of the future: the clock was set back, and who knows how old it is */
	age_ms = now_ms() - row->asked_ms;
	*is_old = age_ms >= (int64_t)times[1];
	return age_ms >= 0 && age_ms < (int64_t)times[0];
}

/* ---- answers ---- */

static const char *
send_answer(struct client *c, uint32_t request, const struct verify_answer *m)
{
	struct serve *s = serve_of(c);

	if (wire_encode(&s->out, wire_find(verify_answers, VERIFY_ANSWER), 0, request, m) < 0)
		return "the answer cannot be written";
	return service_send(&c->base, span_from(s->out.at, s->out.len));
}

static const char *
send_kept(struct client *c, uint32_t request, const struct verified_row *row)
{
	const struct verify_answer m = {.outcome = row->outcome,
					.code = row->code,
					.status = span_of(row->status),
					.reply = span_of(row->reply),
					.host = span_of(row->host),
					.asked_ms = (uint64_t)row->asked_ms,
					.is_kept = 1};

	return send_answer(c, request, &m);
}

static const char *
send_probed(struct client *c, uint32_t request, const struct probe_answer *a)
{
	const struct verify_answer m = {.outcome = a->outcome,
					.code = (uint64_t)a->code,
					.status = span_of(a->status),
					.reply = span_of(a->reply),
					.host = span_of(a->host),
					.asked_ms = (uint64_t)now_ms()};

	return send_answer(c, request, &m);
}

static void
probed(void *owner, struct question *q, const struct probe_answer *a)
{
	struct serve *s = owner;

	keep(s, q, a);
	while (q->waiters != NULL) {
		struct waiter *w = q->waiters;
		struct client *c = w->owner;
		uint32_t request = w->request;

		q->waiters = w->next;
		free(w);
		c->asked--;
		(void)service_settle(&c->base, send_probed(c, request, a));
	}
}

/* ---- questions ---- */

static const char *
ask(struct client *c, uint32_t request, struct place *place, struct span address)
{
	struct serve *s = serve_of(c);
	struct waiter *w = calloc(1, sizeof(*w));
	struct probe_answer why;

	if (w == NULL)
		return "out of memory";
	*w = (struct waiter){.owner = c, .request = request};
	if (places_ask(&s->places, place, address, w, &why) == NULL) {
		free(w);
		return send_probed(c, request, &why);
	}
	c->asked++;
	return NULL;
}

static const char *
client_take(struct service_client *base, struct span datagram)
{
	static struct verified_row row;
	struct client *c = (struct client *)base;
	struct serve *s = serve_of(c);
	struct verify_ask m;
	struct wire_header h;
	const struct wire_shape *shape;
	struct probe_answer why;
	const char *wrong;
	bool is_old = false;

	if (wire_peek(datagram, &h) < 0 || h.flags != 0 ||
	    (shape = wire_find(verify_calls, h.type)) == NULL ||
	    wire_decode(datagram, shape, &m) < 0)
		return "malformed message";
	struct place *place = places_find(&s->places, m.block);
	if (place == NULL)
		return "the domain is none of those that are verified";
	if (find(s, m.address, &row, &is_old)) {
		wrong = send_kept(c, h.request, &row);
		if (is_old)
			(void)places_ask(&s->places, place, m.address, NULL, &why);
	} else {
		wrong = ask(c, h.request, place, m.address);
	}
	return wrong;
}

static void
client_came(struct service_client *base)
{
	(void)base;
}

static bool
client_may_take(const struct service_client *base)
{
	return ((const struct client *)base)->asked < VERIFY_ASKED_MAX;
}

static bool
client_is_busy(const struct service_client *base)
{
	return ((const struct client *)base)->asked > 0;
}

static void
client_has_room(struct service_client *base)
{
	(void)base; /* nothing is held back for want of it */
}

static void
free_waiter(struct waiter *w)
{
	free(w);
}

static void
client_ended(struct service_client *base)
{
	struct client *c = (struct client *)base;

	if (c->asked > 0)
		places_leave(&serve_of(c)->places, c, free_waiter);
}

static const struct service_program program = {
	.client_size = sizeof(struct client),
	.stalled_ms = SERVE_STALLED_MS,
	.stop_ms = SERVE_STOP_MS,
	.came = client_came,
	.may_take = client_may_take,
	.take = client_take,
	.is_busy = client_is_busy,
	.has_room = client_has_room,
	.ended = client_ended,
};

void
serve(const struct start_listen *listen, const struct probe_start *start,
      struct verified_store *store, size_t clients_max)
{
	struct serve *s = calloc(1, sizeof(*s));
	struct loop *loop = loop_new();

	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "serve");
	s->store = store;
	s->config = &start->config->verify;
	places_start(&s->places, loop, start, probed, s);
	service_open(&s->service, loop, &program, listen, clients_max, s);
	loop_run(loop);
	service_close(&s->service);
	places_end(&s->places);
	loop_free(loop);
	free(s);
}
