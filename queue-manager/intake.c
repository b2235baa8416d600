/*
 * intake - how a message comes in
 *
 * The promise: a client that was told 250 has its message on stable storage here, whole, as its session wrote it; and nothing that
 * was not written by that session, or changed after it was judged, is ever delivered.  The steps, and why each is where it is:
 *
 * 1. OPEN.  We create the file under its final name (handle_open) and give the session a writer and a reader, which it will call fsync
 *    on (4); our own writer is closed.  The name is there before the session's fsync, so that one fsync of the file is enough (no fsync of the folder).
 *    The session cannot open the file again: it is ours, 0600, and the session sees no spool.
 * 2. ENVELOPE says that the session has closed its writer.  We do not believe it, we ask the kernel (handle_envelope): a read lease is
 *    granted only if no descriptor of the file is open for writing anywhere, also none in flight on a socket.  So from here on the
 *    content stands still, whatever the session, or one that took it over, does; what was checked is what will be sent.  The
 *    lease is given back before our appender is opened, since opening for writing under it would signal us and wait
 *    (SIGIO is blocked all the same).  Nobody else can open a writer between: only we may.  Then the length is compared with the
 *    file's, and the header line written.
 * 3. RECIPIENTS are gathered, written when there are many.  COMMIT compares their count, and writes the rest of the
 *    head with `queued` as its last line, in one append (handle_commit).  A message without that line was never accepted (S5): should
 *    we die before, the session says 451.  QUEUED goes out only when the append has succeeded.
 * 4. The session calls fsync, then KEEP, then says 250.  From QUEUED on the message is ours whatever becomes of the session:
 *    should it die between fsync and 250, the client may send again, which doubles; were we to drop it, a 250 already on its
 *    way would be a lie (closed).  Only ABANDON, which says that no 250 was and will be given, ends it.
 * 5. Routing may begin at QUEUED: it tells nobody anything.  Delivery begins at KEEP (message.c, M4): before it, the
 *    message might still be abandoned.  But where it may be early (early.c), delivery begins as soon as all places are known: should the
 *    session abandon it then (its fsync failed), its client, told 451, sends again, which doubles.
 * 6. FINISHED ends the session's wait (intake_finished).  DELIVERED: the file is gone, with all that was to be done; a KEEP or ABANDON
 *    that crossed it says nothing any more.  REFUSED: the file stays until we know what the session told its client: KEEP, then a notice
 *    is due; ANSWERED, or its end without KEEP, and no 250 was given: the file goes.  NOT: on with 4.
 *
 * What fails before QUEUED is answered with REFUSED, and leaves no file.  ENVELOPE and RECIPIENTS have no answer: what is wrong
 * with them is said at COMMIT, and what follows them is passed over until then (stage REFUSING).
 */
#include "queue-manager/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/protocol/intake.h"
#include "common/system/events.h"
#include "queue-manager/journal.h"
#include "queue-manager/manager.h"
#include "queue-manager/queue.h"

#define CREATE_TRIES 8 /* ids whose names are taken: leftovers of a clock that went backwards */
#define DOUBLE_BOUNCE "DOUBLE-BOUNCE" /* protocol of a notice about a notice */

enum stage {
	IDLE = 1,
	OPENED = 2,    /* the session has the file */
	ENVELOPED = 4, /* recipients come */
	REFUSING = 8,  /* COMMIT will be answered with REFUSED */
	QUEUED = 16,   /* KEEP or ABANDON is to come */
	FINISHED = 32, /* nothing is left of it; what comes may have crossed that */
	HANDED_BACK =
		64, /* refused by all: ANSWERED, or KEEP or ABANDON that crossed it, is to come */
};

/* one connection; of a transaction, from OPEN to KEEP */
struct transaction {
	uint64_t id;
	uint32_t request;
	uint64_t announced; /* bytes, at OPEN */
	int reader;	    /* the session's too */
	int appender;	    /* from ENVELOPE on */
	uint64_t length, checksum;
	char once[INTAKE_ONCE_MAX + 1]; /* its key (once.h); empty: none */
	uint64_t written;		/* of the head of the journal */
	struct buffer head;		/* what is still to be written of it */
	char client[INET6_ADDRSTRLEN];	/* for the event */
	char login[INTAKE_LOGIN_MAX + 1];
	struct message *message;
	/* the refusal to come */
	unsigned code;
	const char *status, *text;
};

static struct transaction *
state_of(struct peer *p)
{
	return p->state;
}

/* ---- the ends of a transaction ---- */

static void
over(struct peer *p)
{
	struct transaction *t = state_of(p);
	if (p->stage == OPENED)
		p->q->intake.open--;
	if (t->reader >= 0)
		close(t->reader);
	if (t->appender >= 0)
		close(t->appender);
	t->reader = t->appender = -1;
	t->message = NULL;
	t->id = 0;
	if (t->head.size > INTAKE_HEAD_MAX / 4)
		buffer_free(&t->head); /* a connection that is idle holds little */
	else
		buffer_clear(&t->head);
	p->stage = IDLE;
}

static void keep(struct peer *p);

/* never accepted: nothing of it stays */
static void
drop(struct peer *p)
{
	struct transaction *t = state_of(p);
	if (!once_forget(p->q, t->id)) {
		keep(p); /* else it would be taken for accepted when it comes again (once.c, O3) */
		return;
	}
	if (t->message != NULL) {
		early_end(p->q, t->message);
		t->message->uses--;
		message_remove(p->q, t->message);
	} else if (t->id != 0 && spool_remove(&p->q->spool, t->id) != 0 && errno != ENOENT) {
		EVENT("spool-trouble", event_id(t->id), event_string("errno", strerror(errno)));
	}
	over(p);
}

static const char *
refuse(struct peer *p, unsigned code, const char *status, const char *text)
{
	const struct intake_refused r = {code, span_of(status), span_of(text)};
	uint32_t request = state_of(p)->request;
	p->its_turn = true;
	(void)peer_send(p, wire_find(intake_answers, INTAKE_REFUSED), 0, request, &r, NULL);
	return NULL;
}

/* said at COMMIT; what there is of the message goes now */
static void
refuse_later(struct peer *p, unsigned code, const char *status, const char *text)
{
	struct transaction *t = state_of(p);
	drop(p);
	t->code = code;
	t->status = status;
	t->text = text;
	p->stage = REFUSING;
}

static void
refuse_for(struct peer *p, int error)
{
	if (error == ENOSPC || error == EDQUOT)
		refuse_later(p, 452, "4.3.1", "the disk is full");
	else
		refuse_later(p, 451, "4.3.0", "the spool cannot be written to");
}

/* ---- 1: OPEN ---- */

/* a new file under a new id; 0 and errno: not now */
static uint64_t
create(struct manager *q, int *writer, int *reader)
{
	for (int i = 0; i < CREATE_TRIES; i++) {
		uint64_t id = spool_next_id(&q->spool, manager_wall_us(q));
		if (id == 0)
			return 0;
		if (message_find(q, id) == NULL && spool_create(&q->spool, id, writer, reader) == 0)
			return id;
		if (errno != EEXIST)
			return 0;
	}
	return 0;
}

static const char *
handle_open(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct intake_open *open_call = message;
	struct manager *q = p->q;
	struct transaction *t = state_of(p);
	int writer;
	t->request = h->request;
	t->announced = open_call->size;
	if (q->is_stopping)
		return refuse(p, 451, "4.3.2", "the system is stopping");
	if (!disk_may_take(q, open_call->size))
		return refuse(p, 452, "4.3.1", "there is not enough room on the disk");
	t->id = create(q, &writer, &t->reader);
	if (t->id == 0) {
		int error = errno;
		EVENT("spool-trouble", event_string("errno", strerror(error)),
		      event_string("reason", "a message's file cannot be created"));
		t->reader = -1;
		if (error == ENOSPC || error == EDQUOT)
			return refuse(p, 452, "4.3.1", "the disk is full");
		return refuse(p, 451, "4.3.0", "the spool cannot be written to");
	}
	const struct intake_file file = {t->id};
	const int fds[] = {writer, t->reader};
	p->stage = OPENED;
	p->its_turn = true;
	q->intake.open++;
	(void)peer_send(p, wire_find(intake_answers, INTAKE_FILE), 0, h->request, &file, fds);
	close(writer);
	return NULL;
}

/* ---- 2: ENVELOPE ---- */

static void
put_top(struct buffer *head, uint64_t id, struct span top)
{
	while (top.len > 0) {
		const char *end = memmem(top.at, top.len, "\r\n", 2);
		struct journal_entry e = {.verb = JOURNAL_TOP,
					  .text = span_from(top.at, (size_t)(end - top.at))};
		journal_write(head, id, &e);
		top = span_skip(top, e.text.len + 2);
	}
}

/* the first lines of the journal, into memory */
static void
begin_head(struct transaction *t, const struct intake_envelope *e)
{
	const struct journal_entry from = {.verb = JOURNAL_FROM,
					   .origin = e->origin,
					   .eight_bit = e->eight_bit != 0,
					   .uid = e->uid,
					   .utf8 = e->utf8 != 0,
					   .tls_demand = e->tls_demand,
					   .ret = e->ret,
					   .envid = e->envid,
					   .login = e->login,
					   .client = e->client,
					   .helo = e->helo,
					   .protocol = e->protocol,
					   .tls = e->tls,
					   .sender = e->sender};
	journal_write(&t->head, t->id, &from);
	put_top(&t->head, t->id, e->top);
}

static const char *
has_writer(struct peer *p, const char *how)
{
	EVENT("kept-writer", event_id(state_of(p)->id), event_number("pid", p->who.pid));
	drop(p);
	return how;
}

static const char *
handle_envelope(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct intake_envelope *e = message;
	struct manager *q = p->q;
	struct transaction *t = state_of(p);
	char header[JOURNAL_HEADER_SIZE];
	struct stat st;
	if (h->request != t->request)
		return "mixed two transactions";
	if ((e->origin == INTAKE_LOCAL || e->uid != 0) &&
	    !start_is(p->q->intake.listener.socket, p->who.uid, "submit"))
		return "speaks for a local user, which is submit's to do";
	if (e->once.len > 0 && (e->origin != INTAKE_LOCAL || !once_is_key(e->once)))
		return "has a key that is none, or is not submit's to give";
	if (e->top.len > 0 && !span_ends(e->top, SPAN("\r\n")))
		return "put header lines on top that do not end";
	int writers = spool_has_writer(t->reader);
	if (writers > 0)
		return has_writer(p, "still has the message open for writing");
	if (writers < 0 || fstat(t->reader, &st) != 0) {
		EVENT("spool-trouble", event_id(t->id), event_string("errno", strerror(errno)));
		refuse_later(p, 451, "4.3.0", "the spool does not work");
		return NULL;
	}
	if ((uint64_t)st.st_size != JOURNAL_HEADER_SIZE + e->length &&
	    !(e->length == 0 && st.st_size == 0))
		return "wrote another length than it says";
	t->appender = spool_open(&q->spool, t->id, O_RDWR);
	journal_header(e->length, header);
	if (t->appender < 0 ||
	    spool_append(t->appender, span_from(header, sizeof(header)), 0) != 0) {
		int error = errno;
		disk_failed(q, t->id, error);
		refuse_for(p, error);
		return NULL;
	}
	if (e->length > t->announced)
		disk_taken(q, e->length - t->announced);
	t->length = e->length;
	t->checksum = e->checksum;
	t->written = 0;
	(void)!span_copy(e->once, t->once, sizeof(t->once)); /* the shape has bounded it */
	if (span_copy(e->client, t->client, sizeof(t->client)) != 0)
		t->client[0] = '\0'; /* no address: the field is for one */
	(void)!span_copy(e->login, t->login, sizeof(t->login)); /* the shape has bounded it */
	begin_head(t, e);
	t->message = message_new(q, t->id, e->length, e->sender);
	t->message->uses++;
	t->message->is_eight_bit = e->eight_bit != 0;
	t->message->is_double_bounce = span_equal(e->protocol, SPAN(DOUBLE_BOUNCE));
	t->message->origin = (uint8_t)e->origin;
	message_from(q, t->message, e->uid, e->login, e->client);
	q->intake.open--;
	p->stage = ENVELOPED;
	return NULL;
}

/* ---- 3: RECIPIENTS, COMMIT ---- */

static int
write_head(struct transaction *t)
{
	if (t->head.failed) {
		errno = ENOMEM;
		return -1;
	}
	if (spool_append(t->appender, buffer_get(&t->head),
			 JOURNAL_HEADER_SIZE + t->length + t->written) != 0)
		return -1;
	t->written += t->head.len;
	buffer_clear(&t->head);
	return 0;
}

static const char *
handle_recipients(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct intake_recipients *r = message;
	struct manager *q = p->q;
	struct transaction *t = state_of(p);
	struct intake_recipient one;
	struct wire_list list = r->recipients;
	if (h->request != t->request)
		return "mixed two transactions";
	if (p->stage == REFUSING)
		return NULL;
	while (wire_list_next(&list, &intake_recipient_shape, &one)) {
		struct message *m = t->message;
		const struct journal_entry e = {.verb = JOURNAL_TO,
						.number = m->count + 1,
						.text = one.address,
						.notify = one.notify,
						.orcpt = one.orcpt};
		if ((one.notify & INTAKE_NOTIFY_NEVER) != 0 && one.notify != INTAKE_NOTIFY_NEVER)
			return "wants a notice and wants none";
		uint64_t at = t->written + t->head.len;
		if (at > UINT32_MAX / 2 ||
		    message_add(q, m, (uint32_t)at, one.address, 0, one.notify) != 0)
			return "has too many recipients";
		journal_write(&t->head, t->id, &e);
		if (t->head.len < INTAKE_HEAD_MAX)
			continue;
		if (write_head(t) != 0) {
			int error = errno;
			disk_failed(q, t->id, error);
			refuse_for(p, error);
			return NULL;
		}
	}
	return NULL;
}

static const char *
origin_name(uint8_t origin)
{
	return origin == INTAKE_NOTICE ? "notice" : origin == INTAKE_LOCAL ? "local" : "network";
}

static void
tell_queued(const struct transaction *t, const struct message *m)
{
	const struct event_field fields[] = {event_id(m->id),
					     event_text("from", name_text(m->sender)),
					     event_number("size", (int64_t)m->length),
					     event_number("recipients", m->count),
					     event_string("origin", origin_name(m->origin)),
					     event_string("client", t->client),
					     event_string("login", t->login),
					     event_number("uid", (int64_t)message_uid(m) - 1)};
	size_t count = sizeof(fields) / sizeof(fields[0]);
	event_emit("queued", fields, message_uid(m) != 0 ? count : count - 1);
}

/* it was taken before, as message `id`: that is what the session brings to the disk (once.c, O2) */
static const char *
taken_already(struct peer *p, uint64_t id)
{
	struct transaction *t = state_of(p);
	uint32_t request = t->request;
	int fd = spool_open(&p->q->spool, id, O_RDONLY);
	if (fd < 0 && errno != ENOENT) {
		refuse_for(p, errno);
		p->stage = IDLE;
		return refuse(p, t->code, t->status, t->text);
	}
	if (fd < 0) { /* everything was done with it: any file will do */
		fd = t->reader;
		t->reader = -1;
	}
	EVENT("taken-already", event_id(id));
	drop(p);
	p->stage = FINISHED;
	p->its_turn = true;
	(void)peer_send(p, wire_find(intake_answers, INTAKE_TAKEN), 0, request, NULL, &fd);
	close(fd);
	return NULL;
}

static const char *
handle_commit(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct intake_commit *c = message;
	struct manager *q = p->q;
	struct transaction *t = state_of(p);
	if (h->request != t->request)
		return "mixed two transactions";
	if (p->stage == REFUSING) {
		p->stage = IDLE;
		return refuse(p, t->code, t->status, t->text);
	}
	struct message *m = t->message;
	if (c->count != m->count)
		return "counts its recipients in another way";
	uint64_t before = once_find(q, t->once);
	if (before != 0)
		return taken_already(p, before);
	m->arrived_us = manager_wall_us(q);
	const struct journal_entry queued = {.verb = JOURNAL_QUEUED,
					     .time_us = m->arrived_us,
					     .checksum = t->checksum,
					     .count = m->count};
	journal_write(&t->head, t->id, &queued);
	bool is_whole = t->written == 0; /* what is in memory is all of the head */
	struct span head = buffer_get(&t->head);
	if (write_head(t) != 0) {
		int error = errno;
		disk_failed(q, t->id, error);
		refuse_for(p, error);
		p->stage = IDLE;
		return refuse(p, t->code, t->status, t->text);
	}
	m->is_queued = true;
	once_add(q, t->once, t->id);
	message_head(q, m, t->appender, is_whole ? head : SPAN_NONE, t->written);
	t->appender = -1;
	tell_queued(t, m);
	budget_came(q, m);
	p->stage = QUEUED;
	p->its_turn = true;
	const struct intake_queued answer = {c->early != 0 ? early_begin(q, m, p) : 0};
	if (peer_send(p, wire_find(intake_answers, INTAKE_QUEUED), 0, h->request, &answer, NULL))
		message_settle(q, m);
	return NULL;
}

/* ---- 6: FINISHED ---- */

void
intake_finished(struct manager *q, struct peer *p, const struct intake_finished *f)
{
	struct transaction *t = state_of(p);
	uint32_t request = t->request;
	(void)q;
	/* the stage first: when the session is gone, its end is carried out within peer_send */
	switch ((enum intake_finish)f->finish) {
	case INTAKE_FINISH_DELIVERED:
		t->message->uses--;
		over(p);
		p->stage = FINISHED;
		break;
	case INTAKE_FINISH_REFUSED:
		p->stage = HANDED_BACK;
		break;
	case INTAKE_FINISH_NOT:
		break;
	}
	(void)peer_send(p, wire_find(intake_answers, INTAKE_FINISHED), 0, request, f, NULL);
}

static const char *
handle_answered(struct peer *p, const struct wire_header *h, const void *message)
{
	(void)message;
	if (h->request != state_of(p)->request)
		return "mixed two transactions";
	drop(p);
	return NULL;
}

/* ---- 4: KEEP, ABANDON, or gone ---- */

static void
keep(struct peer *p)
{
	struct message *m = state_of(p)->message;
	early_end(p->q, m);
	m->uses--;
	m->is_kept = true;
	queue_keep(p->q, m);
	message_settle(p->q, m);
	over(p);
}

static const char *
handle_keep(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct intake_keep *k = message;
	if (h->request != state_of(p)->request)
		return "mixed two transactions";
	early_synced(p->q, k->sync_us);
	if (p->stage == FINISHED)
		p->stage = IDLE;
	else
		keep(p);
	return NULL;
}

static const char *
handle_abandon(struct peer *p, const struct wire_header *h, const void *message)
{
	(void)message;
	if (h->request != state_of(p)->request)
		return "mixed two transactions";
	if (p->stage == QUEUED)
		EVENT("abandoned", event_id(state_of(p)->id));
	if (p->stage == REFUSING || p->stage == FINISHED)
		p->stage = IDLE;
	else
		drop(p);
	return NULL;
}

/* ETRN: nothing of it is a transaction's */
static const char *
handle_retry(struct peer *p, const struct wire_header *h, const void *message)
{
	const struct intake_retry *m = message;
	const struct intake_retrying answer = {etrn_ask(p->q, m->domain, m->below != 0)};
	(void)peer_send(p, wire_find(intake_answers, INTAKE_RETRYING), 0, h->request, &answer,
			NULL);
	return NULL;
}

static const struct peer_kind intake_kind;

static const char *
opened(struct peer *p)
{
	unsigned count = 0;
	for (const struct peer *other = p->q->peers; other != NULL; other = other->next)
		if (other->kind == &intake_kind && other->who.pid == p->who.pid)
			count++;
	/* a session is one process: one that was taken over must not take every descriptor */
	if (count > INTAKE_PROCESS_MAX)
		return "has too many connections";
	struct transaction *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return "no memory";
	t->reader = t->appender = -1;
	buffer_init(&t->head, (size_t)INTAKE_HEAD_MAX + 2 * (size_t)JOURNAL_LINE_MAX +
				      8 * (size_t)INTAKE_TOP_MAX);
	p->state = t;
	return NULL;
}

static void
closed(struct peer *p)
{
	struct transaction *t = state_of(p);
	if (t == NULL)
		return;
	/*
	 * HANDED_BACK: if the session has left, a KEEP would have been read before its end, so that no 250 was said.  If we end the connection
	 * (we stop, it does not read), one may lie there unread: then a notice is due, at worst one too many.
	 */
	if (p->stage == QUEUED || (p->stage == HANDED_BACK && !p->has_left))
		keep(p);
	else
		drop(p);
	buffer_free(&t->head);
	free(t);
	p->state = NULL;
}

static const struct peer_rule rules[] = {
	{INTAKE_OPEN, IDLE | FINISHED, handle_open},
	{INTAKE_ENVELOPE, OPENED, handle_envelope},
	{INTAKE_RECIPIENTS, ENVELOPED | REFUSING, handle_recipients},
	{INTAKE_COMMIT, ENVELOPED | REFUSING, handle_commit},
	{INTAKE_KEEP, QUEUED | FINISHED | HANDED_BACK, handle_keep},
	{INTAKE_ABANDON, OPENED | ENVELOPED | REFUSING | QUEUED | FINISHED | HANDED_BACK,
	 handle_abandon},
	{INTAKE_RETRY, IDLE | FINISHED, handle_retry},
	{INTAKE_ANSWERED, HANDED_BACK, handle_answered},
	{0, 0, NULL},
};

static const struct peer_kind intake_kind = {
	.name = "intake",
	.calls = intake_calls,
	.rules = rules,
	.first_stage = IDLE,
	.opened = opened,
	.closed = closed,
};

void
intake_start(struct manager *q, const struct start_listen *socket)
{
	peer_listen(q, &q->intake.listener, socket, &intake_kind);
}

void
intake_stop(struct manager *q)
{
	peer_listen_end(&q->intake.listener);
}
