/*
 * early - 250 without an fsync: the message is delivered before the session would have brought it to the disk
 *
 * See early.h; the session's half is smtpd/accept.c, step 4a; design and reasons: docs/architecture.md, "Early delivery".
 *
 * Rules, each with its test in tests/unit/queue-manager/early.c:
 *
 * E1  Nothing leaves before COMMIT: then the content is whole and stands still (the lease), and the session has checked all that it checks.
 *     Until all of its leaves are known nothing leaves either: one of them may forbid it (decide).
 * E2  DELIVERED is said when every recipient has a final positive answer: the next hop's or a durable mailbox's.  What the journal
 *     would say of it is then of no use to anybody, so the file goes first, then the session is told.
 * E3  A deferral, whatever its reason, ends the wait at once, and so does one who has to be routed anew (an agent that died), and one refusal beside
 *     one delivery: a notice will be due, and that must survive us.
 * E4  REFUSED is said only when every recipient was refused and none delivered.  The file stays until the session has answered: KEEP
 *     (it had lost patience, a notice is due), ANSWERED or gone (no 250 was given, nobody is owed anything).
 * E5  Whoever sent to an alias does not learn from a refusal what is behind it: code and text are then our own, general ones.
 * E6  Never early: who is owed a notice of success; more than EARLY_LEAVES_MAX leaves; held mail; a place that is ourselves, since a
 *     session that waits for a session may wait in a circle; `off`; a session that does not want to (short of sessions, a notice).
 * E7  Under `auto`, not where it does not pay: a place that is not known to be quick (no connection now, nothing measured), or that answers
 *     slower than an fsync takes; and under any word, not where it is known to be of no use: trouble, or a backlog.
 * E8  The wait ends by our own timer; the session has one behind it, should we hang.
 * E9  A crash between an answer of a next hop and 250 can only double: file and `queued` line were there before anything left, and
 *     are removed only by E2, or by E4 once the client was told.
 *
 * A message that is not finished in time goes on as it is: what an agent has is not taken back, what waits stays where it is.
 */
#include "queue-manager/early.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/hop.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/text/number.h"
#include "queue-manager/manager.h"
#include "queue-manager/queue.h"
#include "queue-manager/site.h"

#define AVERAGE_OF 8 /* a new figure counts so many-th */
/* the best figure of a place fades so slowly: our own load is not held against it */
#define BEST_FADES 32
#define GENERAL_CODE 550
#define GENERAL_STATUS "5.0.0"
#define GENERAL_TEXT "the message cannot be delivered to a recipient"

/* one session that waits */
struct early {
	struct message *message;
	struct peer *peer;
	struct manager *q;
	struct early *previous, *next;
	struct loop_timer timer;
	int64_t begun_ms;
	uint32_t refused;
	bool is_general; /* one who was refused stands behind an alias */
	/* of the first who was refused */
	uint64_t code;
	char status[STATUS_MAX], text[REPLY_TEXT_MAX + 1];
};

/* ---- is that ourselves? ---- */

void
early_addresses(struct early_state *e)
{
	struct ifaddrs *all = NULL;

	/* not known: then only what `listen` names and the loopback are ourselves */
	if (getifaddrs(&all) != 0) {
		EVENT("addresses-unknown", event_string("errno", strerror(errno)));
		return;
	}
	for (const struct ifaddrs *i = all; i != NULL && e->address_count < EARLY_ADDRESSES_MAX;
	     i = i->ifa_next) {
		struct early_address *to = &e->addresses[e->address_count];
		const struct sockaddr *a = i->ifa_addr;
		if (a == NULL || (a->sa_family != AF_INET && a->sa_family != AF_INET6))
			continue;
		to->family = a->sa_family;
		if (a->sa_family == AF_INET)
			memcpy(to->bytes, &((const struct sockaddr_in *)(const void *)a)->sin_addr,
			       4);
		else
			memcpy(to->bytes,
			       &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
		e->address_count++;
	}
	freeifaddrs(all);
}

static size_t
length_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

static bool
is_of_this_machine(const struct early_state *e, const struct early_address *a)
{
	static const unsigned char loopback[16] = {[15] = 1};
	if (a->family == AF_INET ? a->bytes[0] == 127 : memcmp(a->bytes, loopback, 16) == 0)
		return true;
	for (unsigned i = 0; i < e->address_count; i++)
		if (e->addresses[i].family == a->family &&
		    memcmp(e->addresses[i].bytes, a->bytes, length_of(a->family)) == 0)
			return true;
	return false;
}

/* does that `listen` take connections to this address and port? */
static bool
takes(const struct early_state *e, const struct config_listen *l, const struct early_address *a,
      uint16_t port)
{
	static const unsigned char any[16];
	const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)&l->address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)&l->address;
	bool is_four = l->address.ss_family == AF_INET;
	const void *own = is_four ? (const void *)&four->sin_addr : (const void *)&six->sin6_addr;
	size_t len = length_of(l->address.ss_family);
	if (ntohs(is_four ? four->sin_port : six->sin6_port) != port)
		return false;
	if (memcmp(own, any, len) == 0)
		return is_of_this_machine(e, a);
	return l->address.ss_family == a->family && memcmp(own, a->bytes, len) == 0;
}

static bool
read_address(struct span text, struct early_address *a)
{
	char copy[INET6_ADDRSTRLEN];
	*a = (struct early_address){.family = AF_INET};
	if (span_copy(text, copy, sizeof(copy)) != 0)
		return false;
	if (inet_pton(AF_INET, copy, a->bytes) == 1)
		return true;
	a->family = AF_INET6;
	return inet_pton(AF_INET6, copy, a->bytes) == 1;
}

static bool
is_ours(struct manager *q, struct span address, uint16_t port)
{
	struct early_address a;
	if (!read_address(address, &a))
		return false;
	for (size_t i = 0; i < q->config->listen_count; i++)
		if (takes(&q->early, &q->config->listens[i], &a, port))
			return true;
	return false;
}

enum own { NOT_OURS, OURS, NOT_KNOWN };

/* by what it is called, and by who has answered there */
static enum own
is_place_ours(struct manager *q, const struct place *p)
{
	struct span rest = p->hosts;
	if (p->is_self)
		return OURS;
	for (struct span word; (word = span_word(&rest)).len > 0;) {
		struct hop hop;
		if (hop_parse(word, &hop) != 0)
			return NOT_KNOWN;
		if (hop.is_lmtp)
			continue;
		if (hop.is_literal && is_ours(q, hop.host, hop.port))
			return OURS;
		/* a name: those who have answered so far were not we */
		if (!hop.is_literal && p->answer_us == 0)
			return NOT_KNOWN;
	}
	return NOT_OURS;
}

/* ---- what is measured ---- */

static int64_t
average(int64_t before, int64_t us)
{
	return before == 0 ? us : before + (us - before) / AVERAGE_OF;
}

void
early_synced(struct manager *q, uint64_t us)
{
	if (us > 0)
		q->early.sync_us = average(q->early.sync_us, (int64_t)us);
}

/* NAME[ADDRESS]:PORT */
static bool
is_host_ours(struct manager *q, struct span host)
{
	uint64_t port;
	size_t end = host.len, begin;
	while (end > 0 && host.at[end - 1] != ']')
		end--;
	for (begin = end; begin > 0 && host.at[begin - 1] != '[';)
		begin--;
	if (begin == 0 || end + 1 >= host.len || host.at[end] != ':' ||
	    number_parse(span_skip(host, end + 1), 1, UINT16_MAX, &port) != 0)
		return false;
	return is_ours(q, span_from(host.at + begin, end - 1 - begin), (uint16_t)port);
}

void
early_answered(struct manager *q, struct place *p, int64_t us, struct span host)
{
	if (us <= 0)
		us = 1;
	if (p->kind == JOBS_MAILBOX)
		q->early.mailbox_us = average(q->early.mailbox_us, us);
	/*
	 * Of a next hop the best counts, and is forgotten slowly: while all goes early no fsync is measured, so that an average under
	 * load would be compared with one without.
	 */
	if (p->answer_us == 0 || us < p->answer_us)
		p->answer_us = us;
	else
		p->answer_us += (us - p->answer_us) / BEST_FADES;
	if (p->kind == JOBS_SMTP && is_host_ours(q, host))
		p->is_self = true;
}

/* ---- E6, E7: may it be early, and how long? ---- */

static bool
is_quick(const struct manager *q, const struct place *p)
{
	/* nobody knows how long a command takes */
	if (p->kind != JOBS_MAILBOX && jobs_parent_kind(p->kind) == JOBS_MAILBOX)
		return false;
	if (p->kind == JOBS_MAILBOX)
		return q->early.mailbox_us > 0 && q->early.mailbox_us <= EARLY_MAILBOX_US;
	return p->site->agents > 0 && p->answer_us > 0 && p->answer_us <= q->early.sync_us;
}

/* whoever waits there would only hear that it was in vain */
static bool
has_backlog(const struct place *p, uint64_t wait_ms)
{
	int64_t agents = p->site->agents > 0 ? p->site->agents : 1;
	int64_t batches = p->site->batches;
	if (batches <= agents * EARLY_BACKLOG_JOBS)
		return false;
	return p->answer_us == 0 ||
	       batches * p->answer_us / agents > (int64_t)wait_ms * 1000 / EARLY_BACKLOG_PART;
}

/* milliseconds; 0: it may not be waited for */
static uint64_t
wait_for(struct manager *q, const struct place *p)
{
	struct config_early_delivery e = config_early_of(q->config, p->domain);
	uint64_t wait_ms = 0;
	if (p->is_stale || p->site->is_dead || p->site->back_off_ms != 0 ||
	    site_rate_wait_us(p->site, clock_monotonic_us()) > 0 || is_place_ours(q, p) != NOT_OURS)
		return 0;
	switch (e.how) {
	case CONFIG_EARLY_WAIT:
		wait_ms = e.wait;
		break;
	case CONFIG_EARLY_UNSAID:
	case CONFIG_EARLY_AUTO:
		wait_ms = is_quick(q, p) ? EARLY_AUTO_MS : 0;
		break;
	case CONFIG_EARLY_OFF:
		break;
	}
	return has_backlog(p, wait_ms) ? 0 : wait_ms;
}

static bool
is_owed_success(const struct message *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (message_wants(m, i + 1, INTAKE_NOTIFY_SUCCESS))
			return true;
	return false;
}

/* ---- the ends of a wait ---- */

/* the session's answer comes from elsewhere now, or was given */
static void
forget(struct early *e)
{
	struct message *m = e->message;
	struct manager *q = e->q;
	loop_timer_clear(q->loop, &e->timer);
	if (e->previous != NULL)
		e->previous->next = e->next;
	else
		q->early.first = e->next;
	if (e->next != NULL)
		e->next->previous = e->previous;
	m->is_waited = false;
	m->early = NULL;
	free(e);
}

/* the message lives on in the hands of the caller: with the answer the session's use of it may end */
static void
tell(struct early *e, const struct intake_finished *f)
{
	struct message *m = e->message;
	struct manager *q = e->q;
	struct peer *p = e->peer;
	forget(e);
	m->uses++;
	intake_finished(q, p, f);
	m->uses--;
}

static void
tell_not(struct early *e)
{
	const struct intake_finished f = {
		.finish = INTAKE_FINISH_NOT, .status = SPAN_NONE, .text = SPAN_NONE};
	tell(e, &f);
}

/* E2: nothing is left to be done, so nothing is left of it */
static void
tell_delivered(struct manager *q, struct early *e)
{
	const struct intake_finished f = {
		.finish = INTAKE_FINISH_DELIVERED, .status = SPAN_NONE, .text = SPAN_NONE};
	EVENT("done", event_id(e->message->id));
	message_remove(q, e->message); /* stays in memory: the transaction uses it */
	tell(e, &f);
}

/* E4, E5 */
static void
tell_refused(struct early *e)
{
	struct intake_finished f = {.finish = INTAKE_FINISH_REFUSED};
	char status[STATUS_MAX], text[REPLY_TEXT_MAX + 1];
	bool is_reply = e->code >= 500 && e->code <= 599 && e->text[0] != '\0';
	f.code = is_reply && !e->is_general ? e->code : GENERAL_CODE;
	snprintf(status, sizeof(status), "%s", e->is_general ? GENERAL_STATUS : e->status);
	snprintf(text, sizeof(text), "%s",
		 e->is_general || e->text[0] == '\0' ? GENERAL_TEXT : e->text);
	f.status = span_of(status);
	f.text = span_of(text);
	tell(e, &f);
}

static void
timer_fired(struct loop_timer *t)
{
	struct early *e = t->owner;
	struct message *m = e->message;
	struct manager *q = e->q;
	tell_not(e);
	message_settle(q, m);
}

void
early_end(struct manager *q, struct message *m)
{
	(void)q;
	if (m->is_waited)
		forget(m->early);
}

void
early_stop(struct manager *q)
{
	/* what follows for one message ends the wait of no other */
	for (struct early *e = q->early.first, *next; e != NULL; e = next) {
		next = e->next;
		timer_fired(&e->timer);
	}
}

/* ---- a message on its way ---- */

uint64_t
early_begin(struct manager *q, struct message *m, struct peer *p)
{
	/* aliases only make more of them */
	if (q->early.longest_ms == 0 || q->is_stopping || m->is_held || m->is_unverified ||
	    m->count > EARLY_LEAVES_MAX || is_owed_success(m))
		return 0;
	struct early *e = calloc(1, sizeof(*e));
	if (e == NULL)
		return 0;
	*e = (struct early){.message = m,
			    .peer = p,
			    .q = q,
			    .next = q->early.first,
			    .timer = {.fire = timer_fired, .owner = e},
			    .begun_ms = manager_now_ms(q)};
	if (e->next != NULL)
		e->next->previous = e;
	q->early.first = e;
	m->early = e;
	m->is_waited = true;
	/* until its places are known; decide() may only shorten it */
	loop_timer_set(q->loop, &e->timer, e->begun_ms + (int64_t)q->early.longest_ms);
	return q->early.longest_ms;
}

void
early_failed(struct message *m, uint32_t number, const struct answer *a)
{
	struct early *e = m->is_waited ? m->early : NULL;
	if (e == NULL)
		return;
	if (m->recipients[number - 1].depth > 0)
		e->is_general = true;
	if (e->refused++ > 0)
		return;
	e->code = a->code;
	if (span_copy(a->status, e->status, sizeof(e->status)) != 0)
		snprintf(e->status, sizeof(e->status), GENERAL_STATUS);
	size_t len = a->reply.len < REPLY_TEXT_MAX ? a->reply.len : REPLY_TEXT_MAX;
	if (len > 0)
		memcpy(e->text, a->reply.at, len);
	e->text[len] = '\0';
}

/* all of its leaves are known: to those who deliver, or not early (E1, E6, E7); false: not */
static bool
decide(struct manager *q, struct message *m, struct early *e)
{
	uint64_t wait_ms = q->early.longest_ms;
	uint32_t leaves =
		message_in(m, RECIPIENT_READY) + message_in(m, RECIPIENT_DELIVERED) + e->refused;
	if (leaves > EARLY_LEAVES_MAX)
		return false;
	for (const struct batch *b = m->batches; b != NULL && wait_ms > 0; b = b->message_next) {
		uint64_t wait = wait_for(q, b->place);
		if (wait < wait_ms)
			wait_ms = wait;
	}
	if (wait_ms == 0)
		return false;
	loop_timer_set(q->loop, &e->timer, e->begun_ms + (int64_t)wait_ms);
	m->is_released = true;
	queue_keep(q, m);
	return true;
}

/* E3: it is known that the wait leads to nothing */
static bool
is_lost(const struct message *m, const struct early *e)
{
	bool is_to_be_routed =
		message_in(m, RECIPIENT_WAITING) + message_in(m, RECIPIENT_ASKED) > 0;
	return m->is_gone || m->is_held || message_in(m, RECIPIENT_DEFERRED) > 0 ||
	       (m->is_released && is_to_be_routed) ||
	       (e->refused > 0 && message_in(m, RECIPIENT_DELIVERED) > 0);
}

void
early_settle(struct manager *q, struct message *m)
{
	struct early *e = m->is_waited ? m->early : NULL;
	if (e == NULL)
		return;
	if (is_lost(m, e)) {
		tell_not(e);
		return;
	}
	if (message_in(m, RECIPIENT_WAITING) + message_in(m, RECIPIENT_ASKED) > 0)
		return;
	if (message_in(m, RECIPIENT_READY) + message_in(m, RECIPIENT_ACTIVE) > 0) {
		if (!m->is_released && !decide(q, m, e))
			tell_not(e);
		return;
	}
	if (e->refused > 0)
		tell_refused(e);
	else
		tell_delivered(q, e);
}

void
early_configured(struct manager *q)
{
	uint64_t longest = config_early_longest(q->config, EARLY_AUTO_MS);
	q->early.longest_ms = longest < INTAKE_WAIT_MAX_MS ? longest : INTAKE_WAIT_MAX_MS;
}
