/*
 * trace - the shapes of its messages; see trace.h
 */
#include "common/protocol/trace.h"

const struct wire_shape trace_line_shape =
	WIRE_SHAPE(0, trace_line, 0, WIRE_FIELD_SPAN(trace_line, json, 1, TRACE_LINE_MAX));

const struct wire_shape trace_calls[] = {
	WIRE_SHAPE(TRACE_ASK, trace_ask, 0, WIRE_FIELD_SPAN(trace_ask, what, 1, 512)),
	{.name = NULL},
};

const struct wire_shape trace_answers[] = {
	WIRE_SHAPE(TRACE_EVENT, trace_event, 0,
		   WIRE_FIELD_LIST(trace_event, lines, 1, UINT16_MAX, &trace_line_shape)),
	WIRE_SHAPE(TRACE_END, trace_end, 0, WIRE_FIELD_U64(trace_end, count, 0, UINT64_MAX)),
	WIRE_SHAPE(TRACE_REFUSED, trace_refused, 0, WIRE_FIELD_SPAN(trace_refused, text, 1, 512)),
	{.name = NULL},
};
