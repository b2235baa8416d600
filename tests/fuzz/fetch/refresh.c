/*
 * refresh - any bytes as the answer of an endpoint for tokens: what is made of it is always sound, and a refusal never gives a token
 *
 * The first byte says whether it came with 200.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fetch/refresh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct refresh_result result;

	if (size == 0 || size > REFRESH_ANSWER_MAX)
		return 0;
	memset(&result, 0, sizeof(result));
	refresh_read(span_from((const char *)data + 1, size - 1), *data == '2', &result);
	if (!refresh_is_sound(&result) || (result.is_done && *data != '2') ||
	    (result.is_done ? result.token[0] == '\0' : *data == '2' && result.reason[0] == '\0'))
		abort();
	return 0;
}
