/*
 * header - any bytes as a message: fields follow one another without a gap, and end where the body begins
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/mail/header.h"

static void
check(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_from((const char *)data, size);
	struct span rest = text;
	struct span name, value, whole, found;
	size_t end = header_end(text);

	check(end <= size && (size == 0 || end > 0));
	while (header_field(&rest, &name, &value, &whole)) {
		check(whole.at + whole.len == rest.at && rest.at + rest.len == text.at + text.len);
		check(name.len > 0 && name.at == whole.at);
		check(value.at >= whole.at && value.at + value.len <= whole.at + whole.len);
		/* a field never reaches into the body */
		check((size_t)(rest.at - text.at) <= end);
		if (name.len < 64) {
			char c_name[64];

			check(span_copy(name, c_name, sizeof(c_name)) == 0);
			check(header_find(text, c_name, &found));
		}
	}
	return 0;
}
