/*
 * offers - see offers.h; called by serve.c
 */
#include "auth/offers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/events.h"

#define WORDS_MAX ((AUTH_MECHANISM_WORD_MAX + 1) * AUTH_MECHANISMS_END)

#define PASSWORDS (AUTH_MECHANISM_BIT(AUTH_PLAIN) | AUTH_MECHANISM_BIT(AUTH_LOGIN))
/* which of them a client is offered depends on its TLS too (smtpd/mechanisms.c) */
#define OWN \
	(PASSWORDS | AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_256) | \
	 AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_1) | AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_256_PLUS) | \
	 AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_1_PLUS) | AUTH_MECHANISM_BIT(AUTH_EXTERNAL))

static void
tell(uint64_t mechanisms)
{
	char words[WORDS_MAX] = "";
	size_t len = 0;

	for (int m = AUTH_SCRAM_SHA_256; m < AUTH_MECHANISMS_END; m++)
		if ((mechanisms & AUTH_MECHANISM_BIT(m)) != 0)
			len += (size_t)snprintf(words + len, sizeof(words) - len, "%s%s",
						len > 0 ? " " : "",
						auth_mechanism_word((enum auth_mechanism)m));
	EVENT("dovecot-mechanisms", event_string("mechanisms", words));
}

static void
tell_trouble(enum config_auth_source kind, const char *reason)
{
	switch (kind) {
	case CONFIG_AUTH_ACCOUNTS:
		EVENT("accounts-trouble", event_string("reason", reason));
		break;
	case CONFIG_AUTH_DOVECOT:
		EVENT("dovecot-trouble", event_string("reason", reason));
		break;
	case CONFIG_AUTH_PAM:
		EVENT("pam-trouble", event_string("reason", reason));
		break;
	}
}

void
offers_learn(struct offers *o, const struct check_answer *a)
{
	if (a->trouble[0] != '\0')
		tell_trouble(o->source->kind, a->trouble);
	if (a->mechanisms == 0)
		return;
	o->asked_ms = loop_now_ms(o->loop);
	if (a->mechanisms == o->mechanisms)
		return;
	o->mechanisms = a->mechanisms;
	tell(o->mechanisms);
}

static void
asked(struct check *check, const struct check_answer *a, int connection)
{
	(void)connection; /* there is none: only exchanges go on */
	if (a != NULL)
		offers_learn(check->owner, a);
}

static void
ask(struct offers *o)
{
	struct check_question *q;

	if (o->source->kind != CONFIG_AUTH_DOVECOT || o->check.errand.pid != 0)
		return;
	o->asked_ms = loop_now_ms(o->loop);
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return; /* asked again with the next EHLO */
	q->is_list = true;
	q->connection = -1;
	if (check_start(&o->check, o->loop, q, o->guessers, o->source) < 0)
		EVENT("no-process", event_string("errno", strerror(errno)));
	free(q);
}

void
offers_open(struct offers *o, struct loop *loop, const struct check_source *source,
	    const struct guessers *guessers)
{
	*o = (struct offers){.loop = loop, .source = source, .guessers = guessers};
	/* until Dovecot was heard: what every client knows; without it AUTH is 454 anyway */
	o->mechanisms = source->kind == CONFIG_AUTH_ACCOUNTS ? OWN : PASSWORDS;
	o->check.owner = o;
	o->check.done = asked;
	ask(o);
}

void
offers_close(struct offers *o)
{
	check_abandon(&o->check);
}

uint64_t
offers_known(struct offers *o, int64_t now_ms)
{
	if (now_ms - o->asked_ms >= OFFERS_RENEW_MS)
		ask(o);
	return o->mechanisms;
}
