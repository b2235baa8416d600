/*
 * header - the fields at the top of a message (RFC 5322, section 2.2)
 */
#ifndef COMMON_MAIL_HEADER_H
#define COMMON_MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text/span.h"

#define HEADER_TOP_MAX 32768 /* header lines put on top, with their CRLFs */

/*
 * header_field - takes the next field off *rest, continuation lines included, its last line end too
 *
 * Line ends are CRLF or LF.  False at the empty line (which stays in *rest), at the end, and where a line is no field.
 * `whole` may be NULL.  `value` is what stands behind the colon, unfolded by nobody, trimmed.
 */
bool header_field(struct span *rest, struct span *name, struct span *value, struct span *whole);
/* the first field of that name (any case); false if there is none before the body */
bool header_find(struct span header, const char *name, struct span *value);
/* where the body begins: behind the first empty line; len of `text` when there is none */
size_t header_end(struct span text);

#endif
