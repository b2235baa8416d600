/*
 * resolver - the shapes of its messages; see resolver.h
 */
#include "common/protocol/resolver.h"

const struct wire_shape resolver_record_shape = WIRE_SHAPE(
	0, resolver_record, 0, WIRE_FIELD_U64(resolver_record, preference, 0, UINT16_MAX),
	WIRE_FIELD_SPAN(resolver_record, name, 0, RESOLVER_NAME_MAX),
	WIRE_FIELD_SPAN(resolver_record, data, 0, RESOLVER_RDATA_MAX));

const struct wire_shape resolver_calls[] = {
	WIRE_SHAPE(RESOLVER_ASK, resolver_ask, 0, WIRE_FIELD_U64(resolver_ask, rr, 1, UINT16_MAX),
		   WIRE_FIELD_SPAN(resolver_ask, name, 1, RESOLVER_NAME_MAX)),
	{.name = NULL},
};

const struct wire_shape resolver_answers[] = {
	WIRE_SHAPE(RESOLVER_ANSWER, resolver_answer, 0,
		   WIRE_FIELD_U64(resolver_answer, outcome, RESOLVER_FOUND, RESOLVER_TROUBLE),
		   WIRE_FIELD_U64(resolver_answer, security, RESOLVER_INSECURE, RESOLVER_BOGUS),
		   WIRE_FIELD_U64(resolver_answer, ttl, 0, UINT32_MAX),
		   WIRE_FIELD_SPAN(resolver_answer, canonical, 0, RESOLVER_NAME_MAX),
		   WIRE_FIELD_SPAN(resolver_answer, text, 0, RESOLVER_TEXT_MAX),
		   WIRE_FIELD_LIST(resolver_answer, records, 0, RESOLVER_RECORDS_MAX,
				   &resolver_record_shape)),
	{.name = NULL},
};
