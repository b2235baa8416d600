/*
 * login - AUTH: who the client is, and what that allows (RFC 4954)
 *
 * Called by the table of verbs; envelope.c and hello.c ask what follows from it.  Promises: a password is asked for only where nobody can listen; it
 * is in our memory only while the client waits for the answer to it; what auth cannot say is 454, never a login.
 */
#include "smtpd/login.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/system/events.h"
#include "common/text/base64.h"
#include "smtpd/binding.h"
#include "smtpd/exchange.h"
#include "smtpd/mechanisms.h"
#include "smtpd/queries.h"
#include "smtpd/session.h"

static char response[AUTH_RESPONSE_MAX]; /* the one in hand; wiped when auth has it */

bool
login_is_private(const struct session *s)
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&s->address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&s->address;

	if (s->tls[0] != '\0')
		return true;
	if (!s->config->auth.may_be_clear)
		return false;
	if (s->address.ss_family == AF_INET)
		return ntohl(in4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return s->address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

bool
login_is_offered(const struct session *s)
{
	return !s->is_local && s->listen->offers_auth && s->login[0] == '\0' && login_is_private(s);
}

/* ---- reading ---- */

/* bytes of the stream's buffer that were read, and perhaps were a password */
static void
wipe(struct span line)
{
	explicit_bzero((char *)(uintptr_t)line.at, line.len);
}

/* base64 becomes `response`; its length, -1: it is none, and the client was told */
static int
decode(struct session *s, struct span text)
{
	int len = base64_decode(text, response, sizeof(response));

	wipe(text);
	if (len < 0)
		session_reply(s, 501, "5.5.2", "that is no base64, or too much of it");
	return len;
}

/* the client's answer to a challenge, decoded; -1: there is none, and what was to be said was said */
static int
read_response(struct session *s)
{
	struct span line;

	s->stream.deadline_ms = session_deadline(s, s->limits->command_time);
	for (;;) {
		enum stream_outcome outcome = stream_line(&s->stream, LOGIN_LINE_MAX, &line);
		switch (outcome) {
		case STREAM_OK:
			if (!span_equal(line, SPAN("*")))
				return decode(s, line);
			session_reply(s, 501, "5.7.0", "cancelled, as you wish");
			return -1;
		case STREAM_LONG:
			session_reply(s, 500, "5.5.6", "a line of AUTH may have %d bytes",
				      LOGIN_LINE_MAX);
			return -1;
		case STREAM_BARE:
			session_reply(s, 501, "5.5.2",
				      "a line ends with CR LF, and holds no CR, LF or NUL");
			return -1;
		case STREAM_INTERRUPTED:
			if (!session_must_stop())
				break;
			session_reply(s, 421, "4.3.2", "this host is stopping, try again later");
			session_end(s, "stopping");
			return -1;
		case STREAM_CLOSED:
		case STREAM_TIMEOUT:
		case STREAM_ERROR:
			session_lost(s, outcome);
			return -1;
		}
	}
}

/* 334: longer than a reply may be, since a challenge repeats what the client said */
static bool
put_challenge(struct session *s, struct span data)
{
	char text[BASE64_SIZE(AUTH_CHALLENGE_MAX) + 1];

	base64_encode(data, text);
	if (stream_printf(&s->stream, "334 %s\r\n", text) == STREAM_OK)
		return true;
	session_end(s, "lost");
	return false;
}

/* ---- the exchange ---- */

static void
take_success(struct session *s, enum auth_mechanism m, struct span login)
{
	if (span_copy(login, s->login, sizeof(s->login)) < 0) {
		session_reply(s, 454, "4.7.0", "you cannot log in now, try again later");
		return;
	}
	s->may_relay = true;
	s->may_expn = s->may_expn || config_may_expn_login(s->config, span_of(s->login));
	EVENT("authenticated", event_string("session", s->id), event_string("client", s->client),
	      event_string("login", s->login), event_string("mechanism", auth_mechanism_word(m)));
	session_reply(s, 235, "2.7.0", "welcome");
}

static void
take_failure(struct session *s, enum auth_reason reason)
{
	switch (reason) {
	case AUTH_WRONG:
		session_reply(s, 535, "5.7.8", "the name or the password is wrong");
		break;
	case AUTH_MALFORMED:
		session_reply(s, 501, "5.5.2", "that is not what the mechanism has here");
		break;
	case AUTH_BINDING:
		session_reply(
			s, 535, "5.7.8",
			"channel binding of that kind is not offered here: log in without it");
		break;
	case AUTH_DOWNGRADE:
		session_reply(
			s, 535, "5.7.8",
			"channel binding is offered here, and your client was told otherwise: "
			"somebody may listen between us");
		break;
	}
	if (++s->login_failures < LOGIN_FAILURES_MAX)
		return;
	session_reply(s, 421, "4.7.0", "too many attempts to log in");
	session_end(s, "logins");
}

/* the end of the exchange, as auth has it */
static void
take_answer(struct session *s, enum auth_mechanism m, const struct exchange_answer *a)
{
	switch (a->outcome) {
	case EXCHANGE_SUCCESS:
		take_success(s, m, a->login);
		return;
	case EXCHANGE_FAILURE:
		take_failure(s, a->reason);
		return;
	case EXCHANGE_GUESSES:
		session_reply(s, 454, "4.7.0",
			      "too many wrong passwords came from your address, try again later");
		return;
	case EXCHANGE_GONE:
		EVENT("auth-gone", event_string("session", s->id));
		break;
	case EXCHANGE_TROUBLE:
	case EXCHANGE_CHALLENGE:
	case EXCHANGE_OFFERS:
		break;
	}
	session_reply(s, 454, "4.7.0", "passwords cannot be checked now, try again later");
}

/* the address of ours that the client came to; empty where the kernel does not say it */
static void
write_server(const struct session *s, char text[INET6_ADDRSTRLEN])
{
	struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&own;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)&own;
	socklen_t len = sizeof(own);

	text[0] = '\0';
	if (getsockname(s->stream.fd, (struct sockaddr *)&own, &len) != 0)
		return;
	if (own.ss_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, text, INET6_ADDRSTRLEN);
	else if (own.ss_family == AF_INET)
		(void)inet_ntop(AF_INET, &in4->sin_addr, text, INET6_ADDRSTRLEN);
}

static struct span
binding(const struct binding *b)
{
	return span_from((const char *)b->data, b->len);
}

static void
run(struct session *s, enum auth_mechanism m, bool has_response, int len)
{
	char certificate[AUTH_LOGIN_MAX + 1], server[INET6_ADDRSTRLEN] = "";
	struct bindings bindings = {.exporter.len = 0};
	struct auth_start start = {
		.mechanism = m,
		.has_response = has_response,
		.response = span_from(response, has_response ? (size_t)len : 0),
		.client = span_of(s->client),
		.session = span_of(s->id),
		.tls = span_of(s->tls),
	};
	struct exchange_answer a;
	struct exchange x;

	mechanisms_certificate(s, certificate);
	start.certificate = span_of(certificate);
	/* -PLUS and bindings are offered together, or neither is */
	if ((s->mechanisms & AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_256_PLUS)) != 0)
		(void)binding_find(s, &bindings);
	start.exporter = binding(&bindings.exporter);
	start.unique = binding(&bindings.unique);
	start.end_point = binding(&bindings.end_point);
	write_server(s, server);
	start.server = span_of(server);
	exchange_start(&x, s->auth, &start, &a);
	explicit_bzero(response, sizeof(response));
	while (a.outcome == EXCHANGE_CHALLENGE && put_challenge(s, a.data) &&
	       (len = read_response(s)) >= 0) {
		exchange_continue(&x, span_from(response, (size_t)len), &a);
		explicit_bzero(response, sizeof(response));
	}
	if (a.outcome != EXCHANGE_CHALLENGE)
		take_answer(s, m, &a);
	exchange_end(&x);
}

/* ---- the verb ---- */

/* false: not now, and the client was told why */
static bool
may_log_in(struct session *s)
{
	if (s->is_local || !s->listen->offers_auth)
		queries_unsupported(s, SPAN_NONE);
	else if (!s->extended)
		session_reply(s, 503, "5.5.1", "not now: AUTH comes after EHLO");
	else if (s->login[0] != '\0')
		session_reply(s, 503, "5.5.1", "not now: you have logged in already");
	else if (!login_is_private(s))
		session_reply(s, 538, "5.7.11", "encryption is required before you log in");
	else
		return true;
	return false;
}

void
login_auth(struct session *s, struct span argument)
{
	struct span name = span_word(&argument), initial = span_word(&argument);
	enum auth_mechanism m = auth_mechanism_find(name);
	char offered[MECHANISMS_TEXT_MAX];
	bool has_response = initial.len > 0;
	int len = 0;

	if (!may_log_in(s)) {
		wipe(initial);
		return;
	}
	if (name.len == 0 || argument.len > 0) {
		wipe(initial);
		session_reply(s, 501, "5.5.4", "AUTH MECHANISM [RESPONSE] is what is understood");
		return;
	}
	if (m == 0 || (s->mechanisms & AUTH_MECHANISM_BIT(m)) == 0) {
		wipe(initial);
		mechanisms_write(s->mechanisms, offered);
		session_reply(s, 504, "5.5.4", "%.*s is not offered here; these are: %s",
			      SPAN_ARG(name), offered);
		return;
	}
	/* an empty response is written `=` here */
	if (has_response && !span_equal(initial, SPAN("=")) && (len = decode(s, initial)) < 0)
		return;
	run(s, m, has_response, len);
}

/* ---- what follows ---- */

bool
login_may_mail(struct session *s)
{
	if (s->is_local || s->listen->role != CONFIG_SUBMISSION || s->login[0] != '\0')
		return true;
	session_reply(s, 530, "5.7.0", "log in first: mail is taken here from users alone");
	return false;
}

/* user+extension is user's */
static struct span
without_extension(const struct session *s, struct span local)
{
	for (size_t i = 1; s->config->extension != 0 && i < local.len; i++)
		if (local.at[i] == s->config->extension)
			return span_from(local.at, i);
	return local;
}

/* the login itself is the address, or its name at `origin` is */
static bool
is_own(const struct session *s, const struct address *sender)
{
	struct span login = span_of(s->login), text = span_from(sender->text, sender->len);
	struct span local = without_extension(s, address_local_of(text));
	struct span domain = address_domain_of(text);
	struct span at = login, name = span_cut(&at, '@');

	if (!span_has(login, '@'))
		at = span_of(s->config->origin);
	return span_equal_nocase(domain, at) &&
	       (span_equal_nocase(local, name) || span_equal_nocase(address_local_of(text), name));
}

void
login_may_be(struct session *s, const struct address *address, struct check *check)
{
	*check = (struct check){.code = 250};
	if (s->login[0] != '\0' && is_own(s, address))
		return;
	if (s->login[0] != '\0' && s->config->auth.senders.count == 0) {
		check->code = 553;
		snprintf(check->status, sizeof(check->status), "5.7.1");
		snprintf(check->text, sizeof(check->text), "not an address of %s", s->login);
		return;
	}
	checks_sender(s, span_from(address->text, address->len), check);
}

bool
login_owns(struct session *s, const struct address *sender)
{
	struct check check;

	/* the null sender is that of a receipt, which a user's program may write */
	if (s->login[0] == '\0' || sender->len == 0)
		return true;
	login_may_be(s, sender, &check);
	if (check.code == 250)
		return true;
	session_reply(s, check.code, check.status, "<%s>: %s", sender->text, check.text);
	return false;
}
