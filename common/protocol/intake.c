/*
 * intake - the shapes of its messages; see intake.h
 */
#include "common/protocol/intake.h"

#define LENGTH_MAX (UINT64_C(1) << 48)
#define RECIPIENTS_MAX 1000000
#define SYNC_US_MAX (UINT64_C(1) << 40)

const struct wire_shape intake_recipient_shape = WIRE_SHAPE(
	0, intake_recipient, 0, WIRE_FIELD_SPAN(intake_recipient, address, 1, INTAKE_RECIPIENT_MAX),
	WIRE_FIELD_U64(intake_recipient, notify, 0, 15),
	WIRE_FIELD_SPAN(intake_recipient, orcpt, 0, INTAKE_ORCPT_MAX));

const struct wire_shape intake_calls[] = {
	WIRE_SHAPE(INTAKE_OPEN, intake_open, 0, WIRE_FIELD_U64(intake_open, size, 0, LENGTH_MAX)),
	WIRE_SHAPE(INTAKE_ENVELOPE, intake_envelope, 0,
		   WIRE_FIELD_U64(intake_envelope, origin, INTAKE_NETWORK, INTAKE_LOCAL),
		   WIRE_FIELD_SPAN(intake_envelope, client, 0, 64),
		   WIRE_FIELD_SPAN(intake_envelope, helo, 0, INTAKE_HELO_MAX),
		   WIRE_FIELD_SPAN(intake_envelope, protocol, 1, 32),
		   WIRE_FIELD_SPAN(intake_envelope, tls, 0, INTAKE_TLS_MAX),
		   WIRE_FIELD_SPAN(intake_envelope, sender, 0, INTAKE_SENDER_MAX),
		   WIRE_FIELD_U64(intake_envelope, eight_bit, 0, 1),
		   WIRE_FIELD_U64(intake_envelope, utf8, 0, 1),
		   WIRE_FIELD_U64(intake_envelope, tls_demand, 0, INTAKE_TLS_WAIVED),
		   WIRE_FIELD_U64(intake_envelope, ret, 0, 2),
		   WIRE_FIELD_SPAN(intake_envelope, envid, 0, INTAKE_ENVID_MAX),
		   WIRE_FIELD_U64(intake_envelope, uid, 0, UINT32_MAX),
		   WIRE_FIELD_SPAN(intake_envelope, login, 0, INTAKE_LOGIN_MAX),
		   WIRE_FIELD_SPAN(intake_envelope, once, 0, INTAKE_ONCE_MAX),
		   WIRE_FIELD_U64(intake_envelope, length, 0, LENGTH_MAX),
		   WIRE_FIELD_U64(intake_envelope, checksum, 0, UINT64_MAX),
		   WIRE_FIELD_SPAN(intake_envelope, top, 0, INTAKE_TOP_MAX)),
	WIRE_SHAPE(INTAKE_RECIPIENTS, intake_recipients, 0,
		   WIRE_FIELD_LIST(intake_recipients, recipients, 1, UINT16_MAX,
				   &intake_recipient_shape)),
	WIRE_SHAPE(INTAKE_COMMIT, intake_commit, 0,
		   WIRE_FIELD_U64(intake_commit, count, 1, RECIPIENTS_MAX),
		   WIRE_FIELD_U64(intake_commit, early, 0, 1)),
	WIRE_SHAPE(INTAKE_KEEP, intake_keep, 0,
		   WIRE_FIELD_U64(intake_keep, sync_us, 0, SYNC_US_MAX)),
	WIRE_SHAPE_EMPTY(INTAKE_ABANDON, 0),
	WIRE_SHAPE_EMPTY(INTAKE_ANSWERED, 0),
	WIRE_SHAPE(INTAKE_RETRY, intake_retry, 0,
		   WIRE_FIELD_SPAN(intake_retry, domain, 1, INTAKE_DOMAIN_MAX),
		   WIRE_FIELD_U64(intake_retry, below, 0, 1)),
	{.name = NULL},
};

const struct wire_shape intake_answers[] = {
	WIRE_SHAPE(INTAKE_FILE, intake_file, 2, WIRE_FIELD_U64(intake_file, id, 1, UINT64_MAX)),
	WIRE_SHAPE(INTAKE_REFUSED, intake_refused, 0,
		   WIRE_FIELD_U64(intake_refused, code, 400, 599),
		   WIRE_FIELD_SPAN(intake_refused, status, 5, 11),
		   WIRE_FIELD_SPAN(intake_refused, text, 1, 512)),
	WIRE_SHAPE(INTAKE_QUEUED, intake_queued, 0,
		   WIRE_FIELD_U64(intake_queued, wait_ms, 0, INTAKE_WAIT_MAX_MS)),
	WIRE_SHAPE_EMPTY(INTAKE_TAKEN, 1),
	WIRE_SHAPE(
		INTAKE_FINISHED, intake_finished, 0,
		WIRE_FIELD_U64(intake_finished, finish, INTAKE_FINISH_DELIVERED, INTAKE_FINISH_NOT),
		WIRE_FIELD_U64(intake_finished, code, 0, 599),
		WIRE_FIELD_SPAN(intake_finished, status, 0, 11),
		WIRE_FIELD_SPAN(intake_finished, text, 0, 512)),
	WIRE_SHAPE(
		INTAKE_RETRYING, intake_retrying, 0,
		WIRE_FIELD_U64(intake_retrying, outcome, INTAKE_RETRY_STARTED, INTAKE_RETRY_SOON)),
	{.name = NULL},
};
