/*
 * runner - the shapes of its messages; see runner.h
 */
#include "common/protocol/runner.h"

#define ADDRESS_MAX_BYTES 512
#define NAME_MAX_BYTES 255

const struct wire_shape runner_calls[] = {
	WIRE_SHAPE(RUNNER_BIND, runner_bind, 0,
		   WIRE_FIELD_SPAN(runner_bind, user, 1, NAME_MAX_BYTES),
		   WIRE_FIELD_U64(runner_bind, what, RUNNER_LINE, RUNNER_DOMAIN),
		   WIRE_FIELD_SPAN(runner_bind, domain, 0, NAME_MAX_BYTES),
		   WIRE_FIELD_SPAN(runner_bind, delivery, 0, NAME_MAX_BYTES),
		   WIRE_FIELD_SPAN(runner_bind, virtual, 0, NAME_MAX_BYTES),
		   WIRE_FIELD_SPAN(runner_bind, home, 0, 512)),
	WIRE_SHAPE(RUNNER_RUN, runner_run, 1,
		   WIRE_FIELD_SPAN(runner_run, command, 0, RUNNER_COMMAND_MAX),
		   WIRE_FIELD_SPAN(runner_run, sender, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(runner_run, recipient, 1, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(runner_run, original, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(runner_run, ext, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_U64(runner_run, id, 1, UINT64_MAX),
		   WIRE_FIELD_U64(runner_run, size, 0, UINT64_MAX)),
	{.name = NULL},
};

const struct wire_shape runner_answers[] = {
	WIRE_SHAPE(RUNNER_RESULT, runner_result, 0,
		   WIRE_FIELD_U64(runner_result, how, RUNNER_EXITED, RUNNER_CANNOT),
		   WIRE_FIELD_U64(runner_result, value, 0, UINT32_MAX),
		   WIRE_FIELD_SPAN(runner_result, output, 0, RUNNER_OUTPUT_MAX)),
	{.name = NULL},
};
