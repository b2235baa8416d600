/* story: any text is one printable line, or nothing */
#include <stdint.h>
#include <stdlib.h>

#include "culver/story.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct story s = {.with_ids = size % 2 == 0};
	struct buffer out;
	buffer_init(&out, 1u << 20);
	int put = story_line(&s, span_from((const char *)data, size), &out);
	if (put < 0 && out.len != 0)
		abort();
	for (size_t i = 0; put == 0 && i + 1 < out.len; i++)
		if (out.at[i] < 0x20 || out.at[i] >= 0x7f)
			abort();
	buffer_free(&out);
	return 0;
}
