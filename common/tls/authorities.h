/*
 * authorities - who vouches for the certificates of clients, as a file has them (PEM)
 *
 * For smtpd (verification), signer and `culver check` (whether the file can be read).  A certificate of the file is believed itself, also where it
 * is no authority: so a client that signed its own is listed by it.  After authorities_read no file is looked for.
 */
#ifndef COMMON_TLS_AUTHORITIES_H
#define COMMON_TLS_AUTHORITIES_H

#include <openssl/x509.h>

#include "common/text/span.h"

#define AUTHORITIES_MAX 64 /* in one file; their names are sent in each handshake that asks */

struct authorities {
	X509_STORE *store;
	STACK_OF(X509_NAME) * names; /* what clients are told */
};

/* NULL: done; else what is wrong (static), and nothing is set */
const char *authorities_read(struct span pem, struct authorities *to)
	__attribute__((warn_unused_result));
void authorities_free(struct authorities *a);

#endif
