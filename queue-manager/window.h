/*
 * window - how many agents a place may have, and when it is dead
 *
 * Called by schedule.  Pure: time and limits are parameters, nothing is started here.
 */
#ifndef QUEUE_MANAGER_WINDOW_H
#define QUEUE_MANAGER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "queue-manager/message.h"
#include "queue-manager/queue.h"

#define WINDOW_BACK_OFF_MIN_MS 500

/* window_allowed - how many agents now; of a dead place, whose back-off is over, one: it is being probed from now on */
uint32_t window_allowed(struct place *p, uint32_t max);
/* window_well - a job went well */
void window_well(struct place *p, uint32_t max, int64_t now_ms);
/* window_trouble - a job found the place itself in trouble; true: it is dead now, for p->back_off_ms */
bool window_trouble(struct place *p, const struct config_outbound *o, const struct answer *a);
/* the next back-off: from a quarter of the first retry, doubling to an eighth of the longest */
void window_back_off(struct place *p, const struct config_outbound *o);

#endif
