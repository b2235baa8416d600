/*
 * state - what state_decode takes is written and read back the same
 */
#include <stdlib.h>
#include <string.h>

#include "common/protocol/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state first, second;
	struct buffer b;
	if (state_decode(span_from((const char *)data, size), &first) != 0)
		return 0;
	buffer_init(&b, 1u << 20);
	state_encode(&first, &b);
	/* a reload that was never tried is not written */
	if (first.reloads == 0) {
		first.reload_us = 0;
		first.reload_refused = false;
		memset(first.reload_reason, 0, sizeof(first.reload_reason));
	}
	if (b.failed || state_decode(buffer_get(&b), &second) != 0 ||
	    first.master != second.master ||
	    strcmp(first.reload_reason, second.reload_reason) != 0 ||
	    strcmp(first.config, second.config) != 0 || first.program_count != second.program_count)
		abort();
	for (size_t i = 0; i < first.program_count; i++) {
		if (first.programs[i].pid != second.programs[i].pid ||
		    first.programs[i].condition != second.programs[i].condition ||
		    strcmp(first.programs[i].name, second.programs[i].name) != 0)
			abort();
	}
	buffer_free(&b);
	return 0;
}
