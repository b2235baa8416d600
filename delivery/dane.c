/*
 * dane - see dane.h; called by hosts.c
 */
#include "delivery/dane.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "common/system/clock.h"

#define CERTIFICATE 0 /* selectors */
#define PUBLIC_KEY 1
#define WHOLE 0 /* matching types */
#define SHA256 1
#define SHA512 2
#define SHA256_LEN 32
#define SHA512_LEN 64

/* is it a certificate, or a key, and nothing behind it? */
static bool
is_whole(unsigned selector, struct span data)
{
	const unsigned char *at = (const unsigned char *)data.at;
	X509 *certificate = NULL;
	EVP_PKEY *key = NULL;
	bool is_read;

	if (data.len > LONG_MAX)
		return false;
	if (selector == CERTIFICATE)
		certificate = d2i_X509(NULL, &at, (long)data.len);
	else
		key = d2i_PUBKEY(NULL, &at, (long)data.len);
	is_read = (certificate != NULL || key != NULL) &&
		  at == (const unsigned char *)data.at + data.len;
	X509_free(certificate);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return is_read;
}

bool
dane_usable(struct span rdata, struct dane_record *to)
{
	if (rdata.len < 4)
		return false;
	*to = (struct dane_record){(uint8_t)rdata.at[0], (uint8_t)rdata.at[1], (uint8_t)rdata.at[2],
				   span_skip(rdata, 3)};
	if (to->usage != DANE_TA && to->usage != DANE_EE)
		return false;
	if (to->selector != CERTIFICATE && to->selector != PUBLIC_KEY)
		return false;
	switch (to->matching) {
	case WHOLE:
		return is_whole(to->selector, to->data);
	case SHA256:
		return to->data.len == SHA256_LEN;
	case SHA512:
		return to->data.len == SHA512_LEN;
	}
	return false;
}

void
dane_take(const struct resolver_found *answer, struct dane *to)
{
	to->count = 0;
	to->ttl = answer->ttl;
	for (size_t i = 0; i < answer->count && to->count < DANE_RECORDS_MAX; i++)
		if (dane_usable(answer->records[i].data, &to->records[to->count]))
			to->count++;
	to->outcome = to->count > 0 ? DANE_FOUND : DANE_UNUSABLE;
}

static void
ask(struct resolver_client *client, enum resolver_rr rr, struct span name, struct arena *arena,
    struct resolver_found *found)
{
	const struct resolver_question question = {rr, name};

	resolver_client_ask(client, &question, 1, arena, clock_monotonic_ms() + RESOLVER_WAIT_MS,
			    found);
}

/* the records at _PORT._tcp.NAME; ABSENT: another name may have some */
static void
find_at(struct resolver_client *client, struct span name, uint16_t port, struct arena *arena,
	struct dane *to)
{
	char text[RESOLVER_NAME_MAX + 1];
	int len = snprintf(text, sizeof(text), "_%u._tcp.%.*s", (unsigned)port, SPAN_ARG(name));
	struct resolver_found found;
	struct span owner;

	/* a name that is too long for it has none */
	if (len < 0 || (size_t)len >= sizeof(text))
		return;
	owner = span_from(text, (size_t)len);
	ask(client, RESOLVER_TLSA, owner, arena, &found);
	switch (found.outcome) {
	case RESOLVER_NO_DATA:
	case RESOLVER_NO_NAME:
		return;
	case RESOLVER_TROUBLE:
		to->outcome = DANE_TROUBLE;
		to->text = found.text;
		to->base = name;
		return;
	case RESOLVER_FOUND:
		break;
	}
	if (found.security != RESOLVER_SECURE)
		return;
	dane_take(&found, to);
	to->base = name;
}

/* RFC 7672, section 2.2.2: the name of the host is a signed alias of something that is not */
static bool
is_secure_alias(struct resolver_client *client, const struct dane_host *host, struct arena *arena,
		struct dane *to)
{
	struct resolver_found found;

	if (host->canonical.len == 0 || span_equal_nocase(host->canonical, host->name))
		return false;
	ask(client, RESOLVER_CNAME, host->name, arena, &found);
	if (found.outcome == RESOLVER_TROUBLE) {
		to->outcome = DANE_TROUBLE;
		to->text = found.text;
		return false;
	}
	return found.outcome == RESOLVER_FOUND && found.security == RESOLVER_SECURE;
}

void
dane_find(struct resolver_client *client, const struct dane_host *host, struct arena *arena,
	  struct dane *to)
{
	*to = (struct dane){.outcome = DANE_ABSENT, .base = SPAN_NONE, .text = SPAN_NONE};
	if (!host->is_secure) {
		if (is_secure_alias(client, host, arena, to))
			find_at(client, host->name, host->port, arena, to);
		return;
	}
	if (host->canonical.len > 0)
		find_at(client, host->canonical, host->port, arena, to);
	if (to->outcome == DANE_ABSENT && !span_equal_nocase(host->canonical, host->name))
		find_at(client, host->name, host->port, arena, to);
}
