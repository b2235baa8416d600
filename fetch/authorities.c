/*
 * authorities - see the header; called by main.c
 */
#include "fetch/authorities.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "common/system/events.h"
#include "common/system/fatal.h"

X509_STORE *
authorities_read(const struct config *config)
{
	const char *file = config->https_ca != NULL ? config->https_ca : CONFIG_AUTHORITIES;
	X509_STORE *store;

	/* no file of configuration, engines or modules is looked for */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1 ||
	    (store = X509_STORE_new()) == NULL)
		fatal(EXIT_OS, 0, "OpenSSL does not start");
	if (X509_STORE_load_file(store, file) == 1)
		return store;
	if (config->https_ca != NULL)
		fatal(EXIT_CONFIGURATION, 0, "https-ca %s: no certificates can be read", file);
	EVENT("authorities-unread", event_string("file", file));
	return store;
}
