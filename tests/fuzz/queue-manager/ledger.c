/*
 * ledger: whatever stands in SPOOL/budget.N and SPOOL/once, starting goes on, senders are bounded, and what is added is found again
 *
 * The input: a byte for the file, the rest is what stands in it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/system/events.h"
#include "queue-manager/manager.h"

#define NOW_US (INT64_C(1800000000) * 1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int holds)
{
	if (!holds)
		abort();
}

static int
folder(void)
{
	static int dir = -1;
	static char path[] = "/tmp/culver-fuzz-XXXXXX";
	if (dir >= 0)
		return dir;
	events_start("queue-manager", "/nowhere");
	must(mkdtemp(path) != NULL);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir >= 0);
	return dir;
}

static void
put(int dir, const char *name, const uint8_t *data, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static uint64_t
messages_of(struct ledger *l)
{
	return ledger_used(ledger_sender(l, SPAN("uid:1")), LEDGER_DAY_SLOTS, NOW_US).messages;
}

static void
check_ledger(int dir)
{
	static struct ledger l;
	ledger_start(&l, dir, NOW_US);
	must(l.count <= LEDGER_SENDERS_MAX + 1);
	uint64_t before = messages_of(&l);
	(void)ledger_add(&l, ledger_sender(&l, SPAN("uid:1")), &(struct ledger_amount){1, 2, 3},
			 NOW_US);
	must(messages_of(&l) == before + 1);
	must(ledger_save(&l));
	ledger_free(&l);
	ledger_start(&l, dir, NOW_US);
	must(messages_of(&l) >= 1);
	ledger_free(&l);
}

static void
check_once(int dir)
{
	static struct manager q;
	q.once = (struct once){.fd = -1};
	spool_use(&q.spool, dir, "boot-1");
	for (int i = 0; i < 2; i++) {
		once_start(&q);
		once_add(&q, "1.2.3", 77);
		must(once_find(&q, "1.2.3") != 0);
		once_end(&q);
	}
	once_start(&q);
	must(once_find(&q, "1.2.3") != 0);
	while (once_find(&q, "1.2.3") != 0)
		must(once_forget(&q, once_find(&q, "1.2.3")));
	once_end(&q);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"budget.0", "budget.1", "once"};
	int dir = folder();
	if (size == 0)
		return 0;
	put(dir, names[data[0] % 3], data + 1, size - 1);
	check_ledger(dir);
	check_once(dir);
	for (int i = 0; i < 3; i++)
		(void)unlinkat(dir, names[i], 0);
	return 0;
}
