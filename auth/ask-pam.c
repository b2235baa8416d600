/*
 * ask-pam - see ask-pam.h
 */
#include "auth/ask-pam.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/auth-pam.h"
#include "common/system/channel.h"
#include "common/system/clock.h"

static enum sasl_found
take_answer(struct span datagram, bool *is_right, char reason[ASK_PAM_REASON_MAX])
{
	struct auth_pam_answer answer;
	struct wire_header h;

	if (wire_peek(datagram, &h) < 0 || h.type != AUTH_PAM_ANSWER ||
	    wire_decode(datagram, wire_find(auth_pam_answers, h.type), &answer) < 0) {
		snprintf(reason, ASK_PAM_REASON_MAX, "auth-pam says what is no answer");
		return SASL_UNKNOWN;
	}
	*is_right = answer.verdict == AUTH_PAM_RIGHT;
	if (answer.verdict != AUTH_PAM_TROUBLE)
		return SASL_FOUND;
	snprintf(reason, ASK_PAM_REASON_MAX, "PAM: %.*s", SPAN_ARG(answer.reason));
	return SASL_UNKNOWN;
}

enum sasl_found
ask_pam(const char *path, struct span login, struct span password, struct span client,
	bool *is_right, char reason[ASK_PAM_REASON_MAX])
{
	static char in[CHANNEL_MAX];
	const struct auth_pam_ask ask = {login, password, client};
	int64_t deadline_ms = clock_monotonic_ms() + AUTH_PAM_WAIT_MS;
	struct wire out = {.len = 0};
	size_t len = 0;
	int fd = channel_connect(path, deadline_ms);

	*is_right = false;
	if (fd < 0) {
		snprintf(reason, ASK_PAM_REASON_MAX, "auth-pam: %s", strerror(errno));
		return SASL_UNKNOWN;
	}
	enum channel_outcome outcome = CHANNEL_BROKEN;
	if (wire_encode(&out, wire_find(auth_pam_calls, AUTH_PAM_ASK), 0, 1, &ask) == 0)
		outcome = channel_send_wait(fd, span_from(out.at, out.len), NULL, 0, deadline_ms);
	explicit_bzero(out.at, out.len);
	if (outcome == CHANNEL_OK)
		outcome = channel_receive_wait(fd, in, &len, NULL, deadline_ms);
	close(fd);
	if (outcome == CHANNEL_OK)
		return take_answer(span_from(in, len), is_right, reason);
	snprintf(reason, ASK_PAM_REASON_MAX, "auth-pam: %s",
		 outcome == CHANNEL_AGAIN ? "no answer in time" : "it went without an answer");
	return SASL_UNKNOWN;
}
