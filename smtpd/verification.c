/*
 * verification - see verification.h
 *
 * All questions go out before the first answer is waited for.  What has no answer in time is unknown; verify goes on asking, and knows it when the
 * client comes again.
 */
#include "smtpd/verification.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/verify.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "smtpd/session.h"

static char in[CHANNEL_MAX];

/* who asks, and what about */
struct verification {
	const struct session *session;
	const struct span *addresses;
	struct check *checks;
	size_t count, open; /* checks; those of them without answer */
	int fd;
	int64_t deadline_ms;
};

static const char *
outcome_word(enum verify_outcome outcome)
{
	switch (outcome) {
	case VERIFY_TAKEN:
		return "taken";
	case VERIFY_REFUSED:
		return "refused";
	case VERIFY_UNKNOWN:
		break;
	}
	return "unknown";
}

static void
unknown(const struct verification *v, struct check *to)
{
	if (!v->session->config->verify.unknown_waits)
		return;
	to->code = 450;
	snprintf(to->status, sizeof(to->status), "4.1.1");
	snprintf(to->text, sizeof(to->text),
		 "it cannot be found out now whether this recipient is there, try again later");
}

static void
judge(const struct verification *v, size_t n, const struct verify_answer *a)
{
	struct check *to = &v->checks[n];

	EVENT("verified", event_string("session", v->session->id),
	      event_text("to", v->addresses[n]), event_string("address", to->ask),
	      event_string("outcome", outcome_word((enum verify_outcome)a->outcome)),
	      event_text("host", a->host), event_number("code", (int64_t)a->code),
	      event_text("status", a->status), event_text("reply", a->reply),
	      event_number("kept", (int64_t)a->is_kept),
	      event_number("at", (int64_t)(a->asked_ms / 1000)));
	switch ((enum verify_outcome)a->outcome) {
	case VERIFY_TAKEN:
		return;
	case VERIFY_UNKNOWN:
		unknown(v, to);
		return;
	case VERIFY_REFUSED:
		break;
	}
	to->code = 550;
	snprintf(to->status, sizeof(to->status), "5.1.1");
	/* what stands behind an address, and what the next hop says, is told to log alone */
	snprintf(to->text, sizeof(to->text), "no such recipient, says the host of this domain");
}

/* false: nothing more comes */
static bool
hear(struct verification *v)
{
	struct verify_answer a;
	struct wire_header h;
	size_t len = 0;

	if (channel_receive_wait(v->fd, in, &len, NULL, v->deadline_ms) != CHANNEL_OK)
		return false;
	struct span datagram = span_from(in, len);
	if (wire_peek(datagram, &h) < 0 || h.type != VERIFY_ANSWER || h.flags != 0 ||
	    h.request >= v->count || v->checks[h.request].ask[0] == '\0' ||
	    wire_decode(datagram, wire_find(verify_answers, VERIFY_ANSWER), &a) < 0) {
		EVENT("peer-malformed", event_string("session", v->session->id),
		      event_string("peer", "verify"));
		return false;
	}
	judge(v, h.request, &a);
	v->checks[h.request].ask[0] = '\0';
	v->open--;
	return true;
}

static bool
ask(struct verification *v, size_t n)
{
	const struct verify_ask m = {.address = span_of(v->checks[n].ask),
				     .block = span_of(v->checks[n].block)};

	return wire_send_wait(v->fd, wire_find(verify_calls, VERIFY_ASK), 0, (uint32_t)n, &m, NULL,
			      v->deadline_ms) == CHANNEL_OK;
}

static bool
is_asked_for(const struct check *c)
{
	return c->code == 250 && c->ask[0] != '\0';
}

void
verification_run(struct session *s, const struct span *addresses, size_t count,
		 struct check *checks)
{
	struct verification v = {.session = s,
				 .addresses = addresses,
				 .checks = checks,
				 .count = count,
				 .fd = -1,
				 .deadline_ms = session_deadline(s, s->config->verify.wait)};
	bool goes_on = true;

	for (size_t i = 0; i < count; i++)
		v.open += is_asked_for(&checks[i]);
	if (v.open == 0 || s->verify == NULL)
		return;
	v.fd = channel_connect(s->verify, clock_monotonic_ms() + VERIFICATION_CONNECT_MS);
	for (size_t i = 0; i < count && v.fd >= 0 && goes_on; i++)
		goes_on = !is_asked_for(&checks[i]) || ask(&v, i);
	while (v.fd >= 0 && goes_on && v.open > 0)
		goes_on = hear(&v);
	if (v.fd >= 0)
		close(v.fd);
	if (v.open == 0)
		return;
	EVENT("verify-silent", event_string("session", s->id),
	      event_number("recipients", (int64_t)v.open));
	for (size_t i = 0; i < count; i++)
		if (is_asked_for(&checks[i]))
			unknown(&v, &checks[i]);
}
