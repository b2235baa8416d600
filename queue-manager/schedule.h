/*
 * schedule - whose turn it is: agents for places, jobs for agents
 *
 * Called by queue (a place has something new), jobs (an agent came, is free, or is gone) and disk.  One service a kind of place: its
 * parents, how many agents there may be, and the places that could use one more.  What it does to the world goes through `hands`,
 * so that tests drive it with a clock of their own.
 */
#ifndef QUEUE_MANAGER_SCHEDULE_H
#define QUEUE_MANAGER_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/jobs.h"
#include "common/system/loop.h"
#include "queue-manager/claim.h"
#include "queue-manager/expansion.h"
#include "queue-manager/queue.h"
#include "queue-manager/site.h"

struct manager;
struct message;
struct answer;
struct peer;

#define SCHEDULE_TURN_JOBS \
	10 /* an agent serves so many jobs before another place that waits gets its slot */
/* one slot in so many is kept for sites that are known to be quick: those that hang cannot have them all */
#define SCHEDULE_QUICK_SHARE 4
/* one in so many is kept for places where new mail waits; they may take half of what is kept for quick sites, too */
#define SCHEDULE_FRESH_SHARE 8
#define SCHEDULE_FRESH_TURNS 3 /* places with new mail that may come before one with retries */
#define SCHEDULE_QUICK_MS \
	1000 /* a job that takes no longer: such a slot is free again within a second */
#define SCHEDULE_TURN_RECIPIENTS 200 /* or so many recipients, */
#define SCHEDULE_TURN_MS 1000	     /* or for so long */
#define SCHEDULE_IDLE_MS 5000 /* an agent that has nothing to do is kept so long for its place */
#define SCHEDULE_DEATHS_MAX \
	5 /* agents in a row that may die over one message before it is deferred */
#define SCHEDULE_PAUSE_MS 1000 /* before what could not be given, or died, is tried again */
#define SCHEDULE_REFUSED_MS \
	1000 /* a place that its parent refuses for good is not asked for again so soon */
#define SCHEDULE_NOTICE_AGENTS 4
/* an agent that has said nothing of its job for so long is ended; one of a mailbox sooner: schedule_job_ms */
#define SCHEDULE_JOB_MS (12LL * 3600 * 1000)
#define SCHEDULE_LINE_GRACE_MS \
	65000 /* of a line, behind pipe-time and mailbox-time: its agent gives up by itself */
#define SCHEDULE_WANT_MS 30000 /* a parent that has not answered a WANT by then is ended */
#define SCHEDULE_WANTS_MAX 64  /* under way at a time, of one service */

/* one connection of an agent; jobs.c makes and frees it */
struct agent {
	struct peer *peer;
	struct place *place;
	struct message *message; /* of its job; NULL: idle */
	uint32_t *numbers;	 /* recipients of its job, rising; 0: has its result */
	uint32_t room, count, left;
	uint32_t jobs;		    /* done since it came */
	uint32_t recipients;	    /* given to it since then */
	int64_t busy_ms;	    /* it was busy so long since then */
	bool had_trouble;	    /* this job has told of trouble with the place already */
	bool is_delay;		    /* this job is a notice about those who are delayed */
	bool is_connected;	    /* it has told of what its host answered */
	uint32_t sender;	    /* in whose name it was asked for, */
	enum queue_rank rank;	    /* and in which rank: he holds it (claim.h), */
	bool is_doubtful;	    /* if its site may hang */
	bool is_of_old;		    /* of a former configuration: ends when it is free */
	bool is_hanging;	    /* it is being ended, since nothing was heard of its mailbox */
	int64_t begun_ms;	    /* its job was given then */
	int64_t since_ms;	    /* idle, or busy, since then */
	int64_t given_us;	    /* its job was sent then */
	struct expansion expansion; /* of one of its recipients, under way */
	struct agent *place_next, *place_previous; /* idle ones of the place */
	struct agent *site_next, *site_previous;   /* of its site */
	struct agent *idle_next,
		*idle_previous; /* idle ones of the service, the longest idle first */
};

struct want {
	uint32_t number; /* 0: free */
	uint32_t sender; /* as the agent that it asks for */
	enum queue_rank rank;
	bool is_doubtful;
	struct place *place;
	struct peer *parent;
	int64_t since_ms;
};

struct service {
	enum jobs_kind kind;
	struct manager *q;
	struct peer *parent;	   /* the newest; NULL: none is there */
	struct place_list touched; /* something changed: to be looked at in this turn */
	/* places that wait for a slot, or for the parent, in turns; and the agents and wants of sites that may hang */
	struct claims claims;
	unsigned fresh_turns; /* slots in a row that went to new mail */
	struct agent *idle_first, *idle_last;
	uint32_t agents, wants;
	struct want want[SCHEDULE_WANTS_MAX];
	struct loop_task task;
	struct loop_timer timer; /* idle agents, parents that do not answer */
};

enum schedule_given {
	SCHEDULE_GIVEN,
	SCHEDULE_NOT_NOW,    /* the message cannot be read: the agent is free again */
	SCHEDULE_AGENT_GONE, /* schedule_agent_gone was called */
};

struct schedule_hands {
	/* asks the parent for an agent; false: it is gone */
	bool (*want)(struct manager *q, struct peer *parent, uint32_t number,
		     const struct place *p);
	enum schedule_given (*give)(struct manager *q, struct agent *a);
	/* closes the agent's connection, which calls schedule_agent_gone */
	void (*end)(struct manager *q, struct agent *a);
	/* ends a parent, which calls schedule_parent_gone */
	void (*end_parent)(struct manager *q, struct peer *parent, const char *reason);
};

#define SCHEDULE_SERVICES (JOBS_LINE + 1)

/* commands may hang: their agents are not those of mailboxes, and those of aliases are the same as those of users */
static inline enum jobs_kind
schedule_service_kind(enum jobs_kind kind)
{
	return kind == JOBS_ALIAS ? JOBS_LINE : kind;
}

struct schedule {
	const struct schedule_hands *hands;
	struct service service[SCHEDULE_SERVICES]; /* by schedule_service_kind */
	struct places places;
	struct sites sites;
	uint32_t last_want;
	uint32_t active; /* jobs under way */
};

void schedule_start(struct manager *q, const struct schedule_hands *hands);
void schedule_free(struct manager *q);

/* something changed at a place: looked at in this turn */
void schedule_touch(struct manager *q, struct place *p);
/* the same for all that wait */
void schedule_wake(struct manager *q);
/* the configuration changed: all that is queued is routed anew, agents end when they are free */
void schedule_reload(struct manager *q);
/* the administrator wants everything tried now: no place is taken for dead */
void schedule_forgive(struct manager *q);
void schedule_forgive_place(struct manager *q, struct place *p);

/* ---- for those files that it is made of ---- */

struct service *schedule_service(struct manager *q, const struct place *p);
/* schedule_is_hungry - it waits for a slot, or for the parent; schedule_has_hungry: some place does */
bool schedule_is_hungry(const struct service *s, const struct place *p);
bool schedule_has_hungry(const struct service *s);
uint32_t schedule_agents_max(const struct manager *q, enum jobs_kind kind);
/* how long an agent of that kind may say nothing of its job */
int64_t schedule_job_ms(const struct manager *q, enum jobs_kind kind);
/* something is to be looked at when that time has come */
void schedule_look_again(struct service *s, int64_t at_ms);
/* the next place that waits for the site is looked at */
void schedule_site_wake(struct manager *q, struct site *s);
/* the site is looked at when that time has come, at the latest */
void schedule_site_wait(struct site *s, int64_t at_ms);
/* it is dead for so long: what waits is deferred */
void schedule_site_dies(struct manager *q, struct site *s, int64_t for_ms);
void schedule_site_timer(struct loop_timer *t);

/* ---- parents and agents ---- */

void schedule_parent(struct manager *q, enum jobs_kind kind, struct peer *parent);
void schedule_parent_gone(struct manager *q, struct peer *parent);
/* the WANT with that number, of a parent with that pid; NULL: there is none */
struct want *schedule_want_find(struct manager *q, uint32_t number);
/* the agent it asked for is there */
void schedule_agent(struct manager *q, struct want *w, struct agent *a);
void schedule_cannot(struct manager *q, struct want *w, const struct verdict *v);

/* its job is done */
void schedule_agent_free(struct manager *q, struct agent *a);
/* its connection is closed; `refused`: it did not take the job */
void schedule_agent_gone(struct manager *q, struct agent *a, bool refused);

#endif
