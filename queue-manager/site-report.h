/*
 * site-report - the state of a site, from its places
 *
 * Called by site-list.  All that the list of sites knows of windows, pauses and limits is asked for here.
 */
#ifndef QUEUE_MANAGER_SITE_REPORT_H
#define QUEUE_MANAGER_SITE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/jobs.h"
#include "queue-manager/site.h"

struct manager;
struct place;

/* the sums of the site's places, or what the one that is worst off says */
struct site_report {
	bool is_known; /* there is a place */
	enum jobs_kind kind;
	uint32_t agents, busy, wants;
	const struct site *site; /* that was added last; never followed */
	uint32_t window;
	uint64_t concurrency;
	enum site_bound bound;
	bool is_paused;
	uint32_t ready; /* recipients that could go now */
	bool is_dead, is_hungry;
	int64_t dead_until_ms, back_off_ms;
	char *reply; /* the last one that was trouble of the site itself; NULL: none; site_report_free's */
};

/* site_report_add - what one more of its places says */
void site_report_add(struct site_report *r, struct manager *q, const struct place *p);
void site_report_free(struct site_report *r);
/* how many connections its places may have at best */
uint32_t site_report_window_max(const struct site_report *r);
/* site_report_limit - what keeps `waiting` recipients, with no agent yet, from going: a sentence into `to`, empty when nothing does */
void site_report_limit(struct manager *q, const struct site_report *r, uint64_t waiting, char *to,
		       size_t size);

#endif
