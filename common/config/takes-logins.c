/*
 * takes-logins - what the rows of `login`, and `login` of a block, do with their arguments; and who is asked for what
 *
 * See takes.h.  What proves a login is not here: its file is opened by master, for delivery.
 */
#include "common/config/mistakes.h"
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/mail/domain.h"
#include "common/text/number.h"

#define NAME_MAX_BYTES 64
#define USER_MAX_BYTES 255
#define ENDPOINT_MAX 500
#define HTTPS_PORT 443

static const struct {
	const char *word, *name;
	bool is_token;
} mechanisms[CONFIG_MECHANISMS] = {
	[CONFIG_MECHANISM_SCRAM_SHA_256_PLUS] = {"scram-sha-256-plus", "SCRAM-SHA-256-PLUS", false},
	[CONFIG_MECHANISM_SCRAM_SHA_1_PLUS] = {"scram-sha-1-plus", "SCRAM-SHA-1-PLUS", false},
	[CONFIG_MECHANISM_SCRAM_SHA_256] = {"scram-sha-256", "SCRAM-SHA-256", false},
	[CONFIG_MECHANISM_SCRAM_SHA_1] = {"scram-sha-1", "SCRAM-SHA-1", false},
	[CONFIG_MECHANISM_PLAIN] = {"plain", "PLAIN", false},
	[CONFIG_MECHANISM_LOGIN] = {"login", "LOGIN", false},
	[CONFIG_MECHANISM_OAUTHBEARER] = {"oauthbearer", "OAUTHBEARER", true},
	[CONFIG_MECHANISM_XOAUTH2] = {"xoauth2", "XOAUTH2", true},
};

const char *
config_mechanism_name(enum config_mechanism m)
{
	return mechanisms[m].name;
}

/* ---- login ---- */

static bool
is_login_name(struct span word)
{
	for (size_t i = 0; i < word.len; i++)
		if (word.at[i] <= ' ' || word.at[i] > '~' || word.at[i] == ',' ||
		    word.at[i] == '(' || word.at[i] == ')')
			return false;
	return word.len > 0 && word.len <= NAME_MAX_BYTES && !span_equal(word, SPAN("none"));
}

void
take_login(struct parse *p, const struct directive *d, const struct grammar_line *line,
	   void *object)
{
	struct config *c = object;
	struct span name = line->words[1].text;
	struct config_login *login;

	(void)d;
	if (!is_login_name(name))
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected a name of at most %d printable characters without "
			      "blanks, commas and parentheses (and not `none`)",
			      SPAN_ARG(name), NAME_MAX_BYTES);
	if (c->login_count == CONFIG_LOGINS_MAX) {
		parse_mistake(p, line->words[0].column,
			      "there are more logins than the %d that can be held",
			      CONFIG_LOGINS_MAX);
		return;
	}
	if (config_login_find(c, name) != NULL)
		parse_mistake(p, line->words[1].column, "the login `%.*s` is here twice",
			      SPAN_ARG(name));
	p->login_at[c->login_count] = p->at;
	login = &c->logins[c->login_count++];
	*login = (struct config_login){.name = parse_keep(p, name)};
	parse_standards(p, PLACE_LOGIN, login);
	p->opened = login;
}

void
take_login_user(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	struct span word = line->words[1].text;
	bool is_right = word.len > 0 && word.len <= USER_MAX_BYTES;

	for (size_t i = 0; i < word.len; i++)
		is_right = is_right && (unsigned char)word.at[i] >= ' ' && word.at[i] != 0x7f;
	if (!is_right)
		parse_mistake(p, line->words[1].column,
			      "expected a text of 1 to %d bytes without control characters",
			      USER_MAX_BYTES);
	*(char **)(void *)((char *)object + d->field) = parse_keep(p, word);
}

void
take_login_endpoint(struct parse *p, const struct directive *d, const struct grammar_line *line,
		    void *object)
{
	struct config_login *login = object;
	struct span word = line->words[1].text, rest, host, path;
	uint64_t port = HTTPS_PORT;
	bool is_right = span_starts(word, SPAN("https://")) && word.len <= ENDPOINT_MAX;

	(void)d;
	rest = span_skip(word, is_right ? strlen("https://") : 0);
	path = rest;
	host = span_cut(&path, '/');
	path = span_from(host.at + host.len, rest.len - host.len);
	rest = host;
	host = span_cut(&rest, ':');
	if (rest.len > 0)
		is_right = is_right && number_parse(rest, 1, UINT16_MAX, &port) == 0;
	for (size_t i = 0; i < path.len; i++)
		is_right = is_right && path.at[i] > ' ' && path.at[i] <= '~';
	if (!is_right || path.len == 0 || !domain_is_valid(host))
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected https://HOST[:PORT]/PATH, at most %d bytes, with a "
			      "name as its host",
			      SPAN_ARG(word), ENDPOINT_MAX);
	login->endpoint_host = parse_keep_lower(p, host);
	login->endpoint_port = (uint16_t)port;
	login->endpoint_path = parse_keep(p, path);
}

void
take_login_file(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	struct config_login *login = object;

	if (login->file != NULL)
		parse_mistake(p, line->words[0].column,
			      "`%.*s`: expected only one of `password`, `token` and `refresh` in a "
			      "`login`",
			      SPAN_ARG(line->words[0].text));
	login->is_refresh = span_equal(line->words[0].text, SPAN("refresh"));
	login->is_token = login->is_refresh || span_equal(line->words[0].text, SPAN("token"));
	take_path(p, d, line, object);
}

void
take_mechanisms(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	struct config_login *login = object;

	(void)d;
	login->mechanisms = 0;
	for (size_t i = 1; i < line->count; i++) {
		unsigned bit = 0;

		for (size_t m = 0; m < CONFIG_MECHANISMS; m++)
			if (span_equal_nocase(line->words[i].text, span_of(mechanisms[m].word)))
				bit = 1u << m;
		if (bit == 0)
			parse_mistake(p, line->words[i].column,
				      "`%.*s`: expected `scram-sha-256-plus`, "
				      "`scram-sha-1-plus`, `scram-sha-256`, `scram-sha-1`, "
				      "`plain`, `login`, `oauthbearer` or `xoauth2`",
				      SPAN_ARG(line->words[i].text));
		login->mechanisms |= bit;
	}
}

/* ---- outbound, route ---- */

void
take_login_name(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	struct parse_login_use *uses =
		parse_grow(p, p->login_uses, p->login_use_count, sizeof(*uses));
	char *name = parse_keep(p, line->words[1].text);

	*(char **)(void *)((char *)object + d->field) = name;
	if (uses == NULL || name == NULL)
		return;
	p->login_uses = uses;
	if (p->is_silent)
		return;
	uses[p->login_use_count] = (struct parse_login_use){.word = name, .at = p->at};
	uses[p->login_use_count++].at.column = line->words[1].column;
}

/* ---- what depends on more than one line ---- */

static void
check_login(struct parse *p, const struct config_login *login, const struct parse_position *at)
{
	unsigned mine = 0;

	for (size_t m = 0; m < CONFIG_MECHANISMS; m++)
		if (mechanisms[m].is_token == login->is_token)
			mine |= 1u << m;
	if (login->user == NULL || login->file == NULL)
		mistake_add(
			p->errors, at->file, at->line, at->column,
			"expected `user`, and `password`, `token` or `refresh`, in the block of "
			"`login`");
	else if (login->is_refresh ? login->endpoint_host == NULL || login->client == NULL
				   : login->endpoint_host != NULL || login->client != NULL ||
					     login->client_secret != NULL || login->scope != NULL)
		mistake_add(p->errors, at->file, at->line, at->column,
			    "expected `endpoint` and `client` beside `refresh`, and only there");
	else if ((login->mechanisms & ~mine) != 0)
		mistake_add(p->errors, at->file, at->line, at->column,
			    "expected `mechanisms` that go with a %s",
			    login->is_token ? "token: oauthbearer, xoauth2"
					    : "password: scram-sha-256, scram-sha-1 (with -plus or "
					      "without), plain, login");
}

static bool
is_used(const struct config_sent_as *s)
{
	return s->login != NULL || s->senders.count > 0;
}

/* by LMTP nobody logs in */
static bool
has_lmtp(const struct config_route *route)
{
	return route->hops != NULL && span_starts(span_of(route->hops), SPAN("lmtp:"));
}

void
parse_finish_logins(struct parse *p)
{
	struct config *c = p->config;

	for (size_t i = 0; i < c->login_count; i++)
		check_login(p, &c->logins[i], &p->login_at[i]);
	for (size_t i = 0; i < p->login_use_count; i++) {
		const struct parse_login_use *use = &p->login_uses[i];

		if (config_login_find(c, span_of(use->word)) == NULL)
			mistake_add(p->errors, use->at.file, use->at.line, use->at.column,
				    "`%s`: expected the name of a `login` block", use->word);
	}
	if (is_used(&c->outbound.sent_as) && c->outbound.hops == NULL)
		mistake_add(p->errors, p->outbound_at.file, p->outbound_at.line,
			    p->outbound_at.column,
			    "a login is for the hosts of `smarthost`; expected such a line beside "
			    "it");
	/* before they are sorted: each has its position still */
	for (size_t i = 0; i < c->route_count; i++) {
		const struct config_route *r = &c->routes[i];
		const struct parse_position *at = &p->route_at[i];

		if (is_used(&r->sent_as) && (r->action != CONFIG_ROUTE_HOPS || has_lmtp(r)))
			mistake_add(p->errors, at->file, at->line, at->column,
				    "a login is for the hosts of `smtp`; expected such a line "
				    "beside it");
	}
}

/* ---- questions ---- */

const struct config_login *
config_login_find(const struct config *c, struct span name)
{
	for (size_t i = 0; i < c->login_count; i++)
		if (c->logins[i].name != NULL && span_equal(span_of(c->logins[i].name), name))
			return &c->logins[i];
	return NULL;
}

const struct config_sent_as *
config_sent_as_of(const struct config *c, struct span block)
{
	if (span_equal(block, SPAN("outbound")))
		return &c->outbound.sent_as;
	for (size_t i = 0; i < c->route_count; i++)
		if (span_equal(span_of(c->routes[i].name), block))
			return &c->routes[i].sent_as;
	return NULL;
}

bool
config_has_sender_logins(const struct config *c)
{
	bool has = c->outbound.sent_as.senders.count > 0;

	for (size_t i = 0; i < c->route_count; i++)
		has = has || c->routes[i].sent_as.senders.count > 0;
	return has;
}
