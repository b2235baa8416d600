/*
 * retry - when a recipient that was deferred is tried again, and when it is given up
 *
 * Called by message and queue.  Pure: the time is a parameter.  RFC 5321, section 4.5.4.1.
 */
#ifndef QUEUE_MANAGER_RETRY_H
#define QUEUE_MANAGER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"

#define RETRY_GREYLIST_ATTEMPTS \
	6 /* so many of one that is greylisted come soon after one another */
#define RETRY_LIFETIME_NOTICE_MS \
	INT64_C(86400000) /* mail without a sender is given up after a day */

/*
 * retry_delay_ms - from retry_first doubling to retry_max, give or take an eighth
 *
 * `attempts` says how often it was tried (from 1).  The same `seed` and attempt give the same delay, so that the recipients of
 * one message that were deferred together are tried together, and those of different messages are not.
 */
int64_t retry_delay_ms(const struct config_outbound *o, uint32_t attempts, uint64_t seed);
/*
 * retry_greylist_ms - the same for one that was greylisted: after `pause_ms` where the reply named a time, else half of retry_first, then
 * retry_first; after RETRY_GREYLIST_ATTEMPTS as any other
 */
int64_t retry_greylist_ms(const struct config_outbound *o, uint32_t attempts, uint64_t seed,
			  uint64_t pause_ms);
/* how long a message is tried; the null sender's, a day at most */
int64_t retry_lifetime_ms(const struct config_outbound *o, bool null_sender);

#endif
