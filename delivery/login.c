/*
 * login - see login.h
 *
 * The strongest mechanism that both know is taken.  Another one is tried only after 504 and 534, which say that it is the mechanism that is not
 * wanted: a wrong password does not become a right one, and each attempt counts where guessers are counted.
 */
#include "delivery/login.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/mail/hop.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/text/base64.h"
#include "common/tls/exporter.h"
#include "common/tls/layer.h"
#include "delivery/sasl.h"

#define PLUS_BITS \
	(1u << CONFIG_MECHANISM_SCRAM_SHA_256_PLUS | 1u << CONFIG_MECHANISM_SCRAM_SHA_1_PLUS)
#define STEPS_MAX 6	/* more challenges than any mechanism has */
#define REPEATED_MAX 16 /* bytes of a secret, by which it is known again */

/* one AUTH */
struct dialog {
	struct connection *c;
	const struct credentials *who;
	struct sasl_client sasl;
	struct sasl_response response;
	char text[BASE64_SIZE(SASL_RESPONSE_MAX) + 1]; /* the same in base64 */
	unsigned char binding[EXPORTER_SIZE];
	bool has_binding; /* of the TLS connection, and it may be used */
	bool is_behind; /* the first response was too long for the command: it is said at the first challenge */
};

/* ---- which mechanism ---- */

/* does the configuration let it be used? */
static bool
is_allowed(const struct config_login *login, enum config_mechanism m)
{
	return login->mechanisms == 0 || (login->mechanisms & 1u << m) != 0;
}

static bool
may_use(const struct dialog *d, enum config_mechanism m)
{
	const struct config_login *login = d->who->login;
	bool is_token = m == CONFIG_MECHANISM_OAUTHBEARER || m == CONFIG_MECHANISM_XOAUTH2;

	return (d->c->mechanisms & 1u << m) != 0 && is_token == login->is_token &&
	       is_allowed(login, m) && (!sasl_is_plus(m) || d->has_binding);
}

static void
find_binding(struct dialog *d)
{
	const struct config_login *login = d->who->login;
	SSL *ssl = layer_ssl(&d->c->stream);

	d->has_binding = ssl != NULL &&
			 (is_allowed(login, CONFIG_MECHANISM_SCRAM_SHA_256_PLUS) ||
			  is_allowed(login, CONFIG_MECHANISM_SCRAM_SHA_1_PLUS)) &&
			 exporter_take(ssl, d->binding);
}

static bool
is_safe(const struct connection *c, const struct config_login *login, enum config_mechanism m)
{
	return !sasl_is_clear(m) || login->may_be_clear || connect_is_private(c);
}

/* -1: *why says why none is to be used */
static int
choose(const struct dialog *d, unsigned refused, enum config_mechanism *chosen, struct verdict *why)
{
	const struct config_login *login = d->who->login;
	const struct connection *c = d->c;
	bool is_known = false;

	for (unsigned m = 0; m < CONFIG_MECHANISMS; m++) {
		if (!may_use(d, (enum config_mechanism)m))
			continue;
		is_known = true;
		if ((refused & 1u << m) != 0 || !is_safe(c, login, (enum config_mechanism)m))
			continue;
		*chosen = (enum config_mechanism)m;
		return 0;
	}
	if (refused != 0)
		return -1; /* what it said is there already */
	if (is_known)
		verdict_set(why, FATE_DEFERRED, 0, "4.7.11",
			    "%s takes the login %s only by what anybody on the line could hear: "
			    "there is no TLS",
			    connect_name(c), login->name);
	else
		verdict_set(why, FATE_DEFERRED, 0, "4.7.4",
			    "%s offers no way by which the login %s could be used", connect_name(c),
			    login->name);
	return -1;
}

/* ---- lines ---- */

/* what was sent is no longer in our memory when it has gone; -1: the peer is gone */
static int
put_line(struct dialog *d, const char *before, bool has_text)
{
	struct stream *s = &d->c->stream;
	enum stream_outcome outcome;

	s->deadline_ms = connect_deadline(d->c, LOGIN_MS);
	/* piece by piece: no copy is made on the way */
	outcome = stream_put(s, span_of(before));
	if (outcome == STREAM_OK && has_text)
		outcome = stream_put(s, span_of(d->text));
	if (outcome == STREAM_OK)
		outcome = stream_put(s, SPAN("\r\n"));
	if (outcome == STREAM_OK)
		outcome = stream_flush(s);
	stream_forget(s);
	return outcome == STREAM_OK ? 0 : -1;
}

static void
encode(struct dialog *d)
{
	base64_encode(span_from(d->response.at, d->response.len), d->text);
	explicit_bzero(&d->response, sizeof(d->response));
}

/* AUTH MECHANISM, with the response where there is one and it fits */
static int
put_command(struct dialog *d)
{
	const char *name = config_mechanism_name(d->sasl.mechanism);
	bool has_initial = sasl_has_initial(d->sasl.mechanism);
	char before[64];

	/* an empty one would be spelled "="; none of ours is */
	d->is_behind = has_initial &&
		       strlen("AUTH  \r\n") + strlen(name) + strlen(d->text) > LOGIN_COMMAND_MAX;
	has_initial = has_initial && !d->is_behind;
	snprintf(before, sizeof(before), "AUTH %s%s", name, has_initial ? " " : "");
	return put_line(d, before, has_initial);
}

/* ---- what the host says ---- */

/* is the secret, or the line that it was in, in the text?  What a host repeats must not get into logs. */
static bool
is_repeated(const struct dialog *d, const char *text)
{
	const struct span said[] = {d->who->secret, span_of(d->text)};

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		size_t len = said[i].len < REPEATED_MAX ? said[i].len : REPEATED_MAX;

		if (len > 0 && memmem(text, strlen(text), said[i].at, len) != NULL)
			return true;
	}
	return false;
}

static enum login_outcome
end_refused(struct dialog *d, const struct reply *r, struct verdict *why)
{
	char status[STATUS_MAX];

	/* whatever it is to the host, it is nothing final for a message */
	snprintf(status, sizeof(status), "4%s", r->status[0] != '\0' ? r->status + 1 : ".7.8");
	verdict_set(why, FATE_DEFERRED, r->code, status, "%s does not let the login %s in: %d %s",
		    connect_name(d->c), d->who->login->name, r->code,
		    is_repeated(d, r->text) ? "(it repeats what is secret)" : r->text);
	return r->code / 100 == 5 ? LOGIN_REFUSED : LOGIN_PASSED_OVER;
}

static enum login_outcome
end_exchange(struct dialog *d, enum exchange what, struct verdict *why)
{
	connect_trouble(d->c, what, "while we logged in", why);
	connect_drop(d->c);
	return LOGIN_PASSED_OVER;
}

/* RFC 4954, section 4: "*" ends it, and 501 answers that */
static enum login_outcome
end_cancelled(struct dialog *d, enum sasl_outcome outcome, struct verdict *why)
{
	struct reply r;

	if (outcome == SASL_WRONG)
		verdict_set(why, FATE_DEFERRED, 0, "4.7.0", "%s %s; the login %s goes no further",
			    connect_name(d->c), d->sasl.wrong, d->who->login->name);
	else
		verdict_set(why, FATE_DEFERRED, 0, "4.3.5", "the login %s cannot be said by %s",
			    d->who->login->name, config_mechanism_name(d->sasl.mechanism));
	if (put_line(d, "*", false) != 0 || connect_reply(d->c, LOGIN_MS, &r) != EXCHANGE_OK)
		connect_drop(d->c);
	return LOGIN_PASSED_OVER;
}

/* the response to a challenge; `text` is its base64 */
static enum sasl_outcome
respond(struct dialog *d, struct span text)
{
	static char challenge[SASL_CHALLENGE_MAX];
	int len = base64_decode(span_trim(text), challenge, sizeof(challenge));
	enum sasl_outcome outcome;

	/* what LOGIN asks by is of no interest, and comes in all spellings */
	if (len < 0 && d->sasl.mechanism != CONFIG_MECHANISM_LOGIN) {
		d->sasl.wrong = "says a challenge that is no base64";
		return SASL_WRONG;
	}
	outcome =
		sasl_step(&d->sasl, span_from(challenge, len > 0 ? (size_t)len : 0), &d->response);
	if (outcome == SASL_RESPONSE)
		encode(d);
	return outcome;
}

/* from one reply to the next, until it is over */
static enum login_outcome
converse(struct dialog *d, struct verdict *why)
{
	for (unsigned step = 0; step < STEPS_MAX; step++) {
		struct span text = SPAN_NONE;
		struct reply r;
		enum exchange what = connect_challenge(d->c, LOGIN_MS, LOGIN_LINE_MAX, &r, &text);
		enum sasl_outcome outcome = SASL_RESPONSE;

		if (what != EXCHANGE_OK)
			return end_exchange(d, what, why);
		if (r.code / 100 == 2 && sasl_may_succeed(&d->sasl))
			return LOGIN_DONE;
		if (r.code / 100 == 2) {
			d->sasl.wrong = "lets us in without a proof that it knows us";
			outcome = SASL_WRONG;
		} else if (r.code != 334) {
			return end_refused(d, &r, why);
		} else if (!d->is_behind) {
			outcome = respond(d, text);
		}
		d->is_behind = false;
		if (outcome != SASL_RESPONSE)
			return end_cancelled(d, outcome, why);
		if (put_line(d, "", true) != 0)
			return end_exchange(d, EXCHANGE_CLOSED, why);
	}
	d->sasl.wrong = "asks without end";
	return end_cancelled(d, SASL_WRONG, why);
}

/* ---- the whole ---- */

/* -1: the kernel has no random bytes */
static int
make_nonce(char nonce[SASL_NONCE_MAX + 1])
{
	char bytes[SASL_NONCE_SIZE];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -1;
	base64_encode(span_from(bytes, sizeof(bytes)), nonce);
	return 0;
}

static enum login_outcome
attempt(struct dialog *d, enum config_mechanism m, struct verdict *why)
{
	const struct hosts_address *host = d->c->peer;
	/* `y` would be a lie to a host that offers what could not be used */
	bool is_bound = sasl_is_plus(m) || (d->has_binding && (d->c->mechanisms & PLUS_BITS) == 0);
	const struct sasl_identity who = {
		.user = span_of(d->who->login->user),
		.secret = d->who->secret,
		.host = span_of(host->name),
		.port = host->port,
		.binding =
			is_bound ? span_from((const char *)d->binding, EXPORTER_SIZE) : SPAN_NONE};
	char nonce[SASL_NONCE_MAX + 1];
	enum sasl_outcome outcome = SASL_TROUBLE;
	enum login_outcome end;

	d->is_behind = false;
	d->text[0] = '\0';
	if (make_nonce(nonce) == 0) {
		sasl_start(&d->sasl, m, &who, nonce);
		outcome = SASL_RESPONSE;
		if (sasl_has_initial(m))
			outcome = sasl_step(&d->sasl, SPAN_NONE, &d->response);
	}
	if (outcome != SASL_RESPONSE) {
		verdict_set(why, FATE_DEFERRED, 0, "4.3.5", "the login %s cannot be said by %s",
			    d->who->login->name, config_mechanism_name(m));
		return LOGIN_PASSED_OVER;
	}
	if (sasl_has_initial(m))
		encode(d);
	end = put_command(d) != 0 ? end_exchange(d, EXCHANGE_CLOSED, why) : converse(d, why);
	sasl_end(&d->sasl);
	return end;
}

enum login_outcome
login_run(struct connection *c, const struct credentials *who, struct verdict *why)
{
	static struct dialog d; /* large, and wiped */
	enum login_outcome end = LOGIN_PASSED_OVER;
	enum config_mechanism m;
	unsigned refused = 0;

	if (who->login == NULL)
		return LOGIN_DONE;
	d = (struct dialog){.c = c, .who = who};
	find_binding(&d);
	while (c->open && choose(&d, refused, &m, why) == 0) {
		end = attempt(&d, m, why);
		if (end == LOGIN_DONE) {
			c->is_logged_in = true;
			EVENT("logged-in", event_string("host", connect_name(c)),
			      event_string("login", who->login->name),
			      event_string("mechanism", config_mechanism_name(m)));
			break;
		}
		if (why->code != 504 && why->code != 534)
			break;
		refused |= 1u << m;
	}
	explicit_bzero(&d, sizeof(d));
	if (end == LOGIN_DONE)
		return end;
	EVENT("login-failed", event_string("host", connect_name(c)),
	      event_string("login", who->login->name), event_string("reason", why->text));
	connect_quit(c);
	return end;
}
