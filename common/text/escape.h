/*
 * escape - bytes of strangers as one word of a line
 *
 * A word is written as it is when it is not empty and all its bytes are 0x21 to 0x7e but for the double quote and
 * the backslash.  Else it stands in double quotes, with \" \\ and \xHH (two lower-case hex digits) for what
 * is not 0x20 to 0x7e.  The journal, the log and the trace store all use this one spelling.
 */
#ifndef COMMON_TEXT_ESCAPE_H
#define COMMON_TEXT_ESCAPE_H

#include "common/text/buffer.h"
#include "common/text/span.h"

void escape_word(struct buffer *to, struct span s);
/*
 * unescape_word - takes the next word (and the one blank behind it) off *rest and appends its bytes to `to`
 *
 * -1: no word there, a wrong escape, an unfinished quote, or a byte that escape_word would not have left.
 */
int unescape_word(struct span *rest, struct buffer *to) __attribute__((warn_unused_result));
/* the inside of a JSON string (RFC 8259, section 7); bytes that are no UTF-8 become U+FFFD */
void escape_json(struct buffer *to, struct span s);

#endif
