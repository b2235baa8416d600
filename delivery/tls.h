/*
 * tls - TLS as the client of a next hop: what is offered, whom is believed, and what became of a handshake
 *
 * All that OpenSSL looks up or reads is there before the program confines itself (tls_start); an agent finds it in the memory that it inherits, and only
 * makes the connection's own part.
 *
 * Sessions (tickets) are kept for the life of an agent, which is bound to one place and one block, and used again only where the very same is demanded of the very same
 * host: a certificate that was not looked at then is looked at now.
 */
#ifndef DELIVERY_TLS_H
#define DELIVERY_TLS_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/protocol/jobs.h"
#include "common/system/stream.h"
#include "common/tls/layer.h"
#include "delivery/policy.h"

/* the authorities that a Debian system believes (ca-certificates) */
#define TLS_SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"
#define TLS_NAME_MAX 200

/* tls_start - before confine; a file of authorities that cannot be read is an event, and then nobody is verified by it */
void tls_start(const struct config *config);

/* what a handshake is to come to */
struct tls_demand {
	const struct config_hop_tls *config;
	const struct policy *policy;
	const char *host; /* NAME[ADDRESS]:PORT: sessions belong to it */
};

/* what came of one */
struct tls_end {
	enum policy_result result; /* also of a success, where the policy is being tested */
	char text[JOBS_TLS_MAX +
		  1]; /* version, cipher, `none`, `pkix` or `dane`; "" unless it was done */
	char wrong
		[LAYER_WRONG_MAX]; /* why not; also of a success, where the policy is being tested */
	char shown[2 * TLS_NAME_MAX +
		   32]; /* whose certificate the host has shown; "": none was seen */
};

/* tls_new - a client's end that is satisfied by nothing less; NULL: OpenSSL's queue of errors says why */
SSL *tls_new(const struct tls_demand *demand);
/* tls_shake - the handshake, until the stream's deadline; STREAM_OK: the stream speaks TLS, and all that was demanded is met; else it can only be closed */
enum stream_outcome tls_shake(struct stream *s, const struct tls_demand *demand,
			      struct tls_end *end) __attribute__((warn_unused_result));
/* tls_is_quiet - has nothing come for the reader, and is the peer still there?  What is TLS's own (tickets) is taken. */
bool tls_is_quiet(const struct stream *s);
/* tls_leave - before the stream is closed, however it comes to it: the session stays good (OpenSSL thinks otherwise of one that was cut) */
void tls_leave(const struct stream *s);
/* tls_forget - the sessions that are kept */
void tls_forget(void);

#endif
