/* any datagram: cut into messages that are all of it; each refused, or decoded, encoded again and decoded to the same */
#include "tests/unit/protocol/samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_message(struct span datagram)
{
	static struct wire w;
	struct wire_header h;
	if (wire_peek(datagram, &h) < 0)
		return;
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
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span left = span_from((const char *)data, size), one;
	while (left.len > 0) {
		struct span before = left;
		if (wire_cut(&left, &one) < 0) {
			/* what is no message by its length is none at all, and nothing was taken */
			struct wire_header h;
			if (wire_peek(left, &h) == 0 || left.at != before.at ||
			    left.len != before.len)
				abort();
			return 0;
		}
		if (one.at != before.at || one.len < WIRE_HEADER || one.at + one.len != left.at ||
		    one.len + left.len != before.len)
			abort();
		try_message(one);
	}
	return 0;
}
