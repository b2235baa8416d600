/*
 * takes-clients - the rows of `tls` about certificates of clients: who is asked for one, who vouches for it, what it allows
 *
 * See takes.h.  Other hosts bring mail to port 25 without certificates, and some stumble when they are asked: what the general block says is for
 * submission addresses alone.
 */
#include <string.h>

#include "common/config/mistakes.h"
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/mail/address.h"
#include "common/mail/domain.h"

void
take_client_certificate(struct parse *p, const struct directive *d, const struct grammar_line *line,
			void *object)
{
	struct config_tls *tls = object;
	struct span word = line->words[1].text;

	(void)d;
	if (span_equal(word, SPAN("none")))
		tls->client = CONFIG_CLIENT_NONE;
	else if (span_equal(word, SPAN("ask")))
		tls->client = CONFIG_CLIENT_ASK;
	else if (span_equal(word, SPAN("require")))
		tls->client = CONFIG_CLIENT_REQUIRE;
	else
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected `none`, `ask` or `require`", SPAN_ARG(word));
}

/* as openssl x509 -fingerprint prints it, colons and capitals or not, to 64 digits in lower case */
static bool
read_fingerprint(struct span word, char to[CONFIG_FINGERPRINT_LEN + 1])
{
	size_t len = 0;

	for (size_t i = 0; i < word.len; i++) {
		char c = ascii_lower(word.at[i]);

		if (c == ':' && len > 0 && len % 2 == 0 && word.at[i - 1] != ':')
			continue;
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) ||
		    len == CONFIG_FINGERPRINT_LEN)
			return false;
		to[len++] = c;
	}
	to[len] = '\0';
	return len == CONFIG_FINGERPRINT_LEN && word.at[word.len - 1] != ':';
}

/* a host or an address of mail */
static bool
is_client_name(struct span word)
{
	struct address a;

	return span_has(word, '@') ? address_mailbox(word, &a) == ADDRESS_OK
				   : domain_is_valid(word);
}

void
take_client_relay(struct parse *p, const struct directive *d, const struct grammar_line *line,
		  void *object)
{
	struct config_tls *tls = object;
	struct config_words *to = &tls->client_relays;
	char fingerprint[CONFIG_FINGERPRINT_LEN + 1];

	(void)d;
	if (line->count == 2 && span_equal(line->words[1].text, SPAN("none")))
		return;
	if (line->count == 2 && span_equal(line->words[1].text, SPAN("verified"))) {
		tls->every_client_relays = true;
		return;
	}
	to->words = arena_alloc(&p->config->arena, line->count * sizeof(char *));
	if (to->words == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 1; i < line->count; i++) {
		struct span word = line->words[i].text;

		if (read_fingerprint(word, fingerprint))
			to->words[to->count++] = parse_keep(p, span_of(fingerprint));
		else if (is_client_name(word) && span_has(word, '.'))
			to->words[to->count++] = parse_keep_lower(p, word);
		else
			parse_mistake(p, line->words[i].column,
				      "`%.*s`: expected the name of a host, an address of mail, a "
				      "SHA-256 fingerprint (64 hex digits), or `verified` or "
				      "`none` alone",
				      SPAN_ARG(word));
	}
}

/* ---- what depends on more than one line ---- */

/* the number of a file of authorities, which is added where it is new */
static size_t
authority_number(struct parse *p, const struct parse_position *at, const char *path)
{
	struct config *c = p->config;

	for (size_t i = 0; i < c->authority_count; i++)
		if (strcmp(c->authorities[i], path) == 0)
			return i;
	if (c->authority_count == CONFIG_AUTHORITIES_MAX) {
		parse_mistake_at(p, at,
				 "there are more files of `client-ca` than the 8 that can be held");
		return 0;
	}
	c->authorities[c->authority_count] = path;
	return c->authority_count++;
}

void
parse_finish_clients(struct parse *p, const struct parse_position *at, struct config_tls *tls)
{
	bool asks = tls->client != CONFIG_CLIENT_NONE;

	if (asks && tls->certificates.count == 0)
		parse_mistake_at(p, at,
				 "without a `certificate` no client shows one; expected a "
				 "`certificate`, or `client-certificate none`");
	else if (asks && tls->client_ca == NULL)
		parse_mistake_at(
			p, at,
			"expected a `client-ca` beside `client-certificate`: nobody vouches "
			"for the certificates that clients show");
	else if (!asks && (tls->every_client_relays || tls->client_relays.count > 0))
		parse_mistake_at(p, at,
				 "no client shows the certificate that `client-relay` looks at; "
				 "expected `client-certificate ask` or `require`");
	else if (asks)
		tls->authority = authority_number(p, at, tls->client_ca);
}

void
parse_ask_nothing(struct config_tls *tls)
{
	tls->client = CONFIG_CLIENT_NONE;
	tls->every_client_relays = false;
	tls->client_relays.count = 0;
}
