/*
 * policies - see the header; called by serve.c
 */
#include "fetch/policies.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/checksum.h"
#include "fetch/obtain.h"

#define QUIET_SLOTS 1024
#define SWEEP_SLICE 32	/* policies looked at in one turn */
#define SWEEP_PENDING 4 /* downloads that a sweep has at a time: who waits goes first */
#define US_PER_S 1000000

/* a policy that is fetched, or waits for its turn */
struct pending {
	struct policies *owner;
	char domain[FETCH_DOMAIN_MAX + 1];
	bool is_started;
	bool is_refresh; /* nobody has asked for it: the sweep does */
	struct download download;
	struct download_work work;
	struct cache_draft draft;
	struct policies_waiter *waiters;
	struct pending *previous, *next;
};

/* a domain that is left alone for a while, and why; another one may take its slot */
struct quiet {
	int64_t until_ms;
	char domain[FETCH_DOMAIN_MAX + 1];
	char reason[FETCH_REASON_MAX + 1];
};

struct policies {
	struct loop *loop;
	struct download_means means;
	struct pending *first, *last; /* in the order in which they came */
	size_t count, started;
	struct quiet quiet[QUIET_SLOTS];
	struct loop_timer sweep;
	struct loop_task sweeping;
	DIR *list; /* of the sweep under way */
	struct cache_entry entry;
};

static int64_t
now_s(void)
{
	return clock_wall_us() / US_PER_S;
}

/* ---- who is left alone ---- */

static struct quiet *
quiet_slot(struct policies *p, const char *domain)
{
	return &p->quiet[checksum_of(domain, strlen(domain)) % QUIET_SLOTS];
}

/* NULL: it may be asked */
static const struct quiet *
quiet_find(struct policies *p, const char *domain)
{
	const struct quiet *q = quiet_slot(p, domain);

	return loop_now_ms(p->loop) < q->until_ms && strcmp(q->domain, domain) == 0 ? q : NULL;
}

static void
quiet_set(struct policies *p, const char *domain, int64_t ms, const char *reason)
{
	struct quiet *q = quiet_slot(p, domain);

	q->until_ms = loop_now_ms(p->loop) + ms;
	snprintf(q->domain, sizeof(q->domain), "%s", domain);
	snprintf(q->reason, sizeof(q->reason), "%s", reason);
}

/* ---- downloads ---- */

static struct pending *
pending_find(const struct policies *p, const char *domain)
{
	for (struct pending *d = p->first; d != NULL; d = d->next)
		if (strcmp(d->domain, domain) == 0)
			return d;
	return NULL;
}

static void
pending_end(struct pending *d)
{
	struct policies *p = d->owner;

	download_abandon(&d->download);
	cache_drop(p->means.directory, &d->draft);
	if (d->previous != NULL)
		d->previous->next = d->next;
	else
		p->first = d->next;
	if (d->next != NULL)
		d->next->previous = d->previous;
	else
		p->last = d->previous;
	p->count--;
	p->started -= d->is_started;
	free(d);
}

static void start_some(struct policies *p);

/* whoever waits hears it, and the next one begins */
static void
settle(struct pending *d)
{
	struct policies *p = d->owner;
	struct policies_waiter *waiters = d->waiters;

	pending_end(d);
	for (struct policies_waiter *w = waiters; w != NULL; w = w->next)
		w->pending = NULL;
	while (waiters != NULL) {
		struct policies_waiter *w = waiters;

		waiters = w->next;
		w->ready(w);
	}
	start_some(p);
}

static void
failed(struct pending *d, const char *reason)
{
	EVENT("policy-failed", event_string("domain", d->domain), event_string("reason", reason));
	quiet_set(d->owner, d->domain, POLICIES_FAILED_MS, reason);
}

/* the child has brought something: is it a policy? */
static void
written(struct pending *d)
{
	struct policies *p = d->owner;
	struct cache_entry *e = &p->entry;
	int64_t used_s = d->is_refresh ? cache_used_s(p->means.directory, d->domain) : -1;
	char reason[FETCH_REASON_MAX + 1];
	const char *wrong;

	if (cache_keep(p->means.directory, &d->draft, d->domain, used_s >= 0 ? used_s : now_s(), e,
		       &wrong) < 0) {
		snprintf(reason, sizeof(reason), "the policy is not one: %s", wrong);
		failed(d, reason);
		return;
	}
	EVENT("policy-fetched", event_string("domain", d->domain),
	      event_string("mode", sts_mode_name(e->policy.mode)), event_string("policy", e->id),
	      event_number("max_age", (int64_t)e->policy.max_age));
	quiet_set(p, d->domain, POLICIES_FETCHED_MS, "");
}

static void
download_done(struct download *download, const void *result)
{
	struct pending *d = download->owner;
	const struct obtain_result *r = result;

	if (r == NULL)
		failed(d, "the download ended without an answer");
	else if (r->outcome == OBTAIN_WRITTEN)
		written(d);
	else if (r->outcome == OBTAIN_NO_RECORD)
		quiet_set(d->owner, d->domain, POLICIES_FETCHED_MS, r->reason);
	else
		failed(d, r->reason);
	settle(d);
}

static void
run(const void *what, const struct download_means *means, int draft, void *result)
{
	obtain(what, means->resolver, means->authorities, draft, result);
}

/* false: there is no process or file for it */
static bool
start(struct pending *d)
{
	const struct download_means *means = &d->owner->means;
	int draft = cache_draft(means->directory, &d->draft);

	d->is_started = true;
	d->owner->started++;
	d->download.owner = d;
	d->download.done = download_done;
	d->work = (struct download_work){run, d->domain, sizeof(struct obtain_result),
					 obtain_is_sound};
	if (draft == 0 &&
	    download_start(&d->download, d->owner->loop, means, &d->work, d->draft.fd) == 0)
		return true;
	failed(d, strerror(errno));
	return false;
}

static void
start_some(struct policies *p)
{
	struct pending *d = p->first;

	while (d != NULL && p->started < DOWNLOADS_MAX) {
		if (d->is_started || start(d)) {
			d = d->next;
			continue;
		}
		settle(d); /* which goes on with the others itself */
		return;
	}
}

/* NULL: there are too many */
static struct pending *
begin(struct policies *p, const char *domain, bool is_refresh)
{
	struct pending *d = p->count < POLICIES_PENDING_MAX ? calloc(1, sizeof(*d)) : NULL;

	if (d == NULL)
		return NULL;
	d->owner = p;
	d->is_refresh = is_refresh;
	d->draft.fd = -1;
	snprintf(d->domain, sizeof(d->domain), "%s", domain);
	d->previous = p->last;
	if (p->last != NULL)
		p->last->next = d;
	else
		p->first = d;
	p->last = d;
	p->count++;
	return d;
}

/* ---- questions ---- */

bool
policies_is_stale(const struct cache_entry *e, int64_t now)
{
	int64_t half = (e->ends_s - e->fetched_s) / 2;

	/* a clock that was set back makes it stale too */
	return now < e->fetched_s ||
	       now - e->fetched_s >= (half < POLICIES_REFRESH_S ? half : POLICIES_REFRESH_S);
}

void
policies_look(struct policies *p, const char *domain, struct policies_known *known)
{
	const struct quiet *q = quiet_find(p, domain);

	known->now_s = now_s();
	known->has_policy = cache_read(p->means.directory, domain, known->now_s, &known->entry);
	known->reason = q != NULL			  ? q->reason
			: pending_find(p, domain) != NULL ? "the policy is being fetched"
							  : "";
	if (known->has_policy)
		cache_used(p->means.directory, domain, known->now_s);
}

bool
policies_ask(struct policies *p, const char *domain, const char *id, struct policies_waiter *w,
	     struct policies_known *known)
{
	struct pending *d;
	bool is_other, is_wanted;

	policies_look(p, domain, known);
	if (id[0] == '\0')
		return false;
	is_other = !known->has_policy || strcmp(id, known->entry.id) != 0;
	is_wanted = is_other || policies_is_stale(&known->entry, known->now_s);
	d = pending_find(p, domain);
	if (d == NULL && is_wanted && quiet_find(p, domain) == NULL) {
		d = begin(p, domain, false);
		/* in the loop's next turn at the earliest something comes of it: `w` can be added below */
		if (d != NULL && p->started < DOWNLOADS_MAX && !start(d)) {
			pending_end(d);
			d = NULL;
		}
	}
	if (d == NULL || !is_other)
		return false;
	w->pending = d;
	w->next = d->waiters;
	d->waiters = w;
	return true;
}

void
policies_leave(struct policies_waiter *w)
{
	struct policies_waiter **at;

	if (w->pending == NULL)
		return;
	for (at = &w->pending->waiters; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	w->pending = NULL;
}

/* ---- ahead of their end ---- */

static void
sweep_one(struct policies *p, const char *domain)
{
	int64_t now = now_s(), used_s = cache_used_s(p->means.directory, domain);

	if (!cache_is_name(span_of(domain)) ||
	    !cache_read(p->means.directory, domain, now, &p->entry) ||
	    !policies_is_stale(&p->entry, now) || now - used_s > POLICIES_UNUSED_S ||
	    quiet_find(p, domain) != NULL || pending_find(p, domain) != NULL)
		return;
	(void)begin(p, domain, true);
}

static void
sweep_end(struct policies *p)
{
	if (p->list != NULL)
		closedir(p->list);
	p->list = NULL;
}

static bool
sweep_step(struct loop_task *t)
{
	struct policies *p = t->owner;
	const char *domain = NULL;

	for (int i = 0; i < SWEEP_SLICE && p->count < SWEEP_PENDING; i++) {
		domain = cache_next(p->list, false);
		if (domain == NULL)
			break;
		sweep_one(p, domain);
	}
	start_some(p);
	if (domain != NULL && p->count < SWEEP_PENDING)
		return true;
	/* what was not reached is so in an hour, or when it is asked for */
	sweep_end(p);
	return false;
}

static void
sweep(struct loop_timer *t)
{
	struct policies *p = t->owner;

	loop_timer_set(p->loop, t, loop_now_ms(p->loop) + POLICIES_SWEEP_MS);
	if (p->list != NULL)
		return;
	p->list = cache_list(p->means.directory);
	if (p->list != NULL)
		loop_task_wake(p->loop, &p->sweeping);
}

/* ---- begin and end ---- */

struct policies *
policies_new(struct loop *loop, const struct download_means *means)
{
	struct policies *p = calloc(1, sizeof(*p));

	if (p == NULL)
		fatal(EXIT_OS, ENOMEM, "policies");
	p->loop = loop;
	p->means = *means;
	p->sweep = (struct loop_timer){.fire = sweep, .owner = p};
	p->sweeping = (struct loop_task){.step = sweep_step, .owner = p};
	cache_sweep_drafts(means->directory, now_s());
	loop_timer_set(loop, &p->sweep, loop_now_ms(loop) + POLICIES_SWEEP_MS);
	return p;
}

void
policies_free(struct policies *p)
{
	for (struct pending *d = p->first, *next; d != NULL; d = next) {
		next = d->next;
		pending_end(d);
	}
	loop_timer_clear(p->loop, &p->sweep);
	loop_task_clear(p->loop, &p->sweeping);
	sweep_end(p);
	free(p);
}
