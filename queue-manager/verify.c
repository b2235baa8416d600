/*
 * verify - is the content of a message of another boot what was written?
 *
 * See verify.h.  Promises: nothing of an unsynced file that a power cut left half on disk is sent to anybody; the loop waits for
 * one piece at a time.
 */
#include "queue-manager/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "common/text/checksum.h"
#include "queue-manager/manager.h"

enum verdict_of_content { CONTENT_RIGHT, CONTENT_WRONG, CONTENT_MORE, CONTENT_UNREADABLE };

void
verify_wanted(struct manager *q, struct message *m)
{
	struct verify *v = &q->verify;
	if (m->is_working)
		return;
	m->is_working = true;
	m->uses++;
	m->work_next = NULL;
	if (v->last != NULL)
		v->last->work_next = m;
	else
		v->first = m;
	v->last = m;
	loop_task_wake(q->loop, &v->task);
}

/* the next piece of its content */
static enum verdict_of_content
read_piece(struct manager *q, struct message *m, uint64_t expected)
{
	struct verify *v = &q->verify;
	if (v->fd < 0) {
		v->fd = spool_open(&q->spool, m->id, O_RDONLY);
		if (v->fd < 0)
			return CONTENT_UNREADABLE;
		v->at = 0;
		checksum_start(v->sum);
	}
	if (v->at < m->length) {
		uint64_t left = m->length - v->at;
		ssize_t n = pread(v->fd, v->piece, left < VERIFY_PIECE ? left : VERIFY_PIECE,
				  (off_t)(JOURNAL_HEADER_SIZE + v->at));
		if (n < 0)
			return errno == EINTR ? CONTENT_MORE : CONTENT_UNREADABLE;
		if (n == 0)
			return CONTENT_WRONG;
		checksum_add(v->sum, v->piece, (size_t)n);
		v->at += (uint64_t)n;
	}
	if (v->at < m->length)
		return CONTENT_MORE;
	return checksum_value(v->sum) == expected ? CONTENT_RIGHT : CONTENT_WRONG;
}

static void
take_first_off(struct manager *q, struct message *m)
{
	struct verify *v = &q->verify;
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
	v->first = m->work_next;
	if (v->first == NULL)
		v->last = NULL;
	m->is_working = false;
	m->uses--;
}

static bool
verify_some(struct loop_task *task)
{
	struct manager *q = task->owner;
	struct verify *v = &q->verify;
	int64_t end_us = clock_monotonic_us() + MANAGER_SLICE_US;
	while (v->first != NULL && clock_monotonic_us() < end_us) {
		struct message *m = v->first;
		if (m->is_gone) {
			take_first_off(q, m);
			message_settle(q, m);
			continue;
		}
		switch (read_piece(q, m, m->checksum)) {
		case CONTENT_MORE:
			break;
		case CONTENT_RIGHT:
			take_first_off(q, m);
			m->is_unverified = false;
			message_settle(q, m);
			break;
		case CONTENT_WRONG:
			take_first_off(q, m);
			message_set_aside(q, m, "its content is not what was written");
			break;
		case CONTENT_UNREADABLE:
			/* no verdict: held, for the administrator to look at, who may release it */
			take_first_off(q, m);
			message_hold(q, m, "its content cannot be read");
			message_settle(q, m);
			break;
		}
	}
	return v->first != NULL;
}

void
verify_start(struct manager *q)
{
	struct verify *v = &q->verify;
	*v = (struct verify){.fd = -1, .task = {.step = verify_some, .owner = q}};
	v->sum = checksum_new();
	v->piece = malloc(VERIFY_PIECE);
	if (v->sum == NULL || v->piece == NULL)
		fatal(EXIT_OS, ENOMEM, "what verifies content");
}

void
verify_free(struct manager *q)
{
	struct verify *v = &q->verify;
	loop_task_clear(q->loop, &v->task);
	if (v->fd >= 0)
		close(v->fd);
	checksum_free(v->sum);
	free(v->piece);
	*v = (struct verify){.fd = -1};
}
