/* trace: whatever stands in the store, what is found are whole events, bounded, in the order of time; the question is the input's first line */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/protocol/trace.h"
#include "common/system/clock.h"
#include "common/text/json.h"
#include "log/scan.h"
#include "log/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/culver-fuzz-XXXXXX";
static struct scan_store store = {.directory = -1, .first = 1, .last = 1};
static int file;

static void
check(int holds)
{
	if (!holds)
		abort();
}

static void
leave(void)
{
	unlinkat(store.directory, "00000001.json", 0);
	rmdir(directory);
}

static void
begin(void)
{
	if (store.directory >= 0)
		return;
	check(mkdtemp(directory) != NULL);
	store.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = openat(store.directory, "00000001.json", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	check(file >= 0);
	atexit(leave);
}

static void
check_found(const struct scan *s)
{
	check(s->count <= SCAN_LINES_MAX && s->bytes <= SCAN_BYTES_MAX && s->matched >= s->count);
	for (size_t i = 0; i < s->count; i++) {
		struct span rest = scan_line(s, i);
		struct json_member m;
		enum json_outcome o;
		check(rest.len <= TRACE_LINE_MAX);
		while ((o = json_next(&rest, &m)) == JSON_MEMBER)
			continue;
		check(o == JSON_END);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scan found;
	struct span text = span_from((const char *)data, size);
	begin();
	struct span what = span_cut(&text, '\n');
	check(ftruncate(file, 0) == 0);
	check(pwrite(file, text.at, text.len, 0) == (ssize_t)text.len);
	/* an administrator's question, and a user's */
	for (uint64_t only_uid = 0; what.len > 0 && only_uid < 2; only_uid++)
		if (scan_run(&found, &store, what, only_uid, clock_monotonic_ms() + 10000) == 0) {
			check_found(&found);
			scan_free(&found);
		}
	return 0;
}
