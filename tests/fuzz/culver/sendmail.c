/*
 * The header parser of sendmail -t, and the reader of letters.
 *
 * An address that is found has no control characters, is no longer than MAILBOXES_MAX, has no bracket outside of quotes, and parsing it again
 * gives itself; the list always comes to its end.  A letter's lines end with CRLF however it was cut, and how it was cut makes no difference.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/header.h"
#include "culver/letter.h"
#include "common/mail/mailboxes.h"

#define MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_address(struct span a)
{
	bool is_quoted = false;
	require(a.len <= MAILBOXES_MAX);
	for (size_t i = 0; i < a.len; i++) {
		unsigned char c = (unsigned char)a.at[i];
		require(c >= ' ' && c != 0x7f);
		if (is_quoted && c == '\\') {
			i++;
			continue;
		}
		if (c == '"')
			is_quoted = !is_quoted;
		require(is_quoted || (c != '<' && c != '>'));
	}
	require(!is_quoted);
}

static void
check_list(struct span list)
{
	struct buffer one;
	enum mailboxes_outcome o;
	buffer_init(&one, MAILBOXES_MAX + 16);
	do {
		size_t before = list.len;
		o = mailboxes_next(&list, &one);
		require(o == MAILBOXES_END || list.len < before);
		if (o == MAILBOXES_ONE || o == MAILBOXES_LOOSE)
			check_address(buffer_get(&one));
	} while (o != MAILBOXES_END);
	buffer_free(&one);
}

static void
convert(struct span bytes, size_t step, bool dot_ends, struct buffer *to)
{
	struct letter l = {.dot_ends = dot_ends};
	buffer_clear(to);
	while (bytes.len > 0) {
		size_t len = bytes.len < step ? bytes.len : step;
		letter_convert(&l, span_from(bytes.at, len), to);
		bytes = span_skip(bytes, len);
	}
	letter_finish(&l, to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole, cut;
	struct span all = span_from((const char *)data, size < MAX ? size : MAX);
	if (size == 0)
		return 0;
	buffer_init(&whole, 3 * MAX);
	buffer_init(&cut, 3 * MAX);
	convert(all, MAX, data[0] & 1, &whole);
	convert(all, 1 + data[0] % 7, data[0] & 1, &cut);
	require(span_equal(buffer_get(&whole), buffer_get(&cut)));
	struct span text = buffer_get(&whole), name, value;
	for (size_t i = 0; i < text.len; i++)
		require(text.at[i] != '\n' || (i > 0 && text.at[i - 1] == '\r'));
	require(text.len == 0 || text.at[text.len - 1] == '\n');
	while (header_field(&text, &name, &value, NULL))
		check_list(value);
	check_list(all);
	buffer_free(&whole);
	buffer_free(&cut);
	return 0;
}
