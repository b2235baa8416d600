/*
 * parameters - the words behind the path of MAIL and RCPT
 *
 * Called by envelope.c.  RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8), RFC 3461 (RET, ENVID, NOTIFY, ORCPT), RFC 8689 (REQUIRETLS).  Each is a
 * row of its command's table; each may stand once, and only for a client that said EHLO.
 */
#include "smtpd/parameters.h"

#include <inttypes.h>

#include "common/mail/xtext.h"
#include "common/text/arena.h"
#include "common/text/number.h"
#include "smtpd/envelope.h"
#include "smtpd/session.h"

#define ORCPT_MAX 500 /* of its spelling (RFC 3461, section 4.2) */
#define SIZE_DIGITS_MAX 20
#define AUTH_SPELLING_MAX 500 /* RFC 4954, section 3 */

/* one word of a command, and where it goes */
struct parameter {
	const char *name;
	bool (*take)(struct session *s, struct span value, struct intake_recipient *to);
	bool is_flag; /* has no value */
};

/* ---- values ---- */

/* what is wrong is said after those that wait */
static bool
is_wrong(struct session *s, const char *what)
{
	envelope_settle(s);
	session_reply(s, 501, "5.5.4", "%s", what);
	return false;
}

static bool
take_size(struct session *s, struct span value, struct intake_recipient *to)
{
	uint64_t size;

	(void)to;
	if (value.len > SIZE_DIGITS_MAX || number_parse(value, 0, UINT64_MAX, &size) == -1)
		return is_wrong(s, "SIZE is one number of bytes");
	if (size > s->limits->message_size) {
		session_reply(s, 552, "5.3.4", "a message may have %" PRIu64 " bytes",
			      s->limits->message_size);
		return false;
	}
	s->transaction.size = size;
	return true;
}

static bool
take_body(struct session *s, struct span value, struct intake_recipient *to)
{
	(void)to;
	s->transaction.eight_bit = span_equal_nocase(value, SPAN("8BITMIME"));
	if (!s->transaction.eight_bit && !span_equal_nocase(value, SPAN("7BIT")))
		return is_wrong(s, "BODY is 7BIT or 8BITMIME");
	return true;
}

static bool
take_smtputf8(struct session *s, struct span value, struct intake_recipient *to)
{
	(void)value;
	(void)to;
	s->transaction.is_utf8 = true;
	return true;
}

/* RFC 8689, section 4.1: it cannot be kept on its way what came here for everybody to read */
static bool
take_requiretls(struct session *s, struct span value, struct intake_recipient *to)
{
	(void)value;
	(void)to;
	if (s->tls[0] == '\0') {
		session_reply(s, 530, "5.7.10", "REQUIRETLS comes after STARTTLS");
		return false;
	}
	s->transaction.must_tls = true;
	return true;
}

static bool
take_ret(struct session *s, struct span value, struct intake_recipient *to)
{
	(void)to;
	if (span_equal_nocase(value, SPAN("FULL")))
		s->transaction.ret = INTAKE_RET_FULL;
	else if (span_equal_nocase(value, SPAN("HDRS")))
		s->transaction.ret = INTAKE_RET_HDRS;
	else
		return is_wrong(s, "RET is FULL or HDRS");
	return true;
}

/* a copy in the transaction's arena; false: there is no memory, and it was answered */
static bool
keep(struct session *s, struct span text, struct span *to)
{
	*to = arena_span(&s->transaction.arena, text);
	if (to->at != NULL)
		return true;
	*to = SPAN_NONE;
	envelope_settle(s);
	session_reply(s, 452, "4.3.1", "no memory for more parameters");
	return false;
}

static bool
take_envid(struct session *s, struct span value, struct intake_recipient *to)
{
	struct buffer decoded;
	bool taken;

	(void)to;
	buffer_init(&decoded, INTAKE_ENVID_MAX + 1);
	if (value.len > XTEXT_ENVID_MAX || xtext_decode(value, &decoded) < 0)
		taken = is_wrong(s, "ENVID is xtext of at most 100 bytes");
	else
		taken = keep(s, buffer_get(&decoded), &s->transaction.envid);
	buffer_free(&decoded);
	return taken;
}

static bool
take_notify(struct session *s, struct span value, struct intake_recipient *to)
{
	static const struct {
		const char *word;
		enum intake_notify bit;
	} words[] = {{"NEVER", INTAKE_NOTIFY_NEVER},
		     {"SUCCESS", INTAKE_NOTIFY_SUCCESS},
		     {"FAILURE", INTAKE_NOTIFY_FAILURE},
		     {"DELAY", INTAKE_NOTIFY_DELAY}};
	const char *what = "NOTIFY is NEVER, or SUCCESS, FAILURE and DELAY parted by commas";
	uint64_t bits = 0;
	bool has_more;

	do {
		has_more = span_has(value, ',');
		struct span word = span_cut(&value, ',');
		uint64_t bit = 0;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (span_equal_nocase(word, span_of(words[i].word)))
				bit = words[i].bit;
		if (bit == 0 || (bits & bit) != 0)
			return is_wrong(s, what);
		bits |= bit;
	} while (has_more);
	if ((bits & INTAKE_NOTIFY_NEVER) != 0 && bits != INTAKE_NOTIFY_NEVER)
		return is_wrong(s, what);
	to->notify = bits;
	return true;
}

static bool
take_orcpt(struct session *s, struct span value, struct intake_recipient *to)
{
	struct buffer decoded;
	bool taken;

	buffer_init(&decoded, INTAKE_ORCPT_MAX);
	if (value.len > ORCPT_MAX ||
	    xtext_orcpt_decode(value, s->transaction.is_utf8, &decoded) < 0)
		taken = is_wrong(s, "ORCPT is the type of an address, `;`, and the address as "
				    "xtext");
	else
		taken = keep(s, buffer_get(&decoded), &to->orcpt);
	buffer_free(&decoded);
	return taken;
}

/* who another host says has sent it: nobody here believes that, and it may be said (RFC 4954, section 5) */
static bool
take_auth(struct session *s, struct span value, struct intake_recipient *to)
{
	struct buffer decoded;
	bool taken = true;

	(void)to;
	if (!s->listen->offers_auth) {
		session_reply(s, 555, "5.5.4", "MAIL has no parameter AUTH here");
		return false;
	}
	buffer_init(&decoded, AUTH_SPELLING_MAX + 1);
	if (value.len == 0 || value.len > AUTH_SPELLING_MAX || xtext_decode(value, &decoded) < 0)
		taken = is_wrong(s, "AUTH is <>, or an address as xtext");
	buffer_free(&decoded);
	return taken;
}

/* ---- the words ---- */

static const struct parameter of_mail[] = {
	{"SIZE", take_size, .is_flag = false},
	{"BODY", take_body, .is_flag = false},
	{"SMTPUTF8", take_smtputf8, .is_flag = true},
	{"RET", take_ret, .is_flag = false},
	{"ENVID", take_envid, .is_flag = false},
	{"AUTH", take_auth, .is_flag = false},
	{"REQUIRETLS", take_requiretls, .is_flag = true},
};

static const struct parameter of_rcpt[] = {
	{"NOTIFY", take_notify, .is_flag = false},
	{"ORCPT", take_orcpt, .is_flag = false},
};

static bool
take_all(struct session *s, const char *command, const struct parameter *known, size_t count,
	 struct span text, struct intake_recipient *to)
{
	unsigned seen = 0;

	for (struct span p = span_word(&text); p.len > 0; p = span_word(&text)) {
		struct span value = p;
		struct span name = span_cut(&value, '=');
		size_t i = 0;
		while (i < count && !span_equal_nocase(name, span_of(known[i].name)))
			i++;
		if (i == count || !s->extended) {
			envelope_settle(s);
			session_reply(s, 555, "5.5.4", "%s has no parameter %.*s %s", command,
				      SPAN_ARG(name), s->extended ? "here" : "after HELO");
			return false;
		}
		if (seen & 1u << i)
			return is_wrong(s, "each parameter may stand once");
		seen |= 1u << i;
		if (known[i].is_flag && name.len != p.len)
			return is_wrong(s, "SMTPUTF8 and REQUIRETLS have no value");
		if (!known[i].take(s, value, to))
			return false;
	}
	return true;
}

bool
parameters_mail(struct session *s, struct span text)
{
	return take_all(s, "MAIL", of_mail, sizeof(of_mail) / sizeof(of_mail[0]), text, NULL);
}

bool
parameters_rcpt(struct session *s, struct span text, struct intake_recipient *to)
{
	return take_all(s, "RCPT", of_rcpt, sizeof(of_rcpt) / sizeof(of_rcpt[0]), text, to);
}
