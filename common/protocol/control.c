/*
 * control - the shapes of its messages; see control.h
 */
#include "common/protocol/control.h"

#define ADDRESS_MAX_BYTES 512
#define STATE_MAX 32
#define WORDS_MAX 1024

#define MINUTE_MS UINT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

const uint64_t control_ages_ms[CONTROL_AGES] = {5 * MINUTE_MS, HOUR_MS,	   6 * HOUR_MS,
						DAY_MS,	       3 * DAY_MS, UINT64_MAX};

const struct wire_shape control_word_shape =
	WIRE_SHAPE(0, control_word, 0, WIRE_FIELD_SPAN(control_word, word, 1, 1024));

const struct wire_shape control_calls[] = {
	WIRE_SHAPE(CONTROL_LIST, control_list, 0,
		   WIRE_FIELD_LIST(control_list, selector, 0, WORDS_MAX, &control_word_shape),
		   WIRE_FIELD_U64(control_list, recipients, 0, 1)),
	WIRE_SHAPE(CONTROL_SHOW, control_show, 0, WIRE_FIELD_U64(control_show, id, 1, UINT64_MAX)),
	WIRE_SHAPE(CONTROL_ACT, control_act, 0,
		   WIRE_FIELD_U64(control_act, verb, CONTROL_RETRY, CONTROL_REDIRECT),
		   WIRE_FIELD_LIST(control_act, selector, 1, WORDS_MAX, &control_word_shape),
		   WIRE_FIELD_U64(control_act, dry, 0, 1),
		   WIRE_FIELD_SPAN(control_act, address, 0, ADDRESS_MAX_BYTES)),
	WIRE_SHAPE_EMPTY(CONTROL_STATUS, 0),
	WIRE_SHAPE(CONTROL_SITES, control_sites, 0,
		   WIRE_FIELD_LIST(control_sites, selector, 0, WORDS_MAX, &control_word_shape)),
	WIRE_SHAPE_EMPTY(CONTROL_BUDGET, 0),
	{.name = NULL},
};

const struct wire_shape control_answers[] = {
	WIRE_SHAPE(CONTROL_MESSAGE, control_message, 0,
		   WIRE_FIELD_U64(control_message, id, 1, UINT64_MAX),
		   WIRE_FIELD_SPAN(control_message, state, 1, STATE_MAX),
		   WIRE_FIELD_U64(control_message, size, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_message, arrived_us, 0, INT64_MAX),
		   WIRE_FIELD_U64(control_message, next_us, 0, INT64_MAX),
		   WIRE_FIELD_U64(control_message, attempts, 0, UINT32_MAX),
		   WIRE_FIELD_SPAN(control_message, sender, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_U64(control_message, recipients, 0, UINT32_MAX),
		   WIRE_FIELD_U64(control_message, open, 0, UINT32_MAX)),
	WIRE_SHAPE(CONTROL_RECIPIENT, control_recipient, 0,
		   WIRE_FIELD_U64(control_recipient, id, 1, UINT64_MAX),
		   WIRE_FIELD_U64(control_recipient, number, 1, UINT32_MAX),
		   WIRE_FIELD_SPAN(control_recipient, address, 1, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(control_recipient, state, 1, STATE_MAX),
		   WIRE_FIELD_SPAN(control_recipient, reply, 0, CONTROL_TEXT_MAX)),
	WIRE_SHAPE(CONTROL_FILE, control_file, 1,
		   WIRE_FIELD_U64(control_file, content_at, 0, INT64_MAX),
		   WIRE_FIELD_U64(control_file, content_length, 0, INT64_MAX)),
	WIRE_SHAPE(CONTROL_STATE, control_state, 0,
		   WIRE_FIELD_U64(control_state, messages, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_state, recipients, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_state, incoming, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_state, ready, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_state, active, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_state, deferred, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_state, held, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_state, replaying, 0, 1),
		   WIRE_FIELD_U64(control_state, disk_low, 0, 1),
		   WIRE_FIELD_U64(control_state, longest_turn_us, 0, INT64_MAX),
		   WIRE_FIELD_U64(control_state, memory_per_message, 0, UINT64_MAX)),
	WIRE_SHAPE(CONTROL_DONE, control_done, 0,
		   WIRE_FIELD_U64(control_done, count, 0, UINT64_MAX)),
	WIRE_SHAPE(CONTROL_REFUSED, control_refused, 0,
		   WIRE_FIELD_SPAN(control_refused, text, 1, CONTROL_TEXT_MAX)),
	WIRE_SHAPE(CONTROL_SITE, control_site, 0,
		   WIRE_FIELD_SPAN(control_site, name, 0, CONTROL_NAME_MAX),
		   WIRE_FIELD_U64(control_site, recipients, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_site, age[0], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_site, age[1], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_site, age[2], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_site, age[3], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_site, age[4], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_site, age[5], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_site, active, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_site, oldest_us, 0, INT64_MAX),
		   WIRE_FIELD_U64(control_site, known, 0, 1),
		   WIRE_FIELD_U64(control_site, agents, 0, UINT32_MAX),
		   WIRE_FIELD_U64(control_site, window, 0, UINT32_MAX),
		   WIRE_FIELD_U64(control_site, window_max, 0, UINT32_MAX),
		   WIRE_FIELD_U64(control_site, back_off_ms, 0, INT64_MAX),
		   WIRE_FIELD_U64(control_site, probe_ms, 0, INT64_MAX),
		   WIRE_FIELD_SPAN(control_site, limit, 0, CONTROL_TEXT_MAX),
		   WIRE_FIELD_SPAN(control_site, reply, 0, CONTROL_TEXT_MAX)),
	WIRE_SHAPE(CONTROL_USE, control_use, 0,
		   WIRE_FIELD_SPAN(control_use, sender, 1, CONTROL_SENDER_MAX),
		   WIRE_FIELD_U64(control_use, messages[0], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, messages[1], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, messages_max[0], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, messages_max[1], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, recipients[0], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, recipients[1], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, recipients_max[0], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, recipients_max[1], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, bytes[0], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, bytes[1], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, bytes_max[0], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, bytes_max[1], 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_use, held, 0, UINT64_MAX)),
	WIRE_SHAPE(CONTROL_PROGRESS, control_progress, 0,
		   WIRE_FIELD_U64(control_progress, looked, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_progress, of, 0, UINT64_MAX),
		   WIRE_FIELD_U64(control_progress, count, 0, UINT64_MAX)),
	{.name = NULL},
};
