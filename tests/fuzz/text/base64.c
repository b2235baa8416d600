/* any text: no base64, or the very text that encoding gives again, and never more bytes than there is room for */
#include <stdint.h>
#include <stdlib.h>

#include "common/text/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size > 0 ? data[0] : 0;
	struct span text = span_from((const char *)data, size);
	char *to = malloc(room > 0 ? room : 1), *again = malloc(BASE64_SIZE(room) + 1);
	int len = base64_decode(text, to, room);

	if (len >= 0) {
		base64_encode(span_from(to, (size_t)len), again);
		if ((size_t)len > room || !span_equal(span_of(again), text))
			abort();
	}
	free(to);
	free(again);
	return 0;
}
