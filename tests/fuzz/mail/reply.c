/*
 * reply - any bytes as lines of a reply: what is kept is bounded and printable, a verdict always comes of it
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/mail/reply.h"

static void
check(int holds)
{
	if (!holds)
		abort();
}

static void
check_printable(const char *text, size_t max)
{
	size_t len = strlen(text);

	check(len <= max);
	for (size_t i = 0; i < len; i++)
		check(text[i] >= 0x20 && text[i] <= 0x7e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_from((const char *)data, size);
	struct reply r;
	struct verdict v;

	reply_start(&r);
	while (rest.len > 0) {
		struct span line = span_cut(&rest, '\n');
		int lines = r.lines;
		bool was_complete = r.complete;

		if (reply_line(&r, line) == -1) {
			check(r.lines == lines);
			break;
		}
		check(!was_complete && r.lines == lines + 1 && r.lines <= REPLY_LINES_MAX);
		check(r.code >= 200 && r.code <= 599);
		check_printable(r.text, REPLY_TEXT_MAX);
		check(r.status[0] == '\0' ||
		      (status_is_valid(span_of(r.status)) && r.status[0] - '0' == r.code / 100));
	}
	if (r.complete) {
		reply_verdict(&r, &v);
		check(status_is_valid(span_of(v.status)));
		check(v.fate == (r.code / 100 == 2   ? FATE_DELIVERED
				 : r.code / 100 == 5 ? FATE_FAILED
						     : FATE_DEFERRED));
		check_printable(v.text, REPLY_TEXT_MAX);
	}
	return 0;
}
