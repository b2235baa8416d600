/*
 * question - see question.h; pam(3), pam_conv(3)
 */
#include "auth-pam/question.h"

#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/auth-pam.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"

struct question {
	char login[AUTH_PAM_LOGIN_MAX + 1], password[AUTH_PAM_PASSWORD_MAX + 1];
	char client[AUTH_PAM_CLIENT_MAX + 1];
};

static char bytes[CHANNEL_MAX]; /* the question, as it came */

/* false: nothing came, or what is no question */
static bool
take(int fd, struct question *q)
{
	struct auth_pam_ask asked;
	struct wire_header h;
	size_t len = 0;

	if (channel_receive_wait(fd, bytes, &len, NULL, clock_monotonic_ms() + QUESTION_WAIT_MS) !=
	    CHANNEL_OK)
		return false;
	struct span datagram = span_from(bytes, len);
	bool is_taken = wire_peek(datagram, &h) == 0 && h.type == AUTH_PAM_ASK && h.flags == 0 &&
			wire_decode(datagram, wire_find(auth_pam_calls, h.type), &asked) == 0 &&
			!span_has(asked.login, '\0') && !span_has(asked.password, '\0') &&
			!span_has(asked.client, '\0') &&
			span_copy(asked.login, q->login, sizeof(q->login)) == 0 &&
			span_copy(asked.password, q->password, sizeof(q->password)) == 0 &&
			span_copy(asked.client, q->client, sizeof(q->client)) == 0;
	explicit_bzero(bytes, len);
	return is_taken;
}

/* ---- PAM ---- */

/* what a module asks for without echo is the password, with echo the name; what it only says is for nobody */
static int
converse(int count, const struct pam_message **messages, struct pam_response **to, void *owner)
{
	const struct question *q = owner;
	struct pam_response *answers;

	if (count <= 0 || count > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	answers = calloc((size_t)count, sizeof(*answers));
	if (answers == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++) {
		int style = messages[i]->msg_style;

		if (style == PAM_PROMPT_ECHO_OFF)
			answers[i].resp = strdup(q->password);
		else if (style == PAM_PROMPT_ECHO_ON)
			answers[i].resp = strdup(q->login);
	}
	*to = answers;
	return PAM_SUCCESS;
}

/* auth slows who guesses; what a module would wait is in nobody's interest */
static void
no_delay(int status, unsigned us, void *owner)
{
	(void)status;
	(void)us;
	(void)owner;
}

static enum auth_pam_verdict
verdict_of(int outcome)
{
	switch (outcome) {
	case PAM_SUCCESS:
		return AUTH_PAM_RIGHT;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_PERM_DENIED:
	case PAM_CRED_INSUFFICIENT:
	case PAM_ACCT_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
		return AUTH_PAM_WRONG;
	default:
		return AUTH_PAM_TROUBLE;
	}
}

/* both: the password, and whether the user may log in at all */
static int
ask(const struct question *q, const char *service)
{
	const struct pam_conv conversation = {converse, (void *)(uintptr_t)q};
	void (*delay)(int, unsigned, void *) = no_delay;
	const void *waits;
	pam_handle_t *pam = NULL;

	memcpy(&waits, &delay, sizeof(waits));
	int outcome = pam_start(service, q->login, &conversation, &pam);
	if (outcome != PAM_SUCCESS)
		return outcome;
	outcome = pam_set_item(pam, PAM_RHOST, q->client);
	if (outcome == PAM_SUCCESS)
		outcome = pam_set_item(pam, PAM_TTY, "smtp");
	if (outcome == PAM_SUCCESS)
		outcome = pam_set_item(pam, PAM_FAIL_DELAY, waits);
	if (outcome == PAM_SUCCESS)
		outcome = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	if (outcome == PAM_SUCCESS)
		outcome = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	pam_end(pam, outcome);
	return outcome;
}

int
question_answer(int fd, const char *service)
{
	static struct question q;
	struct wire out;

	alarm(QUESTION_S);
	if (!take(fd, &q))
		return EXIT_SOFTWARE;
	int outcome = ask(&q, service);
	explicit_bzero(&q, sizeof(q));
	struct auth_pam_answer answer = {.verdict = verdict_of(outcome), .reason = SPAN_NONE};
	if (answer.verdict == AUTH_PAM_TROUBLE)
		answer.reason = span_of(pam_strerror(NULL, outcome));
	if (answer.reason.len > AUTH_PAM_REASON_MAX)
		answer.reason.len = AUTH_PAM_REASON_MAX;
	return wire_encode(&out, wire_find(auth_pam_answers, AUTH_PAM_ANSWER), 0, 1, &answer) ==
				       0 &&
			       channel_send(fd, span_from(out.at, out.len), NULL, 0) == CHANNEL_OK
		       ? 0
		       : EXIT_OS;
}
