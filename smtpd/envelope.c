/*
 * envelope - MAIL and RCPT with their parameters
 *
 * Called by the table of verbs; the transaction they fill is read by accept.c.  RFC 5321, sections 3.3, 4.1.1.2, 4.1.1.3 and
 * 4.5.3.1 (limits); RFC 1870 (SIZE); RFC 6152 (BODY); RFC 2034 (status codes).
 *
 * A client that pipelines sends many RCPT at once.  They are parsed as they come and answered together: one question to lookup, one
 * write to the client.  No answer overtakes another: whatever is not a RCPT that can wait settles first those that do.
 */
#include "smtpd/envelope.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/text/arena.h"
#include "common/text/number.h"

#define OVERSHOOT_MAX \
	1000 /* RCPT beyond the limit before each counts as an error (RFC 5321, section 4.5.3.1.10) */

/* "FROM:" or "TO:" off the front; a blank before the colon is not lenience the world needs */
static bool
take_keyword(struct span *argument, const char *keyword)
{
	if (!span_starts_nocase(*argument, span_of(keyword)))
		return false;
	*argument = span_skip(*argument, strlen(keyword));
	return true;
}

/* a user of this host may leave its domain away */
static enum address_outcome
take_path(const struct session *s, struct span *argument, struct address *to)
{
	return address_path_at(argument, s->is_local ? span_of(s->config->origin) : SPAN_NONE, to);
}

/* answers what is wrong with an address; false when it is fine */
static bool
is_refused(struct session *s, enum address_outcome outcome, bool is_sender)
{
	const char *status = is_sender ? "5.1.7" : "5.1.3";
	const char *which = is_sender ? "sender" : "recipient";

	switch (outcome) {
	case ADDRESS_OK:
		return false;
	case ADDRESS_SYNTAX:
		session_reply(s, 501, status, "the address of the %s is malformed", which);
		return true;
	case ADDRESS_TOO_LONG:
		session_reply(s, 501, status, "the address of the %s is too long", which);
		return true;
	case ADDRESS_NO_DOMAIN:
		session_reply(s, 501, status, "the address of the %s needs a domain", which);
		return true;
	case ADDRESS_UTF8:
		session_reply(s, 553, "5.6.7",
			      "the address of the %s is not ASCII, and SMTPUTF8 is not offered",
			      which);
		return true;
	}
	return true;
}

/* ---- MAIL ---- */

static bool
take_size(struct session *s, struct span value)
{
	uint64_t size;

	if (s->transaction.size != 0 || value.len > 20 ||
	    number_parse(value, 0, UINT64_MAX, &size) == -1) {
		session_reply(s, 501, "5.5.4", "SIZE is one number of bytes");
		return false;
	}
	if (size > s->limits->message_size) {
		session_reply(s, 552, "5.3.4", "a message may have %" PRIu64 " bytes",
			      s->limits->message_size);
		return false;
	}
	s->transaction.size = size;
	return true;
}

static bool
take_body(struct session *s, struct span value)
{
	if (span_equal_nocase(value, SPAN("8BITMIME"))) {
		s->transaction.eight_bit = true;
	} else if (!span_equal_nocase(value, SPAN("7BIT"))) {
		session_reply(s, 501, "5.5.4", "BODY is 7BIT or 8BITMIME");
		return false;
	}
	return true;
}

static bool
take_mail_parameters(struct session *s, struct span parameters)
{
	for (struct span p = span_word(&parameters); p.len > 0; p = span_word(&parameters)) {
		struct span value = p;
		struct span name = span_cut(&value, '=');
		bool taken;
		if (span_equal_nocase(name, SPAN("SIZE"))) {
			taken = take_size(s, value);
		} else if (span_equal_nocase(name, SPAN("BODY"))) {
			taken = take_body(s, value);
		} else {
			session_reply(s, 555, "5.5.4", "MAIL has no parameter %.*s here",
				      SPAN_ARG(name));
			taken = false;
		}
		if (!taken)
			return false;
	}
	return true;
}

void
envelope_mail(struct session *s, struct span argument)
{
	struct address sender;

	if (!take_keyword(&argument, "FROM:")) {
		session_reply(s, 501, "5.5.4", "MAIL FROM:<address> is what is understood");
		return;
	}
	enum address_outcome outcome = take_path(s, &argument, &sender);
	if (outcome == ADDRESS_OK && sender.len > 0 && sender.domain_at == 0)
		outcome = ADDRESS_NO_DOMAIN;
	if (is_refused(s, outcome, true))
		return;
	session_reset(s);
	if (!take_mail_parameters(s, argument)) {
		session_reset(s);
		return;
	}
	s->transaction.sender = sender;
	s->stage = STAGE_MAIL;
	accept_open(s);
	session_reply(s, 250, "2.1.0", "ok");
}

/* ---- RCPT ---- */

/* one more RCPT that waits; false: answered already */
static bool
let_wait(struct session *s, const struct address *a)
{
	struct session_transaction *t = &s->transaction;
	char qualified[ADDRESS_MAX + 1];
	struct span text = span_from(a->text, a->len);

	if (a->domain_at == 0) { /* <postmaster>, wherever it is read: ours */
		int n = snprintf(qualified, sizeof(qualified), "%s@%s", a->text,
				 s->config->hostname);
		if (n < 0 || (size_t)n >= sizeof(qualified)) {
			session_reply(s, 501, "5.1.3",
				      "the address of the recipient needs a domain");
			return false;
		}
		text = span_from(qualified, (size_t)n);
	}
	text = arena_span(&t->arena, text);
	if (text.at == NULL) {
		session_reply(s, 452, "4.3.1", "no memory for more recipients");
		return false;
	}
	t->waiting[t->waiting_count++] = text;
	return true;
}

static void
refuse_overshoot(struct session *s)
{
	envelope_settle(s);
	session_reply(s, 452, "4.5.3", "a message may have %" PRIu64 " recipients",
		      s->limits->recipients);
	if (++s->transaction.overshoot > OVERSHOOT_MAX)
		s->errors++;
}

void
envelope_rcpt(struct session *s, struct span argument)
{
	struct session_transaction *t = &s->transaction;
	struct address a;

	/* what comes to nothing is said after those that wait */
	bool has_keyword = take_keyword(&argument, "TO:");
	enum address_outcome outcome = has_keyword ? take_path(s, &argument, &a) : ADDRESS_SYNTAX;
	if (outcome == ADDRESS_OK && a.len == 0)
		outcome = ADDRESS_SYNTAX;
	if (outcome != ADDRESS_OK || argument.len > 0)
		envelope_settle(s);
	if (!has_keyword) {
		session_reply(s, 501, "5.5.4", "RCPT TO:<address> is what is understood");
		return;
	}
	if (is_refused(s, outcome, false))
		return;
	if (argument.len > 0) {
		struct span name = span_cut(&argument, '=');
		session_reply(s, 555, "5.5.4", "RCPT has no parameter %.*s here", SPAN_ARG(name));
		return;
	}
	if (t->recipients.count + t->waiting_count >= s->limits->recipients) {
		/* some of those that wait may be refused, or be the same */
		envelope_settle(s);
		if (t->recipients.count >= s->limits->recipients) {
			refuse_overshoot(s);
			return;
		}
	}
	if (let_wait(s, &a) && t->waiting_count == CHECKS_MAX)
		envelope_settle(s);
}

void
envelope_settle(struct session *s)
{
	static struct check checks[CHECKS_MAX];
	struct session_transaction *t = &s->transaction;
	size_t count = t->waiting_count;

	if (count == 0)
		return;
	t->waiting_count = 0;
	checks_recipients(s, t->waiting, count, checks);
	for (size_t i = 0; i < count && s->ended == NULL; i++) {
		s->about = t->waiting[i];
		if (checks[i].code != 250) {
			session_reply(s, checks[i].code, checks[i].status, "<%.*s>: %s",
				      SPAN_ARG(s->about), checks[i].text);
		} else if (recipients_add(&t->recipients, s->about) == RECIPIENTS_NO_MEMORY) {
			session_reply(s, 452, "4.3.1", "no memory for more recipients");
		} else {
			s->stage = STAGE_RCPT;
			session_reply(s, 250, "2.1.5", "%s", checks[i].text);
		}
	}
	s->about = SPAN_NONE;
}

void
envelope_rset(struct session *s, struct span argument)
{
	if (argument.len > 0) {
		session_reply(s, 501, "5.5.4", "RSET takes no argument");
		return;
	}
	session_reset(s);
	session_reply(s, 250, "2.0.0", "forgotten");
}
