/*
 * verdict - see verdict.h
 */
#include "auth/verdict.h"

#include "common/system/events.h"

static const char *
reason_word(enum auth_reason reason)
{
	switch (reason) {
	case AUTH_WRONG:
		return "wrong";
	case AUTH_MALFORMED:
		return "malformed";
	case AUTH_BINDING:
		return "channel-binding";
	case AUTH_DOWNGRADE:
		return "downgrade";
	}
	return "";
}

/* the login as it was tried: a source may know it by another name */
static const char *
tried(const struct sasl_exchange *x)
{
	return x->tried[0] != '\0' ? x->tried : x->login;
}

static void
tell_failed(const struct verdict_peer *peer, const struct sasl_exchange *x, const char *reason)
{
	EVENT("login-failed", event_string("session", peer->session),
	      event_string("client", peer->address), event_string("login", tried(x)),
	      event_string("reason", reason));
}

static void
count_failure(struct guessers *g, const struct verdict_peer *peer, const struct sasl_exchange *x,
	      const struct sasl_result *r, int64_t now_ms)
{
	if (x->is_counted)
		guessers_pardon(g, peer->address, now_ms);
	else
		guessers_wrong(g, tried(x), now_ms);
	tell_failed(peer, x, reason_word(r->reason));
}

int64_t
verdict_count(struct guessers *g, const struct verdict_peer *peer, const struct sasl_exchange *x,
	      const struct sasl_result *r, int64_t now_ms)
{
	int64_t delay_ms = 0;
	/* whether it was looked at was said with what was known at its begin: now it is only slower */
	(void)guessers_judge(g, peer->address, tried(x), now_ms, &delay_ms);

	switch (r->outcome) {
	case SASL_SUCCESS:
		guessers_pardon(g, peer->address, now_ms);
		guessers_right(g, peer->address, tried(x), now_ms);
		break;
	case SASL_CHALLENGE:
		if (x->is_counted)
			guessers_wrong(g, tried(x), now_ms);
		else
			guessers_pardon(g, peer->address, now_ms);
		break;
	case SASL_FAILURE:
		count_failure(g, peer, x, r, now_ms);
		break;
	case SASL_REFUSED:
		tell_failed(peer, x, "guesses");
		break;
	case SASL_TROUBLE:
		guessers_pardon(g, peer->address, now_ms);
		tell_failed(peer, x, "trouble");
		break;
	}
	if (!r->is_checked)
		return 0;
	if (delay_ms > 0)
		EVENT("guesser-slowed", event_string("session", peer->session),
		      event_string("client", peer->address), event_string("login", tried(x)),
		      event_number("ms", delay_ms));
	return delay_ms;
}
