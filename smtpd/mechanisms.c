/*
 * mechanisms - see mechanisms.h
 *
 * -PLUS is for own accounts alone: Dovecot 2.3 has no way to be given a channel binding.
 */
#include "smtpd/mechanisms.h"

#include <stdio.h>
#include <string.h>

#include "common/tls/layer.h"
#include "smtpd/binding.h"
#include "smtpd/client-certificate.h"
#include "smtpd/exchange.h"
#include "smtpd/session.h"

#define PASSWORDS (AUTH_MECHANISM_BIT(AUTH_PLAIN) | AUTH_MECHANISM_BIT(AUTH_LOGIN))
#define SCRAM (AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_256) | AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_1))
#define PLUS \
	(AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_256_PLUS) | AUTH_MECHANISM_BIT(AUTH_SCRAM_SHA_1_PLUS))

static const enum auth_mechanism order[] = {
	AUTH_SCRAM_SHA_256_PLUS,
	AUTH_SCRAM_SHA_1_PLUS,
	AUTH_SCRAM_SHA_256,
	AUTH_SCRAM_SHA_1,
	AUTH_GSSAPI,
	AUTH_EXTERNAL,
	AUTH_OAUTHBEARER,
	AUTH_XOAUTH2,
	AUTH_CRAM_MD5,
	AUTH_PLAIN,
	AUTH_LOGIN,
};

void
mechanisms_certificate(const struct session *s, char name[AUTH_LOGIN_MAX + 1])
{
	SSL *ssl = s->tls[0] != '\0' ? layer_ssl(&s->stream) : NULL;

	_Static_assert(CLIENT_NAME_MAX == AUTH_LOGIN_MAX + 1, "a name must be able to be a login");
	name[0] = '\0';
	if (s->config->auth.has_certificates && ssl != NULL)
		client_certificate_login(ssl, name);
}

uint64_t
mechanisms_find(const struct session *s)
{
	char name[AUTH_LOGIN_MAX + 1];
	struct bindings bindings;
	uint64_t found = PASSWORDS;

	switch (s->config->auth.source) {
	case CONFIG_AUTH_ACCOUNTS:
		found |= SCRAM | AUTH_MECHANISM_BIT(AUTH_EXTERNAL);
		if (binding_find(s, &bindings))
			found |= PLUS;
		break;
	case CONFIG_AUTH_DOVECOT:
		/* what cannot be asked now is not known to be more than passwords; AUTH is 454 then */
		if (exchange_list(s->auth, &found) < 0)
			found = PASSWORDS;
		found &= ~PLUS;
		break;
	case CONFIG_AUTH_PAM:
		break;
	}
	mechanisms_certificate(s, name);
	if (name[0] == '\0')
		found &= ~AUTH_MECHANISM_BIT(AUTH_EXTERNAL);
	return found != 0 ? found : PASSWORDS;
}

void
mechanisms_write(uint64_t mechanisms, char text[MECHANISMS_TEXT_MAX])
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if ((mechanisms & AUTH_MECHANISM_BIT(order[i])) != 0 && len < MECHANISMS_TEXT_MAX)
			len += (size_t)snprintf(text + len, MECHANISMS_TEXT_MAX - len, "%s%s",
						len > 0 ? " " : "", auth_mechanism_word(order[i]));
}
