/* escape, number: what is taken is written again as it stood */
#include <stdlib.h>

#include "common/text/escape.h"
#include "common/text/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_from((const char *)data, size), rest = all;
	struct buffer bytes, word;
	uint64_t v;
	buffer_init(&bytes, 1 << 20);
	buffer_init(&word, 5 << 20);
	escape_word(&word, all);
	struct span back = buffer_get(&word);
	if (unescape_word(&back, &bytes) < 0 || !span_equal(buffer_get(&bytes), all))
		abort();
	buffer_clear(&bytes);
	buffer_clear(&word);
	if (unescape_word(&rest, &bytes) == 0) {
		escape_word(&word, buffer_get(&bytes));
		/* a quoted word may be plain after all; then it is shorter, never other bytes */
		struct span once = buffer_get(&word);
		struct buffer twice;
		buffer_init(&twice, 1 << 20);
		if (unescape_word(&once, &twice) < 0 ||
		    !span_equal(buffer_get(&twice), buffer_get(&bytes)))
			abort();
		buffer_free(&twice);
	}
	buffer_clear(&word);
	escape_json(&word, all);
	if (number_parse(all, 5, 500, &v) == 0 && (v < 5 || v > 500))
		abort();
	if (number_parse_size(all, 0, 1000, &v) == 0 && v > 1000)
		abort();
	if (number_parse_duration(all, 0, 1000, &v) == 0 && v > 1000)
		abort();
	buffer_free(&bytes);
	buffer_free(&word);
	return 0;
}
