/*
 * auth - the shapes of its messages; see auth.h
 */
#include "common/protocol/auth.h"

static const char *const words[AUTH_MECHANISMS_END] = {
	[AUTH_SCRAM_SHA_256] = "SCRAM-SHA-256",
	[AUTH_SCRAM_SHA_1] = "SCRAM-SHA-1",
	[AUTH_PLAIN] = "PLAIN",
	[AUTH_LOGIN] = "LOGIN",
	[AUTH_SCRAM_SHA_256_PLUS] = "SCRAM-SHA-256-PLUS",
	[AUTH_SCRAM_SHA_1_PLUS] = "SCRAM-SHA-1-PLUS",
	[AUTH_EXTERNAL] = "EXTERNAL",
	[AUTH_OAUTHBEARER] = "OAUTHBEARER",
	[AUTH_XOAUTH2] = "XOAUTH2",
	[AUTH_CRAM_MD5] = "CRAM-MD5",
	[AUTH_GSSAPI] = "GSSAPI",
};

const char *
auth_mechanism_word(enum auth_mechanism mechanism)
{
	return words[mechanism];
}

enum auth_mechanism
auth_mechanism_find(struct span word)
{
	for (int m = AUTH_SCRAM_SHA_256; m < AUTH_MECHANISMS_END; m++)
		if (span_equal_nocase(word, span_of(words[m])))
			return (enum auth_mechanism)m;
	return (enum auth_mechanism)0;
}

const struct wire_shape auth_calls[] = {
	WIRE_SHAPE(
		AUTH_START, auth_start, 0,
		WIRE_FIELD_U64(auth_start, mechanism, AUTH_SCRAM_SHA_256, AUTH_MECHANISMS_END - 1),
		WIRE_FIELD_U64(auth_start, has_response, 0, 1),
		WIRE_FIELD_SPAN(auth_start, response, 0, AUTH_RESPONSE_MAX),
		WIRE_FIELD_SPAN(auth_start, client, 1, AUTH_CLIENT_MAX),
		WIRE_FIELD_SPAN(auth_start, session, 1, AUTH_SESSION_MAX),
		WIRE_FIELD_SPAN(auth_start, server, 0, AUTH_CLIENT_MAX),
		WIRE_FIELD_SPAN(auth_start, tls, 0, AUTH_TLS_MAX),
		WIRE_FIELD_SPAN(auth_start, certificate, 0, AUTH_LOGIN_MAX),
		WIRE_FIELD_SPAN(auth_start, exporter, 0, AUTH_BINDING_MAX),
		WIRE_FIELD_SPAN(auth_start, unique, 0, AUTH_BINDING_MAX),
		WIRE_FIELD_SPAN(auth_start, end_point, 0, AUTH_BINDING_MAX)),
	WIRE_SHAPE(AUTH_CONTINUE, auth_continue, 0,
		   WIRE_FIELD_SPAN(auth_continue, response, 0, AUTH_RESPONSE_MAX)),
	WIRE_SHAPE_EMPTY(AUTH_CANCEL, 0),
	WIRE_SHAPE_EMPTY(AUTH_LIST, 0),
	{.name = NULL},
};

const struct wire_shape auth_answers[] = {
	WIRE_SHAPE(AUTH_CHALLENGE, auth_challenge, 0,
		   WIRE_FIELD_SPAN(auth_challenge, data, 0, AUTH_CHALLENGE_MAX)),
	WIRE_SHAPE(AUTH_SUCCESS, auth_success, 0,
		   WIRE_FIELD_SPAN(auth_success, login, 1, AUTH_LOGIN_MAX)),
	WIRE_SHAPE(AUTH_FAILURE, auth_failure, 0,
		   WIRE_FIELD_U64(auth_failure, reason, AUTH_WRONG, AUTH_DOWNGRADE)),
	WIRE_SHAPE(AUTH_TROUBLE, auth_trouble, 0, WIRE_FIELD_U64(auth_trouble, guesses, 0, 1)),
	WIRE_SHAPE(AUTH_OFFERS, auth_offers, 0,
		   WIRE_FIELD_U64(auth_offers, mechanisms, 0, AUTH_MECHANISMS_ALL)),
	{.name = NULL},
};
