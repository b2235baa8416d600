/*
 * auth-pam - the shapes of its messages; see auth-pam.h
 */
#include "common/protocol/auth-pam.h"

const struct wire_shape auth_pam_calls[] = {
	WIRE_SHAPE(AUTH_PAM_ASK, auth_pam_ask, 0,
		   WIRE_FIELD_SPAN(auth_pam_ask, login, 1, AUTH_PAM_LOGIN_MAX),
		   WIRE_FIELD_SPAN(auth_pam_ask, password, 1, AUTH_PAM_PASSWORD_MAX),
		   WIRE_FIELD_SPAN(auth_pam_ask, client, 1, AUTH_PAM_CLIENT_MAX)),
	{.name = NULL},
};

const struct wire_shape auth_pam_answers[] = {
	WIRE_SHAPE(AUTH_PAM_ANSWER, auth_pam_answer, 0,
		   WIRE_FIELD_U64(auth_pam_answer, verdict, AUTH_PAM_RIGHT, AUTH_PAM_TROUBLE),
		   WIRE_FIELD_SPAN(auth_pam_answer, reason, 0, AUTH_PAM_REASON_MAX)),
	{.name = NULL},
};
