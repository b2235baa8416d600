/*
 * tls-client - what the client's TLS says of it: to what its login can be bound, and whom its certificate names
 *
 * Called by login.c and mechanisms.c.
 */
#ifndef SMTPD_TLS_CLIENT_H
#define SMTPD_TLS_CLIENT_H

#include <stddef.h>

#include "common/protocol/auth.h"

struct session;

/* channel bindings; empty: this one does not exist here */
struct tls_binding {
	unsigned char data[AUTH_BINDING_MAX];
	size_t len;
};

struct tls_bindings {
	struct tls_binding exporter;  /* RFC 9266 */
	struct tls_binding unique;    /* RFC 5929, section 3 */
	struct tls_binding end_point; /* RFC 5929, section 4 */
};

/* tls_client_bindings - false: there is none */
bool tls_client_bindings(const struct session *s, struct tls_bindings *b);
/*
 * tls_client_name - whom the certificate of the client names: its first address of mail, else its common name
 *
 * Empty: it has shown none, none that was verified, or one that names nobody.
 */
void tls_client_name(const struct session *s, char name[AUTH_LOGIN_MAX + 1]);

#endif
