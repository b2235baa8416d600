/*
 * signer-client - see signer-client.h; called by smtpd/signing.c
 */
#include "common/protocol/signer-client.h"

#include <string.h>
#include <unistd.h>

#include "common/system/clock.h"

#define ATTEMPTS_MAX 2 /* to have a question answered that was taken */

static char in[CHANNEL_MAX]; /* this process asks one thing at a time */

void
signer_client_init(struct signer_client *c, const char *path)
{
	*c = (struct signer_client){.path = path, .fd = -1};
}

void
signer_client_close(struct signer_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static const char *
refusal(uint64_t reason)
{
	switch ((enum signer_refusal)reason) {
	case SIGNER_NO_KEY:
		return "the signer has no such key";
	case SIGNER_NO_SCHEME:
		return "the signer does not sign by that scheme";
	case SIGNER_NO_SHAPE:
		return "the signer does not sign such a text";
	case SIGNER_CANNOT_SIGN:
		break;
	}
	return "the signer cannot sign";
}

/* sends it where it is taken; what is not taken may be asked again until the deadline */
static enum channel_outcome
send_call(struct signer_client *c, const struct wire_shape *shape, const void *call,
	  int64_t deadline_ms)
{
	enum channel_outcome outcome = CHANNEL_CLOSED;

	while (outcome == CHANNEL_CLOSED && clock_monotonic_ms() < deadline_ms) {
		if (c->fd < 0 && c->path != NULL)
			c->fd = channel_connect(c->path, deadline_ms);
		if (c->fd < 0)
			return CHANNEL_AGAIN;
		outcome = wire_send_wait(c->fd, shape, 0, ++c->request, call, NULL, deadline_ms);
		if (outcome != CHANNEL_OK)
			signer_client_close(c);
	}
	return outcome;
}

/* ask - the answer of type `wanted` into `answer`, whose spans point into `in`; false: c->wrong says why not */
static bool
ask(struct signer_client *c, uint16_t type, const void *call, uint16_t wanted, void *answer,
    int64_t deadline_ms)
{
	struct signer_refused refused;
	struct wire_header h;
	struct span datagram;
	size_t len = 0;
	enum channel_outcome outcome = CHANNEL_CLOSED;

	for (int i = 0; i < ATTEMPTS_MAX && outcome == CHANNEL_CLOSED; i++) {
		outcome = send_call(c, wire_find(signer_calls, type), call, deadline_ms);
		if (outcome == CHANNEL_OK)
			outcome = channel_receive_wait(c->fd, in, &len, NULL, deadline_ms);
		if (outcome != CHANNEL_OK)
			signer_client_close(c);
	}
	c->wrong = "the signer does not answer";
	if (outcome != CHANNEL_OK)
		return false;
	c->wrong = NULL;
	datagram = span_from(in, len);
	if (wire_peek(datagram, &h) == 0 && h.request == c->request && h.flags == 0) {
		if (h.type == wanted &&
		    wire_decode(datagram, wire_find(signer_answers, wanted), answer) == 0)
			return true;
		if (h.type == SIGNER_REFUSED &&
		    wire_decode(datagram, wire_find(signer_answers, h.type), &refused) == 0)
			c->wrong = refusal(refused.reason);
	}
	if (c->wrong == NULL) {
		c->wrong = "the signer's answer is malformed";
		signer_client_close(c);
	}
	return false;
}

bool
signer_client_ready(struct signer_client *c, uint64_t key, int64_t deadline_ms)
{
	struct signer_ready call = {.key = key};
	struct signer_has has;

	return ask(c, SIGNER_READY, &call, SIGNER_HAS, &has, deadline_ms) && has.key == key;
}

size_t
signer_client_sign(struct signer_client *c, uint64_t key, uint16_t scheme, struct span text,
		   unsigned char *to, int64_t deadline_ms)
{
	struct signer_sign call = {.key = key, .scheme = scheme, .text = text};
	struct signer_signed answer;

	if (!ask(c, SIGNER_SIGN, &call, SIGNER_SIGNED, &answer, deadline_ms))
		return 0;
	memcpy(to, answer.signature.at, answer.signature.len);
	return answer.signature.len;
}
