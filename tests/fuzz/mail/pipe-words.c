/*
 * pipe-words - any word and any facts: a checked word is filled in without a rest, and never becomes an option by what is put in
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/mail/pipe-words.h"

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
	struct span rest = span_from((const char *)data, size);
	struct span word = span_cut(&rest, '\n');
	struct pipe_facts facts = {.user = span_cut(&rest, '\n'),
				   .ext = span_cut(&rest, '\n'),
				   .domain = span_cut(&rest, '\n'),
				   .home = SPAN("/home/x"),
				   .sender = span_cut(&rest, '\n'),
				   .recipient = rest,
				   .original = rest,
				   .id = size,
				   .size = size};
	struct buffer b;

	if (word.len == 0 || pipe_word_check(word) != NULL)
		return 0;
	buffer_init(&b, 64 + 64 * size * (size + 8));
	pipe_word_put(word, &facts, &b);
	must(!b.failed);
	if (b.len > 0 && b.at[0] == '-')
		must(word.at[0] == '-');
	if (!span_has(word, '{'))
		must(span_equal(buffer_get(&b), word));
	buffer_free(&b);
	return 0;
}
