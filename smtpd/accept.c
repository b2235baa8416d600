/*
 * accept - the promise: a message becomes ours, and the client is told
 *
 * Called by envelope.c (MAIL) and content.c (DATA).  Nobody else in this program says 250 after the data, and the one fsync of
 * this program is here.
 *
 * What is promised: a client that reads 250 will have its message delivered, or a notice of why not, whatever program or
 * machine stops at whatever moment.  A client that reads 4xx or 5xx, or nothing, still owns its message; it may then arrive twice,
 * never not at all.  The steps, and what holds after each (the other half is queue-manager/intake.c):
 *
 *  1  OPEN, FILE.  The file has its final name, and we have two descriptors of it, one to write and one to read.  It has no `queued` line: replay removes it.  Nobody was promised anything.
 *     REFUSED (disk at its floor) and a missing queue-manager are told before 354: no data is taken for nothing.
 *  2  The content is written and the writer closed.  Nobody can change the content any more: the queue-manager proves it with a lease.
 *     A write that failed, a client that left: ABANDON, or our end of the connection closes; the file goes.
 *  3  ENVELOPE, RECIPIENTS, COMMIT are sent without waiting.  Gone or late now: 451.  It may be that COMMIT was carried out and
 *     QUEUED is on its way: then the queue-manager sees us gone after QUEUED and keeps the message, and the client sends it again: twice.
 *     From COMMIT on it may give the message to those who deliver (early delivery): the content is whole and can no longer change (2), every
 *     check of this session has passed before accept_message is called, and nobody is told anything by us before 7.
 *  4  QUEUED.  Sender, recipients and the `queued` line with the checksum are in the file as the kernel sees it, behind the content.
 *     The descriptor that we read by is of that file (1).  If the queue-manager dies from here on, replay finds the line and the message lives.
 *  4a FINISHED, for which we wait as long as QUEUED names, and a little: not when sessions run short.
 *     DELIVERED: every recipient has been taken by somebody who answers for it, and no notice is owed.  There is nothing left that an fsync could
 *     save: straight to 7.  If the machine stops now, the file may come back and the message with it: twice (RFC 1047).
 *     REFUSED, by every recipient, and nothing was delivered: the client is told so itself, then ANSWERED: the file goes, and no notice is made.
 *     If ANSWERED is lost with the queue-manager, replay finds the refusal in the file: a notice as well, twice told.  If we die before
 *     the client has read it, it sends again.
 *     NOT, nothing in time, or the queue-manager gone: on with 5, as if nothing had been waited for.  A FINISHED that comes too late crosses
 *     our KEEP, which then counts: a refusal becomes a notice.
 *  5  fsync.  It covers the content, the journal up to `queued`, and (name first, then one fsync) the directory entry; see
 *     docs/architecture.md for the file systems where it does not, and what is done there.  On failure nothing may be said of what is on
 *     the disk: ABANDON, 451.  Should ABANDON be lost with the queue-manager, the message is delivered though refused: twice.
 *  6  KEEP.  The queue-manager may deliver now.  If it is gone, the message is on the disk and replay delivers it: still 250.
 *  7  250.  If the client does not read it, it will send again: RFC 5321, section 4.5.3.2.6 (and RFC 1047) leave no other way.
 *
 * So 250 is said on one line below, and every path to that line has passed 2 and 4, and 5 or 4a with DELIVERED.
 */
#include "smtpd/accept.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/text/checksum.h"
#include "smtpd/content.h"
#include "smtpd/received.h"
#include "smtpd/session.h"
#include "smtpd/shortage.h"
#include "smtpd/submitted.h"

#define ACCEPT_CONNECT_MS 5000 /* a restarted queue-manager takes its backlog at once */
#define ACCEPT_SEND_MS 30000
#define ACCEPT_FILE_MS 60000 /* the client waits 2 minutes for 354 (RFC 5321, section 4.5.3.2.4) */
#define ACCEPT_QUEUED_MS 240000 /* and 10 minutes for the last answer (4.5.3.2.6) */
#define ACCEPT_FINISHED_GRACE_MS \
	1000 /* the queue-manager says itself when its time is over; one that hangs is not waited for longer */

void
accept_init(struct accept *a, const char *path)
{
	/* not as a whole: the client's buffers are large, and need not be touched */
	a->path = path;
	a->is_asked = false;
	a->announced = 0;
	a->writer = a->reader = -1;
	a->id = 0;
	intake_client_init(&a->client);
}

static int64_t
until(int64_t ms)
{
	return clock_monotonic_ms() + ms;
}

/* the queue-manager gave us nothing more for this message: why, for the administrator */
static void
tell_trouble(const struct session *s, enum intake_outcome outcome, const char *at)
{
	const char *reason = "";

	switch (outcome) {
	case INTAKE_CLIENT_OK:
	case INTAKE_CLIENT_REFUSED:
		return;
	case INTAKE_CLIENT_LATE:
		reason = "late";
		break;
	case INTAKE_CLIENT_GONE:
		reason = "gone";
		break;
	case INTAKE_CLIENT_WRONG:
		reason = "malformed";
		break;
	}
	EVENT("intake-trouble", event_string("session", s->id), event_string("at", at),
	      event_string("reason", reason));
}

/* what the client reads when there was no QUEUED */
static void
reply_outcome(struct session *s, enum intake_outcome outcome, const char *at)
{
	const struct intake_refused *r = &s->accept.client.refused;
	char status[STATUS_MAX];

	tell_trouble(s, outcome, at);
	if (outcome == INTAKE_CLIENT_REFUSED && r->code >= 400 && r->code <= 599 &&
	    status_is_valid(r->status) && span_copy(r->status, status, sizeof(status)) == 0)
		session_reply(s, (int)r->code, status, "%.*s", SPAN_ARG(r->text));
	else
		session_reply(s, 451, "4.3.0", "the message cannot be taken now, try again later");
}

/* ---- step 1 ---- */

static void
close_file(struct accept *a)
{
	if (a->writer >= 0)
		close(a->writer);
	if (a->reader >= 0)
		close(a->reader);
	a->writer = a->reader = -1;
}

/* a file that came and was never written to, or that is still to come: not for this message */
static void
drop_file(struct session *s)
{
	struct accept *a = &s->accept;

	if (a->is_asked && a->writer < 0 &&
	    intake_client_await_file(&a->client, &a->id, &a->writer, &a->reader,
				     until(ACCEPT_FILE_MS)) != INTAKE_CLIENT_OK)
		a->writer = a->reader = -1;
	if (a->writer >= 0)
		accept_abandon(s);
	a->is_asked = false;
}

static enum intake_outcome
ask_for_file(struct session *s)
{
	struct accept *a = &s->accept;
	uint64_t size = s->transaction.size;
	enum intake_outcome outcome = INTAKE_CLIENT_GONE;

	/* a connection that was kept may have ended with the queue-manager: then one more, anew */
	bool was_kept = a->client.fd >= 0;
	if (was_kept)
		outcome = intake_client_open(&a->client, size, until(ACCEPT_SEND_MS));
	if (outcome == INTAKE_CLIENT_GONE) {
		outcome = intake_client_connect(&a->client, a->path, until(ACCEPT_CONNECT_MS));
		if (outcome == INTAKE_CLIENT_OK)
			outcome = intake_client_open(&a->client, size, until(ACCEPT_SEND_MS));
	}
	a->is_asked = outcome == INTAKE_CLIENT_OK;
	a->announced = size;
	return outcome;
}

void
accept_open(struct session *s)
{
	struct accept *a = &s->accept;

	/* MAIL, RSET, MAIL: the file that was asked for serves as well, if it was for as many bytes */
	if (a->is_asked && s->transaction.size <= a->announced)
		return;
	drop_file(s);
	tell_trouble(s, ask_for_file(s), "open");
}

bool
accept_file(struct session *s)
{
	struct accept *a = &s->accept;
	enum intake_outcome outcome = INTAKE_CLIENT_GONE;

	if (a->writer >= 0)
		return true;
	/* nothing has been promised: if the queue-manager was restarted since MAIL, it is asked once more */
	for (int attempt = 0; attempt < 2 && outcome == INTAKE_CLIENT_GONE; attempt++) {
		outcome = a->is_asked ? INTAKE_CLIENT_OK : ask_for_file(s);
		if (outcome == INTAKE_CLIENT_OK)
			outcome = intake_client_await_file(&a->client, &a->id, &a->writer,
							   &a->reader, until(ACCEPT_FILE_MS));
		a->is_asked = outcome == INTAKE_CLIENT_OK;
	}
	if (outcome == INTAKE_CLIENT_OK)
		return true;
	a->writer = a->reader = -1;
	reply_outcome(s, outcome, "file");
	return false;
}

void
accept_abandon(struct session *s)
{
	struct accept *a = &s->accept;

	close_file(a);
	a->is_asked = false;
	/* lost: the queue-manager drops what has no COMMIT when it sees us go */
	tell_trouble(s, intake_client_abandon(&a->client, until(ACCEPT_SEND_MS)), "abandon");
}

/* ---- steps 3 to 7 ---- */

/* what is to be done about a message that is queued */
enum next {
	SYNC,	 /* fsync, KEEP, 250 */
	SAY_250, /* it is delivered */
	SAID,	 /* the client was told that it is refused */
};

/* the key of the letter, and of those whom it is accepted for: when others are accepted the next time, it is another one */
static struct span
once_key(const struct session *s, char key[INTAKE_ONCE_MAX + 1])
{
	const struct recipients *to = &s->transaction.recipients;
	uint64_t sum = 0;

	if (s->once.len == 0)
		return SPAN_NONE;
	for (size_t i = 0; i < to->count; i++) {
		const uint64_t both[] = {
			sum, checksum_of(to->list[i].address.at, to->list[i].address.len)};
		sum = checksum_of(both, sizeof(both));
	}
	snprintf(key, INTAKE_ONCE_MAX + 1, "%.*s.%016" PRIX64, SPAN_ARG(s->once), sum);
	return span_of(key);
}

/* RFC 8689, section 4.1: of the two the parameter counts */
static enum intake_tls_demand
tls_demand(const struct session_transaction *t, const struct content *c)
{
	if (t->must_tls)
		return INTAKE_TLS_REQUIRED;
	return c->fields.has & FIELD_TLS_WAIVED ? INTAKE_TLS_WAIVED : INTAKE_TLS_BY_POLICY;
}

static enum intake_outcome
send_message(struct session *s, const struct content *c)
{
	struct accept *a = &s->accept;
	const struct session_transaction *t = &s->transaction;
	int64_t deadline_ms = until(ACCEPT_SEND_MS);
	int64_t now_us = clock_wall_us();
	char received[RECEIVED_MAX], complete[RECEIVED_TOP_MAX], once[INTAKE_ONCE_MAX + 1];
	struct span top = received_write(s, a->id, now_us, received);

	if (submitted_is(s))
		top = received_complete(s, a->id, now_us, c->fields.has, top, complete);
	struct intake_envelope e = {
		.origin = s->is_local ? INTAKE_LOCAL : INTAKE_NETWORK,
		.uid = s->is_local ? (uint64_t)s->uid + 1 : 0,
		.client = s->is_local ? SPAN_NONE : span_of(s->client),
		.helo = span_of(s->helo),
		.protocol = span_of(received_protocol(s)),
		.tls = span_of(s->tls),
		.sender = span_from(t->sender.text, t->sender.len),
		.eight_bit = t->eight_bit || c->has_high,
		.login = span_of(s->login),
		.utf8 = t->is_utf8,
		.tls_demand = tls_demand(t, c),
		.ret = t->ret,
		.envid = t->envid,
		.once = once_key(s, once),
		.length = c->size,
		.checksum = content_checksum(c),
		.top = top,
	};

	enum intake_outcome outcome = intake_client_envelope(&a->client, &e, deadline_ms);
	for (size_t i = 0; i < t->recipients.count && outcome == INTAKE_CLIENT_OK; i++)
		outcome = intake_client_recipient(&a->client, &t->recipients.list[i], deadline_ms);
	if (outcome == INTAKE_CLIENT_OK)
		outcome = intake_client_commit(&a->client, !shortage_is(), deadline_ms);
	return outcome;
}

static void
tell_accepted(const struct session *s, const struct content *c)
{
	const struct session_transaction *t = &s->transaction;

	const struct event_field fields[] = {
		event_string("session", s->id),
		event_id(s->accept.id),
		event_string("client", s->client),
		event_string("helo", s->helo),
		event_text("from", span_from(t->sender.text, t->sender.len)),
		event_number("size", (int64_t)c->size),
		event_number("recipients", (int64_t)t->recipients.count),
		event_string("tls", s->tls),
		event_string("login", s->login),
	};
	size_t count = sizeof(fields) / sizeof(fields[0]);

	/* the last of them only where there is one */
	event_emit("accepted", fields, s->login[0] != '\0' ? count : count - 1);
}

/* 4a, REFUSED: the words of those who refused it, or more general ones, are the queue-manager's */
static void
hand_back(struct session *s, const struct intake_finished *f)
{
	struct accept *a = &s->accept;
	const struct recipients *to = &s->transaction.recipients;
	char status[STATUS_MAX];

	if (!status_is_valid(f->status) || span_copy(f->status, status, sizeof(status)) != 0)
		strlcpy(status, "5.0.0", sizeof(status));
	/* who it is about is known where there is one alone */
	s->about = to->count == 1 ? to->list[0].address : SPAN_NONE;
	session_reply(s, (int)f->code, status, "%.*s", SPAN_ARG(f->text));
	s->about = SPAN_NONE;
	EVENT("handed-back", event_string("session", s->id), event_id(a->id),
	      event_number("code", (int64_t)f->code), event_string("status", status));
	/* lost: a notice will tell the sender once more */
	tell_trouble(s, intake_client_answered(&a->client, until(ACCEPT_SEND_MS)), "answered");
}

/* 4a */
static enum next
await_finished(struct session *s, uint64_t wait_ms)
{
	struct intake_finished f;
	enum intake_outcome outcome;

	if (wait_ms == 0)
		return SYNC;
	int64_t deadline_ms = until((int64_t)wait_ms + ACCEPT_FINISHED_GRACE_MS);
	outcome = intake_client_await_finished(&s->accept.client, &f, until(EVENTS_HOLD_MS));
	if (outcome == INTAKE_CLIENT_LATE) { /* what was logged waits no longer */
		events_flush();
		outcome = intake_client_await_finished(&s->accept.client, &f, deadline_ms);
	}
	if (outcome != INTAKE_CLIENT_OK) {
		tell_trouble(s, outcome, "finished");
		return SYNC;
	}
	switch ((enum intake_finish)f.finish) {
	case INTAKE_FINISH_DELIVERED:
		return SAY_250;
	case INTAKE_FINISH_REFUSED:
		if (f.code < 500 || f.code > 599)
			break; /* no refusal: the notice will say what it was */
		hand_back(s, &f);
		return SAID;
	case INTAKE_FINISH_NOT:
		break;
	}
	return SYNC;
}

/* 5 and 6; false: the client was told that the message is not taken */
static bool
keep(struct session *s)
{
	struct accept *a = &s->accept;
	int64_t begun_us = clock_monotonic_us();
	int error = fsync(a->reader) == 0 ? 0 : errno;

	if (error != 0) {
		accept_abandon(s);
		EVENT("sync-failed", event_string("session", s->id), event_id(a->id),
		      event_string("errno", strerror(error)));
		session_reply(s, 451, "4.3.0", "the message could not be kept, try again later");
		return false;
	}
	/* 0 would say that it was not measured */
	uint64_t took_us = (uint64_t)(clock_monotonic_us() - begun_us) + 1;
	tell_trouble(s, intake_client_keep(&a->client, took_us, until(ACCEPT_SEND_MS)), "keep");
	return true;
}

/* 2: no writer is left; false: the client was told that what it sent could not be written */
static bool
end_content(struct session *s)
{
	struct accept *a = &s->accept;
	int error = close(a->writer) == 0 ? 0 : errno;

	a->writer = -1;
	a->is_asked = false;
	if (error == 0)
		return true;
	accept_abandon(s);
	EVENT("write-failed", event_string("session", s->id), event_id(a->id),
	      event_string("errno", strerror(error)));
	session_reply(s, 451, "4.3.0", "the message could not be written, try again later");
	return false;
}

/* 3 to 6; false: the client was told what became of it */
static bool
make_ours(struct session *s, const struct content *c)
{
	struct accept *a = &s->accept;
	enum intake_outcome outcome;
	uint64_t wait_ms = 0;

	/* 3 */
	outcome = send_message(s, c);
	if (outcome != INTAKE_CLIENT_OK) {
		reply_outcome(s, outcome, "commit");
		return false;
	}
	/* 4 */
	outcome = intake_client_await_queued(&a->client, &wait_ms, &a->reader,
					     until(ACCEPT_QUEUED_MS));
	if (outcome != INTAKE_CLIENT_OK) {
		reply_outcome(s, outcome, "queued");
		return false;
	}
	/* 4a, 5, 6 */
	enum next next = await_finished(s, wait_ms);
	return next == SAY_250 || (next == SYNC && keep(s));
}

void
accept_message(struct session *s, const struct content *c)
{
	struct accept *a = &s->accept;
	bool is_ours = end_content(s) && make_ours(s, c);

	close_file(a);
	if (!is_ours)
		return;
	/* 7 */
	session_reply(s, 250, "2.0.0", "kept as %013" PRIX64, a->id);
	s->messages++;
	tell_accepted(s, c);
}
