/*
 * scram - the spelling of SCRAM's messages, which both sides read (RFC 5802, sections 5.1 and 7)
 *
 * Used by auth, the server, and by delivery, a client of other hosts.
 */
#ifndef COMMON_ACCOUNTS_SCRAM_H
#define COMMON_ACCOUNTS_SCRAM_H

#include <stdbool.h>

#include "common/text/span.h"

#define SCRAM_NONCE_MAX 512 /* of the other side */

/* scram_attribute - the next piece up to a comma, which must be `name`=VALUE */
bool scram_attribute(struct span *rest, char name, struct span *value);
/* is it printable, without a comma, and not too long? */
bool scram_is_nonce(struct span s);

#endif
