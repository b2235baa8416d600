/*
 * exporter - what both ends of one TLS connection know, and nobody else: to bind a login to it (tls-exporter, RFC 9266)
 *
 * Used by smtpd, whose clients log in, and by delivery, which logs in elsewhere.
 */
#ifndef COMMON_TLS_EXPORTER_H
#define COMMON_TLS_EXPORTER_H

#include <openssl/ssl.h>
#include <stdbool.h>

#define EXPORTER_SIZE 32 /* RFC 9266, section 2 */

/*
 * exporter_covers_handshake - is the master secret that of this handshake alone?
 *
 * Of TLS 1.2 only with RFC 7627; else two connections through somebody between could have the same (RFC 9266, section 4.2).
 */
bool exporter_covers_handshake(SSL *ssl);
/* exporter_take - false: there is none */
bool exporter_take(SSL *ssl, unsigned char to[EXPORTER_SIZE]);

#endif
