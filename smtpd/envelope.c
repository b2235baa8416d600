/*
 * envelope - MAIL and RCPT with their parameters
 *
 * Called by the table of verbs; the transaction they fill is read by accept.c.  RFC 5321, sections 3.3, 4.1.1.2, 4.1.1.3 and
 * 4.5.3.1 (limits); RFC 6531 (SMTPUTF8); RFC 2034 (status codes).  The parameters: parameters.c.
 *
 * A client that pipelines sends many RCPT at once.  They are parsed as they come and answered together: one question to lookup, one
 * write to the client.  No answer overtakes another: whatever is not a RCPT that can wait settles first those that do.
 */
#include "smtpd/envelope.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/text/arena.h"
#include "smtpd/gates.h"
#include "smtpd/login.h"
#include "smtpd/parameters.h"
#include "smtpd/verification.h"

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
		if (s->transaction.is_utf8)
			return false;
		session_reply(s, 553, "5.6.7",
			      "the address of the %s is not ASCII, and MAIL was without SMTPUTF8",
			      which);
		return true;
	}
	return true;
}

/* ---- MAIL ---- */

void
envelope_mail(struct session *s, struct span argument)
{
	struct address sender;

	if (!login_may_mail(s))
		return;
	if (!take_keyword(&argument, "FROM:")) {
		session_reply(s, 501, "5.5.4", "MAIL FROM:<address> is what is understood");
		return;
	}
	enum address_outcome outcome = take_path(s, &argument, &sender);
	if (outcome == ADDRESS_OK && sender.len > 0 && sender.domain_at == 0)
		outcome = ADDRESS_NO_DOMAIN;
	/* whether an address may be UTF-8 is said behind it */
	if (outcome != ADDRESS_UTF8 && is_refused(s, outcome, true))
		return;
	session_reset(s);
	if (!parameters_mail(s, argument) || is_refused(s, outcome, true) ||
	    !login_owns(s, &sender)) {
		session_reset(s);
		return;
	}
	s->transaction.sender = sender;
	if (!gates_mail(s)) {
		session_reset(s);
		return;
	}
	s->stage = STAGE_MAIL;
	accept_open(s);
	session_reply(s, 250, "2.1.0", "ok");
}

/* ---- RCPT ---- */

/* one more RCPT that waits; false: answered already */
static bool
let_wait(struct session *s, const struct address *a, struct intake_recipient *to)
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
	to->address = text;
	t->waiting[t->waiting_count++] = *to;
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
	struct intake_recipient to = {.orcpt = SPAN_NONE};
	struct address a;

	/* what comes to nothing is said after those that wait */
	bool has_keyword = take_keyword(&argument, "TO:");
	enum address_outcome outcome = has_keyword ? take_path(s, &argument, &a) : ADDRESS_SYNTAX;
	if (outcome == ADDRESS_OK && a.len == 0)
		outcome = ADDRESS_SYNTAX;
	if (outcome != ADDRESS_OK)
		envelope_settle(s);
	if (!has_keyword) {
		session_reply(s, 501, "5.5.4", "RCPT TO:<address> is what is understood");
		return;
	}
	if (is_refused(s, outcome, false) || !parameters_rcpt(s, argument, &to))
		return;
	if (t->recipients.count + t->waiting_count >= s->limits->recipients) {
		/* some of those that wait may be refused, or be the same */
		envelope_settle(s);
		if (t->recipients.count >= s->limits->recipients) {
			refuse_overshoot(s);
			return;
		}
	}
	if (let_wait(s, &a, &to) && t->waiting_count == CHECKS_MAX)
		envelope_settle(s);
}

void
envelope_settle(struct session *s)
{
	static struct check checks[CHECKS_MAX];
	struct span addresses[CHECKS_MAX];
	struct session_transaction *t = &s->transaction;
	size_t count = t->waiting_count;

	if (count == 0)
		return;
	t->waiting_count = 0;
	for (size_t i = 0; i < count; i++)
		addresses[i] = t->waiting[i].address;
	checks_recipients(s, addresses, count, checks);
	verification_run(s, addresses, count, checks);
	gates_recipients(s, t->waiting, count, checks);
	for (size_t i = 0; i < count && s->ended == NULL; i++) {
		s->about = addresses[i];
		if (checks[i].code != 250) {
			session_reply(s, checks[i].code, checks[i].status, "<%.*s>: %s",
				      SPAN_ARG(s->about), checks[i].text);
		} else if (recipients_add(&t->recipients, &t->waiting[i]) == RECIPIENTS_NO_MEMORY) {
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
