/*
 * site-list - see site-list.h
 */
#include "queue-manager/site-list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/fatal.h"
#include "queue-manager/manager.h"

#define ROOM_FIRST 64
#define FIND_BUCKETS 64 /* of the places, in one step */

/* ---- rows ---- */

static uint32_t
new_row(struct site_list *l)
{
	if (l->count == l->room) {
		uint32_t room = l->room == 0 ? ROOM_FIRST : l->room * 2;
		struct site_row *rows = realloc(l->rows, room * sizeof(*rows));
		if (rows == NULL)
			fatal(EXIT_OS, ENOMEM, "%u sites", room);
		l->rows = rows;
		l->room = room;
	}
	l->rows[l->count] = (struct site_row){.oldest_us = INT64_MAX};
	return l->count++;
}

/* where the row of that number stands; NULL: the index has no room for it */
static uint32_t *
index_at(struct site_index *i, uint32_t number)
{
	return number <= i->room ? &i->row[number - 1] : NULL;
}

static uint32_t *
index_make(struct site_index *i, uint32_t number)
{
	if (number > i->room) {
		uint32_t room = number + number / 2 + ROOM_FIRST;
		uint32_t *row = realloc(i->row, room * sizeof(*row));
		if (row == NULL)
			fatal(EXIT_OS, ENOMEM, "an index of %u sites", room);
		memset(row + i->room, 0, (room - i->room) * sizeof(*row));
		i->row = row;
		i->room = room;
	}
	return &i->row[number - 1];
}

/* the row of the recipient's site, or of its domain where none is known */
static struct site_row *
row_of(struct manager *q, struct site_list *l, uint32_t domain)
{
	struct destinations *d = &q->destinations;
	uint32_t site = destination_site(q, domain);
	if (l->count == 0)
		(void)new_row(l);
	uint32_t *row =
		site != 0 ? index_make(&l->by_site, site) : index_make(&l->by_domain, domain);
	if (*row == 0 && l->count <= SITE_LIST_MAX) {
		*row = new_row(l);
		struct name *name =
			site != 0 ? names_at(&d->sites, site) : names_at(&d->domains, domain);
		name->users++;
		l->rows[*row].name = name;
		l->rows[*row].is_domain = site == 0;
	}
	return &l->rows[*row];
}

void
site_list_count(struct manager *q, struct site_list *l, const struct message *m,
		const struct recipient *r)
{
	struct site_row *row = row_of(q, l, r->domain);
	int64_t age_us = manager_wall_us(q) - m->arrived_us;
	uint64_t age_ms = age_us > 0 ? (uint64_t)age_us / 1000 : 0;
	size_t class = 0;
	while (class < CONTROL_AGES - 1 && age_ms >= control_ages_ms[class])
		class ++;
	row->recipients++;
	row->age[class]++;
	if (r->state == RECIPIENT_ACTIVE)
		row->active++;
	if (m->arrived_us < row->oldest_us)
		row->oldest_us = m->arrived_us;
}

/* ---- what the places say ---- */

static void
find(struct manager *q, struct site_list *l, const struct place *p)
{
	char text[DESTINATION_NAME_MAX];
	const struct name *site =
		names_find(&q->destinations.sites, destination_place_name(p, text));
	uint32_t *row = site != NULL ? index_at(&l->by_site, site->number) : NULL;
	if (row != NULL && *row != 0)
		site_report_add(&l->rows[*row].report, q, p);
}

/* a table that grows meanwhile deals its places out anew: at worst a site is told of without its state, or with its sums doubled */
bool
site_list_find_some(struct manager *q, struct site_list *l)
{
	const struct places *t = &q->schedule.places;
	for (int i = 0; i < FIND_BUCKETS; i++) {
		if (l->bucket >= t->bucket_count)
			return false;
		for (struct place *p = t->buckets[l->bucket]; p != NULL; p = p->hash_next)
			find(q, l, p);
		l->bucket++;
	}
	return true;
}

/* ---- telling ---- */

static bool
tell(struct peer *p, const struct site_row *row, uint32_t request, bool with_reply)
{
	struct manager *q = p->q;
	char limit[CONTROL_TEXT_MAX];
	const struct site_report *r = &row->report;
	int64_t probe_ms = r->is_dead ? r->dead_until_ms - manager_now_ms(q) : 0;
	struct control_site c = {.name = row->name != NULL ? name_text(row->name) : SPAN_NONE,
				 .recipients = row->recipients,
				 .active = row->active,
				 .oldest_us = row->oldest_us > 0 ? (uint64_t)row->oldest_us : 0,
				 .known = r->is_known,
				 .agents = r->agents,
				 .window = r->window,
				 .window_max = site_report_window_max(r),
				 .back_off_ms = (uint64_t)r->back_off_ms,
				 .probe_ms = probe_ms > 0 ? (uint64_t)probe_ms : 0};
	memcpy(c.age, row->age, sizeof(c.age));
	site_report_limit(q, r, row->recipients - row->active, limit, sizeof(limit));
	if (row->name != NULL)
		c.limit = span_of(limit);
	if (with_reply && r->reply != NULL)
		c.reply = span_of(r->reply);
	return peer_send(p, wire_find(control_answers, CONTROL_SITE), 0, request, &c, NULL);
}

bool
site_list_tell(struct peer *p, struct site_list *l, uint32_t request, bool with_reply)
{
	while (l->told < l->count && l->rows[l->told].recipients == 0)
		l->told++;
	if (l->told >= l->count)
		return false;
	(void)tell(p, &l->rows[l->told++], request, with_reply);
	return true;
}

void
site_list_free(struct manager *q, struct site_list *l)
{
	struct destinations *d = &q->destinations;
	for (uint32_t i = 0; i < l->count; i++) {
		struct site_row *row = &l->rows[i];
		if (row->name != NULL)
			names_let(row->is_domain ? &d->domains : &d->sites, row->name);
		site_report_free(&row->report);
	}
	free(l->rows);
	free(l->by_site.row);
	free(l->by_domain.row);
	*l = (struct site_list){0};
}
