/*
 * fetch - the shapes of its messages; see fetch.h
 */
#include "common/protocol/fetch.h"

const struct wire_shape fetch_mx_shape =
	WIRE_SHAPE(0, fetch_mx, 0, WIRE_FIELD_SPAN(fetch_mx, pattern, 1, FETCH_DOMAIN_MAX + 2));

const struct wire_shape fetch_calls[] = {
	WIRE_SHAPE(FETCH_STS_ASK, fetch_sts_ask, 0,
		   WIRE_FIELD_SPAN(fetch_sts_ask, domain, 1, FETCH_DOMAIN_MAX),
		   WIRE_FIELD_SPAN(fetch_sts_ask, id, 0, STS_ID_MAX)),
	WIRE_SHAPE(FETCH_TOKEN_ASK, fetch_token_ask, 0,
		   WIRE_FIELD_SPAN(fetch_token_ask, login, 1, FETCH_LOGIN_MAX),
		   WIRE_FIELD_U64(fetch_token_ask, is_refused, 0, 1)),
	{.name = NULL},
};

const struct wire_shape fetch_answers[] = {
	WIRE_SHAPE(FETCH_STS_ANSWER, fetch_sts_answer, 0,
		   WIRE_FIELD_U64(fetch_sts_answer, mode, 0, STS_ENFORCE),
		   WIRE_FIELD_U64(fetch_sts_answer, age, 0, UINT32_MAX),
		   WIRE_FIELD_U64(fetch_sts_answer, left, 0, UINT32_MAX),
		   WIRE_FIELD_SPAN(fetch_sts_answer, id, 0, STS_ID_MAX),
		   WIRE_FIELD_SPAN(fetch_sts_answer, reason, 0, FETCH_REASON_MAX),
		   WIRE_FIELD_LIST(fetch_sts_answer, mx, 0, STS_MX_MAX, &fetch_mx_shape)),
	WIRE_SHAPE(FETCH_TOKEN_ANSWER, fetch_token_answer, 0,
		   WIRE_FIELD_SPAN(fetch_token_answer, token, 0, FETCH_TOKEN_MAX),
		   WIRE_FIELD_SPAN(fetch_token_answer, reason, 0, FETCH_REASON_MAX)),
	{.name = NULL},
};
