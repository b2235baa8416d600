/*
 * tls - what this host shows of itself by TLS: certificates, versions, ciphers, tickets
 *
 * Made once, in the listener, before it confines itself, so that a session finds all of it in its memory.  Without a certificate OpenSSL is
 * not even started.
 */
#ifndef SMTPD_TLS_H
#define SMTPD_TLS_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/system/start.h"

#define TLS_TICKETS_MS \
	(INT64_C(60) * 60 * \
	 1000) /* a key of tickets makes tickets so long, and takes them as long again */

/* of one `listen` */
struct tls_address;

/* tls_start - fatal() when a certificate of the row cannot be read: master has looked at it before */
void tls_start(const struct start *s, const struct config *c);
/* tls_find - NULL: no TLS at this address */
const struct tls_address *tls_find(const struct config_listen *listen);
/* are there tickets anywhere, whose keys are to be renewed every TLS_TICKETS_MS by tls_renew_tickets? */
bool tls_has_tickets(void);
void tls_renew_tickets(void);

/* tls_new - a server's end; NULL: memory is out */
SSL *tls_new(const struct tls_address *a);
/* the number of the key without which nothing can be done at this address */
uint64_t tls_key(const struct tls_address *a);

#endif
