/*
 * site - what stands behind places: a set of hosts, learned once, whose window, back-off, pauses and rate all of its places share
 *
 * A place (queue.h) is a queue: a route or a domain.  Where its hosts stand in the configuration their list is its site; where they are the MX of
 * a domain, agents say which they are (JOBS_SITE), and until then the place has a site of its own, without a name.  A `site` of the
 * configuration is one for all whose hosts it names.  A mailbox, and the notices, have a site each.
 *
 * Called by queue (places come and go), jobs (what agents have learned), schedule (whose turn it is).
 */
#ifndef QUEUE_MANAGER_SITE_H
#define QUEUE_MANAGER_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/mail/reply.h"
#include "common/protocol/jobs.h"
#include "common/system/loop.h"
#include "queue-manager/host.h"
#include "queue-manager/parked.h"
#include "queue-manager/queue.h"

struct manager;
struct agent;
struct answer;

#define SITE_WINDOW_FIRST 2 /* agents of a site that nothing is known of */
#define SITE_RELEASE_BELOW \
	2 /* batches for each connection of its window: fewer, and what was deferred is released */
#define SITE_RELEASE_MS 1000	 /* the next look whether more may be */
#define SITE_CEILING_MS 60000	 /* after one connection too many no more are tried for so long */
#define SITE_RATE_SLACK_US 10000 /* a turn of the loop late is not lost */
#define SITE_EMPTY_PLACES_MAX 10000 /* places where nothing waits, kept for what is known of them */

/* what keeps the mail of a site from going now */
enum site_bound {
	SITE_UNBOUND,
	SITE_BY_TROUBLE,     /* dead: its back-off */
	SITE_BY_WINDOW,	     /* it takes no more connections, for all that is known */
	SITE_BY_CONCURRENCY, /* limit */
	SITE_BY_RATE,	     /* limit */
	SITE_BY_AGENTS,	     /* all agents are taken: limit, or no parent is there */
};

struct site {
	enum jobs_kind kind;
	char *name; /* NULL: not known */
	struct site *hash_next;
	uint32_t hash;
	struct place *places; /* all of them */
	uint32_t place_count;
	struct place_list waiting; /* places that wait for this site, not for an agent's slot */
	struct agent *idle;	   /* of all of its places */
	uint32_t agents, busy, wants, connected; /* sums of its places' */
	uint32_t batches;
	/* window.c's */
	uint32_t window, ceiling; /* ceiling 0: none was met */
	int64_t ceiling_until_ms;
	bool is_dead, is_probing;
	bool is_quick;	       /* its last job went well, and took no time */
	int64_t dead_since_ms; /* trouble, and nothing else since then; 0: none */
	int64_t dead_until_ms, back_off_ms;
	enum reply_meaning meaning; /* of what it is dead for */
	struct verdict
		verdict; /* the last trouble; what those get that wait here while it is dead */
	char host[JOBS_HOST_MAX + 1];
	/* limits: 0 of rate is none */
	uint64_t concurrency, messages_per_connection, rate_us;
	int64_t next_us; /* by its rate, of the monotonic clock */
	enum site_bound bound;
	struct site_hosts hosts;
	struct parked parked;	 /* recipients that go again when it answers */
	struct loop_timer timer; /* the end of its back-off, the next one by its rate */
	struct manager *q;
};

struct sites {
	struct site **buckets;
	size_t bucket_count, count; /* of those with a name */
	struct hosts hosts;
};

/* site_join - a place that was just made gets its site */
void site_join(struct manager *q, struct place *p);
/* site_leave - a place goes; so does its site with the last one */
void site_leave(struct manager *q, struct place *p);
/* site_learned - the hosts of a place are these (names as in JOBS_SITE); what is known of it goes with it, as far as it is its own */
void site_learned(struct manager *q, struct place *p, struct span name);
/* the configuration is another one: limits anew */
void site_reload(struct manager *q, struct site *s);
void sites_free(struct manager *q);

/* counters of a place, and with it of its site */
void site_count_agents(struct place *p, int by);
void site_count_busy(struct place *p, int by);
void site_count_wants(struct place *p, int by);
void site_count_connected(struct place *p, int by);

/* those of its agents that have nothing to do */
void site_idle_add(struct site *s, struct agent *a);
void site_idle_drop(struct site *s, struct agent *a);

/* site_rate_wait_us - until the next message may go; 0: now */
int64_t site_rate_wait_us(const struct site *s, int64_t now_us);
/* site_rate_take - one goes now */
void site_rate_take(struct site *s, int64_t now_us);
/* has it been dead for so long that new mail is better returned (`refuse-dead`)? */
bool site_is_given_up(const struct manager *q, const struct site *s);

#endif
