/*
 * message-file - the file of a message while something happens to it: lines to be written, lines to be read again
 *
 * See message.h; spool.c opens, journal.c spells.  Promises: lines are written in the order in which they were appended, all
 * of one turn of the loop with one system call; a line that cannot be written now is kept; not more than MESSAGE_OPEN_MAX files are open
 * without need.  What is known of a file outlives its descriptor: a message that waits a little for its turn is not read again.
 */
#include "queue-manager/message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/system/fatal.h"
#include "queue-manager/manager.h"

#define WINDOW_SIZE (JOURNAL_LINE_MAX + 4096)
#define WINDOW_FIRST \
	8192 /* read at first; most lines are short, and their neighbours are asked for next */
#define PENDING_FLUSH 65536

/* ---- open files ---- */

static void
unlink_file(struct messages *t, struct open_file *f)
{
	if (t->oldest_open == f)
		t->oldest_open = f->younger;
	if (f->older != NULL)
		f->older->younger = f->younger;
	else
		t->oldest = f->younger;
	if (f->younger != NULL)
		f->younger->older = f->older;
	else
		t->youngest = f->older;
}

static void
link_youngest(struct messages *t, struct open_file *f)
{
	f->older = t->youngest;
	f->younger = NULL;
	if (t->youngest != NULL)
		t->youngest->younger = f;
	else
		t->oldest = f;
	t->youngest = f;
	if (t->oldest_open == NULL)
		t->oldest_open = f;
}

static void
close_descriptor(struct messages *t, struct open_file *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	f->fd = -1;
	t->open_count--;
}

/* of the youngest; -1: it could not be had */
static void
set_descriptor(struct messages *t, struct open_file *f, int fd)
{
	f->fd = fd;
	if (fd < 0)
		return;
	t->open_count++;
	if (t->oldest_open == NULL)
		t->oldest_open = f;
}

/* for one more */
static void
make_room_to_open(struct messages *t)
{
	while (t->open_count >= MESSAGE_OPEN_MAX && t->oldest_open != NULL) {
		close_descriptor(t, t->oldest_open);
		t->oldest_open = t->oldest_open->younger;
	}
}

static void
take_off_dirty(struct messages *t, struct open_file *f)
{
	if (!f->is_dirty)
		return;
	struct open_file **at = &t->dirty;
	while (*at != f)
		at = &(*at)->dirty_next;
	*at = f->dirty_next;
	f->is_dirty = false;
}

void
message_close(struct manager *q, struct message *m)
{
	struct messages *t = &q->messages;
	struct open_file *f = m->file;
	if (t->window.id == m->id)
		t->window.len = 0;
	if (f == NULL)
		return;
	take_off_dirty(t, f);
	unlink_file(t, f);
	close_descriptor(t, f);
	buffer_free(&f->pending);
	free(f->head);
	free(f);
	m->file = NULL;
	t->kept_count--;
}

void
message_close_files(struct manager *q, size_t most)
{
	struct messages *t = &q->messages;
	struct open_file *f = t->oldest;
	while (f != NULL && t->kept_count > most) {
		struct open_file *younger = f->younger;
		if (!f->is_dirty)
			message_close(q, f->message);
		f = younger;
	}
}

/* the struct, perhaps without a descriptor yet */
static struct open_file *
file_of(struct manager *q, struct message *m)
{
	struct messages *t = &q->messages;
	if (m->file != NULL) {
		if (m->file->younger != NULL) {
			unlink_file(t, m->file);
			link_youngest(t, m->file);
		}
		return m->file;
	}
	message_close_files(q, MESSAGE_KEPT_MAX - 1);
	struct open_file *f = calloc(1, sizeof(*f));
	if (f == NULL)
		fatal(EXIT_OS, ENOMEM, "an open message");
	*f = (struct open_file){.fd = -1, .message = m};
	buffer_init(&f->pending, MESSAGE_PENDING_MAX);
	link_youngest(t, f);
	t->kept_count++;
	m->file = f;
	return f;
}

static int
descriptor_of(struct manager *q, struct message *m)
{
	struct messages *t = &q->messages;
	struct open_file *f = file_of(q, m);
	if (f->fd >= 0)
		return f->fd;
	make_room_to_open(t);
	set_descriptor(t, f, spool_open(&q->spool, m->id, O_RDWR));
	return f->fd;
}

/* ---- writing ---- */

int
message_flush(struct manager *q, struct message *m)
{
	struct open_file *f = m->file;
	if (f == NULL || f->pending.len == 0)
		return 0;
	if (descriptor_of(q, m) < 0 && errno == ENOENT) {
		message_vanished(q, m);
		errno = ENOENT;
		return -1;
	}
	if (f->fd < 0 || spool_append(f->fd, buffer_get(&f->pending),
				      JOURNAL_HEADER_SIZE + m->length + m->written) != 0) {
		disk_failed(q, m->id, errno);
		return -1;
	}
	m->written += (uint32_t)f->pending.len;
	if (f->pending.size > PENDING_FLUSH)
		buffer_free(&f->pending);
	else
		buffer_clear(&f->pending);
	take_off_dirty(&q->messages, f);
	return 0;
}

int
message_flush_all(struct manager *q)
{
	struct open_file *next;
	int result = 0;
	for (struct open_file *f = q->messages.dirty; f != NULL; f = next) {
		next = f->dirty_next;
		if (message_flush(q, f->message) != 0)
			result = -1;
	}
	return result;
}

static bool
flush_some(struct loop_task *task)
{
	struct manager *q = task->owner;
	/* while the disk is full, disk.c tries from time to time */
	if (disk_may_deliver(q))
		(void)!message_flush_all(q);
	return false;
}

uint32_t
message_append(struct manager *q, struct message *m, const struct journal_entry *e)
{
	struct messages *t = &q->messages;
	struct open_file *f = file_of(q, m);
	if (f->pending.len >= PENDING_FLUSH && disk_may_deliver(q))
		(void)!message_flush(q, m);
	uint32_t at = m->written + (uint32_t)f->pending.len;
	journal_write(&f->pending, m->id, e);
	if (f->pending.failed)
		fatal(EXIT_TRY_LATER, 0,
		      "more than %u bytes of the journal of one message wait to be written",
		      MESSAGE_PENDING_MAX);
	if (!f->is_dirty) {
		f->is_dirty = true;
		f->dirty_next = t->dirty;
		t->dirty = f;
		loop_task_wake(q->loop, &t->flush_task);
	}
	return at;
}

void
message_head(struct manager *q, struct message *m, int fd, struct span head, uint64_t length)
{
	struct open_file *f = file_of(q, m);
	make_room_to_open(&q->messages);
	set_descriptor(&q->messages, f, fd);
	m->written = (uint32_t)length;
	/* what is asked for next are the lines of the head: they are here already */
	if (head.len > MESSAGE_HEAD_MAX || head.len != length)
		return;
	f->head = malloc(head.len);
	if (f->head == NULL)
		return;
	memcpy(f->head, head.at, head.len);
	f->head_len = (uint32_t)head.len;
}

/* ---- reading ---- */

static bool
is_in_window(const struct messages *t, const struct message *m, uint32_t at, uint32_t want)
{
	uint32_t end = t->window.at + t->window.len;
	if (t->window.id != m->id || at < t->window.at || at >= end)
		return false;
	return want <= WINDOW_FIRST || end - at >= want || end >= m->written;
}

/* bytes of the journal from `at` on: as many as are at hand, or about `want` from the disk */
static int
bytes_at(struct manager *q, struct message *m, uint32_t at, uint32_t want, struct span *bytes)
{
	struct messages *t = &q->messages;
	if (at >= m->written && message_flush(q, m) != 0)
		return -1;
	struct open_file *f = m->file;
	if (at >= m->written) {
		errno = EBADMSG;
		return -1;
	}
	if (f != NULL && f->head != NULL && at < f->head_len) {
		*bytes = span_from(f->head + at, f->head_len - at);
		return 0;
	}
	if (!is_in_window(t, m, at, want)) {
		if (t->window.bytes == NULL && (t->window.bytes = malloc(WINDOW_SIZE)) == NULL)
			fatal(EXIT_OS, ENOMEM, "a window of a journal");
		t->window.len = 0;
		int fd = descriptor_of(q, m);
		if (fd < 0 && errno == ENOENT) {
			message_vanished(q, m);
			errno = ENOENT;
		}
		if (fd < 0)
			return -1;
		if (want > m->written - at)
			want = m->written - at;
		ssize_t n = pread(fd, t->window.bytes, want,
				  (off_t)(JOURNAL_HEADER_SIZE + m->length + at));
		if (n <= 0) {
			if (n == 0)
				errno = EBADMSG;
			return -1;
		}
		t->window.id = m->id;
		t->window.at = at;
		t->window.len = (uint32_t)n;
	}
	*bytes = span_from(t->window.bytes + (at - t->window.at),
			   t->window.len - (at - t->window.at));
	return 0;
}

/* the line at *at, which becomes the begin of the next one */
static int
next_line(struct manager *q, struct message *m, uint32_t *at, struct journal_entry *e)
{
	const uint32_t wants[] = {WINDOW_FIRST, WINDOW_SIZE};
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		struct span bytes;
		if (bytes_at(q, m, *at, wants[i], &bytes) != 0)
			return -1;
		size_t before = bytes.len;
		switch (journal_read(&bytes, m->id, &q->messages.words, e)) {
		case JOURNAL_LINE:
			*at += (uint32_t)(before - bytes.len);
			return 0;
		case JOURNAL_PARTIAL:
			break;
		case JOURNAL_BAD:
			errno = EBADMSG;
			return -1;
		}
	}
	errno = EBADMSG;
	return -1;
}

int
message_line(struct manager *q, struct message *m, uint32_t at, struct journal_entry *e)
{
	return next_line(q, m, &at, e);
}

int
message_recipient(struct manager *q, struct message *m, uint32_t number, struct journal_entry *e)
{
	if (message_line(q, m, m->recipients[number - 1].at, e) != 0)
		return -1;
	if (e->verb == JOURNAL_TO && e->number == number)
		return 0;
	errno = EBADMSG;
	return -1;
}

uint32_t
message_origin(struct manager *q, struct message *m, uint32_t number)
{
	struct journal_entry e;
	for (int depth = 0; depth <= MESSAGE_DEPTH_MAX; depth++) {
		if (message_recipient(q, m, number, &e) != 0)
			return 0;
		if (e.parent == 0)
			return number;
		number = (uint32_t)e.parent;
	}
	return 0;
}

int
message_top(struct manager *q, struct message *m, struct buffer *to)
{
	struct journal_entry e;
	uint32_t at = 0;
	if (next_line(q, m, &at, &e) != 0)
		return -1;
	while (at < m->recipients[0].at) {
		if (next_line(q, m, &at, &e) != 0)
			return -1;
		if (e.verb != JOURNAL_TOP)
			break;
		buffer_span(to, e.text);
		buffer_string(to, "\r\n");
	}
	return 0;
}

/* ---- begin and end ---- */

void
message_files_start(struct manager *q)
{
	q->messages.flush_task = (struct loop_task){.step = flush_some, .owner = q};
	buffer_init(&q->messages.words, JOURNAL_LINE_MAX);
}

void
message_files_free(struct manager *q)
{
	loop_task_clear(q->loop, &q->messages.flush_task);
	buffer_free(&q->messages.words);
	free(q->messages.window.bytes);
}
