/*
 * story - one event of the trace store as a line for people
 *
 * Called by culver/trace.c.  The first event bears its whole time (UTC), the others how much later they came.  Events that the table in
 * story.c knows read as sentences; what a sentence does not say, and events that it does not know, follow as key=value.
 */
#ifndef CULVER_STORY_H
#define CULVER_STORY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text/buffer.h"
#include "common/text/span.h"

struct story {
	bool with_ids;	  /* several messages: say which */
	int64_t begin_us; /* of the first event; 0: none yet */
};

/* story_line - one line with its end into `to`; -1: `json` is no event, and nothing was put */
int story_line(struct story *s, struct span json, struct buffer *to)
	__attribute__((warn_unused_result));

#endif
