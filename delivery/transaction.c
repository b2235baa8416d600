/*
 * transaction - see the header
 *
 * Where the peer has PIPELINING, MAIL, the recipients and DATA go out in one write, and the replies are read in their order.  Each of
 * them may be a refusal while the others are not:
 *
 *     MAIL refused                    every recipient has MAIL's reply; theirs say nothing
 *     no recipient accepted, 354      there is nobody to send to: a dot alone ends it
 *     some accepted, DATA refused     those have DATA's reply
 *     some accepted, 354              the content goes out; those have the reply to its end
 *     421 to anything                 the peer closes: what is open is for the next host
 *
 * Where it has CHUNKING, BDAT takes the place of DATA: one reply less is waited for, and none at all where the message is small, since then it goes
 * out with its envelope.  Each command has its one reply all the same.  By LMTP it is always DATA: Dovecot's and others' count of the
 * replies to BDAT is nowhere as certain.
 */
#include "delivery/transaction.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/text/utf8.h"
#include "delivery/commands.h"
#include "delivery/content.h"
#include "delivery/replies.h"

struct transaction {
	struct connection *c;
	struct message *m;
	struct report *report;
	struct trouble *trouble;
	bool was_kept; /* the connection has served a message before */
	bool mail_refused;
	bool data_sent;
	bool says_utf8;	     /* MAIL has SMTPUTF8 */
	bool is_chunked;     /* BDAT */
	bool is_ahead;	     /* and the message goes out with its envelope */
	uint64_t chunk_size; /* of is_chunked */
	struct content_source source;
	size_t next; /* the recipient to be asked for next */
	size_t asked;
	size_t accepted;
	struct verdict refusal; /* of MAIL */
};

/* the ways a step may end */
enum step {
	STEP_ON,
	STEP_STALE,
	STEP_TROUBLE,
};

static void
tell(struct transaction *t, struct recipient *r, const struct verdict *v, enum reply_meaning m)
{
	/* RFC 5321, section 5.1: what one host defers by its reply, another may take */
	if (t->m->has_elsewhere && replies_may_go_on(v)) {
		r->state = RECIPIENT_ELSEWHERE;
		*t->trouble = (struct trouble){.verdict = *v, .meaning = m};
		return;
	}
	r->state = RECIPIENT_TOLD;
	report_tell(t->report, r->number, v, connect_name(t->c), m);
}

/* all recipients that are in that state */
static void
tell_all(struct transaction *t, enum recipient_state state, const struct verdict *v,
	 enum reply_meaning meaning)
{
	for (size_t i = 0; i < t->m->count; i++)
		if (t->m->recipients[i].state == state)
			tell(t, &t->m->recipients[i], v, meaning);
}

static void
set_all(struct transaction *t, enum recipient_state from, enum recipient_state to)
{
	for (size_t i = 0; i < t->m->count; i++)
		if (t->m->recipients[i].state == from)
			t->m->recipients[i].state = to;
}

static enum step
end_in_trouble(struct transaction *t, enum exchange what, const char *stage, enum reply_meaning m)
{
	connect_trouble(t->c, what, stage, &t->trouble->verdict);
	t->trouble->meaning = m;
	connect_drop(t->c);
	return STEP_TROUBLE;
}

/* 421: the peer closes the connection, whatever was asked (RFC 5321, section 3.8) */
static enum step
end_by_421(struct transaction *t, const struct reply *r)
{
	reply_verdict(r, &t->trouble->verdict);
	t->trouble->meaning = REPLY_BROKEN;
	connect_drop(t->c);
	return STEP_TROUBLE;
}

/* the next reply; all that cannot be a reply to a command before the data is trouble */
static enum step
await(struct transaction *t, int64_t wait_ms, const char *stage, struct reply *r)
{
	enum exchange outcome = connect_reply(t->c, wait_ms, r);

	if (outcome != EXCHANGE_OK)
		return end_in_trouble(t, outcome, stage, REPLY_BROKEN);
	if (r->code == 421)
		return end_by_421(t, r);
	return STEP_ON;
}

/* ---- commands ---- */

/* RCPTMAX of the peer; the rest has a transaction of its own */
static bool
has_asked_enough(const struct transaction *t)
{
	return t->c->recipients_max > 0 && t->asked >= t->c->recipients_max;
}

static enum stream_outcome
put_command(struct transaction *t, struct span command, int64_t wait_ms)
{
	if (command.len == 0)
		return STREAM_ERROR;
	t->c->stream.deadline_ms = clock_monotonic_ms() + wait_ms;
	return stream_put(&t->c->stream, command);
}

static enum step
put_mail(struct transaction *t)
{
	t->c->transactions++;
	if (put_command(t, commands_mail(t->c, t->m, t->says_utf8), TRANSACTION_MAIL_MS) !=
	    STREAM_OK)
		return end_in_trouble(t, EXCHANGE_CLOSED, "while MAIL was sent", true);
	return STEP_ON;
}

static enum step
await_mail(struct transaction *t)
{
	struct reply r;
	enum step step = await(t, TRANSACTION_MAIL_MS, "after MAIL", &r);

	if (step == STEP_TROUBLE)
		return step;
	if (r.code / 100 == 3)
		return end_in_trouble(t, EXCHANGE_NONSENSE, "after MAIL", REPLY_BROKEN);
	t->mail_refused = r.code / 100 != 2;
	reply_verdict(&r, &t->refusal);
	return STEP_ON;
}

static enum step
reset(struct transaction *t)
{
	struct reply r;

	if (!t->c->needs_reset)
		return STEP_ON;
	if (stream_put(&t->c->stream, SPAN("RSET\r\n")) != STREAM_OK)
		return end_in_trouble(t, EXCHANGE_CLOSED, "while RSET was sent", REPLY_BROKEN);
	t->c->needs_reset = false;
	return await(t, TRANSACTION_MAIL_MS, "after RSET", &r);
}

/* the next open recipients, `max` at most; -1: the peer is gone */
static int
put_recipients(struct transaction *t, int max)
{
	int n = 0;

	for (; t->next < t->m->count && n < max; t->next++) {
		const struct recipient *r = &t->m->recipients[t->next];

		if (r->state != RECIPIENT_OPEN)
			continue;
		if (has_asked_enough(t))
			break;
		if (put_command(t, commands_rcpt(t->c, r, t->says_utf8), TRANSACTION_RCPT_MS) !=
		    STREAM_OK)
			return -1;
		n++;
		t->asked++;
	}
	return n;
}

static bool
has_more_recipients(const struct transaction *t)
{
	if (has_asked_enough(t))
		return false;
	for (size_t i = t->next; i < t->m->count; i++)
		if (t->m->recipients[i].state == RECIPIENT_OPEN)
			return true;
	return false;
}

/* "too many recipients" is 452, by some still 552 (RFC 5321, section 4.5.3.1.10); 4.2.x is the mailbox's own trouble */
static bool
has_enough(const struct transaction *t, const struct reply *r)
{
	if (t->accepted == 0 || (r->code != 452 && r->code != 552))
		return false;
	return strncmp(r->status, "4.2.", 4) != 0 && strncmp(r->status, "5.2.", 4) != 0 &&
	       strncmp(r->status, "5.3.4", 5) != 0;
}

static enum step
await_recipient(struct transaction *t, struct recipient *recipient)
{
	struct reply r;
	struct verdict v;
	enum step step = await(t, TRANSACTION_RCPT_MS, "after RCPT", &r);

	if (step != STEP_ON)
		return step;
	if (t->mail_refused)
		return STEP_ON;
	if (r.code / 100 == 3)
		return end_in_trouble(t, EXCHANGE_NONSENSE, "after RCPT", REPLY_BROKEN);
	reply_verdict(&r, &v);
	if (v.fate == FATE_DELIVERED) {
		recipient->state = RECIPIENT_ACCEPTED;
		t->accepted++;
	} else if (has_enough(t, &r)) {
		recipient->state = RECIPIENT_LATER;
	} else {
		tell(t, recipient, &v, REPLY_ORDINARY);
	}
	return STEP_ON;
}

/* replies to the `n` recipients that were asked for since `at` */
static enum step
await_recipients(struct transaction *t, size_t at, int n)
{
	for (; n > 0; at++) {
		enum step step;

		if (t->m->recipients[at].state != RECIPIENT_OPEN)
			continue;
		step = await_recipient(t, &t->m->recipients[at]);
		if (step != STEP_ON)
			return step;
		n--;
	}
	return STEP_ON;
}

/* the content cannot be sent by anybody: every recipient is told so; the peer must not take what it has for a message */
static void
give_up(struct transaction *t, enum fate fate, const char *status, const char *text)
{
	struct verdict v;

	verdict_set(&v, fate, 0, status, "%s", text);
	connect_drop(t->c);
	set_all(t, RECIPIENT_LATER, RECIPIENT_OPEN);
	set_all(t, RECIPIENT_ACCEPTED, RECIPIENT_OPEN);
	tell_all(t, RECIPIENT_OPEN, &v, REPLY_ORDINARY);
	t->trouble->verdict = v;
	t->trouble->meaning = REPLY_ORDINARY;
}

static void
give_up_content(struct transaction *t, enum content_outcome outcome)
{
	if (outcome == CONTENT_UNCLEAN) {
		EVENT("content-unclean", event_id(t->m->id));
		give_up(t, FATE_FAILED, "5.6.0", "the message has a line end that is no CRLF");
		return;
	}
	EVENT("content-unreadable", event_id(t->m->id),
	      event_string("errno", errno != 0 ? strerror(errno) : ""));
	give_up(t, FATE_DEFERRED, "4.3.0", "the message cannot be read from the spool");
}

/* with queue-manager gone nobody would remember that it was delivered: the end is not sent */
static bool
is_remembered(struct transaction *t)
{
	if (jobs_agent_is_held(t->report->end))
		return true;
	t->report->lost = true;
	connect_drop(t->c);
	return false;
}

/* all of the message as one chunk; its reply is left to be read */
static enum step
put_chunk(struct transaction *t)
{
	enum content_outcome outcome;

	if (!is_remembered(t))
		return STEP_TROUBLE;
	t->c->stream.deadline_ms = connect_deadline(t->c, TRANSACTION_DATA_MS);
	if (stream_printf(&t->c->stream, "BDAT %" PRIu64 " LAST\r\n", t->chunk_size) != STREAM_OK)
		return end_in_trouble(t, EXCHANGE_CLOSED, "while BDAT was sent", REPLY_BROKEN);
	t->data_sent = true;
	outcome = content_send(&t->c->stream, &t->source, true);
	switch (outcome) {
	case CONTENT_SENT:
		return STEP_ON;
	case CONTENT_UNCLEAN:
	case CONTENT_UNREADABLE:
		give_up_content(t, outcome);
		return STEP_TROUBLE;
	case CONTENT_CLOSED:
		/* perhaps it said why; that is read as the reply that is due next */
		return STEP_ON;
	case CONTENT_TIMEOUT:
		break;
	}
	return end_in_trouble(t, EXCHANGE_TIMEOUT, "while the message was sent", REPLY_ORDINARY);
}

static enum step
put_data(struct transaction *t)
{
	if (t->is_chunked)
		return put_chunk(t);
	if (stream_put(&t->c->stream, SPAN("DATA\r\n")) != STREAM_OK)
		return end_in_trouble(t, EXCHANGE_CLOSED, "while DATA was sent", REPLY_BROKEN);
	t->data_sent = true;
	return STEP_ON;
}

/* MAIL and its reply, where they stand alone; else MAIL is put, and its reply read with those of the first recipients */
static enum step
begin(struct transaction *t)
{
	enum step step = reset(t);

	if (step == STEP_ON)
		step = put_mail(t);
	if (step == STEP_ON && !t->c->pipelining)
		step = await_mail(t);
	if (step == STEP_TROUBLE && t->was_kept && t->trouble->meaning == REPLY_BROKEN)
		return STEP_STALE;
	return step;
}

/* up to and with DATA; its reply is left to be read */
static enum step
envelope(struct transaction *t)
{
	int max = t->c->pipelining ? TRANSACTION_PIPELINE_MAX : 1;
	bool mail_is_due = t->c->pipelining;
	enum step step = begin(t);

	while (step == STEP_ON && !t->mail_refused && has_more_recipients(t)) {
		size_t at = t->next;
		int n = put_recipients(t, max);

		if (n < 0)
			return end_in_trouble(t, EXCHANGE_CLOSED, "at RCPT", REPLY_BROKEN);
		if (t->c->pipelining && !has_more_recipients(t) && (!t->is_chunked || t->is_ahead))
			step = put_data(t);
		if (step == STEP_ON && mail_is_due) {
			step = await_mail(t);
			mail_is_due = false;
			if (step == STEP_TROUBLE && t->was_kept)
				step = STEP_STALE;
		}
		if (step == STEP_ON)
			step = await_recipients(t, at, n);
	}
	if (step == STEP_ON && !t->mail_refused && !t->data_sent && t->accepted > 0)
		step = put_data(t);
	return step;
}

/* ---- the data ---- */

/* 354 although nobody is there to send to: nothing is sent, and nothing is meant by the reply */
static enum step
end_empty_data(struct transaction *t)
{
	struct reply r;

	/* an LMTP server has no recipient to answer for, and should not have said 354: who knows what it will say */
	if (t->c->is_lmtp)
		return end_in_trouble(t, EXCHANGE_NONSENSE, "after empty DATA", REPLY_ORDINARY);
	if (stream_put(&t->c->stream, SPAN(".\r\n")) != STREAM_OK)
		return end_in_trouble(t, EXCHANGE_CLOSED, "after empty DATA", REPLY_BROKEN);
	return await(t, TRANSACTION_END_MS, "after an empty message", &r);
}

/* the peer went away in the middle of the data; perhaps it said why before it did */
static enum step
end_in_content(struct transaction *t, enum exchange what)
{
	struct reply r;
	struct verdict v;

	if (what == EXCHANGE_CLOSED && connect_reply(t->c, 0, &r) == EXCHANGE_OK &&
	    r.code / 100 >= 4) {
		if (r.code == 421)
			return end_by_421(t, &r);
		reply_verdict(&r, &v);
		tell_all(t, RECIPIENT_ACCEPTED, &v, REPLY_ORDINARY);
	}
	return end_in_trouble(t, what, "while the message was sent", REPLY_ORDINARY);
}

/* the reply to the final dot is lost: nobody knows whether the message was taken over (RFC 1047) */
static enum step
end_unknown(struct transaction *t, enum exchange what)
{
	enum step step =
		end_in_trouble(t, what, "after the message was sent; it may arrive twice", false);

	tell_all(t, RECIPIENT_ACCEPTED, &t->trouble->verdict, REPLY_ORDINARY);
	return step;
}

/* one reply for all who were accepted */
static enum step
await_end(struct transaction *t)
{
	struct reply r;
	struct verdict v;
	enum exchange outcome = connect_reply(t->c, TRANSACTION_END_MS, &r);

	if (outcome == EXCHANGE_OK && r.code / 100 == 3)
		outcome = EXCHANGE_NONSENSE;
	if (outcome != EXCHANGE_OK)
		return end_unknown(t, outcome);
	reply_verdict(&r, &v);
	tell_all(t, RECIPIENT_ACCEPTED, &v, REPLY_ORDINARY);
	if (r.code == 421)
		return end_by_421(t, &r);
	/* RFC 3030, section 4.2: after a BDAT that failed nothing is taken before RSET */
	t->c->needs_reset = t->is_chunked && v.fate != FATE_DELIVERED;
	t->c->messages++;
	return STEP_ON;
}

/* LMTP: one for each, in the order of their RCPT (RFC 2033, section 4.2) */
static enum step
await_ends(struct transaction *t)
{
	for (size_t i = 0; i < t->m->count; i++) {
		struct reply r;
		struct verdict v;
		enum exchange outcome;

		if (t->m->recipients[i].state != RECIPIENT_ACCEPTED)
			continue;
		outcome = connect_reply(t->c, TRANSACTION_END_MS, &r);
		if (outcome == EXCHANGE_OK && r.code / 100 == 3)
			outcome = EXCHANGE_NONSENSE;
		if (outcome != EXCHANGE_OK)
			return end_unknown(t, outcome);
		reply_verdict(&r, &v);
		tell(t, &t->m->recipients[i], &v, REPLY_ORDINARY);
		if (r.code == 421)
			return end_by_421(t, &r);
	}
	t->c->messages++;
	return STEP_ON;
}

static enum step
end_data(struct transaction *t)
{
	enum stream_outcome sent;

	if (!is_remembered(t))
		return STEP_TROUBLE;
	t->c->stream.deadline_ms = clock_monotonic_ms() + CONTENT_BLOCK_MS;
	sent = stream_put(&t->c->stream, SPAN(".\r\n"));
	if (sent == STREAM_OK)
		sent = stream_flush(&t->c->stream);
	if (sent != STREAM_OK)
		return end_in_content(t,
				      sent == STREAM_TIMEOUT ? EXCHANGE_TIMEOUT : EXCHANGE_CLOSED);
	return t->c->is_lmtp ? await_ends(t) : await_end(t);
}

static enum step
content(struct transaction *t)
{
	enum content_outcome outcome = content_send(&t->c->stream, &t->source, false);

	switch (outcome) {
	case CONTENT_SENT:
		return end_data(t);
	case CONTENT_UNCLEAN:
	case CONTENT_UNREADABLE:
		give_up_content(t, outcome);
		return STEP_ON;
	case CONTENT_CLOSED:
		return end_in_content(t, EXCHANGE_CLOSED);
	case CONTENT_TIMEOUT:
		return end_in_content(t, EXCHANGE_TIMEOUT);
	}
	return end_in_content(t, EXCHANGE_CLOSED);
}

/* a chunk that went out ahead while nobody was accepted: its reply means nothing */
static enum step
end_empty_chunk(struct transaction *t)
{
	struct reply r;

	t->c->needs_reset = true;
	return await(t, TRANSACTION_END_MS, "after a message for nobody", &r);
}

static enum step
data(struct transaction *t)
{
	struct reply r;
	struct verdict v;
	enum step step;

	if (t->is_chunked)
		return t->accepted > 0 ? await_end(t) : end_empty_chunk(t);
	step = await(t, TRANSACTION_DATA_MS, "after DATA", &r);
	if (step != STEP_ON)
		return step;
	if (r.code / 100 == 3)
		return t->accepted > 0 ? content(t) : end_empty_data(t);
	t->c->needs_reset = true;
	if (r.code / 100 == 2)
		return end_in_trouble(t, EXCHANGE_NONSENSE, "after DATA", REPLY_ORDINARY);
	reply_verdict(&r, &v);
	tell_all(t, RECIPIENT_ACCEPTED, &v, REPLY_ORDINARY);
	return STEP_ON;
}

/* ---- the whole ---- */

/* RFC 1870, section 6.2: what is larger than announced is not even tried */
static bool
is_too_large(struct transaction *t)
{
	uint64_t size = t->m->top.len + t->m->content_length;
	struct verdict v;

	if (!t->c->size || t->c->size_max == 0 || size <= t->c->size_max)
		return false;
	verdict_set(&v, FATE_FAILED, 0, "5.3.4",
		    "the message of %" PRIu64 " bytes is larger than the %" PRIu64 " that %s takes",
		    size, t->c->size_max, connect_name(t->c));
	tell_all(t, RECIPIENT_OPEN, &v, REPLY_ORDINARY);
	return true;
}

/*
 * RFC 6531, section 3.3: an address of UTF-8 is named only to who takes it.  Bytes above 127 in the header alone are no reason
 * to send nothing: they have gone through the world for as long as there was none of this.
 */
static void
decide_utf8(struct transaction *t)
{
	struct verdict v;
	bool is_needed = utf8_is_needed(t->m->sender);
	bool is_sender = is_needed;

	for (size_t i = 0; i < t->m->count && !is_needed; i++)
		is_needed = t->m->recipients[i].state == RECIPIENT_OPEN &&
			    utf8_is_needed(t->m->recipients[i].address);
	if (t->c->utf8) {
		t->says_utf8 = is_needed || (t->m->utf8 && !content_header_is_ascii(&t->source));
		return;
	}
	if (!is_needed)
		return;
	verdict_set(&v, FATE_FAILED, 0, "5.6.7", "%s does not take addresses in UTF-8 (SMTPUTF8)",
		    connect_name(t->c));
	for (size_t i = 0; i < t->m->count; i++) {
		struct recipient *r = &t->m->recipients[i];

		if (r->state == RECIPIENT_OPEN && (is_sender || utf8_is_needed(r->address)))
			tell(t, r, &v, REPLY_ORDINARY);
	}
}

static void
decide_chunks(struct transaction *t)
{
	/* what cannot be read is found out by who sends it */
	t->is_chunked =
		t->c->chunking && !t->c->is_lmtp && content_size(&t->source, &t->chunk_size) == 0;
	t->is_ahead = t->is_chunked && t->c->pipelining && t->chunk_size <= TRANSACTION_AHEAD_MAX;
}

enum transaction_outcome
transaction_run(struct connection *c, struct message *m, struct report *report,
		struct trouble *trouble)
{
	struct transaction t = {
		.c = c,
		.m = m,
		.report = report,
		.trouble = trouble,
		.was_kept = c->messages > 0,
		.source = {m->top, m->content, m->content_at, m->content_length},
	};
	enum step step;

	report->relayed = c->dsn       ? JOBS_RELAYED_PASSED
			  : c->is_lmtp ? JOBS_RELAYED_FINAL
				       : JOBS_RELAYED_SILENT;
	report->tls = c->tls;
	if (is_too_large(&t))
		return TRANSACTION_DONE;
	decide_utf8(&t);
	if (!has_more_recipients(&t))
		return TRANSACTION_DONE;
	decide_chunks(&t);
	step = envelope(&t);
	if (step == STEP_ON && t.mail_refused) {
		set_all(&t, RECIPIENT_ACCEPTED, RECIPIENT_OPEN);
		tell_all(&t, RECIPIENT_OPEN, &t.refusal, REPLY_ORDINARY);
	}
	if (step == STEP_ON && t.data_sent)
		step = data(&t);
	else if (step == STEP_ON)
		c->needs_reset = true;
	/* those that were accepted by a transaction that did not end, and those it had no room for */
	set_all(&t, RECIPIENT_ACCEPTED, RECIPIENT_OPEN);
	set_all(&t, RECIPIENT_LATER, RECIPIENT_OPEN);
	switch (step) {
	case STEP_ON:
		return TRANSACTION_DONE;
	case STEP_STALE:
		return TRANSACTION_STALE;
	case STEP_TROUBLE:
		break;
	}
	return TRANSACTION_TROUBLE;
}
