/*
 * sasl - PLAIN, LOGIN and the bearers' mechanisms, and what all share; see sasl.h
 */
#include "delivery/sasl.h"

#include <stdio.h>
#include <string.h>

#define PORT_MAX 8

bool
sasl_has_initial(enum config_mechanism mechanism)
{
	return mechanism != CONFIG_MECHANISM_LOGIN;
}

bool
sasl_is_clear(enum config_mechanism mechanism)
{
	return !sasl_is_plus(mechanism) && mechanism != CONFIG_MECHANISM_SCRAM_SHA_256 &&
	       mechanism != CONFIG_MECHANISM_SCRAM_SHA_1;
}

bool
sasl_is_plus(enum config_mechanism mechanism)
{
	return mechanism == CONFIG_MECHANISM_SCRAM_SHA_256_PLUS ||
	       mechanism == CONFIG_MECHANISM_SCRAM_SHA_1_PLUS;
}

void
sasl_start(struct sasl_client *x, enum config_mechanism mechanism, const struct sasl_identity *who,
	   const char *nonce)
{
	*x = (struct sasl_client){.mechanism = mechanism, .who = *who};
	snprintf(x->nonce, sizeof(x->nonce), "%s", nonce);
}

void
sasl_end(struct sasl_client *x)
{
	explicit_bzero(x, sizeof(*x));
}

bool
sasl_put(struct sasl_response *r, struct span s)
{
	if (s.len > sizeof(r->at) - r->len)
		return false;
	memcpy(r->at + r->len, s.at, s.len);
	r->len += s.len;
	return true;
}

enum sasl_outcome
sasl_is_wrong(struct sasl_client *x, const char *sentence)
{
	x->wrong = sentence;
	return SASL_WRONG;
}

/* message = NUL authcid NUL passwd; neither may hold a NUL */
static enum sasl_outcome
plain_step(struct sasl_client *x, struct sasl_response *r)
{
	if (x->step > 0)
		return sasl_is_wrong(x, "asked for more than PLAIN has");
	if (span_has(x->who.user, '\0') || span_has(x->who.secret, '\0'))
		return SASL_TROUBLE;
	return sasl_put(r, SPAN("\0")) && sasl_put(r, x->who.user) && sasl_put(r, SPAN("\0")) &&
			       sasl_put(r, x->who.secret)
		       ? SASL_RESPONSE
		       : SASL_TROUBLE;
}

/* first the name, then the password, whatever words they are asked for by */
static enum sasl_outcome
login_step(struct sasl_client *x, struct sasl_response *r)
{
	if (x->step > 1)
		return sasl_is_wrong(x, "asked for more than a name and a password");
	return sasl_put(r, x->step == 0 ? x->who.user : x->who.secret) ? SASL_RESPONSE
								       : SASL_TROUBLE;
}

/* what stands between ^A and ^A must hold none */
static bool
may_be_carried(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f)
			return false;
	return s.len > 0;
}

/*
 * a token that is not taken is told of by a challenge, which is answered by a word that says nothing, and then comes the refusal (RFC 7628, section
 * 3.2.3; XOAUTH2 has an empty one there)
 */
static enum sasl_outcome
bearer_step(struct sasl_client *x, struct sasl_response *r)
{
	bool is_standard = x->mechanism == CONFIG_MECHANISM_OAUTHBEARER;
	char port[PORT_MAX];

	if (x->step > 1)
		return sasl_is_wrong(x, "asked for more than a token");
	if (x->step == 1) {
		x->is_refused = true;
		return !is_standard || sasl_put(r, SPAN("\001")) ? SASL_RESPONSE : SASL_TROUBLE;
	}
	if (!may_be_carried(x->who.user) || !may_be_carried(x->who.secret))
		return SASL_TROUBLE;
	snprintf(port, sizeof(port), "%u", x->who.port);
	if (!is_standard)
		return sasl_put(r, SPAN("user=")) && sasl_put(r, x->who.user) &&
				       sasl_put(r, SPAN("\001auth=Bearer ")) &&
				       sasl_put(r, x->who.secret) && sasl_put(r, SPAN("\001\001"))
			       ? SASL_RESPONSE
			       : SASL_TROUBLE;
	/* a name in the gs2 header would need its commas spelled otherwise, and is an address nearly always */
	if (span_has(x->who.user, ',') || span_has(x->who.user, '='))
		return SASL_TROUBLE;
	return sasl_put(r, SPAN("n,a=")) && sasl_put(r, x->who.user) &&
			       sasl_put(r, SPAN(",\001host=")) && sasl_put(r, x->who.host) &&
			       sasl_put(r, SPAN("\001port=")) && sasl_put(r, span_of(port)) &&
			       sasl_put(r, SPAN("\001auth=Bearer ")) &&
			       sasl_put(r, x->who.secret) && sasl_put(r, SPAN("\001\001"))
		       ? SASL_RESPONSE
		       : SASL_TROUBLE;
}

enum sasl_outcome
sasl_step(struct sasl_client *x, struct span challenge, struct sasl_response *response)
{
	enum sasl_outcome outcome = SASL_TROUBLE;

	response->len = 0;
	switch (x->mechanism) {
	case CONFIG_MECHANISM_SCRAM_SHA_256_PLUS:
	case CONFIG_MECHANISM_SCRAM_SHA_1_PLUS:
	case CONFIG_MECHANISM_SCRAM_SHA_256:
	case CONFIG_MECHANISM_SCRAM_SHA_1:
		outcome = scram_step(x, challenge, response);
		break;
	case CONFIG_MECHANISM_PLAIN:
		outcome = plain_step(x, response);
		break;
	case CONFIG_MECHANISM_LOGIN:
		outcome = login_step(x, response);
		break;
	case CONFIG_MECHANISM_OAUTHBEARER:
	case CONFIG_MECHANISM_XOAUTH2:
		outcome = bearer_step(x, response);
		break;
	}
	x->step++;
	return outcome;
}

bool
sasl_may_succeed(const struct sasl_client *x)
{
	return x->wrong == NULL && !x->is_refused && (sasl_is_clear(x->mechanism) || x->is_proven);
}
