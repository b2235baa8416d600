/*
 * manager - its parts begin and end in this order
 *
 * Called by main and by tests.  The end says nothing that was not said before: what is not written by then is found out
 * again, by asking a recipient's host twice at worst.
 */
#include "queue-manager/manager.h"

#include <stdlib.h>

#include "common/system/events.h"
#include "common/system/fatal.h"

#define STOP_WAIT_MS 3000 /* for jobs under way, when told to end */

struct manager *
manager_new(const struct config *config, const struct start *start)
{
	struct manager *q = calloc(1, sizeof(*q));
	if (q == NULL)
		fatal(EXIT_OS, 0, "no memory");
	q->config = config;
	q->start = start;
	q->loop = loop_new();
	return q;
}

void
manager_begin(struct manager *q, const char *lookup)
{
	messages_start(q);
	once_start(q);
	budget_start(q);
	verify_start(q);
	schedule_start(q, &jobs_hands);
	route_start(q, lookup);
	disk_start(q);
	early_configured(q);
	etrn_start(q);
	replay_start(q);
}

void
manager_free(struct manager *q)
{
	q->is_stopping = true;
	route_free(q);
	peer_end_all(q);
	(void)!message_flush_all(q); /* what cannot be written now is found out again */
	replay_free(q);
	etrn_stop(q);
	verify_free(q);
	budget_end(q);
	messages_free(q);
	schedule_free(q);
	control_free(q);
	loop_timer_clear(q->loop, &q->disk.again);
	loop_timer_clear(q->loop, &q->stop_timer);
	once_end(q);
	spool_end(&q->spool);
	loop_free(q->loop);
	config_free(q->owned);
	free(q);
}

static void
stop_now(struct loop_timer *t)
{
	struct manager *q = t->owner;
	loop_stop(q->loop);
}

/* SIGTERM: nothing new; jobs under way may still be reported */
void
manager_stop(void *owner)
{
	struct manager *q = owner;
	if (q->is_stopping)
		return;
	q->is_stopping = true;
	intake_stop(q);
	early_stop(q);
	q->stop_timer = (struct loop_timer){.fire = stop_now, .owner = q};
	loop_timer_set(q->loop, &q->stop_timer,
		       manager_now_ms(q) + (q->schedule.active > 0 ? STOP_WAIT_MS : 0));
}

void
manager_reload(void *owner, struct config *c)
{
	struct manager *q = owner;
	q->config = c;
	config_free(q->owned);
	q->owned = c;
	schedule_reload(q);
	early_configured(q);
	budget_configured(q);
	EVENT("configured");
}
