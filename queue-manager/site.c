/*
 * site - see site.h
 *
 * Invariants: a place has one site, always; the counters of a site are the sums of its places'; a site with a name is in the table, once;
 * a site without a place is gone.
 */
#include "queue-manager/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/hop.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/checksum.h"
#include "queue-manager/manager.h"

#define BUCKETS_FIRST 64
#define SITE_NAME_MAX 8704 /* hosts of a place, and a login */

/* ---- counters ---- */

void
site_count_agents(struct place *p, int by)
{
	p->agents += (uint32_t)by;
	p->site->agents += (uint32_t)by;
}

void
site_count_busy(struct place *p, int by)
{
	p->busy += (uint32_t)by;
	p->site->busy += (uint32_t)by;
}

void
site_count_wants(struct place *p, int by)
{
	p->wants += (uint32_t)by;
	p->site->wants += (uint32_t)by;
}

void
site_count_connected(struct place *p, int by)
{
	p->connected += (uint32_t)by;
	p->site->connected += (uint32_t)by;
}

/* all that the place has counts there (1), or does so no more (-1) */
static void
count_all(struct site *s, const struct place *p, int sign)
{
	s->agents += (uint32_t)sign * p->agents;
	s->busy += (uint32_t)sign * p->busy;
	s->wants += (uint32_t)sign * p->wants;
	s->connected += (uint32_t)sign * p->connected;
	s->batches += (uint32_t)sign * p->batches;
}

void
site_idle_add(struct site *s, struct agent *a)
{
	a->site_previous = NULL;
	a->site_next = s->idle;
	if (s->idle != NULL)
		s->idle->site_previous = a;
	s->idle = a;
}

void
site_idle_drop(struct site *s, struct agent *a)
{
	if (a->site_previous != NULL)
		a->site_previous->site_next = a->site_next;
	else
		s->idle = a->site_next;
	if (a->site_next != NULL)
		a->site_next->site_previous = a->site_previous;
}

/* ---- the table of names ---- */

static struct site **
bucket_of(struct sites *t, uint32_t hash)
{
	return &t->buckets[hash & (t->bucket_count - 1)];
}

static void
grow(struct sites *t)
{
	struct sites wider = *t;
	wider.bucket_count = t->bucket_count == 0 ? BUCKETS_FIRST : t->bucket_count * 2;
	wider.buckets = calloc(wider.bucket_count, sizeof(struct site *));
	if (wider.buckets == NULL)
		fatal(EXIT_OS, ENOMEM, "table of %zu sites", wider.bucket_count);
	for (size_t i = 0; i < t->bucket_count; i++)
		while (t->buckets[i] != NULL) {
			struct site *s = t->buckets[i];
			t->buckets[i] = s->hash_next;
			s->hash_next = *bucket_of(&wider, s->hash);
			*bucket_of(&wider, s->hash) = s;
		}
	free(t->buckets);
	*t = wider;
}

static struct site *
find(struct sites *t, struct span name)
{
	uint32_t hash = (uint32_t)checksum_of(name.at, name.len);
	struct site *s = t->bucket_count > 0 ? *bucket_of(t, hash) : NULL;
	while (s != NULL && (s->hash != hash || !span_equal(span_of(s->name), name)))
		s = s->hash_next;
	return s;
}

static void
name_it(struct manager *q, struct site *s, struct span name)
{
	struct sites *t = &q->schedule.sites;
	if (t->count >= t->bucket_count)
		grow(t);
	s->name = malloc(name.len + 1);
	if (s->name == NULL)
		fatal(EXIT_OS, ENOMEM, "the name of a site");
	memcpy(s->name, name.at, name.len);
	s->name[name.len] = '\0';
	s->hash = (uint32_t)checksum_of(name.at, name.len);
	s->hash_next = *bucket_of(t, s->hash);
	*bucket_of(t, s->hash) = s;
	t->count++;
	site_reload(q, s);
}

static void
drop_name(struct sites *t, struct site *s)
{
	if (s->name == NULL)
		return;
	struct site **at = bucket_of(t, s->hash);
	while (*at != s)
		at = &(*at)->hash_next;
	*at = s->hash_next;
	t->count--;
	free(s->name);
	s->name = NULL;
}

/* ---- the configuration ---- */

/* the `site` that one of the hosts belongs to, or that has this name; NULL: none */
static const struct config_site *
block_of(const struct manager *q, struct span hosts)
{
	struct span word;
	while ((word = span_word(&hosts)).len > 0) {
		struct span host = span_cut(&word, ':');
		for (size_t i = 0; i < q->config->site_count; i++)
			if (span_equal(host, span_of(q->config->sites[i].names[0])))
				return &q->config->sites[i];
		const struct config_site *block = config_site_find(q->config, host);
		if (block != NULL)
			return block;
	}
	return NULL;
}

void
site_reload(struct manager *q, struct site *s)
{
	const struct config_limits *l = &q->config->limits;
	const struct config_site *block = NULL;
	s->concurrency = SCHEDULE_NOTICE_AGENTS;
	s->messages_per_connection = UINT64_MAX;
	s->rate_us = 0;
	if (jobs_parent_kind(s->kind) == JOBS_MAILBOX)
		s->concurrency = l->mailbox_concurrency;
	if (s->kind != JOBS_SMTP)
		return;
	if (s->name != NULL)
		block = block_of(q, span_of(s->name));
	s->concurrency =
		block != NULL && block->concurrency > 0 ? block->concurrency : l->concurrency;
	s->messages_per_connection = block != NULL && block->messages_per_connection > 0
					     ? block->messages_per_connection
					     : l->messages_per_connection;
	s->rate_us = block != NULL && block->rate > 0 ? block->rate : l->rate;
}

/* ---- places come and go ---- */

static struct site *
make_site(struct manager *q, enum jobs_kind kind)
{
	struct site *s = calloc(1, sizeof(*s));
	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "a site");
	s->kind = kind;
	s->window = SITE_WINDOW_FIRST;
	s->q = q;
	s->timer = (struct loop_timer){.fire = schedule_site_timer, .owner = s};
	site_reload(q, s);
	return s;
}

static void
link_place(struct site *s, struct place *p)
{
	p->site = s;
	p->site_previous = NULL;
	p->site_next = s->places;
	if (s->places != NULL)
		s->places->site_previous = p;
	s->places = p;
	s->place_count++;
	count_all(s, p, 1);
	for (struct agent *a = p->idle; a != NULL; a = a->place_next)
		site_idle_add(s, a);
}

static void
unlink_place(struct place *p)
{
	struct site *s = p->site;
	for (struct agent *a = p->idle; a != NULL; a = a->place_next)
		site_idle_drop(s, a);
	count_all(s, p, -1);
	if (p->site_previous != NULL)
		p->site_previous->site_next = p->site_next;
	else
		s->places = p->site_next;
	if (p->site_next != NULL)
		p->site_next->site_previous = p->site_previous;
	s->place_count--;
	p->site = NULL;
}

static void
free_if_empty(struct manager *q, struct site *s)
{
	if (s->place_count > 0)
		return;
	drop_name(&q->schedule.sites, s);
	host_forget(&q->schedule.sites.hosts, &s->hosts);
	parked_free(&s->parked);
	loop_timer_clear(q->loop, &s->timer);
	free(s);
}

/* hosts that the configuration names need no agent to be known */
static bool
is_known(struct span hosts)
{
	struct span word;
	struct hop hop;
	while ((word = span_word(&hosts)).len > 0)
		if (hop_parse(word, &hop) == 0 && hop.is_mx)
			return false;
	return true;
}

/*
 * full_name - of the site of a place: the hosts, or the name of their `site`, and the login there, in parentheses
 *
 * A host that does not let one login in may well take the mail of another.
 */
static struct span
full_name(struct manager *q, const struct place *p, struct span hosts, char to[SITE_NAME_MAX])
{
	const struct config_site *block = block_of(q, hosts);
	if (block != NULL)
		hosts = span_of(block->names[0]);
	if (p->home.len == 0)
		return hosts;
	int len = snprintf(to, SITE_NAME_MAX, "%.*s (%.*s)", SPAN_ARG(hosts), SPAN_ARG(p->home));
	return span_from(to, len < SITE_NAME_MAX ? (size_t)len : SITE_NAME_MAX - 1);
}

static struct site *
site_of_name(struct manager *q, enum jobs_kind kind, struct span name)
{
	struct site *s = find(&q->schedule.sites, name);
	if (s != NULL)
		return s;
	s = make_site(q, kind);
	name_it(q, s, name);
	return s;
}

void
site_join(struct manager *q, struct place *p)
{
	char text[SITE_NAME_MAX];
	bool has_name = p->kind == JOBS_SMTP && is_known(p->hosts);
	link_place(has_name ? site_of_name(q, p->kind, full_name(q, p, p->hosts, text))
			    : make_site(q, p->kind),
		   p);
}

void
site_leave(struct manager *q, struct place *p)
{
	struct site *s = p->site;
	unlink_place(p);
	free_if_empty(q, s);
}

void
site_learned(struct manager *q, struct place *p, struct span name)
{
	struct site *from = p->site;
	const struct span hosts = name;
	char text[SITE_NAME_MAX];
	name = full_name(q, p, hosts, text);
	if (p->kind != JOBS_SMTP || (from->name != NULL && span_equal(span_of(from->name), name)))
		return;
	EVENT("site-learned", event_text("site", name), event_text("place", p->hosts));
	if (from->name == NULL && find(&q->schedule.sites, name) == NULL) {
		name_it(q, from, name);
		host_learn(&q->schedule.sites.hosts, &from->hosts, hosts);
		return;
	}
	struct site *to = site_of_name(q, p->kind, name);
	unlink_place(p);
	link_place(to, p);
	host_share(&from->hosts, &to->hosts);
	host_learn(&q->schedule.sites.hosts, &to->hosts, hosts);
	if (from->place_count == 0)
		parked_move(q, &from->parked, &to->parked);
	free_if_empty(q, from);
	schedule_touch(q, p);
}

void
sites_free(struct manager *q)
{
	hosts_free(&q->schedule.sites.hosts);
	free(q->schedule.sites.buckets);
	q->schedule.sites = (struct sites){0};
}

/* ---- rate ---- */

int64_t
site_rate_wait_us(const struct site *s, int64_t now_us)
{
	return s->rate_us > 0 && s->next_us > now_us ? s->next_us - now_us : 0;
}

void
site_rate_take(struct site *s, int64_t now_us)
{
	if (s->rate_us == 0)
		return;
	int64_t from =
		s->next_us > now_us - SITE_RATE_SLACK_US ? s->next_us : now_us - SITE_RATE_SLACK_US;
	s->next_us = from + (int64_t)s->rate_us;
}

/* ---- what is said of it ---- */

bool
site_is_given_up(const struct manager *q, const struct site *s)
{
	uint64_t after_ms = q->config->outbound.refuse_dead;
	return s->is_dead && s->dead_since_ms != 0 && after_ms > 0 &&
	       (uint64_t)(manager_now_ms(q) - s->dead_since_ms) >= after_ms;
}
