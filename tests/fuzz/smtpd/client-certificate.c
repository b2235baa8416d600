/*
 * client-certificate - whatever a certificate of a stranger holds, its name is a word that may stand in a line of the log and in a comment
 */
#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/client-certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct client_certificate *c)
{
	char words[CLIENT_NAME_MAX + 16];

	if (strlen(c->name) >= CLIENT_NAME_MAX || strlen(c->fingerprint) != CONFIG_FINGERPRINT_LEN)
		abort();
	for (const char *p = c->name; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~')
			abort();
	client_certificate_trace(c, words);
	if (strpbrk(words, "()\\\"\r\n") != NULL ||
	    (words[0] != '\0') != (strncmp(words, ", client ", 9) == 0))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[] = "peer.example", *relays[] = {name};
	const struct config_tls tls = {.client_relays = {relays, 1}};
	const unsigned char *at = data;
	struct client_certificate c;
	X509 *x = size < 65536 ? d2i_X509(NULL, &at, (long)size) : NULL;

	if (x != NULL) {
		client_certificate_describe(x, &c);
		if (client_certificate_may_relay(x, &tls, &c))
			abort(); /* nobody has verified it */
		c.is_verified = true;
		check(&c);
		(void)client_certificate_may_relay(x, &tls, &c);
	}
	X509_free(x);
	ERR_clear_error();
	return 0;
}
