/*
 * scram - SCRAM-SHA-256 and SCRAM-SHA-1, the server's side (RFC 5802, RFC 7677); see sasl.h
 *
 *     C: n,,n=user,r=NONCE			client-first: gs2 header, then client-first-message-bare
 *     S: r=NONCE+OURS,s=SALT,i=4096
 *     C: c=biws,r=NONCE+OURS,p=PROOF		c: the gs2 header again, in base64
 *     S: v=SIGNATURE
 *     C: (nothing)				since SMTP has no data beside success (RFC 4954, section 4)
 *
 * With channel binding (-PLUS) the gs2 header begins with p=TYPE, and `c` is the header with the data of that type behind it: a client
 * whose TLS ends elsewhere has other data.  Section 6 says what the flag means besides: a client that could bind and sees no -PLUS
 * among our mechanisms says `y`, and `c` repeats it under the proof.  So where -PLUS was offered, `y` shows that somebody between us has
 * taken it away; where it was not, `y` is right, and the exchange goes on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "auth/sasl.h"
#include "common/text/base64.h"

#define NONCE_MAX 512 /* of a client */
#define AUTH_MESSAGE_MAX (2 * SCRAM_MESSAGE_MAX + SCRAM_FIRST_MAX + 2)

static enum verifier_hash
hash_of(const struct sasl_exchange *x)
{
	return x->mechanism == AUTH_SCRAM_SHA_256 || x->mechanism == AUTH_SCRAM_SHA_256_PLUS
		       ? VERIFIER_SHA256
		       : VERIFIER_SHA1;
}

static bool
is_plus(const struct sasl_exchange *x)
{
	return x->mechanism == AUTH_SCRAM_SHA_256_PLUS || x->mechanism == AUTH_SCRAM_SHA_1_PLUS;
}

/* the next piece up to a comma, which must be `name`=VALUE */
static bool
take_attribute(struct span *rest, char name, struct span *value)
{
	struct span piece = span_cut(rest, ',');

	if (piece.len < 2 || piece.at[0] != name || piece.at[1] != '=')
		return false;
	*value = span_skip(piece, 2);
	return true;
}

/* saslname: no comma, no =, but as =2C and =3D; -1: it is none */
static int
decode_name(struct span name, char to[SCRAM_MESSAGE_MAX + 1])
{
	size_t len = 0;

	while (name.len > 0) {
		char c = name.at[0];
		size_t taken = 1;

		if (c == '=') {
			if (span_starts(name, SPAN("=2C")))
				c = ',';
			else if (!span_starts(name, SPAN("=3D")))
				return -1;
			taken = 3;
		}
		if (c == '\0')
			return -1;
		to[len++] = c;
		name = span_skip(name, taken);
	}
	to[len] = '\0';
	return len > 0 ? 0 : -1;
}

static bool
is_nonce(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < '!' || s.at[i] > '~' || s.at[i] == ',')
			return false;
	return s.len > 0 && s.len <= NONCE_MAX;
}

/* ---- the first message ---- */

static bool
has_bindings(const struct sasl_exchange *x)
{
	for (size_t i = 0; i < SASL_BINDINGS; i++)
		if (x->bindings.of[i].len > 0)
			return true;
	return false;
}

/* p=TYPE of a -PLUS mechanism; false: there is no such binding here */
static bool
choose_binding(struct sasl_exchange *x, struct span type)
{
	static const char *const types[SASL_BINDINGS] = {
		[SASL_EXPORTER] = "tls-exporter",
		[SASL_UNIQUE] = "tls-unique",
		[SASL_END_POINT] = "tls-server-end-point",
	};

	for (unsigned i = 0; i < SASL_BINDINGS; i++) {
		if (!span_equal(type, span_of(types[i])) || x->bindings.of[i].len == 0)
			continue;
		x->bound = (enum sasl_binding)i;
		return true;
	}
	return false;
}

/* cbind-flag; false: r says what is wrong */
static bool
take_flag(struct sasl_exchange *x, struct span flag, struct sasl_result *r)
{
	bool is_bound = span_starts(flag, SPAN("p="));

	r->outcome = SASL_FAILURE;
	if (is_bound && (!is_plus(x) || !choose_binding(x, span_skip(flag, 2))))
		r->reason = AUTH_BINDING;
	else if (!is_bound &&
		 (is_plus(x) || (!span_equal(flag, SPAN("n")) && !span_equal(flag, SPAN("y")))))
		r->reason = AUTH_MALFORMED;
	else if (!is_bound && flag.at[0] == 'y' && has_bindings(x))
		r->reason = AUTH_DOWNGRADE;
	else
		r->outcome = SASL_TROUBLE; /* nothing is decided */
	return r->outcome != SASL_FAILURE;
}

/* cbind-flag, authzid; false: r says what is wrong */
static bool
take_gs2_header(struct sasl_exchange *x, struct span *rest, struct span *other,
		struct sasl_result *r)
{
	struct span flag = span_cut(rest, ',');

	*other = SPAN_NONE;
	if (rest->len == 0) {
		sasl_fail(r, AUTH_MALFORMED);
		return false;
	}
	if (!take_flag(x, flag, r))
		return false;
	if (rest->at[0] == ',') {
		*rest = span_skip(*rest, 1);
		return true;
	}
	if (!take_attribute(rest, 'a', other)) {
		sasl_fail(r, AUTH_MALFORMED);
		return false;
	}
	return true;
}

/* the login of the exchange, and that the client wants to act as itself */
static bool
take_names(struct sasl_exchange *x, struct span name, struct span other, struct sasl_result *r)
{
	char decoded[SCRAM_MESSAGE_MAX + 1], other_login[PREPARE_LOGIN_MAX + 1];

	if (decode_name(name, decoded) < 0) {
		sasl_fail(r, AUTH_MALFORMED);
		return false;
	}
	if (!sasl_take_login(x, span_of(decoded))) {
		sasl_fail(r, AUTH_WRONG);
		return false;
	}
	if (other.len == 0)
		return true;
	if (decode_name(other, decoded) < 0) {
		sasl_fail(r, AUTH_MALFORMED);
		return false;
	}
	if (prepare_login(span_of(decoded), false, other_login) < 0 ||
	    strcmp(other_login, x->login) != 0) {
		sasl_fail(r, AUTH_WRONG);
		return false;
	}
	return true;
}

static void
take_first(struct sasl_exchange *x, struct span message, const struct sasl_source *source,
	   struct sasl_result *r)
{
	char salt[BASE64_SIZE(VERIFIER_SALT_MAX) + 1];
	struct span rest = message, other, name, nonce;
	enum sasl_found found;

	if (span_copy(message, x->client_first, sizeof(x->client_first)) < 0) {
		sasl_fail(r, AUTH_MALFORMED);
		return;
	}
	if (!take_gs2_header(x, &rest, &other, r))
		return;
	x->bare_at = message.len - rest.len;
	/* `m` in front: an extension that must be understood, and is not */
	if (!take_attribute(&rest, 'n', &name) || !take_attribute(&rest, 'r', &nonce) ||
	    !is_nonce(nonce)) {
		sasl_fail(r, AUTH_MALFORMED);
		return;
	}
	if (!take_names(x, name, other, r))
		return;
	found = source->find(source->owner, span_of(x->login), hash_of(x), &x->verifier);
	if (found == SASL_UNKNOWN)
		return; /* trouble */
	x->is_decoy = found == SASL_DECOY;
	base64_encode(span_from((const char *)x->verifier.salt, x->verifier.salt_len), salt);
	int n = snprintf(x->server_first, sizeof(x->server_first), "r=%.*s%s,s=%s,i=%" PRIu64,
			 SPAN_ARG(nonce), x->nonce, salt, x->verifier.iterations);
	if (n > 0 && (size_t)n < sizeof(x->server_first))
		sasl_challenge(r, span_from(x->server_first, (size_t)n));
}

/* ---- the last message ---- */

struct final {
	struct span binding, nonce, proof; /* as they stand there */
	struct span without_proof;
};

static bool
parse_final(struct span message, struct final *f)
{
	struct span rest = message;

	if (!take_attribute(&rest, 'c', &f->binding) || !take_attribute(&rest, 'r', &f->nonce))
		return false;
	/* extensions may stand before the proof, which is the last */
	while (rest.len > 0) {
		size_t at = message.len - rest.len;

		if (take_attribute(&rest, 'p', &f->proof)) {
			f->without_proof = span_from(message.at, at - 1);
			return rest.len == 0 && message.at[message.len - 1] != ',';
		}
	}
	return false;
}

/* is `c` the gs2 header of the first message, with the data of the binding that it names? */
static bool
is_same_channel(const struct sasl_exchange *x, struct span binding)
{
	char said[SCRAM_MESSAGE_MAX + AUTH_BINDING_MAX];
	int len = base64_decode(binding, said, sizeof(said));
	struct span header = span_from(x->client_first, x->bare_at), data = SPAN_NONE;

	if (x->bound != SASL_BINDINGS)
		data = span_from((const char *)x->bindings.of[x->bound].data,
				 x->bindings.of[x->bound].len);
	return len >= 0 && (size_t)len == header.len + data.len &&
	       memcmp(said, header.at, header.len) == 0 &&
	       memcmp(said + header.len, data.at, data.len) == 0;
}

/* r=...: what stands first in our message */
static bool
is_same_nonce(const struct sasl_exchange *x, struct span nonce)
{
	struct span first = span_of(x->server_first), ours;

	return take_attribute(&first, 'r', &ours) && span_equal(ours, nonce);
}

static void
take_final(struct sasl_exchange *x, struct span message, const struct sasl_source *source,
	   struct sasl_result *r)
{
	unsigned char proof[VERIFIER_KEY_MAX], signature[VERIFIER_KEY_MAX];
	char text[AUTH_MESSAGE_MAX + 1], last[2 + BASE64_SIZE(VERIFIER_KEY_MAX) + 1] = "v=";
	size_t size = verifier_key_size(hash_of(x));
	bool is_right = false;
	struct final f;

	if (message.len > SCRAM_MESSAGE_MAX || span_has(message, '\0') ||
	    !parse_final(message, &f) || base64_decode(f.proof, proof, size) != (int)size) {
		sasl_fail(r, AUTH_MALFORMED);
		return;
	}
	if (!source->may_guess(source->owner, x->login)) {
		r->outcome = SASL_REFUSED;
		return;
	}
	int n = snprintf(text, sizeof(text), "%s,%s,%.*s", x->client_first + x->bare_at,
			 x->server_first, SPAN_ARG(f.without_proof));
	if (n < 0 || (size_t)n >= sizeof(text) ||
	    verifier_prove(&x->verifier, span_from(text, (size_t)n), proof, &is_right, signature) <
		    0)
		return; /* trouble */
	r->is_checked = true;
	if (!is_right || x->is_decoy || !is_same_channel(x, f.binding) ||
	    !is_same_nonce(x, f.nonce)) {
		sasl_fail(r, AUTH_WRONG);
		return;
	}
	x->is_proven = true;
	base64_encode(span_from((const char *)signature, size), last + 2);
	sasl_challenge(r, span_of(last));
}

void
scram_step(struct sasl_exchange *x, struct span response, const struct sasl_source *source,
	   struct sasl_result *r)
{
	if (x->step == 0)
		take_first(x, response, source, r);
	else if (!x->is_proven)
		take_final(x, response, source, r);
	else if (response.len == 0)
		r->outcome = SASL_SUCCESS;
	else
		sasl_fail(r, AUTH_MALFORMED);
}
