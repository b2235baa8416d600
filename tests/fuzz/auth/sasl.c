/*
 * any messages of a client that does not know the password: never a success, never more than a challenge may have, and the names that are looked
 * up are prepared ones
 *
 * The first byte is the mechanism, and whether there is a channel binding; the messages are parted by \x01\x02.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/sasl.h"

#define STEPS_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* keys that nothing fits, and cheap ones */
static enum sasl_found
find(void *owner, struct span login, enum verifier_hash hash, struct verifier *v)
{
	char again[PREPARE_LOGIN_MAX + 1];

	(void)owner;
	*v = (struct verifier){.hash = hash, .iterations = 1, .salt_len = VERIFIER_SALT_SIZE};
	memset(v->stored_key, 0x55, sizeof(v->stored_key));
	memset(v->server_key, 0xaa, sizeof(v->server_key));
	if (login.len == 0 || login.len > PREPARE_LOGIN_MAX)
		abort();
	/* unless it is of what Unicode has no name for, preparing it again changes nothing */
	if (prepare_login(login, true, again) == 0 && !span_equal(span_of(again), login) &&
	    prepare_login(span_of(again), true, again) < 0)
		abort();
	return login.at[0] == 'd' ? SASL_DECOY : login.at[0] == 'u' ? SASL_UNKNOWN : SASL_FOUND;
}

static bool
may_guess(void *owner, const char *login)
{
	(void)owner;
	return login[0] != 'r';
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char nonce[SASL_NONCE_SIZE];
	const struct sasl_source source = {.find = find, .may_guess = may_guess};
	struct sasl_exchange x;
	struct sasl_result r = {.outcome = SASL_CHALLENGE};
	const char *at = (const char *)data, *end = at + size;

	if (size == 0)
		return 0;
	sasl_start(&x,
		   (enum auth_mechanism)(AUTH_SCRAM_SHA_256 +
					 *data % 0x10 % (AUTH_MECHANISMS_END - 1)),
		   nonce);
	if (*data & 0x40)
		sasl_bind(&x, SASL_EXPORTER, SPAN("the key of this connection alone"));
	at++;
	for (int i = 0; i < STEPS_MAX && at <= end && r.outcome == SASL_CHALLENGE; i++) {
		const char *next = memmem(at, (size_t)(end - at), "\x01\x02", 2);
		size_t len = next != NULL ? (size_t)(next - at) : (size_t)(end - at);
		/* a copy of its own, so that a read behind it is seen */
		char *copy = malloc(len > 0 ? len : 1);
		struct span response = span_from(copy, len);

		memcpy(copy, at, len);
		if (len > AUTH_RESPONSE_MAX)
			response.len = AUTH_RESPONSE_MAX;
		sasl_step(&x, *data & 0x80 && i == 0 ? NULL : &response, &source, &r);
		free(copy);
		if (r.outcome == SASL_SUCCESS || r.len > sizeof(r.data) ||
		    memchr(x.login, '\0', sizeof(x.login)) == NULL ||
		    (r.outcome == SASL_FAILURE && r.reason != AUTH_WRONG &&
		     r.reason != AUTH_MALFORMED && r.reason != AUTH_BINDING &&
		     r.reason != AUTH_DOWNGRADE))
			abort();
		at = next != NULL ? next + 2 : end + 1;
	}
	return 0;
}
