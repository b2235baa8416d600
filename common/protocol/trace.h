/*
 * trace - the story of a message or an address: culver -> log
 */
#ifndef COMMON_PROTOCOL_TRACE_H
#define COMMON_PROTOCOL_TRACE_H

#include "common/protocol/wire.h"

enum trace_type {		 /* numbers are never reused */
		  TRACE_ASK = 1, /* <- TRACE_EVENT ... TRACE_END, oldest first | TRACE_REFUSED */
		  TRACE_EVENT = 101,
		  TRACE_END = 102,
		  TRACE_REFUSED = 103,
};

#define TRACE_LINE_MAX 8192

struct trace_ask {
	/* an id of a message or a session, or an address (sender, recipient, client) */
	struct span what;
};

/* several events a datagram */
struct trace_line {
	/* one object, as in the store: {"time":"...","program":"...","event":"...", ...} */
	struct span json;
};

struct trace_event {
	struct wire_list lines;
};

struct trace_end {
	uint64_t count;
};

struct trace_refused {
	struct span text;
};

extern const struct wire_shape trace_line_shape;
extern const struct wire_shape trace_calls[];
extern const struct wire_shape trace_answers[];

#endif
