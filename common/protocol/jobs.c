/*
 * jobs - the shapes of its messages; see jobs.h
 */
#include "common/protocol/jobs.h"

#include "common/mail/reply.h"
#include "common/protocol/lookup.h"

#define LENGTH_MAX (UINT64_C(1) << 48)
#define ADDRESS_MAX_BYTES 512
#define STATUS_MAX_BYTES 11
#define HOSTS_MAX 8192
#define NAME_MAX_BYTES 255
#define TOP_MAX 32768
#define DIRECT_MAX LOOKUP_DIRECT_MAILBOX

const struct wire_shape jobs_recipient_shape =
	WIRE_SHAPE(0, jobs_recipient, 0, WIRE_FIELD_U64(jobs_recipient, number, 1, UINT32_MAX),
		   WIRE_FIELD_SPAN(jobs_recipient, address, 1, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(jobs_recipient, original, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_U64(jobs_recipient, notify, 0, 15),
		   WIRE_FIELD_SPAN(jobs_recipient, orcpt, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_U64(jobs_recipient, direct, 0, DIRECT_MAX),
		   WIRE_FIELD_U64(jobs_recipient, line, 0, UINT64_MAX));

const struct wire_shape jobs_child_shape =
	WIRE_SHAPE(0, jobs_child, 0, WIRE_FIELD_SPAN(jobs_child, address, 1, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_U64(jobs_child, direct, 0, DIRECT_MAX),
		   WIRE_FIELD_U64(jobs_child, line, 0, UINT64_MAX));

const struct wire_shape jobs_failure_shape =
	WIRE_SHAPE(0, jobs_failure, 0, WIRE_FIELD_U64(jobs_failure, number, 1, UINT32_MAX),
		   WIRE_FIELD_SPAN(jobs_failure, address, 1, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(jobs_failure, original, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(jobs_failure, status, 0, STATUS_MAX_BYTES),
		   WIRE_FIELD_SPAN(jobs_failure, reply, 0, JOBS_REPLY_MAX),
		   WIRE_FIELD_U64(jobs_failure, code, 0, 599),
		   WIRE_FIELD_SPAN(jobs_failure, host, 0, JOBS_HOST_MAX),
		   WIRE_FIELD_U64(jobs_failure, at_us, 0, INT64_MAX),
		   WIRE_FIELD_U64(jobs_failure, action, 0, JOBS_ACTION_EXPANDED),
		   WIRE_FIELD_SPAN(jobs_failure, orcpt, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_U64(jobs_failure, until_us, 0, INT64_MAX));

const struct wire_shape jobs_calls[] = {
	WIRE_SHAPE(JOBS_PARENT, jobs_parent, 0,
		   WIRE_FIELD_U64(jobs_parent, kind, JOBS_SMTP, JOBS_NOTICE)),
	WIRE_SHAPE(JOBS_CANNOT, jobs_cannot, 0, WIRE_FIELD_U64(jobs_cannot, fate, 2, 3),
		   WIRE_FIELD_SPAN(jobs_cannot, status, 0, STATUS_MAX_BYTES),
		   WIRE_FIELD_SPAN(jobs_cannot, text, 1, JOBS_REPLY_MAX)),
	WIRE_SHAPE(JOBS_AGENT, jobs_agent, 0, WIRE_FIELD_U64(jobs_agent, want, 1, UINT32_MAX)),
	WIRE_SHAPE(JOBS_RESULT, jobs_result, 0, WIRE_FIELD_U64(jobs_result, number, 0, UINT32_MAX),
		   WIRE_FIELD_U64(jobs_result, fate, 1, 3),
		   WIRE_FIELD_U64(jobs_result, code, 0, 599),
		   WIRE_FIELD_SPAN(jobs_result, status, 0, STATUS_MAX_BYTES),
		   WIRE_FIELD_SPAN(jobs_result, text, 0, JOBS_REPLY_MAX),
		   WIRE_FIELD_SPAN(jobs_result, host, 0, JOBS_HOST_MAX),
		   WIRE_FIELD_U64(jobs_result, last, 0, 1),
		   WIRE_FIELD_U64(jobs_result, relayed, 0, JOBS_RELAYED_SILENT),
		   WIRE_FIELD_U64(jobs_result, meaning, 0, REPLY_MEANINGS - 1),
		   WIRE_FIELD_U64(jobs_result, pause_ms, 0, JOBS_PAUSE_MAX),
		   WIRE_FIELD_SPAN(jobs_result, tls, 0, JOBS_TLS_MAX)),
	WIRE_SHAPE_EMPTY(JOBS_LEAVE, 0),
	WIRE_SHAPE(JOBS_SITE, jobs_site, 0, WIRE_FIELD_SPAN(jobs_site, name, 1, JOBS_SITE_MAX)),
	WIRE_SHAPE(JOBS_HOST, jobs_host, 0, WIRE_FIELD_SPAN(jobs_host, host, 1, JOBS_HOST_MAX)),
	WIRE_SHAPE(JOBS_EXPANDED, jobs_expanded, 0,
		   WIRE_FIELD_U64(jobs_expanded, number, 1, UINT32_MAX),
		   WIRE_FIELD_U64(jobs_expanded, last, 0, 1),
		   WIRE_FIELD_LIST(jobs_expanded, children, 1, UINT16_MAX, &jobs_child_shape)),
	{.name = NULL},
};

const struct wire_shape jobs_orders[] = {
	WIRE_SHAPE(JOBS_WANT, jobs_want, 0, WIRE_FIELD_U64(jobs_want, kind, JOBS_SMTP, JOBS_ALIAS),
		   WIRE_FIELD_SPAN(jobs_want, hosts, 0, HOSTS_MAX),
		   WIRE_FIELD_SPAN(jobs_want, user, 0, NAME_MAX_BYTES),
		   WIRE_FIELD_SPAN(jobs_want, domain, 0, NAME_MAX_BYTES),
		   WIRE_FIELD_SPAN(jobs_want, home, 0, 512),
		   WIRE_FIELD_U64(jobs_want, quota, 0, JOBS_QUOTA_MAX),
		   WIRE_FIELD_SPAN(jobs_want, delivery, 0, NAME_MAX_BYTES)),
	WIRE_SHAPE(JOBS_JOB, jobs_job, 1, WIRE_FIELD_U64(jobs_job, id, 1, UINT64_MAX),
		   WIRE_FIELD_U64(jobs_job, content_at, 0, LENGTH_MAX),
		   WIRE_FIELD_U64(jobs_job, content_length, 0, LENGTH_MAX),
		   WIRE_FIELD_U64(jobs_job, arrived_us, 0, INT64_MAX),
		   WIRE_FIELD_U64(jobs_job, eight_bit, 0, 1), WIRE_FIELD_U64(jobs_job, utf8, 0, 1),
		   WIRE_FIELD_U64(jobs_job, tls_demand, 0, 2), WIRE_FIELD_U64(jobs_job, ret, 0, 2),
		   WIRE_FIELD_SPAN(jobs_job, envid, 0, 100),
		   WIRE_FIELD_SPAN(jobs_job, sender, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(jobs_job, top, 0, TOP_MAX),
		   WIRE_FIELD_U64(jobs_job, recipients, 1, UINT32_MAX),
		   WIRE_FIELD_SPAN(jobs_job, avoid, 0, JOBS_AVOID_MAX)),
	WIRE_SHAPE(
		JOBS_RECIPIENTS, jobs_recipients, 0,
		WIRE_FIELD_LIST(jobs_recipients, recipients, 1, UINT16_MAX, &jobs_recipient_shape)),
	WIRE_SHAPE(JOBS_FAILURES, jobs_failures, 0,
		   WIRE_FIELD_LIST(jobs_failures, failures, 1, UINT16_MAX, &jobs_failure_shape)),
	{.name = NULL},
};
