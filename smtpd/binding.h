/*
 * binding - to what of its TLS a client can bind its login (RFC 5056)
 *
 * Called by login.c and mechanisms.c.
 */
#ifndef SMTPD_BINDING_H
#define SMTPD_BINDING_H

#include <stddef.h>

#include "common/protocol/auth.h"

struct session;

/* channel bindings; empty: this one does not exist here */
struct binding {
	unsigned char data[AUTH_BINDING_MAX];
	size_t len;
};

struct bindings {
	struct binding exporter;  /* RFC 9266 */
	struct binding unique;	  /* RFC 5929, section 3 */
	struct binding end_point; /* RFC 5929, section 4 */
};

/* binding_find - false: there is none */
bool binding_find(const struct session *s, struct bindings *b);

#endif
