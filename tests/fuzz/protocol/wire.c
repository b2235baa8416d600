/* any datagram: refused, or decoded, encoded again and decoded to the same */
#include "tests/unit/protocol/samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire w;
	struct span datagram = span_from((const char *)data, size);
	struct wire_header h;
	if (wire_peek(datagram, &h) < 0)
		return 0;
	for (size_t t = 0; t < SAMPLE_TABLES; t++) {
		const struct wire_shape *s = wire_find(sample_tables[t], h.type);
		char message[SAMPLE_SIZE], back[SAMPLE_SIZE];
		if (s == NULL || wire_decode(datagram, s, message) < 0)
			continue;
		if (wire_encode(&w, s, h.flags, h.request, message) < 0 ||
		    wire_decode(span_from(w.at, w.len), s, back) < 0)
			abort();
		if (!sample_same(s, message, back))
			abort();
	}
	return 0;
}
