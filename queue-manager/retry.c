/*
 * retry - when again, and when no more
 *
 * See retry.h.
 */
#include "queue-manager/retry.h"

#include "common/text/checksum.h"

#define JITTER_SHARE 8 /* one part in so many, to both sides */

/* give or take a share, the same for the same message and attempt */
static int64_t
jitter(uint64_t delay, uint32_t attempts, uint64_t seed)
{
	const struct {
		uint64_t seed, attempts;
	} key = {seed, attempts};
	uint64_t range = delay / JITTER_SHARE;
	return (int64_t)(delay - range + checksum_of(&key, sizeof(key)) % (2 * range + 1));
}

int64_t
retry_delay_ms(const struct config_outbound *o, uint32_t attempts, uint64_t seed)
{
	uint64_t delay = o->retry_first > 0 ? o->retry_first : 1;
	uint64_t most = o->retry_max > delay ? o->retry_max : delay;
	for (uint32_t i = 1; i < attempts && delay < most; i++)
		delay *= 2;
	if (delay > most)
		delay = most;
	return jitter(delay, attempts, seed);
}

int64_t
retry_greylist_ms(const struct config_outbound *o, uint32_t attempts, uint64_t seed,
		  uint64_t pause_ms)
{
	uint64_t delay = attempts <= 1 ? o->retry_first / 2 : o->retry_first;
	if (attempts > RETRY_GREYLIST_ATTEMPTS)
		return retry_delay_ms(o, attempts - RETRY_GREYLIST_ATTEMPTS, seed);
	if (pause_ms > 0 && pause_ms <= o->retry_max)
		/* a share later, and never before */
		return (int64_t)pause_ms + jitter(pause_ms / JITTER_SHARE, attempts, seed);
	return jitter(delay > 0 ? delay : 1, attempts, seed);
}

int64_t
retry_lifetime_ms(const struct config_outbound *o, bool null_sender)
{
	int64_t lifetime = o->lifetime < INT64_MAX / 2 ? (int64_t)o->lifetime : INT64_MAX / 2;
	return null_sender && lifetime > RETRY_LIFETIME_NOTICE_MS ? RETRY_LIFETIME_NOTICE_MS
								  : lifetime;
}
