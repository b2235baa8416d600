/*
 * shape - a text that has one is exactly that: what is changed in its fixed part, cut off or put behind it has none, or is none of the same
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "signer/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHORTEST (64 + 4 + 32)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_from((const char *)data, size);
	enum shape shape = shape_of(text);

	if (shape == SHAPE_NONE)
		return 0;
	if (size < SHORTEST || size > 64 + 4 + 133)
		abort();
	/* no text is both: one begins with blanks and a word, the other has its curve there */
	if ((shape == SHAPE_VERIFY) != (data[64] == 'T') ||
	    (shape == SHAPE_EXCHANGE) != (data[64] == 3))
		abort();
	/* one byte more or less is nothing, but for the two hashes */
	char longer[64 + 4 + 133 + 1];
	memcpy(longer, data, size);
	longer[size] = 0;
	if (shape_of(span_from(longer, size + 1)) != SHAPE_NONE ||
	    shape_of(span_from(longer, size - 1)) != SHAPE_NONE)
		abort();
	/* each byte of the fixed part counts */
	size_t fixed = shape == SHAPE_VERIFY ? 64 + 34 : 64 + 4;
	for (size_t i = shape == SHAPE_VERIFY ? 0 : 64; i < fixed; i++) {
		longer[i] ^= 0x40;
		if (shape_of(span_from(longer, size)) == shape)
			abort();
		longer[i] ^= 0x40;
	}
	return 0;
}
