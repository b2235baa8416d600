/*
 * exchange - see exchange.h
 */
#include "smtpd/exchange.h"

#include <string.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/clock.h"

/* a session has one exchange at a time */
static struct wire out;
static char in[CHANNEL_MAX];

static void
take_answer(const struct exchange *x, struct span datagram, struct exchange_answer *a)
{
	struct auth_challenge challenge;
	struct auth_success success;
	struct auth_failure failure;
	struct auth_trouble trouble;
	struct auth_offers offers;
	struct wire_header h;
	const struct wire_shape *shape;

	if (wire_peek(datagram, &h) < 0 || h.request != x->request || h.flags != 0 ||
	    (shape = wire_find(auth_answers, h.type)) == NULL)
		return;
	switch ((enum auth_type)h.type) {
	case AUTH_CHALLENGE:
		if (wire_decode(datagram, shape, &challenge) < 0)
			return;
		a->outcome = EXCHANGE_CHALLENGE;
		a->data = challenge.data;
		return;
	case AUTH_SUCCESS:
		if (wire_decode(datagram, shape, &success) < 0)
			return;
		a->outcome = EXCHANGE_SUCCESS;
		a->login = success.login;
		return;
	case AUTH_FAILURE:
		if (wire_decode(datagram, shape, &failure) < 0)
			return;
		a->outcome = EXCHANGE_FAILURE;
		a->reason = (enum auth_reason)failure.reason;
		return;
	case AUTH_TROUBLE:
		if (wire_decode(datagram, shape, &trouble) < 0)
			return;
		a->outcome = trouble.guesses != 0 ? EXCHANGE_GUESSES : EXCHANGE_TROUBLE;
		return;
	case AUTH_OFFERS:
		if (wire_decode(datagram, shape, &offers) < 0)
			return;
		a->outcome = EXCHANGE_OFFERS;
		a->mechanisms = offers.mechanisms;
		return;
	case AUTH_START:
	case AUTH_CONTINUE:
	case AUTH_CANCEL:
	case AUTH_LIST:
		return;
	}
}

/* one question and its answer */
static void
ask(struct exchange *x, enum auth_type type, const void *message, int64_t wait_ms,
    struct exchange_answer *a)
{
	int64_t deadline_ms = clock_monotonic_ms() + wait_ms;
	size_t len = 0;

	*a = (struct exchange_answer){
		.outcome = EXCHANGE_GONE, .data = SPAN_NONE, .login = SPAN_NONE};
	if (x->fd >= 0 &&
	    wire_encode(&out, wire_find(auth_calls, type), 0, ++x->request, message) == 0 &&
	    channel_send_wait(x->fd, span_from(out.at, out.len), NULL, 0, deadline_ms) ==
		    CHANNEL_OK &&
	    channel_receive_wait(x->fd, in, &len, NULL, deadline_ms) == CHANNEL_OK)
		take_answer(x, span_from(in, len), a);
	explicit_bzero(out.at, out.len);
}

void
exchange_start(struct exchange *x, const char *path, const struct auth_start *start,
	       struct exchange_answer *a)
{
	*x = (struct exchange){.fd = -1};
	if (path != NULL)
		x->fd = channel_connect(path, clock_monotonic_ms() + EXCHANGE_CONNECT_MS);
	ask(x, AUTH_START, start, EXCHANGE_WAIT_MS, a);
}

int
exchange_list(const char *path, uint64_t *mechanisms)
{
	struct exchange x = {.fd = -1};
	struct exchange_answer a;

	if (path != NULL)
		x.fd = channel_connect(path, clock_monotonic_ms() + EXCHANGE_LIST_MS);
	ask(&x, AUTH_LIST, NULL, EXCHANGE_LIST_MS, &a);
	exchange_end(&x);
	*mechanisms = a.mechanisms;
	return a.outcome == EXCHANGE_OFFERS ? 0 : -1;
}

void
exchange_continue(struct exchange *x, struct span response, struct exchange_answer *a)
{
	const struct auth_continue m = {.response = response};

	ask(x, AUTH_CONTINUE, &m, EXCHANGE_WAIT_MS, a);
}

void
exchange_end(struct exchange *x)
{
	/* auth takes the end of a connection for the end of what is under way on it */
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
	explicit_bzero(in, sizeof(in));
}
