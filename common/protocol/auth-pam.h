/*
 * auth-pam - auth -> auth-pam: is this the password of that user, as PAM has it?
 *
 * One question a connection, and one answer.  Whoever holds a datagram with a question wipes it.  Served by auth-pam/serve.c, called by auth/ask-pam.c.
 */
#ifndef COMMON_PROTOCOL_AUTH_PAM_H
#define COMMON_PROTOCOL_AUTH_PAM_H

#include "common/protocol/wire.h"

enum auth_pam_type { /* numbers are never reused */
		     AUTH_PAM_ASK = 1,
		     AUTH_PAM_ANSWER = 101,
};

#define AUTH_PAM_WAIT_MS \
	9000 /* for the answer; then whoever asks has gone, and the question is given up */
#define AUTH_PAM_LOGIN_MAX 255
#define AUTH_PAM_PASSWORD_MAX 1000
#define AUTH_PAM_CLIENT_MAX 64
#define AUTH_PAM_REASON_MAX 150

struct auth_pam_ask {
	struct span login, password;
	struct span client; /* address */
};

enum auth_pam_verdict {
	AUTH_PAM_RIGHT = 1,
	AUTH_PAM_WRONG = 2,   /* or there is no such user, or he may not log in */
	AUTH_PAM_TROUBLE = 3, /* PAM cannot say it now */
};

struct auth_pam_answer {
	uint64_t verdict;   /* enum auth_pam_verdict */
	struct span reason; /* of TROUBLE */
};

extern const struct wire_shape auth_pam_calls[];
extern const struct wire_shape auth_pam_answers[];

#endif
