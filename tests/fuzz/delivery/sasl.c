/*
 * sasl - any challenges of a host that does not know the password: by SCRAM it is never believed, no response is longer than may be, and by no
 * mechanism but those that tell it is the secret in one
 *
 * The first byte is the mechanism; the challenges are parted by \x01\x02.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "delivery/sasl.h"

#define STEPS_MAX 6
#define SECRET "the secret of the fuzzer"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct sasl_client *x, const struct sasl_response *r, enum sasl_outcome outcome)
{
	bool is_clear = sasl_is_clear(x->mechanism);

	if (r->len > sizeof(r->at))
		abort();
	if (!is_clear &&
	    (sasl_may_succeed(x) || memmem(r->at, r->len, SECRET, sizeof(SECRET) - 1) != NULL))
		abort();
	if ((outcome == SASL_WRONG) != (x->wrong != NULL))
		abort();
	if (outcome == SASL_WRONG && sasl_may_succeed(x))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sasl_response response;
	const struct sasl_identity who = {.user = SPAN("user"),
					  .secret = SPAN(SECRET),
					  .host = SPAN("mail.example.org"),
					  .port = 587,
					  .binding = SPAN("0123456789abcdef0123456789abcdef")};
	enum sasl_outcome outcome = SASL_RESPONSE;
	const char *at = (const char *)data, *end = at + size;
	struct sasl_client x;

	if (size == 0 || size > SASL_CHALLENGE_MAX)
		return 0;
	sasl_start(&x, (enum config_mechanism)(*data % CONFIG_MECHANISMS), &who, "NONCE");
	at++;
	if (sasl_has_initial(x.mechanism)) {
		outcome = sasl_step(&x, SPAN_NONE, &response);
		check(&x, &response, outcome);
	}
	for (int i = 0; i < STEPS_MAX && at <= end && outcome == SASL_RESPONSE; i++) {
		const char *next = memmem(at, (size_t)(end - at), "\x01\x02", 2);
		size_t len = next != NULL ? (size_t)(next - at) : (size_t)(end - at);
		/* a copy of its own, so that a read behind it is seen */
		char *copy = malloc(len > 0 ? len : 1);

		memcpy(copy, at, len);
		outcome = sasl_step(&x, span_from(copy, len), &response);
		free(copy);
		check(&x, &response, outcome);
		at = next != NULL ? next + 2 : end + 1;
	}
	sasl_end(&x);
	return 0;
}
