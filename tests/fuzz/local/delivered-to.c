/*
 * delivered-to - lines on top of any addresses, and any header read for loops
 *
 * What is written is always two or three lines, and is itself seen as a former delivery to that address.
 */
#include <stdint.h>
#include <stdlib.h>

#include "local/delivered-to.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static bool
is_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] <= 0x20 || s.at[i] == 0x7f)
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_from((const char *)data, size);
	struct span sender = span_cut(&rest, '\0'), address = span_cut(&rest, '\0');
	struct span original = span_cut(&rest, '\0');
	static struct delivered_to d;
	struct buffer b;
	size_t lines = 0;

	d = (struct delivered_to){.count = 0};
	delivered_to_collect(&d, rest);
	for (size_t i = 0; i < d.count; i++)
		must(delivered_to_has(&d, d.values[i]));
	if (sender.len > 512 || address.len > 512 || original.len > 512)
		return 0;
	buffer_init(&b, DELIVERED_TO_LINES_MAX);
	delivered_to_lines(&b, sender, address, original);
	must(!b.failed);
	for (size_t i = 0; i < b.len; i++)
		lines += b.at[i] == '\n';
	must(lines == (original.len > 0 ? 3 : 2));
	d = (struct delivered_to){.count = 0};
	delivered_to_collect(&d, buffer_get(&b));
	must(d.count == 1);
	must(!is_plain(address) || delivered_to_has(&d, address));
	buffer_free(&b);
	return 0;
}
