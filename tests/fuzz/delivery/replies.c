/* any reply: the same answer twice, a pause within its bounds and only where one may be */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/replies.h"
#include "delivery/replies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config config;
	static bool is_loaded;
	struct verdict v, other;

	if (!is_loaded && replies_load(&config) != 0)
		abort();
	is_loaded = true;
	if (size < 1)
		return 0;
	verdict_set(&v, FATE_DEFERRED, 400 + data[0] % 200, "4.7.1", "%.*s", (int)size - 1,
		    (const char *)data + 1);
	verdict_set(&other, FATE_DEFERRED, 421, "4.0.0", "another");
	const struct replies_meaning one = replies_mean(&v);
	(void)replies_mean(&other);
	const struct replies_meaning two = replies_mean(&v);
	if (one.meaning != two.meaning || one.pause_ms != two.pause_ms)
		abort();
	if (one.pause_ms > REPLIES_PAUSE_MAX_MS ||
	    (one.pause_ms > 0 && one.meaning != REPLY_RATE && one.meaning != REPLY_GREYLIST))
		abort();
	return 0;
}
