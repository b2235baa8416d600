/*
 * site-list - how much waits for which site, and what keeps it
 *
 * Used by walk: all recipients that are meant are counted (site_list_count), then the places are looked through (site_list_find_some), then
 * each site is told (site_list_tell).  Promises: memory is bounded by SITE_LIST_MAX sites, what is beyond is counted together.  A site's
 * name stays its own while it is in the list.
 */
#ifndef QUEUE_MANAGER_SITE_LIST_H
#define QUEUE_MANAGER_SITE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/control.h"
#include "queue-manager/message.h"
#include "queue-manager/site-report.h"

struct manager;
struct peer;

#define SITE_LIST_MAX 100000 /* sites and domains in one answer */

struct site_row {
	struct name *name; /* NULL: all others */
	bool is_domain;	   /* the name is of a domain whose site is not known */
	uint64_t recipients, active;
	uint64_t age[CONTROL_AGES];
	int64_t oldest_us;
	struct site_report report;
};

struct site_list {
	struct site_row *rows; /* the first one: all others */
	uint32_t count, room;
	/* the rows of names: by number of the site, by number of the domain; 0: none yet */
	struct site_index {
		uint32_t *row;
		uint32_t room;
	} by_site, by_domain;
	uint32_t told;
	size_t bucket; /* of the places, the next to be looked through */
};

/* site_list_count - one more that waits; fatal() when memory is out */
void site_list_count(struct manager *q, struct site_list *l, const struct message *m,
		     const struct recipient *r);
/* site_list_find_some - what the places say of the sites; false: that was all */
bool site_list_find_some(struct manager *q, struct site_list *l);
/* site_list_tell - the next site; false: that was all.  `with_reply`: whoever asks may see replies about others' mail. */
bool site_list_tell(struct peer *p, struct site_list *l, uint32_t request, bool with_reply);
void site_list_free(struct manager *q, struct site_list *l);

#endif
