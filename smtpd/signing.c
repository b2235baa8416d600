/*
 * signing - see signing.h; called by starttls.c, and by OpenSSL in the middle of a handshake
 */
#include "smtpd/signing.h"

#include "common/protocol/signer-client.h"
#include "common/system/clock.h"

#define READY_MS 3000 /* a signer that was just killed is back before: then 454 */
#define SIGN_MS 10000

static struct signer_client client = {.fd = -1}; /* the one of this process */

void
signing_start(const char *path)
{
	signer_client_init(&client, path);
}

static size_t
sign(void *owner, uint64_t number, enum remote_key_scheme scheme, struct span text,
     unsigned char *signature)
{
	_Static_assert(SIGNER_SIGNATURE_MAX == REMOTE_KEY_SIGNATURE_MAX, "room for a signature");
	return signer_client_sign(owner, number, (uint16_t)scheme, text, signature,
				  clock_monotonic_ms() + SIGN_MS);
}

const struct remote_key_signer signing_signer = {.sign = sign, .owner = &client};

bool
signing_is_ready(uint64_t key)
{
	return signer_client_ready(&client, key, clock_monotonic_ms() + READY_MS);
}

const char *
signing_wrong(void)
{
	return client.wrong;
}
