/*
 * answers - any bytes as RDATA of each type: what comes of it can be encoded, and no name has a byte that could be taken for more
 */
#include <stdint.h>
#include <stdlib.h>

#include "resolver/answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum resolver_rr types[] = {RESOLVER_A,   RESOLVER_CNAME, RESOLVER_PTR,
						 RESOLVER_MX,  RESOLVER_TXT,   RESOLVER_AAAA,
						 RESOLVER_TLSA};
	static struct answers_record record;
	static struct wire list;
	enum resolver_rr rr;

	if (size < 1 || size > 65536)
		return 0;
	rr = types[data[0] % (sizeof(types) / sizeof(types[0]))];
	if (answers_record(rr, span_from((const char *)data + 1, size - 1), &record) < 0)
		return 0;
	for (size_t i = 0; i < record.record.name.len; i++) {
		unsigned char c = (unsigned char)record.record.name.at[i];

		if (c <= ' ' || c >= 0x7f || (c >= 'A' && c <= 'Z'))
			abort();
	}
	wire_list_start(&list);
	if (wire_list_add(&list, WIRE_LIST_ROOM, &resolver_record_shape, &record.record) < 0)
		abort();
	return 0;
}
