/*
 * mbox - any letter, in pieces of any length: behind the first line no line begins with `From `, and taking the marks off gives it back
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "local/mbox.h"

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
	static const char from[] = "From s@x now\n";
	size_t lead = sizeof(from) - 1, step = size > 0 ? 1 + data[0] % 7 : 1, len = 0, at = 0;
	char *text = malloc(lead + size), *out = malloc(2 * (lead + size) + 16);
	struct mbox_quote q = {.matched = 0};
	bool is_line = true, is_first = true;

	must(text != NULL && out != NULL);
	memcpy(text, from, lead);
	if (size > 0)
		memcpy(text + lead, data, size);
	for (size_t i = 0; i < lead + size; i += step) {
		size_t n = i + step <= lead + size ? step : lead + size - i;

		len += mbox_quote(&q, span_from(text + i, n), out + len);
	}
	len += mbox_quote_end(&q, out + len);
	must(len <= 2 * (lead + size) + 8 && len >= 2 && memcmp(out + len - 2, "\n\n", 2) == 0);
	for (size_t i = 0; i < len; i++) {
		struct span rest = span_from(out + i, len - i);

		if (is_line && !is_first) {
			must(!span_starts(rest, SPAN("From ")));
			if (span_starts(rest, SPAN(">From ")) && at < lead + size &&
			    text[at] != '>') {
				is_line = false; /* the mark itself */
				continue;
			}
		}
		is_line = out[i] == '\n';
		is_first = is_first && !is_line;
		if (at < lead + size)
			must(text[at++] == out[i]);
	}
	must(at == lead + size);
	free(text);
	free(out);
	return 0;
}
