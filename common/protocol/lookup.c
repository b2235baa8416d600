/*
 * lookup - the shapes of its messages; see lookup.h
 */
#include "common/protocol/lookup.h"

#include "common/protocol/jobs.h"

#define ADDRESS_MAX_BYTES 512
#define STATUS_MAX_BYTES 11
#define NAME_MAX_BYTES 255
#define HOSTS_MAX 8192
#define LEAVES_MAX 1000000

const struct wire_shape lookup_question_shape =
	WIRE_SHAPE(0, lookup_question, 0, WIRE_FIELD_U64(lookup_question, number, 0, UINT32_MAX),
		   WIRE_FIELD_SPAN(lookup_question, address, 1, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_U64(lookup_question, direct, 0, LOOKUP_DIRECT_MAILBOX),
		   WIRE_FIELD_U64(lookup_question, line, 0, UINT64_MAX),
		   WIRE_FIELD_SPAN(lookup_question, sender, 0, ADDRESS_MAX_BYTES));

const struct wire_shape lookup_verdict_shape =
	WIRE_SHAPE(0, lookup_verdict, 0, WIRE_FIELD_U64(lookup_verdict, number, 0, UINT32_MAX),
		   WIRE_FIELD_U64(lookup_verdict, class, LOOKUP_LOCAL, LOOKUP_TROUBLE),
		   WIRE_FIELD_U64(lookup_verdict, code, 0, 599),
		   WIRE_FIELD_SPAN(lookup_verdict, status, 0, STATUS_MAX_BYTES),
		   WIRE_FIELD_SPAN(lookup_verdict, text, 0, LOOKUP_TEXT_MAX),
		   WIRE_FIELD_SPAN(lookup_verdict, ask, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(lookup_verdict, block, 0, NAME_MAX_BYTES));

const struct wire_shape lookup_leaf_shape =
	WIRE_SHAPE(0, lookup_leaf, 0, WIRE_FIELD_U64(lookup_leaf, number, 0, UINT32_MAX),
		   WIRE_FIELD_U64(lookup_leaf, leaves, 1, LEAVES_MAX),
		   WIRE_FIELD_U64(lookup_leaf, kind, LOOKUP_MAILBOX, LOOKUP_ALIAS),
		   WIRE_FIELD_SPAN(lookup_leaf, address, 1, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_U64(lookup_leaf, direct, 0, LOOKUP_DIRECT_MAILBOX),
		   WIRE_FIELD_U64(lookup_leaf, line, 0, UINT64_MAX),
		   WIRE_FIELD_SPAN(lookup_leaf, owner, 0, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(lookup_leaf, user, 0, NAME_MAX_BYTES),
		   WIRE_FIELD_SPAN(lookup_leaf, domain, 0, NAME_MAX_BYTES),
		   WIRE_FIELD_SPAN(lookup_leaf, hosts, 0, HOSTS_MAX),
		   WIRE_FIELD_U64(lookup_leaf, code, 0, 599),
		   WIRE_FIELD_SPAN(lookup_leaf, status, 0, STATUS_MAX_BYTES),
		   WIRE_FIELD_SPAN(lookup_leaf, text, 0, LOOKUP_TEXT_MAX),
		   WIRE_FIELD_SPAN(lookup_leaf, home, 0, 512),
		   WIRE_FIELD_U64(lookup_leaf, quota, 0, JOBS_QUOTA_MAX),
		   WIRE_FIELD_SPAN(lookup_leaf, delivery, 0, NAME_MAX_BYTES));

const struct wire_shape lookup_calls[] = {
	WIRE_SHAPE(LOOKUP_RECIPIENTS, lookup_questions, 0,
		   WIRE_FIELD_LIST(lookup_questions, questions, 1, LOOKUP_QUESTIONS_MAX,
				   &lookup_question_shape)),
	WIRE_SHAPE(LOOKUP_ROUTES, lookup_questions, 0,
		   WIRE_FIELD_LIST(lookup_questions, questions, 1, LOOKUP_QUESTIONS_MAX,
				   &lookup_question_shape)),
	WIRE_SHAPE(LOOKUP_EXPAND, lookup_expand, 0,
		   WIRE_FIELD_SPAN(lookup_expand, client, 1, LOOKUP_CLIENT_MAX),
		   WIRE_FIELD_LIST(lookup_expand, questions, 1, LOOKUP_QUESTIONS_MAX,
				   &lookup_question_shape)),
	WIRE_SHAPE(LOOKUP_SENDER, lookup_sender, 0,
		   WIRE_FIELD_SPAN(lookup_sender, address, 1, ADDRESS_MAX_BYTES),
		   WIRE_FIELD_SPAN(lookup_sender, login, 0, LOOKUP_LOGIN_MAX),
		   WIRE_FIELD_U64(lookup_sender, uid, 0, UINT32_MAX)),
	{.name = NULL},
};

const struct wire_shape lookup_answers[] = {
	WIRE_SHAPE(LOOKUP_VERDICTS, lookup_verdicts, 0,
		   WIRE_FIELD_LIST(lookup_verdicts, verdicts, 1, LOOKUP_QUESTIONS_MAX,
				   &lookup_verdict_shape)),
	WIRE_SHAPE(LOOKUP_LEAVES, lookup_leaves, 0,
		   WIRE_FIELD_LIST(lookup_leaves, leaves, 1, UINT16_MAX, &lookup_leaf_shape)),
	{.name = NULL},
};
