/*
 * verify - the shapes of its messages; see verify.h
 */
#include "common/protocol/verify.h"

const struct wire_shape verify_calls[] = {
	WIRE_SHAPE(VERIFY_ASK, verify_ask, 0,
		   WIRE_FIELD_SPAN(verify_ask, address, 1, VERIFY_ADDRESS_MAX),
		   WIRE_FIELD_SPAN(verify_ask, block, 1, VERIFY_BLOCK_MAX)),
	{.name = NULL},
};

const struct wire_shape verify_answers[] = {
	WIRE_SHAPE(VERIFY_ANSWER, verify_answer, 0,
		   WIRE_FIELD_U64(verify_answer, outcome, VERIFY_TAKEN, VERIFY_UNKNOWN),
		   WIRE_FIELD_U64(verify_answer, code, 0, 599),
		   WIRE_FIELD_SPAN(verify_answer, status, 0, VERIFY_STATUS_MAX),
		   WIRE_FIELD_SPAN(verify_answer, reply, 0, VERIFY_REPLY_MAX),
		   WIRE_FIELD_SPAN(verify_answer, host, 0, VERIFY_HOST_MAX),
		   WIRE_FIELD_U64(verify_answer, asked_ms, 0, UINT64_MAX),
		   WIRE_FIELD_U64(verify_answer, is_kept, 0, 1)),
	{.name = NULL},
};
