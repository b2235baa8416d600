/*
 * starttls - see starttls.h; called by the table of verbs and by session.c
 *
 * What a client said before the handshake counts for nothing behind it: greeting, transaction and everything that lies in a buffer are
 * gone (RFC 3207, section 4.2).  Bytes that came behind STARTTLS in plain text are dropped unread and told: a client does not send
 * them, somebody between does.
 *
 * Without signer there is no handshake: it is asked first, and 454 leaves the client the choice to go on in plain text.
 */
#include "smtpd/starttls.h"

#include <stdio.h>

#include "common/system/events.h"
#include "common/tls/layer.h"
#include "smtpd/signing.h"
#include "smtpd/tls.h"

bool
starttls_is_offered(const struct session *s)
{
	return s->tls_address != NULL && s->tls[0] == '\0' && s->login[0] == '\0';
}

static void
tell_unavailable(const struct session *s)
{
	EVENT("tls-unavailable", event_string("session", s->id), event_string("client", s->client),
	      event_string("reason", signing_wrong() != NULL ? signing_wrong() : ""));
}

static void
tell_started(struct session *s, const SSL *ssl)
{
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	snprintf(s->tls, sizeof(s->tls), "%s %s", SSL_get_version(ssl),
		 SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)));
	EVENT("tls-started", event_string("session", s->id), event_string("client", s->client),
	      event_string("tls", s->tls), event_string("host", host != NULL ? host : ""),
	      event_number("resumed", SSL_session_reused(ssl)));
}

/* who the client is by its certificate, and whether that lets it relay */
static void
take_certificate(struct session *s, SSL *ssl)
{
	const struct config_tls *tls = &s->listen->tls;
	const char *wrong;

	if (tls->client == CONFIG_CLIENT_NONE)
		return;
	client_certificate_read(ssl, &s->certificate, &wrong);
	if (client_certificate_may_relay(SSL_get0_peer_certificate(ssl), tls, &s->certificate))
		s->may_relay = true;
	if (s->certificate.fingerprint[0] != '\0')
		EVENT("client-certificate", event_string("session", s->id),
		      event_string("client", s->client), event_string("name", s->certificate.name),
		      event_string("fingerprint", s->certificate.fingerprint),
		      event_string("reason", wrong));
}

/* the handshake; false: it failed, and the session is over */
static bool
shake_hands(struct session *s)
{
	char wrong[LAYER_WRONG_MAX] = "memory is out";
	uint64_t time_ms = s->limits->command_time;
	SSL *ssl = tls_new(s->tls_address);

	s->stream.deadline_ms = session_deadline(
		s, time_ms < STARTTLS_HANDSHAKE_MS ? time_ms : STARTTLS_HANDSHAKE_MS);
	if (ssl != NULL && layer_start(&s->stream, ssl, wrong) == STREAM_OK) {
		tell_started(s, ssl);
		take_certificate(s, ssl);
		return true;
	}
	EVENT("tls-failed", event_string("session", s->id), event_string("client", s->client),
	      event_string("reason", signing_wrong() != NULL ? signing_wrong() : wrong));
	session_end(s, "tls-failed");
	return false;
}

void
starttls_starttls(struct session *s, struct span argument)
{
	uint64_t bytes;

	if (s->tls_address == NULL) {
		session_reply(s, 502, "5.5.1", "STARTTLS is not offered here");
		return;
	}
	if (argument.len > 0) {
		session_reply(s, 501, "5.5.4", "STARTTLS takes no parameters");
		return;
	}
	if (!starttls_is_offered(s)) {
		session_reply(s, 503, "5.5.1",
			      s->tls[0] != '\0' ? "this is TLS already"
						: "not now: STARTTLS comes before you log in");
		return;
	}
	bytes = stream_discard_input(&s->stream);
	if (bytes > 0)
		EVENT("tls-injection", event_string("session", s->id),
		      event_string("client", s->client), event_number("bytes", (int64_t)bytes));
	if (!signing_is_ready(tls_key(s->tls_address))) {
		tell_unavailable(s);
		session_reply(s, 454, "4.7.0", "TLS is not available now, try again later");
		return;
	}
	session_reply(s, 220, "2.0.0", "go ahead");
	enum stream_outcome outcome = stream_flush(&s->stream);
	if (outcome != STREAM_OK) {
		session_lost(s, outcome);
		return;
	}
	session_reset(s);
	s->stage = STAGE_GREETED;
	s->helo[0] = '\0';
	s->extended = false;
	(void)shake_hands(s);
}

bool
starttls_implicit(struct session *s)
{
	if (signing_is_ready(tls_key(s->tls_address)))
		return shake_hands(s);
	tell_unavailable(s);
	session_end(s, "tls-unavailable");
	return false;
}
