/*
 * quota - any maildirsize: what is read bounds, and adding a letter that it takes never goes beyond
 */
#include <stdint.h>
#include <stdlib.h>

#include "local/quota.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct quota q;

	if (!quota_parse(span_from((const char *)data, size), &q))
		return 0;
	must(q.bytes_max > 0 || q.letters_max > 0);
	for (uint64_t letter = 0; letter < UINT64_C(1) << 62; letter = 2 * letter + 1)
		if (quota_takes(&q, letter)) {
			int64_t bytes = q.bytes > 0 ? q.bytes : 0;

			must(q.bytes_max == 0 || (uint64_t)bytes + letter <= q.bytes_max);
			must(q.letters_max == 0 || q.letters < (int64_t)q.letters_max);
		}
	return 0;
}
