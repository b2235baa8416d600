/*
 * mailbox-path - any template, any values: what comes out lies below the base and leads nowhere else
 */
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "local/mailbox-path.h"

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
	struct span rest = span_from((const char *)data, size), line = span_cut(&rest, '\n');
	struct mailbox_path_values v = {.home = "/home/bob"};
	char template[1024], path[PATH_MAX], base[PATH_MAX];

	v.user = span_cut(&rest, '\n');
	v.ext = span_cut(&rest, '\n');
	v.domain = rest;
	if (span_copy(line, template, sizeof(template)) < 0)
		return 0;
	if (mailbox_path(template, &v, path, sizeof(path)) != MAILBOX_PATH_OK)
		return 0;
	must(mailbox_path_base(template, v.home, base, sizeof(base)) == 0);
	struct span at = span_of(path);
	/* of a virtual user that may be the Maildir itself */
	if (span_equal(line, SPAN("{home}")))
		must(span_equal(at, span_of(base)));
	else
		must(span_starts(at, span_of(base)) && path[strlen(base)] == '/');
	must(at.at[at.len - 1] != '/');
	while (at.len > 0) {
		struct span component = span_cut(&at, '/');

		must(!span_equal(component, SPAN("..")) && !span_equal(component, SPAN(".")));
	}
	return 0;
}
