/*
 * json - one flat object, as our programs write it: {"key":"text","key":123}
 *
 * Written by log, read by log (its store) and by culver (what log answers).  Strict: no blanks, no nesting, members are strings
 * or whole numbers; anything else is malformed.  Strings are written by escape_json.
 */
#ifndef COMMON_TEXT_JSON_H
#define COMMON_TEXT_JSON_H

#include <stdbool.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

struct json_member {
	struct span key; /* letters, digits, - and _ */
	/* between the quotes, still escaped; or the digits, perhaps with a minus */
	struct span value;
	bool is_string;
};

enum json_outcome { JSON_MEMBER, JSON_END, JSON_MALFORMED };

/*
 * json_next - the next member of the object at *rest, which is moved behind it; spans point into the text
 *
 * At the first call *rest is the whole object.  JSON_END only where nothing follows the closing brace.
 */
enum json_outcome json_next(struct span *rest, struct json_member *m)
	__attribute__((warn_unused_result));
/* json_unescape - the bytes of a string member's value (RFC 8259, section 7) behind what is in `to`; -1: a wrong escape */
int json_unescape(struct buffer *to, struct span value) __attribute__((warn_unused_result));

#endif
