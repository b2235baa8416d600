/*
 * domain - names and literals as HELO and addresses carry them
 */
#ifndef COMMON_MAIL_DOMAIN_H
#define COMMON_MAIL_DOMAIN_H

#include <stdbool.h>

#include "common/text/span.h"

/* letters, digits, hyphens and (seen in the world) underscores, labels of 1 to 63 bytes, 255 in all; no empty label, no dot at the end */
bool domain_is_valid(struct span name);
/* [1.2.3.4] or [IPv6:...] (RFC 5321, section 4.1.3) */
bool domain_is_literal(struct span name);

#endif
