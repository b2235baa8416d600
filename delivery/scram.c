/*
 * scram - SCRAM-SHA-256 and SCRAM-SHA-1, the client's side (RFC 5802, RFC 7677); see sasl.h
 *
 *     C: n,,n=user,r=NONCE			n: no binding; y: we could, but the host does not offer it; p=tls-exporter: -PLUS
 *     S: r=NONCE+THEIRS,s=SALT,i=4096
 *     C: c=biws,r=NONCE+THEIRS,p=PROOF
 *     S: v=SIGNATURE			compared before anything else is believed
 *     C: (nothing)			since SMTP has no data beside success (RFC 4954, section 4)
 *
 * A server that asks for fewer iterations than the RFC's least would learn what makes guessing cheap; one that asks for millions would keep
 * us busy.  Both are refused before the password is touched.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "common/accounts/scram.h"
#include "common/text/base64.h"
#include "common/text/number.h"
#include "delivery/sasl.h"

#define HEADER_MAX 32	   /* of the gs2 header */
#define BINDING_MAX 64	   /* of what the connection is bound by */
#define CHALLENGE_MAX 2048 /* of the server's first message */
#define FINAL_MAX (SCRAM_NONCE_MAX + BASE64_SIZE(HEADER_MAX + BINDING_MAX) + 64)
#define AUTH_MESSAGE_MAX (SASL_FIRST_MAX + CHALLENGE_MAX + FINAL_MAX)

/* what the server's first message says */
struct server_first {
	struct span nonce;
	struct verifier v; /* hash, salt, iterations */
};

static enum verifier_hash
hash_of(const struct sasl_client *x)
{
	return x->mechanism == CONFIG_MECHANISM_SCRAM_SHA_256 ||
			       x->mechanism == CONFIG_MECHANISM_SCRAM_SHA_256_PLUS
		       ? VERIFIER_SHA256
		       : VERIFIER_SHA1;
}

/*
 * the gs2 header (RFC 5802, section 6): by `y` a host that does offer it sees that somebody has taken that from its list; who has forbidden it
 * in the configuration has no binding here
 */
static struct span
header_of(const struct sasl_client *x)
{
	if (sasl_is_plus(x->mechanism))
		return SPAN("p=tls-exporter,,");
	return x->who.binding.len > 0 ? SPAN("y,,") : SPAN("n,,");
}

/* `c`: the header again, and what the connection is bound by; -1: it does not fit */
static int
encode_binding(const struct sasl_client *x, char to[BASE64_SIZE(HEADER_MAX + BINDING_MAX) + 1])
{
	struct span header = header_of(x);
	struct span binding = sasl_is_plus(x->mechanism) ? x->who.binding : SPAN_NONE;
	char text[HEADER_MAX + BINDING_MAX];

	if (header.len > HEADER_MAX || binding.len > BINDING_MAX)
		return -1;
	memcpy(text, header.at, header.len);
	memcpy(text + header.len, binding.at, binding.len);
	base64_encode(span_from(text, header.len + binding.len), to);
	return 0;
}

/* ---- the first message ---- */

/* saslname: = and , are spelled =3D and =2C; -1: it does not fit */
static int
put_name(struct span name, char *to, size_t size)
{
	size_t len = strlen(to);

	for (size_t i = 0; i < name.len; i++) {
		const char *spelled = name.at[i] == '=' ? "=3D" : name.at[i] == ',' ? "=2C" : NULL;

		if (len + 4 > size || name.at[i] == '\0')
			return -1;
		if (spelled != NULL)
			memcpy(to + len, spelled, 3);
		else
			to[len] = name.at[i];
		len += spelled != NULL ? 3 : 1;
		to[len] = '\0';
	}
	return 0;
}

static enum sasl_outcome
put_first(struct sasl_client *x, struct sasl_response *r)
{
	size_t len;

	snprintf(x->first, sizeof(x->first), "n=");
	if (put_name(x->who.user, x->first, sizeof(x->first)) < 0)
		return SASL_TROUBLE;
	len = strlen(x->first);
	int n = snprintf(x->first + len, sizeof(x->first) - len, ",r=%s", x->nonce);
	if (n < 0 || (size_t)n >= sizeof(x->first) - len)
		return SASL_TROUBLE;
	return sasl_put(r, header_of(x)) && sasl_put(r, span_of(x->first)) ? SASL_RESPONSE
									   : SASL_TROUBLE;
}

/* ---- the proof ---- */

/* NULL: it is right, else what is wrong */
static const char *
read_first(const struct sasl_client *x, struct span challenge, struct server_first *to)
{
	struct span rest = challenge, salt, iterations;
	int len;

	*to = (struct server_first){.nonce = SPAN_NONE, .v = {.hash = hash_of(x)}};
	if (challenge.len > CHALLENGE_MAX || span_has(challenge, '\0'))
		return "said too much for SCRAM";
	/* `m` in front: an extension that must be understood, and is not */
	if (!scram_attribute(&rest, 'r', &to->nonce) || !scram_attribute(&rest, 's', &salt) ||
	    !scram_attribute(&rest, 'i', &iterations) || !scram_is_nonce(to->nonce))
		return "said what is no SCRAM";
	if (!span_starts(to->nonce, span_of(x->nonce)) || to->nonce.len == strlen(x->nonce))
		return "answered with a nonce that is not made of ours";
	len = base64_decode(salt, to->v.salt, sizeof(to->v.salt));
	if (len < 1)
		return "said a salt that is none";
	to->v.salt_len = (size_t)len;
	if (number_parse(iterations, VERIFIER_ITERATIONS_MIN, VERIFIER_ITERATIONS_MAX,
			 &to->v.iterations) < 0)
		return "asked for fewer iterations than are safe, or for too many";
	return NULL;
}

static enum sasl_outcome
put_proof(struct sasl_client *x, struct span challenge, struct sasl_response *r)
{
	char password[PREPARE_PASSWORD_MAX + 1], final[FINAL_MAX + 1], text[AUTH_MESSAGE_MAX + 1];
	char binding[BASE64_SIZE(HEADER_MAX + BINDING_MAX) + 1];
	char proof_text[BASE64_SIZE(VERIFIER_KEY_MAX) + 1];
	unsigned char proof[VERIFIER_KEY_MAX];
	enum sasl_outcome outcome = SASL_TROUBLE;
	struct server_first first;
	const char *wrong = read_first(x, challenge, &first);

	if (wrong != NULL)
		return sasl_is_wrong(x, wrong);
	if (prepare_password(x->who.secret, false, password) != 0 ||
	    encode_binding(x, binding) != 0)
		goto out;
	snprintf(final, sizeof(final), "c=%s,r=%.*s", binding, SPAN_ARG(first.nonce));
	int n = snprintf(text, sizeof(text), "%s,%.*s,%s", x->first, SPAN_ARG(challenge), final);
	if (n < 0 || (size_t)n >= sizeof(text) ||
	    verifier_answer(&first.v, span_of(password), span_from(text, (size_t)n), proof,
			    x->signature) < 0)
		goto out;
	base64_encode(span_from((const char *)proof, verifier_key_size(first.v.hash)), proof_text);
	if (sasl_put(r, span_of(final)) && sasl_put(r, SPAN(",p=")) &&
	    sasl_put(r, span_of(proof_text)))
		outcome = SASL_RESPONSE;
out:
	explicit_bzero(password, sizeof(password));
	explicit_bzero(proof, sizeof(proof));
	return outcome;
}

/* ---- the server's proof ---- */

static enum sasl_outcome
check_signature(struct sasl_client *x, struct span challenge)
{
	size_t size = verifier_key_size(hash_of(x));
	unsigned char said[VERIFIER_KEY_MAX];
	struct span rest = challenge, value;

	/* e=...: it tells why it does not let us in; its refusal follows */
	if (span_starts(challenge, SPAN("e="))) {
		x->is_refused = true;
		return SASL_RESPONSE;
	}
	if (!scram_attribute(&rest, 'v', &value) || base64_decode(value, said, size) != (int)size ||
	    CRYPTO_memcmp(said, x->signature, size) != 0)
		return sasl_is_wrong(x, "does not show that it knows the password itself");
	x->is_proven = true;
	return SASL_RESPONSE;
}

enum sasl_outcome
scram_step(struct sasl_client *x, struct span challenge, struct sasl_response *response)
{
	switch (x->step) {
	case 0:
		return put_first(x, response);
	case 1:
		return put_proof(x, challenge, response);
	case 2:
		return check_signature(x, challenge);
	default:
		return sasl_is_wrong(x, "asked for more than SCRAM has");
	}
}
