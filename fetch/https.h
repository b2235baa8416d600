/*
 * https - one GET, as RFC 8461, section 3.3, wants it, or one POST of a form, as RFC 6749 does
 *
 * Called by a process that does nothing else (obtain.c).  The addresses are given, so no name is looked up; redirects are not followed; nothing is
 * cached, unpacked, or sent along.  The certificate must be for the host (a DNS name of its subjectAltName) and come from an authority.
 */
#ifndef FETCH_HTTPS_H
#define FETCH_HTTPS_H

#include <openssl/types.h>

#include "common/protocol/fetch.h"
#include "common/text/buffer.h"

#define HTTPS_MS 60000 /* for all of it; RFC 8461, section 3.3 */
#define HTTPS_CONNECT_MS 20000
#define HTTPS_HEADERS_MAX 32768 /* bytes of an answer's header lines */
#define HTTPS_ADDRESSES_MAX 8
#define HTTPS_PORT 443
#define HTTPS_PATH_MAX 512

struct https_request {
	const char *host, *path;
	const char *type; /* media type that the answer must have */
	unsigned port;
	const char *post;      /* a form that is sent with it (POST); NULL: none (GET) */
	const char *addresses; /* parted by commas, IPv6 in brackets */
	X509_STORE *authorities;
};

/* https_get - the body of a 200 behind what is in `body`, whose maximum bounds it; -1: `reason` is a sentence, and the body is what came all the same */
int https_get(const struct https_request *r, struct buffer *body, char reason[FETCH_REASON_MAX + 1])
	__attribute__((warn_unused_result));

/* https_is_type - is the value of a Content-Type that media type, whatever its parameters? */
bool https_is_type(struct span value, struct span type);

#endif
