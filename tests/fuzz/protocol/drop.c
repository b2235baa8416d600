/*
 * The reader of letters in the drop directory.
 *
 * The content lies within the file; a head that is taken consists of lines without control characters, each a MAIL or RCPT, so that none of
 * it is another command; and written again it is read as the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/protocol/drop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_line(struct span line, struct span begin)
{
	require(span_starts(line, begin) && line.len <= DROP_LINE_MAX);
	for (size_t i = 0; i < line.len; i++)
		require((unsigned char)line.at[i] >= ' ' && line.at[i] != 0x7f);
}

static void
check_again(const struct drop_head *h)
{
	struct buffer text;
	struct drop_head again;
	struct span rest = h->recipients, line;
	size_t count = 0;
	buffer_init(&text, 4 * DROP_HEAD_MAX);
	check_line(h->mail, SPAN("FROM:<"));
	drop_write_head(&text, h->name, span_skip(h->mail, 5));
	while ((line = drop_recipient(&rest)).len > 0) {
		check_line(line, SPAN("TO:<"));
		drop_write_recipient(&text, span_skip(line, 3));
		count++;
	}
	drop_write_data(&text);
	require(count == h->count && count > 0);
	require(drop_head_read(buffer_get(&text), &again) == 0 && again.count == count);
	require(span_equal(again.mail, h->mail) && span_equal(again.name, h->name) &&
		span_equal(again.recipients, h->recipients));
	buffer_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_from((const char *)data, size);
	struct span tail = size > DROP_END_MAX ? span_skip(all, size - DROP_END_MAX) : all;
	struct drop_head h;
	uint64_t at, length;
	if (size == 0 || size > DROP_HEAD_MAX)
		return 0;
	if (drop_end(tail, size, &at, &length) == 0) {
		require(at <= size && length <= size - at);
		all.len = (size_t)at;
	}
	if (drop_head_read(all, &h) == 0)
		check_again(&h);
	return 0;
}
