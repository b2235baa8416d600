/*
 * window - how many agents a site may have, and when it is dead
 *
 * Called by schedule and reaction.  Pure: time and limits are parameters, nothing is started here.
 */
#ifndef QUEUE_MANAGER_WINDOW_H
#define QUEUE_MANAGER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "queue-manager/message.h"
#include "queue-manager/site.h"

#define WINDOW_BACK_OFF_MIN_MS 500

/* window_size - how many agents it may have; of a dead one, one */
uint32_t window_size(const struct site *s);
/* window_allowed - how many agents now; of a dead site, whose back-off is over, one: it is being probed from now on */
uint32_t window_allowed(struct site *s, int64_t now_ms);
/* window_well - a job went well; true: it was dead, and lives */
bool window_well(struct site *s, int64_t now_ms);
/* window_trouble - a job found the site itself in trouble; true: it is dead now, for s->back_off_ms */
bool window_trouble(struct site *s, const struct config_outbound *o, const struct answer *a,
		    int64_t now_ms);
/*
 * window_busy - one connection was turned away
 *
 * True: others are there, and as many as there are is what it takes for now.  False: there is none, so that this is trouble.
 */
bool window_busy(struct site *s, int64_t now_ms);
/* the next back-off: from a quarter of the first retry, doubling to an eighth of the longest */
void window_back_off(struct site *s, const struct config_outbound *o);
/* the answer is what those are told who wait there */
void window_remember(struct site *s, const struct answer *a);

#endif
