/*
 * xtext - how the parameters of DSN spell what is not plain: ENVID and ORCPT (RFC 3461, sections 4 to 4.4; RFC 6533, section 3)
 *
 * Strict: what passes is printable, and is written again as the same value.  Nothing is half decoded: on -1 `to` is as it was.
 */
#ifndef COMMON_MAIL_XTEXT_H
#define COMMON_MAIL_XTEXT_H

#include <stdbool.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

#define XTEXT_ENVID_MAX 100 /* of its xtext (RFC 3461, section 4.4) */
#define XTEXT_TYPE_MAX 32   /* of an address type: `rfc822`, `utf-8`, `x400` */

/* ENVID: printable ASCII and blanks, decoded */
int xtext_decode(struct span text, struct buffer *to) __attribute__((warn_unused_result));
void xtext_encode(struct span value, struct buffer *to);

/*
 * xtext_orcpt_decode - "type;xtext", appended as "type;address" with the type in lower case
 *
 * Type utf-8: \x{HEX} is read, and bytes above 127 with `may_utf8` (SMTPUTF8 was said); the address is UTF-8.
 */
int xtext_orcpt_decode(struct span value, bool may_utf8, struct buffer *to)
	__attribute__((warn_unused_result));
/* the same again; `may_utf8`: bytes above 127 may stand as they are */
void xtext_orcpt_encode(struct span orcpt, bool may_utf8, struct buffer *to);
/* utf-8-addr-xtext for the fields of a notice: what is not an xchar becomes \x{HEX} */
void xtext_utf8_encode(struct span address, struct buffer *to);

#endif
