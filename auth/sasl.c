/*
 * sasl - PLAIN, LOGIN and EXTERNAL, and what all mechanisms share; see sasl.h
 *
 * A login that is not there costs what a wrong password costs: the password is checked against a decoy.
 */
#include "auth/sasl.h"

#include <string.h>

#include "common/text/base64.h"

_Static_assert(BASE64_SIZE(SASL_NONCE_SIZE) == SASL_NONCE_TEXT, "the nonce must fit");

void
sasl_start(struct sasl_exchange *x, enum auth_mechanism mechanism,
	   const unsigned char nonce[SASL_NONCE_SIZE])
{
	*x = (struct sasl_exchange){.mechanism = mechanism, .bound = SASL_BINDINGS};
	base64_encode(span_from((const char *)nonce, SASL_NONCE_SIZE), x->nonce);
}

void
sasl_bind(struct sasl_exchange *x, enum sasl_binding binding, struct span data)
{
	memcpy(x->bindings.of[binding].data, data.at, data.len);
	x->bindings.of[binding].len = data.len;
}

void
sasl_challenge(struct sasl_result *r, struct span data)
{
	if (data.len > sizeof(r->data)) {
		r->outcome = SASL_TROUBLE;
		return;
	}
	memcpy(r->data, data.at, data.len);
	r->len = data.len;
	r->outcome = SASL_CHALLENGE;
}

void
sasl_fail(struct sasl_result *r, enum auth_reason reason)
{
	r->outcome = SASL_FAILURE;
	r->reason = reason;
}

bool
sasl_take_login(struct sasl_exchange *x, struct span name)
{
	return prepare_login(name, false, x->login) == 0;
}

static enum sasl_found
check_verifier(struct sasl_exchange *x, struct span password, const struct sasl_source *source,
	       bool *is_right)
{
	enum sasl_found found =
		source->find(source->owner, span_of(x->login), VERIFIER_SHA256, &x->verifier);

	if (found != SASL_UNKNOWN && verifier_check(&x->verifier, password, is_right) < 0)
		return SASL_UNKNOWN;
	return found;
}

void
sasl_check(struct sasl_exchange *x, struct span password, const struct sasl_source *source,
	   struct sasl_result *r)
{
	char prepared[PREPARE_PASSWORD_MAX + 1];
	bool is_right = false, is_possible = prepare_password(password, false, prepared) == 0;
	enum sasl_found found;

	if (!source->may_guess(source->owner, x->login)) {
		r->outcome = SASL_REFUSED;
		goto out;
	}
	if (source->check != NULL)
		found = is_possible ? source->check(source->owner, span_of(x->login),
						    span_of(prepared), &is_right)
				    : SASL_FOUND;
	else
		found = check_verifier(x, span_of(prepared), source, &is_right);
	if (found == SASL_UNKNOWN) {
		r->outcome = SASL_TROUBLE;
		goto out;
	}
	r->is_checked = true;
	if (found == SASL_FOUND && is_possible && is_right)
		r->outcome = SASL_SUCCESS;
	else
		sasl_fail(r, AUTH_WRONG);
out:
	explicit_bzero(prepared, sizeof(prepared));
}

/* message = [authzid] NUL authcid NUL passwd */
static void
plain_step(struct sasl_exchange *x, struct span response, const struct sasl_source *source,
	   struct sasl_result *r)
{
	struct span password = response;
	struct span other = span_cut(&password, '\0');
	struct span name = span_cut(&password, '\0');
	char other_login[PREPARE_LOGIN_MAX + 1];

	/* both separators were there, and no third */
	if (other.len + name.len + password.len + 2 != response.len || name.len == 0 ||
	    password.len == 0 || span_has(password, '\0')) {
		sasl_fail(r, AUTH_MALFORMED);
		return;
	}
	if (!sasl_take_login(x, name)) {
		sasl_fail(r, AUTH_WRONG);
		return;
	}
	/* nobody may act for another */
	if (other.len > 0 &&
	    (prepare_login(other, false, other_login) < 0 || strcmp(other_login, x->login) != 0)) {
		sasl_fail(r, AUTH_WRONG);
		return;
	}
	sasl_check(x, password, source, r);
}

static void
login_step(struct sasl_exchange *x, struct span response, const struct sasl_source *source,
	   struct sasl_result *r)
{
	if (response.len == 0 || span_has(response, '\0')) {
		sasl_fail(r, AUTH_MALFORMED);
	} else if (x->step == 0) {
		/* whether there can be such a name is not told before the password */
		(void)sasl_take_login(x, response);
		sasl_challenge(r, SPAN("Password:"));
	} else if (x->login[0] == '\0') {
		sasl_fail(r, AUTH_WRONG);
	} else {
		sasl_check(x, response, source, r);
	}
}

/* [authzid]; whom the certificate names must have an account, so that one that is removed is shut out */
static void
external_step(struct sasl_exchange *x, struct span response, const struct sasl_source *source,
	      struct sasl_result *r)
{
	char other_login[PREPARE_LOGIN_MAX + 1];

	if (span_has(response, '\0')) {
		sasl_fail(r, AUTH_MALFORMED);
		return;
	}
	if (!sasl_take_login(x, span_of(x->certificate)) ||
	    (response.len > 0 && (prepare_login(response, false, other_login) < 0 ||
				  strcmp(other_login, x->login) != 0))) {
		sasl_fail(r, AUTH_WRONG);
		return;
	}
	switch (source->find(source->owner, span_of(x->login), VERIFIER_SHA256, &x->verifier)) {
	case SASL_FOUND:
		r->outcome = SASL_SUCCESS;
		return;
	case SASL_DECOY:
		sasl_fail(r, AUTH_WRONG);
		return;
	case SASL_UNKNOWN:
		return; /* trouble */
	}
}

void
sasl_step(struct sasl_exchange *x, const struct span *response, const struct sasl_source *source,
	  struct sasl_result *r)
{
	*r = (struct sasl_result){.outcome = SASL_TROUBLE, .reason = AUTH_WRONG};
	if (response == NULL) {
		/* the client wants to be asked first (RFC 4954, section 4) */
		sasl_challenge(r, x->mechanism == AUTH_LOGIN ? SPAN("Username:") : SPAN_NONE);
		return;
	}
	switch (x->mechanism) {
	case AUTH_PLAIN:
		plain_step(x, *response, source, r);
		break;
	case AUTH_LOGIN:
		login_step(x, *response, source, r);
		break;
	case AUTH_SCRAM_SHA_256:
	case AUTH_SCRAM_SHA_1:
	case AUTH_SCRAM_SHA_256_PLUS:
	case AUTH_SCRAM_SHA_1_PLUS:
		scram_step(x, *response, source, r);
		break;
	case AUTH_EXTERNAL:
		external_step(x, *response, source, r);
		break;
	case AUTH_OAUTHBEARER:
	case AUTH_XOAUTH2:
	case AUTH_CRAM_MD5:
	case AUTH_GSSAPI: /* Dovecot's alone */
		sasl_fail(r, AUTH_MALFORMED);
		break;
	}
	x->step++;
}
