/*
 * replay - from files to messages
 *
 * See replay.h, and the states S1 to S9 of spool.c, J1 to J6 of journal.c.  Promises: a file with a `queued` line becomes a message
 * in the state that its whole lines say, or is set aside, and never goes away; a file without one goes; a torn tail is cut off; what
 * is read once more (a second start, a crash in the midst) gives the same.
 */
#include "queue-manager/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/number.h"
#include "queue-manager/journal.h"
#include "queue-manager/manager.h"

#define BYTES_SIZE (JOURNAL_LINE_MAX + 2 * REPLAY_PIECE)
#define SEARCH_OVERLAP 256 /* a `queued` line is shorter */
#define DOUBLE_BOUNCE "DOUBLE-BOUNCE"

/* ---- what a line says ---- */

static bool
is_final(const struct recipient *r)
{
	return r->state == RECIPIENT_DELIVERED || r->state == RECIPIENT_EXPANDED ||
	       r->state == RECIPIENT_FAILED || r->state == RECIPIENT_SUCCEEDED ||
	       r->state == RECIPIENT_NOTIFIED;
}

/* seconds on disk are the wall clock's, in memory the monotonic one's; a clock that was wrong delays nobody for longer than a retry */
static uint32_t
due_of(const struct manager *q, int64_t next_us)
{
	int64_t wait_ms = (next_us - manager_wall_us(q)) / 1000;
	int64_t most_ms = (int64_t)q->config->outbound.retry_max * 9 / 8 + 1000;
	if (wait_ms < 0)
		wait_ms = 0;
	if (wait_ms > most_ms)
		wait_ms = most_ms;
	return message_tick(q) + (uint32_t)(wait_ms / MESSAGE_TICK_MS);
}

static const char *
take_from(struct manager *q, const struct journal_entry *e)
{
	struct replay *r = &q->replay;
	if (r->has_from)
		return "its journal begins twice";
	r->has_from = true;
	struct message *m = message_new(q, r->id, r->begin - JOURNAL_HEADER_SIZE, e->sender);
	m->uses++; /* ours, until it is whole */
	m->is_eight_bit = e->eight_bit;
	m->is_double_bounce = span_equal(e->protocol, SPAN(DOUBLE_BOUNCE));
	m->origin = (uint8_t)e->origin;
	message_from(q, m, e->uid, e->login, e->client);
	r->message = m;
	return NULL;
}

static const char *
take_to(struct manager *q, struct message *m, const struct journal_entry *e)
{
	if (e->number != m->count + 1 || (m->is_queued && e->parent == 0))
		return "its recipients are not in order";
	if (message_add(q, m, (uint32_t)(q->replay.at - q->replay.begin), e->text,
			(uint32_t)e->parent, e->notify) != 0)
		return "it has too many recipients";
	if (e->parent != 0)
		message_own(m, m->count, e->owner);
	return NULL;
}

static const char *
take_queued(struct manager *q, struct message *m, const struct journal_entry *e)
{
	if (m->is_queued || e->count != m->count)
		return "its recipients are not those that were accepted";
	int64_t now = manager_wall_us(q);
	m->is_queued = true;
	m->arrived_us = e->time_us < now ? e->time_us : now;
	m->checksum = e->checksum;
	m->is_unverified = m->id < q->spool.older;
	return NULL;
}

static void
take_result(struct manager *q, struct message *m, const struct journal_entry *e)
{
	struct recipient *r = &m->recipients[e->number - 1];
	if (is_final(r) || r->state == RECIPIENT_ORPHAN)
		return;
	r->last = (uint32_t)(q->replay.at - q->replay.begin);
	if (e->verb == JOURNAL_DELIVERED)
		message_set_delivered(q, m, (uint32_t)e->number, (enum jobs_relayed)e->relayed);
	else if (e->verb == JOURNAL_FAILED)
		message_set_failed(q, m, (uint32_t)e->number);
	else {
		message_set(q, m, (uint32_t)e->number, RECIPIENT_DEFERRED);
		r->due = due_of(q, e->next_us);
		r->attempts = e->attempt < UINT8_MAX ? (uint8_t)e->attempt : UINT8_MAX;
		m->has_retries = true;
	}
	r->answered = true;
}

static const char *
take_expanded(struct manager *q, struct message *m, const struct journal_entry *e)
{
	struct recipient *parent = &m->recipients[e->number - 1];
	struct span numbers = e->numbers;
	uint64_t first, last;
	size_t count = 0;
	if (is_final(parent))
		return NULL;
	struct span all = e->numbers;
	while (journal_numbers_next(&all, &first, &last))
		count += last - first + 1;
	while (journal_numbers_next(&numbers, &first, &last)) {
		if (last > m->count)
			return "a recipient was expanded into none that is there";
		for (uint64_t n = first; n <= last; n++)
			if (m->recipients[n - 1].state == RECIPIENT_ORPHAN)
				message_adopt(q, m, (uint32_t)n, (uint32_t)e->number, count == 1);
	}
	parent->last = (uint32_t)(q->replay.at - q->replay.begin);
	message_set_expanded(q, m, (uint32_t)e->number, count);
	parent->answered = true;
	return NULL;
}

static const char *
take_notified(struct manager *q, struct message *m, const struct journal_entry *e)
{
	struct span numbers = e->numbers;
	uint64_t first, last;
	while (journal_numbers_next(&numbers, &first, &last)) {
		if (last > m->count)
			return "the sender was told of a recipient that is not there";
		for (uint64_t n = first; n <= last; n++) {
			struct recipient *r = &m->recipients[n - 1];
			if (r->state == RECIPIENT_FAILED || r->state == RECIPIENT_SUCCEEDED)
				message_set(q, m, (uint32_t)n, RECIPIENT_NOTIFIED);
			else if (r->state == RECIPIENT_DEFERRED)
				r->is_delay_told = true;
		}
	}
	return NULL;
}

static void
take_released(struct manager *q, struct message *m)
{
	m->is_held = m->is_over_budget = false;
	if (!m->is_double_bounce)
		return;
	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].state == RECIPIENT_FAILED)
			message_set(q, m, i + 1, RECIPIENT_WAITING);
}

/* NULL, or why the file is damaged */
static const char *
take_line(struct manager *q, const struct journal_entry *e)
{
	struct message *m = q->replay.message;
	if (e->verb == JOURNAL_FROM)
		return take_from(q, e);
	if (m == NULL)
		return "its journal has no begin";
	bool is_head = e->verb == JOURNAL_TOP || e->verb == JOURNAL_QUEUED;
	if (e->verb != JOURNAL_TO && is_head == m->is_queued)
		return "its journal is not in order";
	if (e->number > m->count && e->verb != JOURNAL_TO)
		return "its journal tells of a recipient that is not there";
	switch (e->verb) {
	case JOURNAL_FROM:
	case JOURNAL_TOP:
		return NULL;
	case JOURNAL_TO:
		return take_to(q, m, e);
	case JOURNAL_QUEUED:
		return take_queued(q, m, e);
	case JOURNAL_DELIVERED:
	case JOURNAL_DEFERRED:
	case JOURNAL_FAILED:
		take_result(q, m, e);
		return NULL;
	case JOURNAL_EXPANDED:
		return take_expanded(q, m, e);
	case JOURNAL_HELD:
		m->is_held = true;
		m->is_over_budget = budget_is_reason(e->text);
		return NULL;
	case JOURNAL_RELEASED:
		take_released(q, m);
		return NULL;
	case JOURNAL_NOTIFIED:
		return take_notified(q, m, e);
	}
	return NULL;
}

/* ---- the end of a file ---- */

static void
close_file(struct manager *q)
{
	struct replay *r = &q->replay;
	struct message *m = r->message;
	close(r->fd);
	r->fd = -1;
	r->message = NULL;
	if (m != NULL)
		m->uses--;
}

static void
set_aside(struct manager *q, const char *reason)
{
	struct replay *r = &q->replay;
	struct message *m = r->message;
	r->damaged++;
	close_file(q);
	if (m != NULL)
		message_forget(q, m);
	if (spool_set_aside(&q->spool, r->id) != 0)
		EVENT("spool-trouble", event_id(r->id), event_string("errno", strerror(errno)));
	EVENT("damaged", event_id(r->id), event_string("reason", reason));
}

/*
 * not_queued - its journal, as far as it can be read, has no `queued` line: is there one anywhere in the file?
 *
 * A bit that fell over in the header line moves the begin of the journal: what was accepted must not go for that.
 */
static void
not_queued(struct manager *q)
{
	struct replay *r = &q->replay;
	r->is_searched = true;
	r->read_to = 0;
	r->from = r->len = 0;
}

/* the next piece; each begins a little before the end of the one before, so that no line is missed */
static void
search_on(struct manager *q)
{
	struct replay *r = &q->replay;
	struct message *m = r->message;
	ssize_t n = pread(r->fd, r->bytes, REPLAY_PIECE, (off_t)r->read_to);
	if (n < 0 && errno == EINTR)
		return;
	if (n < 0 || journal_queued_in(span_from(r->bytes, (size_t)n), r->id)) {
		set_aside(q, n < 0 ? "it cannot be read"
				   : "it was accepted, but what stands before that is not what was "
				     "written");
		return;
	}
	r->read_to += (uint64_t)n - SEARCH_OVERLAP;
	if (n == REPLAY_PIECE)
		return;
	r->unqueued++;
	close_file(q);
	if (m != NULL)
		message_forget(q, m);
	if (spool_remove(&q->spool, r->id) != 0 && errno != ENOENT)
		EVENT("spool-trouble", event_id(r->id), event_string("errno", strerror(errno)));
}

static void
cut_tail(struct manager *q, uint64_t at)
{
	int fd = spool_open(&q->spool, q->replay.id, O_RDWR);
	if (fd < 0 || ftruncate(fd, (off_t)at) != 0)
		EVENT("spool-trouble", event_id(q->replay.id),
		      event_string("errno", strerror(errno)));
	if (fd >= 0)
		close(fd);
}

static void
whole(struct manager *q, bool is_torn)
{
	struct replay *r = &q->replay;
	struct message *m = r->message;
	uint32_t next = UINT32_MAX;
	if (m == NULL || !m->is_queued) {
		not_queued(q);
		return;
	}
	if (is_torn)
		cut_tail(q, r->at);
	r->queued++;
	m->written = (uint32_t)(r->at - r->begin);
	m->is_kept = true;
	for (uint32_t i = 0; i < m->count && message_in(m, RECIPIENT_DEFERRED) > 0; i++)
		if (m->recipients[i].state == RECIPIENT_DEFERRED && m->recipients[i].due < next)
			next = m->recipients[i].due;
	if (next != UINT32_MAX)
		message_due(q, m, next);
	if (m->is_over_budget)
		budget_found(q, m);
	message_find_delayed(m);
	close_file(q);
	message_settle(q, m);
}

/* ---- the file at hand ---- */

/* more of the file behind what is not parsed yet; false: there is no more */
static bool
read_more(struct replay *r)
{
	if (r->from > 0) {
		memmove(r->bytes, r->bytes + r->from, r->len);
		r->from = 0;
	}
	ssize_t n;
	do
		n = pread(r->fd, r->bytes + r->len, BYTES_SIZE - r->len, (off_t)r->read_to);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	r->len += (size_t)n;
	r->read_to += (uint64_t)n;
	return true;
}

/* header line and, of a small message, the journal with the same read */
static void
begin_file(struct manager *q)
{
	static const char hole[JOURNAL_HEADER_SIZE];
	struct replay *r = &q->replay;
	uint64_t length;
	r->from = r->len = 0;
	r->read_to = r->at = r->begin = 0;
	r->has_from = r->is_at_end = r->is_searched = false;
	ssize_t n = pread(r->fd, r->bytes, REPLAY_PIECE, 0);
	if (n < 0) {
		set_aside(q, "it cannot be read");
		return;
	}
	if (n < JOURNAL_HEADER_SIZE || memcmp(r->bytes, hole, sizeof(hole)) == 0) {
		not_queued(q);
		return;
	}
	if (journal_header_read(r->bytes, &length) != 0) {
		set_aside(q, "its first line is not that of a message");
		return;
	}
	r->begin = r->at = JOURNAL_HEADER_SIZE + length;
	r->read_to = r->begin;
	if ((uint64_t)n > r->begin) {
		r->from = r->begin;
		r->len = (size_t)n - r->begin;
		r->read_to = (uint64_t)n;
	}
	r->is_at_end = n < REPLAY_PIECE && (uint64_t)n >= r->begin;
}

/* some lines; the file is closed when all were taken */
static void
take_lines(struct manager *q, int64_t end_us)
{
	struct replay *r = &q->replay;
	struct journal_entry e;
	for (unsigned lines = 1;; lines++) {
		struct span rest = span_from(r->bytes + r->from, r->len);
		enum journal_outcome o =
			r->len == 0 ? JOURNAL_PARTIAL : journal_read(&rest, r->id, &r->words, &e);
		const char *wrong;
		switch (o) {
		case JOURNAL_LINE:
			wrong = take_line(q, &e);
			if (wrong != NULL) {
				set_aside(q, wrong);
				return;
			}
			r->at += r->len - rest.len;
			r->from += r->len - rest.len;
			r->len = rest.len;
			break;
		case JOURNAL_PARTIAL:
			if (!r->is_at_end && read_more(r))
				break;
			whole(q, r->len > 0);
			return;
		case JOURNAL_BAD:
			whole(q, true);
			return;
		}
		if (lines % 256 == 0 && clock_monotonic_us() > end_us)
			return;
	}
}

/* ---- the files ---- */

static bool
next_folder(struct manager *q)
{
	struct replay *r = &q->replay;
	char name[16];
	if (r->dir != NULL)
		closedir(r->dir);
	r->dir = NULL;
	if (r->folder == SPOOL_FOLDERS)
		return false;
	snprintf(name, sizeof(name), "queue/%02X", r->folder++);
	int fd = openat(q->spool.dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		r->dir = fdopendir(fd);
	if (r->dir == NULL)
		fatal(EXIT_OS, errno, "read the folder %s of the spool", name);
	return true;
}

/* the next file of a former run; false: there is none in this folder */
static bool
next_file(struct manager *q)
{
	struct replay *r = &q->replay;
	char name[SPOOL_NAME_MAX];
	errno = 0;
	struct dirent *d = readdir(r->dir);
	if (d == NULL && errno != 0)
		EVENT("spool-trouble", event_string("errno", strerror(errno)),
		      event_string("reason", "a folder of the spool cannot be read to its end"));
	if (d == NULL)
		return false;
	if (d->d_name[0] == '.')
		return true;
	if (number_parse_hex(span_of(d->d_name), &r->id) != 0)
		r->id = 0;
	spool_name(r->id, name);
	if (r->id == 0 || strcmp(strrchr(name, '/') + 1, d->d_name) != 0 ||
	    (r->id & 255) != r->folder - 1) {
		EVENT("stray", event_string("name", d->d_name));
		return true;
	}
	if (r->id >= q->spool.first_id)
		return true;
	r->fd = spool_open(&q->spool, r->id, O_RDONLY);
	if (r->fd < 0) {
		if (errno != ENOENT)
			EVENT("spool-trouble", event_id(r->id),
			      event_string("errno", strerror(errno)));
		return true;
	}
	begin_file(q);
	return true;
}

static bool
replay_some(struct loop_task *task)
{
	struct manager *q = task->owner;
	struct replay *r = &q->replay;
	int64_t end_us = clock_monotonic_us() + MANAGER_SLICE_US;
	while (clock_monotonic_us() < end_us) {
		if (r->fd >= 0) {
			if (r->is_searched)
				search_on(q);
			else
				take_lines(q, end_us);
			continue;
		}
		if (r->dir != NULL && next_file(q))
			continue;
		if (next_folder(q))
			continue;
		r->is_done = true;
		EVENT("replayed", event_number("queued", (int64_t)r->queued),
		      event_number("unqueued", (int64_t)r->unqueued),
		      event_number("damaged", (int64_t)r->damaged));
		free(r->bytes);
		r->bytes = NULL;
		buffer_free(&r->words);
		return false;
	}
	return true;
}

void
replay_start(struct manager *q)
{
	struct replay *r = &q->replay;
	*r = (struct replay){.fd = -1, .task = {.step = replay_some, .owner = q}};
	buffer_init(&r->words, JOURNAL_LINE_MAX);
	r->bytes = malloc(BYTES_SIZE);
	if (r->bytes == NULL)
		fatal(EXIT_OS, ENOMEM, "room for replaying");
	loop_task_wake(q->loop, &r->task);
}

void
replay_free(struct manager *q)
{
	struct replay *r = &q->replay;
	loop_task_clear(q->loop, &r->task);
	if (r->dir != NULL)
		closedir(r->dir);
	if (r->fd >= 0)
		close_file(q);
	free(r->bytes);
	buffer_free(&r->words);
	*r = (struct replay){.fd = -1};
}
