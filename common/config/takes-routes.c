/*
 * takes-routes - what the rows of `resolver`, `trust-anchor` and `route` do with their arguments; and the route of a domain
 *
 * See takes.h.  A route's `hops` are the words that delivery gets, so that nobody between here and there spells them again.
 */
#include <stdlib.h>

#include "common/config/mistakes.h"
#include "common/config/parse.h"
#include "common/config/takes.h"
#include "common/config/values.h"
#include "common/mail/domain.h"
#include "common/mail/hop.h"
#include "common/text/number.h"

#define HOPS_MAX 8192 /* bytes of all hops of a route */

static struct span
argument(const struct grammar_line *line, size_t n)
{
	return line->words[n + 1].text;
}

/* ---- resolver ---- */

/* ADDRESS or ADDRESS@PORT */
static bool
is_server(struct span word)
{
	struct span rest = word;
	struct span address = span_cut(&rest, '@');
	unsigned char bytes[16];
	uint64_t port;
	int family;

	if (address.len == 0 || address.at[0] == '[' || value_ip(address, &family, bytes) < 0)
		return false;
	return address.len == word.len || number_parse(rest, 1, UINT16_MAX, &port) == 0;
}

void
take_resolver(struct parse *p, const struct directive *d, const struct grammar_line *line,
	      void *object)
{
	struct config *c = object;
	size_t count = line->count - 1;

	(void)d;
	c->resolver_server_count = 0;
	c->resolver = CONFIG_RESOLVER_SERVERS;
	if (count == 1 && span_equal(argument(line, 0), SPAN("system")))
		c->resolver = CONFIG_RESOLVER_SYSTEM;
	if (count == 1 && span_equal(argument(line, 0), SPAN("recursive")))
		c->resolver = CONFIG_RESOLVER_RECURSIVE;
	if (c->resolver != CONFIG_RESOLVER_SERVERS)
		return;
	c->resolver_servers = arena_alloc(&c->arena, count * sizeof(char *));
	if (c->resolver_servers == NULL) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_server(argument(line, i)))
			parse_mistake(p, line->words[i + 1].column,
				      "`%.*s`: expected `system`, `recursive`, or addresses of "
				      "name servers, like 192.0.2.1, 127.0.0.1@5353 or 2001:db8::1",
				      SPAN_ARG(argument(line, i)));
		c->resolver_servers[c->resolver_server_count++] = parse_keep(p, argument(line, i));
	}
}

void
take_trust_anchor(struct parse *p, const struct directive *d, const struct grammar_line *line,
		  void *object)
{
	struct config *c = object;

	c->is_unvalidated = span_equal(argument(line, 0), SPAN("none"));
	if (!c->is_unvalidated)
		take_path(p, d, line, object);
}

/* ---- route ---- */

void
take_route(struct parse *p, const struct directive *d, const struct grammar_line *line,
	   void *object)
{
	struct config *c = object;
	struct span name = argument(line, 0);
	struct config_route *routes;
	struct parse_position *at;

	(void)d;
	if (!domain_is_valid(span_starts(name, SPAN(".")) ? span_skip(name, 1) : name))
		parse_mistake(p, line->words[1].column,
			      "`%.*s`: expected the name of a domain, like example.org, or "
			      ".example.org for all below it",
			      SPAN_ARG(name));
	routes = parse_grow(p, c->routes, c->route_count, sizeof(*routes));
	at = parse_grow(p, p->route_at, c->route_count, sizeof(*at));
	if (routes == NULL || at == NULL)
		return;
	c->routes = routes;
	p->route_at = at;
	at[c->route_count] = p->at;
	routes[c->route_count] = (struct config_route){.name = parse_keep_lower(p, name)};
	p->opened = &routes[c->route_count++];
}

static struct config_route *
act(struct parse *p, const struct grammar_line *line, void *object, enum config_route_action action)
{
	struct config_route *route = object;

	if (route->action != CONFIG_ROUTE_NONE)
		parse_mistake(p, line->words[0].column,
			      "`%.*s`: expected only one of `smtp`, `lmtp`, `refuse`, `discard`, "
			      "`defer` and `hold` in a `route`",
			      SPAN_ARG(line->words[0].text));
	route->action = action;
	return route;
}

static bool
smtp_hop(struct span word, struct hop *hop)
{
	if (span_starts(word, SPAN("lmtp:")))
		return false;
	hop->is_mx = span_starts(word, SPAN("mx:"));
	if (hop->is_mx)
		return value_mx(span_skip(word, 3), &hop->host, &hop->port) == 0;
	if (value_host_port(word, &hop->host, &hop->port) < 0)
		return false;
	return true;
}

static bool
lmtp_hop(struct span word, struct hop *hop)
{
	hop->is_lmtp = true;
	if (word.len > 0 && word.at[0] == '/')
		return value_path(word, &hop->path) == 0 && !span_has(word, ' ');
	return value_host_port(word, &hop->host, &hop->port) == 0;
}

#define LMTP_EXPECTED "HOST:PORT, or the path of a socket that begins with `/`"
#define SMTP_EXPECTED \
	"HOST:PORT, like mail.example.org:25, 192.0.2.1:25 or [2001:db8::1]:25, or mx:DOMAIN"

static char *
hops_of(struct parse *p, const struct grammar_line *line,
	bool (*take)(struct span word, struct hop *hop), const char *expected)
{
	struct buffer words, word;
	char *kept;

	buffer_init(&words, HOPS_MAX);
	buffer_init(&word, HOPS_MAX);
	for (size_t i = 0; i + 1 < line->count; i++) {
		struct hop hop = {.host = SPAN_NONE, .path = SPAN_NONE};
		unsigned char address[16];
		int family;

		if (!take(argument(line, i), &hop)) {
			parse_mistake(p, line->words[i + 1].column, "`%.*s`: expected %s",
				      SPAN_ARG(argument(line, i)), expected);
			continue;
		}
		hop.is_literal = hop.host.len > 0 && value_ip(hop.host, &family, address) == 0;
		if (words.len > 0)
			buffer_char(&words, ' ');
		buffer_clear(&word);
		hop_write(&hop, &word);
		for (size_t n = 0; n < word.len; n++)
			if (hop.path.len > 0)
				buffer_char(&words, word.at[n]);
			else
				buffer_char(&words, ascii_lower(word.at[n]));
	}
	if (words.failed || word.failed)
		parse_mistake(p, line->words[1].column,
			      "expected hosts of at most %d bytes, all together", HOPS_MAX);
	kept = parse_keep(p, buffer_get(&words));
	buffer_free(&words);
	buffer_free(&word);
	return kept;
}

char *
parse_hops(struct parse *p, const struct grammar_line *line)
{
	return hops_of(p, line, smtp_hop, SMTP_EXPECTED);
}

void
take_smarthosts(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	struct config_outbound *out = object;

	(void)d;
	out->hops = parse_hops(p, line);
}

static void
take_hops(struct parse *p, const struct grammar_line *line, void *object,
	  bool (*take)(struct span word, struct hop *hop), const char *expected)
{
	struct config_route *route = act(p, line, object, CONFIG_ROUTE_HOPS);

	route->hops = hops_of(p, line, take, expected);
}

void
take_route_smtp(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	(void)d;
	take_hops(p, line, object, smtp_hop, SMTP_EXPECTED);
}

void
take_route_lmtp(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	(void)d;
	take_hops(p, line, object, lmtp_hop, LMTP_EXPECTED);
}

char *
parse_lmtp_hop(struct parse *p, const struct grammar_line *line, size_t at)
{
	struct grammar_line rest = *line;

	if (line->count != at + 2) {
		parse_mistake(p, line->end, "expected one of " LMTP_EXPECTED " behind `lmtp`");
		return NULL;
	}
	rest.words += at;
	rest.count -= at;
	return hops_of(p, &rest, lmtp_hop, LMTP_EXPECTED);
}

static void
take_text(struct parse *p, const struct grammar_line *line, void *object,
	  enum config_route_action action)
{
	struct config_route *route = act(p, line, object, action);
	struct span text;

	if (line->count < 2)
		return;
	text = argument(line, 0);
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < ' ' || text.at[i] > '~') {
			parse_mistake(p, line->words[1].column,
				      "expected a text of printable ASCII");
			return;
		}
	if (text.len == 0 || text.len > CONFIG_ROUTE_TEXT_MAX) {
		parse_mistake(p, line->words[1].column, "expected a text of 1 to %d characters",
			      CONFIG_ROUTE_TEXT_MAX);
		return;
	}
	route->text = parse_keep(p, text);
}

void
take_route_refuse(struct parse *p, const struct directive *d, const struct grammar_line *line,
		  void *object)
{
	(void)d;
	take_text(p, line, object, CONFIG_ROUTE_REFUSE);
}

void
take_route_discard(struct parse *p, const struct directive *d, const struct grammar_line *line,
		   void *object)
{
	(void)d;
	(void)act(p, line, object, CONFIG_ROUTE_DISCARD);
}

void
take_route_defer(struct parse *p, const struct directive *d, const struct grammar_line *line,
		 void *object)
{
	(void)d;
	take_text(p, line, object, CONFIG_ROUTE_DEFER);
}

void
take_route_hold(struct parse *p, const struct directive *d, const struct grammar_line *line,
		void *object)
{
	(void)d;
	take_text(p, line, object, CONFIG_ROUTE_HOLD);
}

/* ---- all of them ---- */

static int
compare_routes(const void *a, const void *b)
{
	const struct config_route *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void
parse_finish_routes(struct parse *p)
{
	struct config *c = p->config;

	for (size_t i = 0; i < c->route_count; i++) {
		const struct parse_position *at = &p->route_at[i];

		if (c->routes[i].action == CONFIG_ROUTE_NONE)
			mistake_add(p->errors, at->file, at->line, at->column,
				    "expected `smtp`, `lmtp`, `refuse`, `discard`, `defer` or "
				    "`hold` in the block of `route`");
		/* what is said of a place's block by its name is said of one block */
		if (span_equal(span_of(c->routes[i].name), SPAN("outbound")))
			mistake_add(p->errors, at->file, at->line, at->column,
				    "expected another name of a `route`: `outbound` is the block "
				    "for all other domains");
		else if (config_domain_find(c, span_of(c->routes[i].name)) != NULL)
			mistake_add(
				p->errors, at->file, at->line, at->column,
				"the route `%s` is never taken: there is a `domain` of that name",
				c->routes[i].name);
		for (size_t n = 0; n < i; n++)
			if (strcmp(c->routes[n].name, c->routes[i].name) == 0) {
				mistake_add(p->errors, at->file, at->line, at->column,
					    "the route `%s` is here twice; it stands in line %u of "
					    "%.*s already",
					    c->routes[i].name, p->route_at[n].line,
					    SPAN_ARG(p->route_at[n].file));
				break;
			}
	}
	if (c->route_count > 1)
		qsort(c->routes, c->route_count, sizeof(c->routes[0]), compare_routes);
}

static const struct config_route *
find(const struct config *c, struct span name)
{
	char key[256 + 1];

	if (span_copy(name, key, sizeof(key)) < 0 || c->route_count == 0)
		return NULL;
	return bsearch(&(struct config_route){.name = key}, c->routes, c->route_count,
		       sizeof(c->routes[0]), compare_routes);
}

const struct config_route *
config_route_find(const struct config *c, struct span name)
{
	const struct config_route *route = find(c, name);

	for (size_t i = 0; i < name.len && route == NULL; i++)
		if (name.at[i] == '.')
			route = find(c, span_skip(name, i));
	return route;
}
