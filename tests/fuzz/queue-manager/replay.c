/*
 * replay: whatever a file holds, a `queued` line keeps it from going away, and what becomes of it in memory is consistent
 *
 * The input: a byte of choices, then lines of a journal, which get their check words here.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/text/checksum.h"
#include "queue-manager/manager.h"
#include "queue-manager/queue.h"

#define ID 0x1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config config;
static struct manager *q;

static void
must(int holds)
{
	if (!holds)
		abort();
}

static bool
stop(struct loop_task *t)
{
	loop_stop(t->owner);
	return false;
}

static void
turn(void)
{
	struct loop_task t = {.step = stop, .owner = q->loop};
	loop_task_wake(q->loop, &t);
	loop_run(q->loop);
}

static void
start(void)
{
	static char folder[] = "culver-fuzz-XXXXXX";
	must(mkdtemp(folder) != NULL);
	events_start("queue-manager", "/nowhere");
	config = (struct config){
		.outbound = {.retry_first = 300000, .retry_max = 14400000, .lifetime = 432000000}};
	config.limits.recipients_per_transaction = 100;
	q = manager_new(&config, NULL);
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir >= 0);
	spool_use(&q->spool, dir, "boot");
	spool_start(&q->spool, clock_wall_us());
	q->spool.older = 0; /* content is verify's matter */
	manager_begin(q, NULL);
}

static void
put_file(uint8_t choices, struct span lines)
{
	static struct buffer text;
	char name[SPOOL_NAME_MAX], header[JOURNAL_HEADER_SIZE];
	if (text.max == 0)
		buffer_init(&text, 4 << 20);
	buffer_clear(&text);
	journal_header((choices & 2) != 0 ? 5 : 4, header);
	if ((choices & 4) != 0)
		header[choices % sizeof(header)] ^= 1;
	buffer_add(&text, header, sizeof(header));
	buffer_string(&text, "text");
	while (lines.len > 0) {
		struct span said = span_cut(&lines, '\n');
		buffer_format(&text, "%08X ", checksum_word(said, ID));
		buffer_span(&text, said);
		buffer_char(&text, '\n');
	}
	size_t len = text.len - ((choices & 1) != 0 && text.len > 44 ? 3 : 0);
	spool_name(ID, name);
	int fd = openat(q->spool.dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, text.at, len) == (ssize_t)len);
	close(fd);
}

static bool
has_queued_line(void)
{
	static char bytes[4 << 20];
	int fd = spool_open(&q->spool, ID, O_RDONLY);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	close(fd);
	must(n >= 0);
	return journal_queued_in(span_from(bytes, (size_t)n), ID);
}

static void
check_message(struct message *m)
{
	uint32_t states[RECIPIENT_STATES] = {0}, unanswered = 0;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct recipient *r = &m->recipients[i];
		must(r->state < RECIPIENT_STATES);
		states[r->state]++;
		if (!r->answered && (r->state == RECIPIENT_WAITING || r->state == RECIPIENT_READY))
			unanswered++;
	}
	for (size_t i = 0; i < RECIPIENT_STATES; i++)
		must(states[i] == message_in(m, (enum recipient_state)i));
	must(unanswered == m->unanswered);
	must(m->is_queued && m->is_kept);
	must(message_open_recipients(m) > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[SPOOL_NAME_MAX], damaged[SPOOL_NAME_MAX];
	if (q == NULL)
		start();
	if (size < 1)
		return 0;
	while (!q->replay.is_done)
		turn();
	put_file(data[0], span_from((const char *)data + 1, size - 1));
	bool was_queued = has_queued_line();
	replay_free(q);
	replay_start(q);
	q->replay.folder = ID & 255; /* the others are empty */
	while (!q->replay.is_done)
		turn();
	struct message *m = message_find(q, ID);
	snprintf(damaged, sizeof(damaged), "damaged/%013X", ID);
	spool_name(ID, name);
	bool is_there = faccessat(q->spool.dir, name, F_OK, 0) == 0;
	bool is_aside = unlinkat(q->spool.dir, damaged, 0) == 0;
	must(q->replay.queued + q->replay.unqueued + q->replay.damaged == 1);
	must(is_aside == (q->replay.damaged == 1));
	must(is_there == (m != NULL));
	/* accepted: it is here, or set aside, or all of it is done */
	must(!was_queued || q->replay.unqueued == 0);
	must(was_queued || (q->replay.queued == 0));
	if (m != NULL) {
		check_message(m);
		m->uses = 0;
		/* it waits in the list of route: taken off by hand */
		q->route.fresh.first = q->route.fresh.last = q->route.retries.first =
			q->route.retries.last = NULL;
		message_forget(q, m);
		(void)unlinkat(q->spool.dir, name, 0);
	}
	return 0;
}
