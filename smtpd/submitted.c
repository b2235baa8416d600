/*
 * submitted - see submitted.h
 *
 * RFC 6409, sections 6.1 and 8; RFC 5322, section 3.6.2.  `private-headers` and `from-alignment` of culver.conf(5) say what is done; root, whose
 * programs write for everybody, is not held to the second.
 *
 * Promises: with `from-alignment reject` no reader finds an address in From or Sender that is not the user's: a header that can be read in two ways (two
 * From fields, words behind a bracket, what is no address) is refused, whichever way would do.
 */
#include "smtpd/submitted.h"

#include <stdio.h>

#include "common/mail/mailboxes.h"
#include "common/system/clock.h"
#include "smtpd/login.h"
#include "smtpd/session.h"

#define ANONYMOUS_MAX (CLOCK_TEXT_MAX + 64)

/* a session has one message at a time */
static struct author from, sender;

bool
submitted_is(const struct session *s)
{
	return s->is_local || s->login[0] != '\0';
}

bool
submitted_is_private(const struct session *s)
{
	enum config_private how =
		s->is_local ? s->config->private_headers : s->listen->private_headers;

	return submitted_is(s) && how == CONFIG_PRIVATE_REMOVE;
}

static bool
is_aligned(const struct session *s)
{
	enum config_alignment how =
		s->is_local ? s->config->from_alignment : s->listen->from_alignment;

	return submitted_is(s) && how == CONFIG_ALIGNMENT_REJECT && !(s->is_local && s->uid == 0);
}

void
submitted_begin(const struct session *s, struct fields *f)
{
	static char anonymous[ANONYMOUS_MAX];
	char date[CLOCK_TEXT_MAX];

	if (submitted_is_private(s)) {
		/* a hop must stay one, or a message that goes in a circle would never end */
		clock_rfc5322(clock_wall_us(), date);
		int len = snprintf(anonymous, sizeof(anonymous), "Received: (removed);\r\n\t%s\r\n",
				   date);
		f->is_private = true;
		f->received = span_from(anonymous, (size_t)len);
	}
	if (is_aligned(s)) {
		from.count = sender.count = 0;
		from.len = sender.len = 0;
		from.is_too_long = sender.is_too_long = false;
		f->from = &from;
		f->sender = &sender;
	}
}

/* is that the user's?  If not, the client was told */
static bool
may_be(struct session *s, const char *field, const struct address *a)
{
	struct check check;

	login_may_be(s, a, &check);
	if (check.code == 250)
		return true;
	session_reply(s, check.code == 553 ? 550 : check.code, check.status, "%s: <%s>: %s", field,
		      a->text, check.text);
	return false;
}

/* one address, as the field has it */
static bool
read_one(const struct session *s, struct span text, struct address *a)
{
	char qualified[ADDRESS_MAX + 1];
	int len;

	switch (address_mailbox(text, a)) {
	case ADDRESS_OK:
	case ADDRESS_UTF8:
		return a->domain_at > 0;
	case ADDRESS_SYNTAX:
	case ADDRESS_TOO_LONG:
	case ADDRESS_NO_DOMAIN:
		break;
	}
	/* a user of this host may leave its domain away, in the envelope too */
	if (!s->is_local || span_has(text, '@'))
		return false;
	len = snprintf(qualified, sizeof(qualified), "%.*s@%s", SPAN_ARG(text), s->config->origin);
	return len > 0 && (size_t)len < sizeof(qualified) &&
	       address_mailbox(span_from(qualified, (size_t)len), a) == ADDRESS_OK;
}

/* the addresses of the one field of that name; false: the client was told what is wrong with them */
static bool
check_authors(struct session *s, const char *field, const struct author *author, size_t *count)
{
	struct span rest = span_from(author->value, author->len);
	enum mailboxes_outcome outcome;
	struct address a;
	struct buffer one;
	bool is_fine = author->count == 1 && !author->is_too_long;

	*count = 0;
	buffer_init(&one, MAILBOXES_MAX + 1);
	while (is_fine && (outcome = mailboxes_next(&rest, &one)) != MAILBOXES_END) {
		is_fine = outcome == MAILBOXES_ONE && read_one(s, buffer_get(&one), &a) &&
			  ++*count <= SUBMITTED_AUTHORS_MAX;
		if (is_fine && !may_be(s, field, &a)) {
			buffer_free(&one);
			return false;
		}
	}
	buffer_free(&one);
	if (is_fine && *count > 0)
		return true;
	session_reply(s, 550, "5.6.0",
		      "one %s field, with addresses that can be read in one way only, is expected",
		      field);
	return false;
}

bool
submitted_is_refused(struct session *s, const struct content *c)
{
	const struct address *reverse = &s->transaction.sender;
	size_t authors = 1, senders = 1;

	if (!is_aligned(s))
		return false;
	if ((c->fields.has & FIELD_FROM) != 0) {
		if (!check_authors(s, "From", &from, &authors))
			return true;
	} else if (reverse->len > 0 && !may_be(s, "From", reverse)) { /* it will be that */
		return true;
	} else if (reverse->len == 0 && s->is_local) {
		session_reply(s, 550, "5.6.0", "a From field is expected");
		return true;
	}
	if ((c->fields.has & FIELD_SENDER) != 0 && !check_authors(s, "Sender", &sender, &senders))
		return true;
	if (senders == 1 && (authors == 1 || (c->fields.has & FIELD_SENDER) != 0))
		return false;
	session_reply(s, 550, "5.6.0",
		      "several authors need a Sender field, and that has one address");
	return true;
}
