/*
 * line - the grammar of one event as the programs send it (common/system/events.h)
 *
 *     TIME NAME KEY=WORD ...		TIME in microseconds; words as escape_word writes them, one blank between, none at the end
 *
 * Called by log/events.c for each line of a datagram.  Promises: what it takes is printable ASCII, of bounded length, and no key stands twice.
 */
#ifndef LOG_LINE_H
#define LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "common/system/events.h"
#include "common/text/buffer.h"
#include "common/text/span.h"

/* a sender cuts at EVENT_LINE_MAX; strangers' bytes, escaped, must never be a reason to end it */
#define LINE_MAX_BYTES 32768
#define LINE_FIELDS_MAX 32
#define LINE_NAME_MAX 31    /* bytes of an event's name, a key, a program's name */
#define LINE_TIME_DIGITS 16 /* up to the year 2286 */

struct line_field {
	struct span key;
	struct span word;  /* as it came, perhaps quoted */
	struct span value; /* what it says: any bytes */
};

struct line {
	int64_t time_us; /* wall clock of the sender */
	struct span name;
	struct line_field fields[LINE_FIELDS_MAX];
	size_t field_count;
};

enum line_outcome {
	LINE_OK,
	LINE_TOO_LONG,
	LINE_NO_TIME,
	LINE_NO_NAME,
	LINE_WRONG_KEY,
	LINE_WRONG_WORD,
	LINE_KEY_TWICE,
	LINE_MANY_FIELDS,
};

/*
 * line_parse - `text` is without its line end
 *
 * Spans point into `text`, values that were quoted into `room`, which the caller owns, and which is cleared here: they
 * live until the next call with the same room.  `room` has a maximum of at least LINE_MAX_BYTES.
 */
enum line_outcome line_parse(struct span text, struct line *l, struct buffer *room)
	__attribute__((warn_unused_result));
/* for the event that says why a peer was ended */
const char *line_outcome_text(enum line_outcome o);
/* the value of `key`; NULL: no such field */
const struct line_field *line_find(const struct line *l, const char *key);
/* lower-case letters, digits and hyphens, a letter first, at most LINE_NAME_MAX */
bool line_name_is_valid(struct span name);

#endif
