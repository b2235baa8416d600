/*
 * xtext - any bytes as ENVID and ORCPT: what is taken is printable or UTF-8, and is written and read again as the same
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/mail/xtext.h"
#include "common/text/utf8.h"

static void
must(int holds)
{
	if (!holds)
		abort();
}

static void
check_envid(struct span text, struct buffer *value, struct buffer *spelled, struct buffer *again)
{
	if (xtext_decode(text, value) < 0) {
		must(value->len == 0);
		return;
	}
	for (size_t i = 0; i < value->len; i++)
		must(value->at[i] >= 0x20 && value->at[i] <= 0x7e);
	xtext_encode(buffer_get(value), spelled);
	must(xtext_decode(buffer_get(spelled), again) == 0);
	must(span_equal(buffer_get(value), buffer_get(again)));
}

static void
check_orcpt(struct span text, bool may_utf8, struct buffer *value, struct buffer *spelled,
	    struct buffer *again)
{
	if (xtext_orcpt_decode(text, may_utf8, value) < 0) {
		must(value->len == 0);
		return;
	}
	must(utf8_is_valid(buffer_get(value)));
	for (size_t i = 0; i < value->len; i++)
		must((unsigned char)value->at[i] >= 0x20 && value->at[i] != 0x7f);
	xtext_orcpt_encode(buffer_get(value), may_utf8, spelled);
	must(may_utf8 || !utf8_is_needed(buffer_get(spelled)));
	must(xtext_orcpt_decode(buffer_get(spelled), may_utf8, again) == 0);
	must(span_equal(buffer_get(value), buffer_get(again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_from((const char *)data, size);

	for (int what = 0; what < 3; what++) {
		struct buffer value, again, spelled;

		buffer_init(&value, 1u << 22);
		buffer_init(&again, 1u << 22);
		buffer_init(&spelled, 1u << 24);
		if (what == 0)
			check_envid(text, &value, &spelled, &again);
		else
			check_orcpt(text, what == 2, &value, &spelled, &again);
		buffer_free(&value);
		buffer_free(&again);
		buffer_free(&spelled);
	}
	return 0;
}
