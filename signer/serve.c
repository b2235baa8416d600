/*
 * serve - see serve.h; called by main.c
 *
 * A question is answered in the turn it comes in: a signature takes less than a millisecond or two, and everybody who asks waits for one.
 */
#include "signer/serve.h"

#include <errno.h>
#include <stdlib.h>

#include "common/protocol/signer.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "common/system/service.h"
#include "signer/keys.h"

#define STALLED_MS 10000 /* an answer that nobody reads for so long is not waited for */
#define STOP_MS 1000

struct server {
	struct service service;
	struct wire out;
};

static const char *
send_answer(struct service_client *c, const struct wire_header *h, uint16_t type,
	    const void *answer)
{
	struct server *s = c->service->owner;

	if (wire_encode(&s->out, wire_find(signer_answers, type), 0, h->request, answer) < 0)
		return "the answer cannot be encoded";
	return service_send(c, span_from(s->out.at, s->out.len));
}

static const char *
refuse(struct service_client *c, const struct wire_header *h, uint64_t key, int reason)
{
	struct signer_refused refused = {.reason = (uint64_t)reason};

	EVENT("refused", event_number("pid", c->peer.pid), event_id(key),
	      event_string("reason", reason == SIGNER_NO_KEY	  ? "no such key"
				     : reason == SIGNER_NO_SCHEME ? "the scheme does not fit"
				     : reason == SIGNER_NO_SHAPE ? "nothing that a TLS server signs"
								 : "OpenSSL failed"));
	return send_answer(c, h, SIGNER_REFUSED, &refused);
}

static const char *
take_ready(struct service_client *c, const struct wire_header *h, const struct signer_ready *call)
{
	struct signer_has has = {.key = call->key};
	int reason = keys_has(call->key);

	return reason != 0 ? refuse(c, h, call->key, reason) : send_answer(c, h, SIGNER_HAS, &has);
}

static const char *
take_sign(struct service_client *c, const struct wire_header *h, const struct signer_sign *call)
{
	unsigned char signature[SIGNER_SIGNATURE_MAX];
	size_t len;
	int reason = keys_sign(call, signature, &len);

	if (reason != 0)
		return refuse(c, h, call->key, reason);
	struct signer_signed answer = {.signature = span_from((const char *)signature, len)};
	return send_answer(c, h, SIGNER_SIGNED, &answer);
}

static const char *
client_take(struct service_client *c, struct span datagram)
{
	union {
		struct signer_ready ready;
		struct signer_sign sign;
	} call;
	struct wire_header h;
	const struct wire_shape *shape = wire_peek(datagram, &h) == 0 && h.flags == 0
						 ? wire_find(signer_calls, h.type)
						 : NULL;

	if (shape == NULL || wire_decode(datagram, shape, &call) < 0)
		return "malformed message";
	return h.type == SIGNER_READY ? take_ready(c, &h, &call.ready)
				      : take_sign(c, &h, &call.sign);
}

static void
client_came(struct service_client *c)
{
	(void)c;
}

/* one that does not read its answers is asked nothing more */
static bool
client_may_take(const struct service_client *c)
{
	return !service_is_blocked(c);
}

static bool
client_is_busy(const struct service_client *c)
{
	(void)c;
	return false;
}

static void
client_has_room(struct service_client *c)
{
	(void)c;
}

static void
client_ended(struct service_client *c)
{
	(void)c;
}

static const struct service_program program = {
	.client_size = sizeof(struct service_client),
	.stalled_ms = STALLED_MS,
	.stop_ms = STOP_MS,
	.came = client_came,
	.may_take = client_may_take,
	.take = client_take,
	.is_busy = client_is_busy,
	.has_room = client_has_room,
	.ended = client_ended,
};

void
serve(const struct start_listen *listen, size_t clients_max)
{
	struct server *s = calloc(1, sizeof(*s));
	struct loop *loop = loop_new();

	if (s == NULL)
		fatal(EXIT_OS, ENOMEM, "serve");
	service_open(&s->service, loop, &program, listen, clients_max, s);
	loop_run(loop);
	service_close(&s->service);
	loop_free(loop);
	free(s);
}
