/*
 * auth - the shapes of its messages; see auth.h
 */
#include "common/protocol/auth.h"

const struct wire_shape auth_calls[] = {
	WIRE_SHAPE(AUTH_START, auth_start, 0,
		   WIRE_FIELD_U64(auth_start, mechanism, AUTH_SCRAM_SHA_256, AUTH_LOGIN),
		   WIRE_FIELD_U64(auth_start, has_response, 0, 1),
		   WIRE_FIELD_SPAN(auth_start, response, 0, AUTH_RESPONSE_MAX),
		   WIRE_FIELD_SPAN(auth_start, client, 1, AUTH_CLIENT_MAX),
		   WIRE_FIELD_SPAN(auth_start, session, 1, AUTH_SESSION_MAX)),
	WIRE_SHAPE(AUTH_CONTINUE, auth_continue, 0,
		   WIRE_FIELD_SPAN(auth_continue, response, 0, AUTH_RESPONSE_MAX)),
	WIRE_SHAPE_EMPTY(AUTH_CANCEL, 0),
	{.name = NULL},
};

const struct wire_shape auth_answers[] = {
	WIRE_SHAPE(AUTH_CHALLENGE, auth_challenge, 0,
		   WIRE_FIELD_SPAN(auth_challenge, data, 0, AUTH_CHALLENGE_MAX)),
	WIRE_SHAPE(AUTH_SUCCESS, auth_success, 0,
		   WIRE_FIELD_SPAN(auth_success, login, 1, AUTH_LOGIN_MAX)),
	WIRE_SHAPE(AUTH_FAILURE, auth_failure, 0,
		   WIRE_FIELD_U64(auth_failure, reason, AUTH_WRONG, AUTH_BINDING)),
	WIRE_SHAPE(AUTH_TROUBLE, auth_trouble, 0, WIRE_FIELD_U64(auth_trouble, guesses, 0, 1)),
	{.name = NULL},
};
