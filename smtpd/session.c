/*
 * session - one client, from banner to end
 *
 * Called by listener.c in a process of its own (and by tests and the fuzz target, with a socketpair).  RFC 5321, sections 3.1,
 * 4.2 and 4.5.3.2; RFC 2034; RFC 2920.
 *
 * Promises: it ends, whatever the client does (command-time, message-time, session-time, commands, errors), with a reply that
 * says why where one can still be sent; nothing a client sends is read twice, once as content and once as commands.
 */
#include "smtpd/session.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "smtpd/chunks.h"
#include "smtpd/envelope.h"
#include "smtpd/gates.h"
#include "smtpd/starttls.h"
#include "smtpd/verbs.h"

#define REPLY_MAX \
	511	  /* bytes of a reply line and a NUL; with CRLF 512 (RFC 5321, section 4.5.3.1.5) */
#define PAGE 4096 /* where it is larger, a session touches a few bytes more */
#define LINGER_MS 2000	   /* for a client that goes on talking to read the last reply */
#define LINGER_BYTES 65536 /* and no more than this */

/* those of this process; static, so that nothing is allocated: the heap is the listener's, and what is written there is copied first */
static _Alignas(PAGE) struct session session;
static _Alignas(PAGE) char input[STREAM_IN_MAX];
static _Alignas(PAGE) char output[STREAM_OUT_MAX];

static void
on_stop(int signal)
{
	(void)signal;
	session.must_stop = 1;
}

bool
session_must_stop(void)
{
	return session.must_stop != 0;
}

int64_t
session_deadline(const struct session *s, uint64_t ms)
{
	int64_t at_ms = clock_monotonic_ms() + (int64_t)ms;

	return at_ms < s->ends_ms ? at_ms : s->ends_ms;
}

bool
session_has_command(const struct session *s)
{
	const struct stream *in = &s->stream;

	return in->in_len > in->in_at &&
	       memchr(in->in + in->in_at, '\n', in->in_len - in->in_at) != NULL;
}

void
session_end(struct session *s, const char *reason)
{
	if (s->ended == NULL)
		s->ended = reason;
}

/* ---- replies ---- */

static void
tell_refused(const struct session *s, int code, const char *status, struct span text)
{
	const struct address *from = &s->transaction.sender;

	EVENT("refused", event_string("session", s->id), event_string("client", s->client),
	      event_string("verb", s->verb), event_string("helo", s->helo),
	      event_text("from", span_from(from->text, from->len)), event_text("to", s->about),
	      event_number("code", code), event_string("status", status != NULL ? status : ""),
	      event_text("reason", text));
}

static void
put_reply(struct session *s, int code, char behind, const char *status, const char *text)
{
	char line[REPLY_MAX + 2];

	int head = snprintf(line, REPLY_MAX, "%03d%c%s%s", code, behind,
			    status != NULL ? status : "", status != NULL ? " " : "");
	size_t len = (size_t)head + strlcpy(line + head, text, REPLY_MAX - (size_t)head);
	if (len >= REPLY_MAX)
		len = REPLY_MAX - 1;
	for (size_t i = (size_t)head; i < len; i++) {
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
	}
	if (code >= 400)
		tell_refused(s, code, status, span_from(line + head, len - (size_t)head));
	memcpy(line + len, "\r\n", 2);
	enum stream_outcome outcome = stream_put(&s->stream, span_from(line, len + 2));
	if (outcome != STREAM_OK)
		session_end(s, outcome == STREAM_TIMEOUT ? "write-timeout" : "lost");
}

void
session_reply(struct session *s, int code, const char *status, const char *format, ...)
{
	char text[REPLY_MAX];
	va_list arguments;

	if (code >= 500)
		s->errors++;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	put_reply(s, code, ' ', status, text);
}

void
session_reply_more(struct session *s, int code, const char *status, const char *format, ...)
{
	char text[REPLY_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	put_reply(s, code, '-', status, text);
}

void
session_lost(struct session *s, enum stream_outcome outcome)
{
	switch (outcome) {
	case STREAM_TIMEOUT:
		if (s->must_stop) {
			session_reply(s, 421, "4.3.2", "this host is stopping, try again later");
			session_end(s, "stopping");
			return;
		}
		session_reply(s, 421, "4.4.2", "waited too long for you");
		session_end(s, clock_monotonic_ms() >= s->ends_ms ? "session-time" : "timeout");
		return;
	case STREAM_ERROR:
	case STREAM_CLOSED:
	case STREAM_OK:
	case STREAM_LONG:
	case STREAM_BARE:
	case STREAM_INTERRUPTED:
		break;
	}
	session_end(s, "lost");
}

void
session_reset(struct session *s)
{
	struct session_transaction *t = &s->transaction;

	gates_reset(s);
	chunks_reset(s);
	arena_reset(&t->arena);
	recipients_clear(&t->recipients);
	t->sender = (struct address){.len = 0};
	t->size = 0;
	t->eight_bit = false;
	t->is_utf8 = false;
	t->must_tls = false;
	t->ret = INTAKE_RET_UNSAID;
	t->envid = SPAN_NONE;
	t->waiting_count = 0;
	t->overshoot = 0;
	if (s->stage != STAGE_GREETED)
		s->stage = STAGE_READY;
}

/* ---- commands ---- */

/* the next line that is a command; what is none is answered here; false: the session is over */
static bool
read_line(struct session *s, struct span *line)
{
	if (!session_has_command(s))
		envelope_settle(s);
	s->stream.deadline_ms = session_deadline(s, s->limits->command_time);
	while (s->ended == NULL) {
		enum stream_outcome outcome = stream_line(&s->stream, SESSION_COMMAND_MAX, line);
		switch (outcome) {
		case STREAM_OK:
			return true;
		case STREAM_LONG:
			envelope_settle(s);
			session_reply(s, 500, "5.5.2", "a command may have %d bytes",
				      SESSION_COMMAND_MAX);
			return false;
		case STREAM_BARE:
			envelope_settle(s);
			session_reply(s, 500, "5.5.2",
				      "a command ends with CR LF, and holds no CR, LF or NUL");
			return false;
		case STREAM_INTERRUPTED:
			if (s->must_stop)
				return false;
			break;
		case STREAM_CLOSED:
		case STREAM_TIMEOUT:
		case STREAM_ERROR:
			session_lost(s, outcome);
		}
	}
	return false;
}

/* before each command: may there be another one? */
static bool
may_go_on(struct session *s)
{
	if (s->ended == NULL && s->must_stop) {
		envelope_settle(s);
		session_reply(s, 421, "4.3.2", "this host is stopping, try again later");
		session_end(s, "stopping");
	} else if (s->ended == NULL && s->errors >= s->limits->errors) {
		session_reply(s, 421, "4.7.0", "too many errors");
		session_end(s, "errors");
	} else if (s->ended == NULL && s->commands >= s->limits->commands) {
		session_reply(s, 421, "4.7.0", "too many commands");
		session_end(s, "commands");
	}
	return s->ended == NULL;
}

static bool
read_command(struct session *s)
{
	struct span line = SPAN_NONE;
	bool has_line = false;

	while (!has_line) {
		if (!may_go_on(s))
			return false;
		has_line = read_line(s, &line);
		s->commands++;
	}
	/* a blank in front is no lenience the world needs: then there is no word */
	s->rest = line;
	s->word = line.len > 0 && (line.at[0] == ' ' || line.at[0] == '\t') ? SPAN_NONE
									    : span_word(&s->rest);
	s->rest = span_trim(s->rest);
	return true;
}

/* the command that came too early, by its word alone: what stands behind it may be a password, and so may a line that is none; empty: it was not read */
static const char *
early_verb(const struct session *s)
{
	const struct stream *in = &s->stream;
	struct span rest = span_from(in->in + in->in_at, in->in_len - in->in_at);
	struct span line = span_cut(&rest, '\r');
	const struct verb *v = verb_find(span_word(&line));

	if (in->in_len == in->in_at)
		return "";
	return v != NULL ? v->word : "UNKNOWN";
}

/* what came is told of, and not looked at any further */
static void
end_out_of_turn(struct session *s)
{
	EVENT("out-of-turn", event_string("session", s->id), event_string("client", s->client),
	      event_string("verb", s->verb), event_string("early", early_verb(s)));
	session_end(s, "out-of-turn");
}

static void
act(struct session *s)
{
	const struct verb *v = verb_find(s->word);

	if (v == NULL || !v->joins_group)
		envelope_settle(s);
	if (s->ended != NULL)
		return;
	s->verb = v != NULL ? v->word : "UNKNOWN";
	if (v == NULL) {
		session_reply(s, 500, "5.5.2", "command not recognised");
	} else if (v->ends_group && stream_has_input(&s->stream)) {
		/* commands of another's making, or content taken for commands: neither is looked at */
		session_reply(s, 554, "5.5.1", "you went on talking before the answer to %s",
			      v->word);
		end_out_of_turn(s);
	} else if (!(v->stages & s->stage)) {
		session_reply(s, 503, "5.5.1", "not now: %s", v->needs);
	} else {
		v->handle(s, s->rest);
	}
}

/* ---- start and end ---- */

static void
set_client(struct session *s, const struct session_start *start)
{
	const struct sockaddr *client = (const struct sockaddr *)&start->client;
	const void *address = &((const struct sockaddr_in *)&start->client)->sin_addr;

	if (start->is_local) {
		s->is_local = true;
		s->uid = start->uid;
		s->author = start->author;
		s->once = start->once;
		s->may_relay = true;
		snprintf(s->client, sizeof(s->client), SESSION_LOCAL_CLIENT "%u", (unsigned)s->uid);
		return;
	}
	s->client_is_ipv6 = client->sa_family == AF_INET6;
	if (s->client_is_ipv6)
		address = &((const struct sockaddr_in6 *)&start->client)->sin6_addr;
	if (client->sa_family != AF_INET && client->sa_family != AF_INET6)
		return;
	if (inet_ntop(client->sa_family, address, s->client, sizeof(s->client)) == NULL)
		s->client[0] = '\0';
	s->may_relay = config_may_relay(s->config, client);
	s->may_etrn = config_may_etrn(s->config, NULL, client);
	s->may_expn = config_may_expn(s->config, client);
	s->address = start->client;
}

void
session_prepare(void)
{
	struct session_transaction *t = &session.transaction;

	arena_init(&t->arena, SESSION_TRANSACTION_MAX);
	recipients_init(&t->recipients, 0);
	/* without memory now, the sessions ask for it themselves */
	(void)arena_alloc(&t->arena, 1);
	arena_reset(&t->arena);
	if (recipients_reserve(&t->recipients) == -1)
		recipients_free(&t->recipients);
}

/* begin - of a session that is all zero, but for what session_prepare did */
static void
begin(struct session *s, const struct session_start *start)
{
	/* zero otherwise, and untouched: it is large, and each page would be copied for each session */
	s->config = start->config;
	s->listen = start->listen;
	s->auth = start->auth;
	s->verify = start->verify;
	s->limits = &start->listen->limits;
	s->stage = STAGE_GREETED;
	s->verb = "CONNECT";
	s->about = SPAN_NONE;
	s->author = SPAN_NONE;
	s->tls_address = start->tls;
	s->is_implicit = start->tls != NULL && start->listen->implicit_tls;
	s->once = SPAN_NONE;
	snprintf(s->id, sizeof(s->id), "S%013" PRIX64, start->started_us);
	set_client(s, start);
	s->ends_ms = clock_monotonic_ms() + (int64_t)s->limits->session_time;
	/* addresses of memory are random (PIE) and told to nobody */
	s->transaction.recipients.seed = start->started_us ^ (uint64_t)(uintptr_t)s << 20;
	checks_init(&s->checks, start->lookup);
	accept_init(&s->accept, start->intake);
	stream_open_in(&s->stream, start->fd, input, output);
}

static void
catch_signals(void)
{
	struct sigaction stop = {.sa_handler = on_stop}; /* no SA_RESTART: waiting ends */
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t none;

	session.must_stop = 0;
	sigemptyset(&none);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGUSR1, &ignore, NULL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
greet(struct session *s, bool is_greeted)
{
	if (is_greeted) {
		(void)gates_connect(s);
		return;
	}
	if (s->is_implicit && !starttls_implicit(s))
		return;
	s->stream.deadline_ms = session_deadline(s, s->limits->command_time);
	if (stream_has_input(&s->stream)) {
		session_reply(s, 554, "5.5.1", "you spoke before the greeting");
		end_out_of_turn(s);
		return;
	}
	if (gates_connect(s))
		session_reply(s, 220, NULL, SESSION_GREETING, s->config->hostname);
}

/* the last reply goes out; closing with bytes unread would reset the connection and take the reply with it */
static void
linger(struct session *s)
{
	struct span chunk;
	size_t taken = 0;

	s->stream.deadline_ms = clock_monotonic_ms() + LINGER_MS;
	if (stream_finish(&s->stream) != STREAM_OK || !stream_has_input(&s->stream))
		return;
	shutdown(s->stream.fd, SHUT_WR);
	while (taken < LINGER_BYTES && stream_chunk(&s->stream, &chunk) == STREAM_OK) {
		taken += chunk.len;
		stream_take(&s->stream, chunk.len);
	}
}

void
session_serve(const struct session_start *start)
{
	struct session *s = &session;

	catch_signals();
	begin(s, start);
	EVENT("connected", event_string("session", s->id), event_string("client", s->client));
	greet(s, start->is_greeted);
	while (read_command(s))
		act(s);
	gates_end(s);
	linger(s);
	EVENT("disconnected", event_string("session", s->id), event_string("client", s->client),
	      event_string("reason", s->ended), event_string("verb", s->verb),
	      event_number("commands", (int64_t)s->commands),
	      event_number("messages", (int64_t)s->messages));
	events_end();
}

void
session_release(void)
{
	chunks_reset(&session);
	stream_close(&session.stream);
	arena_free(&session.transaction.arena);
	recipients_free(&session.transaction.recipients);
	checks_release(&session.checks);
	intake_client_close(&session.accept.client);
	memset(&session, 0, sizeof(session));
	session_prepare();
}
