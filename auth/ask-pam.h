/*
 * ask-pam - a password is judged by PAM, which another program asks: auth-pam
 *
 * Called by check.c, in the process of the step.
 */
#ifndef AUTH_ASK_PAM_H
#define AUTH_ASK_PAM_H

#include "auth/sasl.h"

#define ASK_PAM_REASON_MAX 200

/* ask_pam - SASL_FOUND, and *is_right; SASL_UNKNOWN: it cannot be said now, and `reason` says why.  `path`: of the socket. */
enum sasl_found ask_pam(const char *path, struct span login, struct span password,
			struct span client, bool *is_right, char reason[ASK_PAM_REASON_MAX]);

#endif
