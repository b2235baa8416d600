/*
 * postfix - see postfix.h
 */
#include "log/postfix.h"

#include <inttypes.h>
#include <string.h>

#include "common/text/number.h"

/* one event on its way into words */
struct event {
	struct buffer *to;
	const struct origin *from;
	const struct line *line;
};

static struct span
value(const struct event *e, const char *key)
{
	const struct line_field *f = line_find(e->line, key);
	return f != NULL ? f->value : SPAN_NONE;
}

static bool
is(const struct event *e, const char *key, const char *text)
{
	return span_equal(value(e, key), span_of(text));
}

/* what strangers have said stays one line of printable ASCII, and cannot end a <...> */
static void
put_said(const struct event *e, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool plain = s.at[i] > ' ' && s.at[i] < 0x7f && s.at[i] != '<' && s.at[i] != '>';
		if (plain)
			buffer_char(e->to, s.at[i]);
		else
			buffer_char(e->to, '?');
	}
}

/* the same for a text with blanks */
static void
put_text(const struct event *e, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] >= ' ' && s.at[i] < 0x7f)
			buffer_char(e->to, s.at[i]);
		else
			buffer_char(e->to, '?');
}

static void
put_begin(const struct event *e, const char *daemon)
{
	buffer_format(e->to, "%s[%" PRId64 "]: ", daemon, e->from->pid);
}

static void
put_end(const struct event *e)
{
	buffer_char(e->to, '\n');
}

/* names are not looked up by address: Postfix says `unknown` then */
static void
put_client(const struct event *e)
{
	buffer_string(e->to, "unknown[");
	put_said(e, value(e, "client"));
	buffer_char(e->to, ']');
}

static void
put_id(const struct event *e, const char *key)
{
	put_said(e, value(e, key));
}

static void
put_bracketed(const struct event *e, const char *name, const char *key)
{
	buffer_format(e->to, "%s=<", name);
	put_said(e, value(e, key));
	buffer_char(e->to, '>');
}

/* a user of this host, not a client of the network */
static bool
is_local_user(const struct event *e)
{
	return span_starts(value(e, "client"), SPAN("uid:"));
}

/* trouble, in our own words */
static void
warning(const struct event *e)
{
	put_begin(e, e->from->program);
	buffer_string(e->to, "warning: ");
	buffer_span(e->to, e->line->name);
	for (size_t i = 0; i < e->line->field_count; i++) {
		const struct line_field *f = &e->line->fields[i];

		buffer_char(e->to, ' ');
		buffer_span(e->to, f->key);
		buffer_char(e->to, '=');
		buffer_span(e->to, f->word);
	}
	put_end(e);
}

/* ---- sessions ---- */

static void
connected(const struct event *e)
{
	if (is_local_user(e))
		return;
	put_begin(e, "smtpd");
	buffer_string(e->to, "connect from ");
	put_client(e);
	put_end(e);
}

/* a session that did not end by QUIT: WHAT after VERB from CLIENT */
static void
put_ending(const struct event *e)
{
	static const struct {
		const char *reason, *words;
	} endings[] = {
		{"lost", "lost connection"},   {"timeout", "timeout"},
		{"session-time", "timeout"},   {"write-timeout", "timeout"},
		{"errors", "too many errors"}, {"commands", "too many errors"},
		{"logins", "too many errors"},
	};

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (!is(e, "reason", endings[i].reason))
			continue;
		put_begin(e, "smtpd");
		buffer_format(e->to, "%s after ", endings[i].words);
		put_said(e, value(e, "verb"));
		buffer_string(e->to, " from ");
		put_client(e);
		put_end(e);
	}
}

static void
out_of_turn(const struct event *e)
{
	if (is_local_user(e))
		return;
	put_begin(e, "smtpd");
	buffer_string(e->to, "improper command pipelining after ");
	put_said(e, value(e, "verb"));
	buffer_string(e->to, " from ");
	put_client(e);
	buffer_string(e->to, ": ");
	put_said(e, value(e, "early"));
	put_end(e);
}

static void
other_protocol(const struct event *e)
{
	if (is_local_user(e))
		return;
	put_begin(e, "smtpd");
	buffer_string(e->to, "warning: non-SMTP command from ");
	put_client(e);
	buffer_string(e->to, ": ");
	put_said(e, value(e, "verb"));
	buffer_char(e->to, ' ');
	put_text(e, value(e, "text"));
	put_end(e);
}

static void
disconnected(const struct event *e)
{
	if (is_local_user(e))
		return;
	put_ending(e);
	put_begin(e, "smtpd");
	buffer_string(e->to, "disconnect from ");
	put_client(e);
	buffer_string(e->to, " commands=");
	put_said(e, value(e, "commands"));
	put_end(e);
}

/* Postfix's words for a refusal of RCPT, by which filters know who tries names or relaying */
static const char *
words_of_refusal(const struct event *e)
{
	struct span reason = value(e, "reason");

	if (is(e, "status", "5.7.1") && span_ends(reason, SPAN("this host does not relay for you")))
		return "Relay access denied";
	if (is(e, "status", "5.1.1"))
		return "Recipient address rejected: User unknown in local recipient table";
	return NULL;
}

static void
refused(const struct event *e)
{
	const char *words = value(e, "to").len > 0 ? words_of_refusal(e) : NULL;
	struct span reason = value(e, "reason");

	/* login_failed and other_protocol have told of it */
	if ((is(e, "verb", "AUTH") && is(e, "code", "535")) ||
	    is(e, "reason", "this is a mail server"))
		return;
	put_begin(e, "smtpd");
	buffer_string(e->to, "NOQUEUE: reject: ");
	put_said(e, value(e, "to").len > 0 ? SPAN("RCPT") : value(e, "verb"));
	buffer_string(e->to, " from ");
	put_client(e);
	buffer_string(e->to, ": ");
	put_said(e, value(e, "code"));
	buffer_char(e->to, ' ');
	put_said(e, value(e, "status").len > 0 ? value(e, "status") : SPAN("5.0.0"));
	buffer_char(e->to, ' ');
	if (value(e, "to").len > 0) {
		buffer_char(e->to, '<');
		put_said(e, value(e, "to"));
		buffer_string(e->to, ">: ");
		/* our own text says first whom it is about */
		if (span_starts(reason, SPAN("<")))
			(void)span_cut(&reason, ' ');
	}
	if (words != NULL) {
		buffer_string(e->to, words);
	} else {
		buffer_string(e->to, value(e, "to").len > 0 ? "Recipient address rejected: "
							    : "Command rejected: ");
		put_text(e, reason);
	}
	buffer_string(e->to, "; ");
	put_bracketed(e, "from", "from");
	if (value(e, "to").len > 0) {
		buffer_char(e->to, ' ');
		put_bracketed(e, "to", "to");
	}
	buffer_string(e->to, " proto=ESMTP ");
	put_bracketed(e, "helo", "helo");
	put_end(e);
}

/* which mechanism is not told: filters read the line by a name that they know */
static void
login_failed(const struct event *e)
{
	/* who logs in does so there, and readers that look for guessers look there */
	put_begin(e, "submission/smtpd");
	buffer_string(e->to, "warning: ");
	put_client(e);
	buffer_string(e->to, ": SASL PLAIN authentication failed: ");
	/* by these words filters tell what is not the client's fault */
	if (is(e, "reason", "trouble"))
		buffer_string(e->to, "Connection lost to authentication server");
	else
		put_text(e, value(e, "reason"));
	if (value(e, "login").len > 0) {
		buffer_string(e->to, ", sasl_username=");
		put_said(e, value(e, "login"));
	}
	put_end(e);
}

/* bits of the key, by the name of the cipher */
static unsigned
bits_of(struct span cipher)
{
	static const struct {
		const char *part;
		unsigned bits;
	} ciphers[] = {{"AES_128", 128}, {"AES128", 128}, {"3DES", 112}, {"DES-CBC3", 112}};

	for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++)
		if (memmem(cipher.at, cipher.len, ciphers[i].part, strlen(ciphers[i].part)) != NULL)
			return ciphers[i].bits;
	return 256;
}

static void
tls_started(const struct event *e)
{
	struct span cipher = value(e, "tls");
	struct span version = span_cut(&cipher, ' ');

	put_begin(e, "smtpd");
	buffer_string(e->to, "Anonymous TLS connection established from ");
	put_client(e);
	buffer_string(e->to, ": ");
	put_said(e, version);
	buffer_string(e->to, " with cipher ");
	put_said(e, cipher);
	buffer_format(e->to, " (%u/%u bits)", bits_of(cipher), bits_of(cipher));
	put_end(e);
}

static void
tls_failed(const struct event *e)
{
	put_begin(e, "smtpd");
	buffer_string(e->to, "SSL_accept error from ");
	put_client(e);
	buffer_string(e->to, ": -1");
	put_end(e);
}

static void
client_limited(const struct event *e)
{
	/* that the whole host has no room is nobody's fault who comes then */
	if (!is(e, "reason", "sessions-per-client")) {
		warning(e);
		return;
	}
	put_begin(e, "smtpd");
	buffer_string(e->to, "warning: Connection concurrency limit exceeded: ");
	put_said(e, value(e, "count"));
	buffer_string(e->to, " from ");
	put_client(e);
	buffer_string(e->to, " for service smtp");
	put_end(e);
}

/* ---- messages ---- */

/* who has brought it: Postfix's smtpd or pickup */
static void
put_source(const struct event *e)
{
	if (value(e, "uid").len > 0) {
		put_begin(e, "pickup");
		put_id(e, "id");
		buffer_string(e->to, ": uid=");
		put_said(e, value(e, "uid"));
		buffer_char(e->to, ' ');
		put_bracketed(e, "from", "from");
		put_end(e);
	} else if (value(e, "client").len > 0) {
		put_begin(e, "smtpd");
		put_id(e, "id");
		buffer_string(e->to, ": client=");
		put_client(e);
		if (value(e, "login").len > 0) {
			buffer_string(e->to, ", sasl_method=AUTH, sasl_username=");
			put_said(e, value(e, "login"));
		}
		put_end(e);
	}
}

static void
queued(const struct event *e)
{
	put_source(e);
	put_begin(e, "qmgr");
	put_id(e, "id");
	buffer_string(e->to, ": ");
	put_bracketed(e, "from", "from");
	buffer_string(e->to, ", size=");
	put_said(e, value(e, "size"));
	buffer_string(e->to, ", nrcpt=");
	put_said(e, value(e, "recipients"));
	buffer_string(e->to, " (queue active)");
	put_end(e);
}

/* the program of Postfix that would have delivered there */
static const char *
deliverer(struct span host)
{
	if (host.len == 0)
		return "error";
	if (host.at[0] == '/')
		return "local";
	return span_ends(host, SPAN("]")) || memchr(host.at, ':', host.len) != NULL ? "smtp"
										    : "local";
}

static void
put_relay(const struct event *e)
{
	struct span host = value(e, "host");

	buffer_string(e->to, ", relay=");
	if (host.len == 0)
		buffer_string(e->to, "none");
	else if (strcmp(deliverer(host), "local") == 0)
		buffer_string(e->to, "local");
	else
		put_said(e, host);
}

/* what precedes the text of a host's reply: the host where it refuses, the code, the status */
static void
put_answer(const struct event *e, bool is_good)
{
	if (!is_good) {
		buffer_string(e->to, "host ");
		put_said(e, value(e, "host"));
		buffer_string(e->to, " said: ");
	}
	put_said(e, value(e, "code"));
	buffer_char(e->to, ' ');
	put_said(e, value(e, "status"));
	buffer_char(e->to, ' ');
}

/* ID: to=<>, relay=, delay=, delays=, dsn=, status=WHAT (REPLY) */
static void
put_delivery(const struct event *e, const char *status)
{
	uint64_t ms = 0;

	/* what is no number is none: the rest of the line counts */
	if (number_parse(value(e, "delay_ms"), 0, INT64_MAX, &ms) < 0)
		ms = 0;
	put_begin(e, deliverer(value(e, "host")));
	put_id(e, "id");
	buffer_string(e->to, ": ");
	put_bracketed(e, "to", "to");
	put_relay(e);
	buffer_format(e->to, ", delay=%" PRIu64 ".%02u", ms / 1000, (unsigned)(ms % 1000 / 10));
	buffer_format(e->to, ", delays=0/0/0/%" PRIu64 ".%02u, dsn=", ms / 1000,
		      (unsigned)(ms % 1000 / 10));
	put_said(e, value(e, "status").len > 0 ? value(e, "status") : SPAN("2.0.0"));
	buffer_format(e->to, ", status=%s (", status);
	if (strcmp(deliverer(value(e, "host")), "smtp") == 0 && !is(e, "code", "0"))
		put_answer(e, strcmp(status, "sent") == 0);
	put_text(e, value(e, "reply"));
	buffer_char(e->to, ')');
	put_end(e);
}

static void
delivered(const struct event *e)
{
	put_delivery(e, "sent");
}

static void
deferred(const struct event *e)
{
	put_delivery(e, "deferred");
}

static void
failed(const struct event *e)
{
	put_delivery(e, "bounced");
}

static void
notified(const struct event *e)
{
	put_begin(e, "bounce");
	put_id(e, "id");
	buffer_string(e->to, ": sender non-delivery notification: ");
	put_id(e, "notice");
	put_end(e);
}

static void
put_of_queue(const struct event *e, const char *daemon, const char *what)
{
	put_begin(e, daemon);
	put_id(e, "id");
	buffer_format(e->to, ": %s", what);
	put_end(e);
}

static void
done(const struct event *e)
{
	put_of_queue(e, "qmgr", "removed");
}

static void
removed(const struct event *e)
{
	put_of_queue(e, "postsuper", "removed");
}

static void
held(const struct event *e)
{
	put_of_queue(e, "postsuper", "placed on hold");
}

static void
released(const struct event *e)
{
	put_of_queue(e, "postsuper", "released from hold");
}

/* ---- the system ---- */

static void
put_master(const struct event *e, const char *what)
{
	put_begin(e, "master");
	buffer_format(e->to, "%s -- version " CULVER_VERSION ", configuration ", what);
	put_text(e, value(e, "configuration"));
	put_end(e);
}

static void
ready(const struct event *e)
{
	put_master(e, "daemon started");
}

static void
stopping(const struct event *e)
{
	put_begin(e, "master");
	buffer_string(e->to, "terminating on signal 15");
	put_end(e);
}

static void
reloaded(const struct event *e)
{
	put_master(e, "reload");
}

static void
nothing(const struct event *e)
{
	(void)e;
}

/* all that Postfix has words for, and what is ordinary */
static const struct {
	const char *name;
	const char *
		program; /* whose event of that name it is; NULL: one program tells it, or all alike */
	void (*put)(const struct event *e);
} events[] = {
	{"connected", NULL, connected},
	{"disconnected", NULL, disconnected},
	{"out-of-turn", NULL, out_of_turn},
	{"other-protocol", NULL, other_protocol},
	{"refused", "smtpd", refused},
	{"refused", "submit", nothing},
	{"login-failed", "auth", login_failed},
	{"tls-started", NULL, tls_started},
	{"tls-failed", "smtpd", tls_failed},
	{"client-limited", NULL, client_limited},
	{"queued", NULL, queued},
	{"delivered", NULL, delivered},
	{"deferred", NULL, deferred},
	{"failed", NULL, failed},
	{"notified", NULL, notified},
	{"done", NULL, done},
	{"removed", NULL, removed},
	{"held", NULL, held},
	{"released", NULL, released},
	{"ready", NULL, ready},
	{"stopping", NULL, stopping},
	{"reloaded", NULL, reloaded},
	/* ordinary, or told by another event */
	{"accepted", NULL, nothing},
	{"agent-ended", NULL, nothing},
	{"agent-started", NULL, nothing},
	{"authenticated", NULL, nothing},
	{"certificates-renewed", NULL, nothing},
	{"client-certificate", NULL, nothing},
	{"command-groups", NULL, nothing},
	{"configured", NULL, nothing},
	{"confined", NULL, nothing},
	{"disk-back", NULL, nothing},
	{"drop-taken", NULL, nothing},
	{"ended", NULL, nothing},
	{"etrn", NULL, nothing},
	{"expanded", NULL, nothing},
	{"handed-back", NULL, nothing},
	{"host-passed-over", NULL, nothing},
	{"keys", NULL, nothing},
	{"logged-in", NULL, nothing},
	{"logging", NULL, nothing},
	{"logins-renewed", NULL, nothing},
	{"policy-fetched", NULL, nothing},
	{"probed", NULL, nothing},
	{"replayed", NULL, nothing},
	{"runner-ended", NULL, nothing},
	{"runner-started", NULL, nothing},
	{"serving", NULL, nothing},
	{"site-back", NULL, nothing},
	{"site-learned", NULL, nothing},
	{"started", NULL, nothing},
	{"stopped", NULL, nothing},
	{"table-read", NULL, nothing},
	{"taken-already", NULL, nothing},
	{"tls-result", NULL, nothing},
	{"token-fetched", NULL, nothing},
	{"turned-away", NULL, nothing},
	{"unlocked", NULL, nothing},
	{"validating", NULL, nothing},
	{"verified", NULL, nothing},
};

void
render_postfix(struct buffer *to, const struct origin *from, const struct line *l)
{
	const struct event e = {.to = to, .from = from, .line = l};

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (!span_equal(l->name, span_of(events[i].name)) ||
		    (events[i].program != NULL && strcmp(events[i].program, from->program) != 0))
			continue;
		events[i].put(&e);
		return;
	}
	warning(&e);
}

void
render_postfix_head(struct buffer *to, int64_t time_us, const char *host, bool for_syslog)
{
	if (for_syslog)
		buffer_format(to, "<%d>", RENDER_SYSLOG_PRIORITY);
	render_syslog_time(to, time_us);
	if (!for_syslog)
		buffer_format(to, " %s", host);
	buffer_string(to, " postfix/");
}
