/*
 * client-certificate - what a client has proved of itself in the handshake, and what that allows
 *
 * Called by tls.c (what is asked), starttls.c (what came of it) and received.c.  A certificate counts where its chain ends in a certificate of the
 * address's `client-ca`, it is valid now, and it is for clients; lists of revoked ones are not looked at.
 */
#ifndef SMTPD_CLIENT_CERTIFICATE_H
#define SMTPD_CLIENT_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "common/config/config.h"
#include "common/tls/authorities.h"

#define CLIENT_NAME_MAX 256

struct client_certificate {
	bool is_verified; /* else the rest is what it has claimed, if anything */
	char name
		[CLIENT_NAME_MAX]; /* its first host, else its first address of mail, else its common name; empty: none */
	char fingerprint[CONFIG_FINGERPRINT_LEN + 1]; /* SHA-256; empty: it has shown none */
};

/* client_certificate_ask - what `tls` has an address ask; `a` stays the caller's, and lives as long as the context */
int client_certificate_ask(SSL_CTX *context, const struct config_tls *tls,
			   const struct authorities *a) __attribute__((warn_unused_result));
/* client_certificate_read - after the handshake; *wrong: why one that was shown is not verified, else "" */
void client_certificate_read(SSL *ssl, struct client_certificate *to, const char **wrong);
/* client_certificate_describe - its part that does without a handshake: name and fingerprint */
void client_certificate_describe(const X509 *certificate, struct client_certificate *to);
/*
 * client_certificate_login - whom it names: its first address of mail, else its one common name
 *
 * Empty: it has shown none, none that is verified, or one that names nobody.
 */
void client_certificate_login(SSL *ssl, char name[CLIENT_NAME_MAX]);
/* client_certificate_may_relay - is it one of `client-relay`? */
bool client_certificate_may_relay(X509 *certificate, const struct config_tls *tls,
				  const struct client_certificate *c);
/* client_certificate_trace - what Received says of it, a comma in front; empty: not verified, or of a name that a comment cannot hold */
void client_certificate_trace(const struct client_certificate *c, char to[CLIENT_NAME_MAX + 16]);

#endif
