/*
 * policies - which policies are fetched, when, and what is known meanwhile (RFC 8461, sections 3.3, 5.1 and 10.2)
 *
 *     no policy is kept, or the record has another id    it is fetched, and whoever asks waits for it
 *     the policy kept is a day old, or half through      it is fetched behind whoever asks, and every hour for those that are in use
 *     it cannot be fetched                               the one that is kept holds on to its end; next attempt after POLICIES_FAILED_MS
 *
 * At most DOWNLOADS_MAX are under way; more wait, POLICIES_PENDING_MAX with them.
 */
#ifndef FETCH_POLICIES_H
#define FETCH_POLICIES_H

#include <stdbool.h>

#include "common/system/loop.h"
#include "fetch/cache.h"
#include "fetch/download.h"

#define POLICIES_PENDING_MAX 1024
#define POLICIES_FAILED_MS 300000 /* RFC 8461, section 3.3: five minutes or longer */
#define POLICIES_FETCHED_MS 60000 /* no domain is asked more often, whatever its records say */
#define POLICIES_REFRESH_S 86400
#define POLICIES_SWEEP_MS 3600000
#define POLICIES_UNUSED_S \
	(30 * INT64_C(86400)) /* whose policy was of no use for so long is not refreshed */

struct policies;
struct pending;

/* somebody who waits for a policy */
struct policies_waiter {
	struct pending *pending; /* NULL: for none */
	struct policies_waiter *next;
	void (*ready)(
		struct policies_waiter *w); /* look again: what there is now is what there is */
	void *owner;
};

/* what is known of a domain now */
struct policies_known {
	bool has_policy;
	struct cache_entry entry;
	int64_t now_s;
	const char *reason; /* why nothing newer; may be empty; valid until the next call */
};

struct policies *policies_new(struct loop *loop, const struct download_means *means);
void policies_free(struct policies *p);

/* policies_ask - of a domain whose record has that id (empty: none); true: `w` waits, and *known says nothing */
bool policies_ask(struct policies *p, const char *domain, const char *id, struct policies_waiter *w,
		  struct policies_known *known) __attribute__((warn_unused_result));
/* policies_look - what is known without fetching */
void policies_look(struct policies *p, const char *domain, struct policies_known *known);
/* policies_leave - fine when it does not wait */
void policies_leave(struct policies_waiter *w);

/* policies_is_stale - should a policy be fetched anew, though it holds? */
bool policies_is_stale(const struct cache_entry *e, int64_t now_s);

#endif
