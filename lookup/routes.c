/*
 * routes - see routes.h; called by aliases.c
 */
#include "lookup/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/outside.h"
#include "common/mail/domain.h"
#include "common/mail/hop.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/buffer.h"
#include "lookup/idna.h"
#include "lookup/virtual.h"

#define SMTP_PORT 25
#define LITERAL_MAX 128 /* bytes of a hop that is an address */

/* the names that every system has to answer for (RFC 2142, RFC 5321 section 4.5.1), whether there is such a user or not */
static const char *const duty_names[] = {"root", "postmaster", "abuse", "mailer-daemon"};

void
routes_init(struct routes *r, const struct config *config, struct tables *tables,
	    struct users *users, bool as_root)
{
	struct passwd_user own;

	*r = (struct routes){
		.config = config, .tables = tables, .users = users, .as_root = as_root};
	if (as_root)
		return;
	switch (passwd_find_uid(getuid(), &own)) {
	case PASSWD_FOUND:
		memcpy(r->own_user, own.name, sizeof(r->own_user));
		break;
	case PASSWD_ABSENT:
		EVENT("users-trouble", event_number("uid", getuid()),
		      event_string("reason", "who runs this has no name: there is no mailbox"));
		break;
	case PASSWD_TROUBLE:
		fatal(EXIT_TRY_LATER, errno, "the name of uid %u", (unsigned)getuid());
	}
}

int
routes_name(const struct routes *r, struct span address, struct routes_name *n)
{
	struct address a = {.len = address.len};
	struct span domain = address_domain_of(address);
	const char *separator = NULL;

	if (span_copy(address, a.text, sizeof(a.text)) < 0)
		return -1;
	a.domain_at = domain.len > 0 ? address.len - domain.len : 0;
	/* quotes and backslashes only become fewer when they are taken off */
	if (address_local_of(address).len > ADDRESS_LOCAL_MAX)
		return -1;
	address_local(&a, n->whole);
	n->whole_len = strlen(n->whole);
	if (n->whole_len == 0)
		return -1;
	for (size_t i = 0; i < n->whole_len; i++)
		n->whole[i] = ascii_lower(n->whole[i]);
	if (r->config->extension != '\0')
		separator = strchr(n->whole + 1, r->config->extension);
	n->base_len = separator != NULL ? (size_t)(separator - n->whole) : n->whole_len;
	n->domain_text = domain.len > 0 ? domain : span_of(r->config->hostname);
	if (idna_is_needed(domain)) {
		int len = idna_ascii(domain, n->ascii, sizeof(n->ascii));

		if (len < 0)
			return -1;
		n->domain_text = span_from(n->ascii, (size_t)len);
	}
	n->domain = config_domain_find(r->config, n->domain_text);
	return 0;
}

static void
no_place(struct lookup_leaf *leaf, enum lookup_leaf_kind kind, struct span address, uint64_t code,
	 const char *status, const char *text)
{
	*leaf = (struct lookup_leaf){.kind = kind,
				     .address = address,
				     .user = SPAN_NONE,
				     .domain = SPAN_NONE,
				     .hosts = SPAN_NONE,
				     .code = code,
				     .status = span_of(status),
				     .text = span_of(text),
				     .home = SPAN_NONE};
}

void
routes_refuse(struct lookup_leaf *leaf, struct span address, uint64_t code, const char *status,
	      const char *text)
{
	no_place(leaf, LOOKUP_REFUSE, address, code, status, text);
}

void
routes_defer(struct lookup_leaf *leaf, struct span address, uint64_t code, const char *status,
	     const char *text)
{
	no_place(leaf, LOOKUP_DEFER, address, code, status, text);
}

static void
to_hops(struct span hops, struct span block, struct span address, struct lookup_leaf *leaf)
{
	*leaf = (struct lookup_leaf){.kind = LOOKUP_SMTP,
				     .address = address,
				     .user = SPAN_NONE,
				     .domain = block,
				     .hosts = hops,
				     .status = SPAN_NONE,
				     .text = SPAN_NONE,
				     .home = SPAN_NONE};
}

/* as the block of `route` says that is no way out */
static void
by_route(const struct config_route *route, struct span address, struct lookup_leaf *leaf)
{
	const char *text = route->text;

	switch (route->action) {
	case CONFIG_ROUTE_REFUSE:
		routes_refuse(leaf, address, 550, "5.7.1",
			      text != NULL ? text : "mail for this domain is not taken");
		return;
	case CONFIG_ROUTE_DISCARD:
		no_place(leaf, LOOKUP_DISCARD, address, 0, "", route->name);
		return;
	case CONFIG_ROUTE_HOLD:
		no_place(leaf, LOOKUP_HOLD, address, 0, "", text != NULL ? text : route->name);
		return;
	case CONFIG_ROUTE_HOPS: /* that was outside_domain's */
	case CONFIG_ROUTE_NONE: /* config_parse lets none through */
	case CONFIG_ROUTE_DEFER:
		break;
	}
	routes_defer(leaf, address, 450, "4.7.1",
		     text != NULL ? text : "mail for this domain waits, as the configuration says");
}

/* [192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321, section 4.1.3) as a hop; false: another kind of literal */
static bool
literal_hop(struct span domain, struct hop *hop)
{
	struct span text = span_from(domain.at + 1, domain.len - 2);

	if (span_starts_nocase(text, SPAN("IPv6:")))
		text = span_skip(text, 5);
	hop->is_literal = span_has(text, ':') || domain_is_valid(text);
	hop->host = text;
	return hop->is_literal;
}

/* to_kept_hops - `hops` are copied */
static void
to_kept_hops(struct span hops, struct span block, struct span address, struct arena *arena,
	     struct lookup_leaf *leaf)
{
	struct span kept = arena_span(arena, hops);

	if (kept.at == NULL)
		routes_defer(leaf, address, 451, "4.3.0", "out of memory");
	else
		to_hops(kept, block, address, leaf);
}

/* an address literal goes to that address */
static void
by_literal(struct span domain, struct span address, struct arena *arena, struct lookup_leaf *leaf)
{
	struct hop hop = {.port = SMTP_PORT, .path = SPAN_NONE};
	struct buffer b;

	if (!domain_is_literal(domain) || !literal_hop(domain, &hop)) {
		routes_refuse(leaf, address, 550, "5.1.2", "this is not the name of a domain");
		return;
	}
	buffer_init(&b, LITERAL_MAX);
	hop_write(&hop, &b);
	if (b.failed)
		routes_defer(leaf, address, 451, "4.3.0", "out of memory");
	else
		to_kept_hops(buffer_get(&b), SPAN(OUTSIDE_BLOCK), address, arena, leaf);
	buffer_free(&b);
}

/* a domain that is not ours */
static void
next_hop(const struct routes *r, const struct routes_name *n, struct span address,
	 struct arena *arena, struct lookup_leaf *leaf)
{
	char lower[ADDRESS_MAX + 1];
	struct span domain = span_from(lower, n->domain_text.len);
	const struct config_route *route;
	struct outside o;

	if (span_copy(n->domain_text, lower, sizeof(lower)) < 0) {
		routes_refuse(leaf, address, 550, "5.1.2", "this is not the name of a domain");
		return;
	}
	for (size_t i = 0; i < domain.len; i++)
		lower[i] = ascii_lower(lower[i]);
	route = config_route_find(r->config, domain);
	if (outside_domain(r->config, domain, &o))
		to_kept_hops(o.hops, o.block, address, arena, leaf);
	else if (route != NULL)
		by_route(route, address, leaf);
	else if (domain_is_literal(domain) && r->config->outbound.hops != NULL)
		to_hops(span_of(r->config->outbound.hops), SPAN(OUTSIDE_BLOCK), address, leaf);
	else
		by_literal(domain, address, arena, leaf);
}

/* mailbox - `user` is copied: it mostly stands in a struct of the caller's stack */
static void
mailbox(const struct config_domain *domain, struct span user, struct span address,
	struct arena *arena, struct lookup_leaf *leaf)
{
	struct span kept = arena_span(arena, user);

	if (kept.at == NULL) {
		routes_defer(leaf, address, 451, "4.3.0", "out of memory");
		return;
	}
	*leaf = (struct lookup_leaf){.kind = LOOKUP_MAILBOX,
				     .address = address,
				     .user = kept,
				     .domain = span_of(domain->names[0]),
				     .hosts = SPAN_NONE,
				     .status = SPAN_NONE,
				     .text = SPAN_NONE,
				     .home = SPAN_NONE};
}

/* the mailbox of those who have none of their own */
static struct span
duty_user(const struct routes *r)
{
	return r->as_root ? SPAN(ROUTES_ROOT_USER) : span_of(r->own_user);
}

/* duty_domain - the block where that mailbox is; NULL: an ordinary user has none */
static const struct config_domain *
duty_domain(const struct routes *r, const struct routes_name *n)
{
	const struct config_domain *own =
		config_domain_find(r->config, span_of(r->config->hostname));

	if (n->domain->users_system || r->as_root)
		return n->domain;
	return own != NULL && own->users_system ? own : NULL;
}

static bool
is_duty(struct span name)
{
	for (size_t i = 0; i < sizeof(duty_names) / sizeof(duty_names[0]); i++)
		if (span_equal(name, span_of(duty_names[i])))
			return true;
	return false;
}

/* system_user - is `name` one, and whose mailbox is his? */
static enum passwd_outcome
system_user(const struct routes *r, struct span name, int64_t now_ms, struct span *mailbox_of)
{
	enum passwd_outcome outcome;
	uid_t uid = (uid_t)-1;

	if (!r->as_root) {
		*mailbox_of = span_of(r->own_user);
		return span_equal_nocase(name, span_of(r->own_user)) ? PASSWD_FOUND : PASSWD_ABSENT;
	}
	outcome = users_find(r->users, name, now_ms, &uid);
	*mailbox_of = uid < r->config->min_uid ? SPAN(ROUTES_ROOT_USER) : name;
	return outcome;
}

bool
routes_leaf(const struct routes *r, const struct routes_name *n, struct span address,
	    int64_t now_ms, struct arena *arena, struct lookup_leaf *leaf)
{
	const struct span names[] = {span_from(n->whole, n->whole_len),
				     span_from(n->whole, n->base_len)};
	size_t count = n->base_len < n->whole_len ? 2 : 1;
	const struct config_domain *home;
	struct span user;

	if (n->domain == NULL) {
		next_hop(r, n, address, arena, leaf);
		return true;
	}
	if (!n->domain->users_system && virtual_leaf(r, n, address, now_ms, arena, leaf))
		return true;
	if (n->domain->relay != NULL)
		return false;
	for (size_t i = 0; n->domain->users_system && i < count; i++) {
		switch (system_user(r, names[i], now_ms, &user)) {
		case PASSWD_FOUND:
			mailbox(n->domain, user, address, arena, leaf);
			/* root's mail is kept by local, whatever a table says */
			if (leaf->kind == LOOKUP_MAILBOX &&
			    !(r->as_root && span_equal(user, SPAN(ROUTES_ROOT_USER))))
				(void)virtual_delivery(r, n, now_ms, arena, leaf);
			return true;
		case PASSWD_ABSENT:
			break;
		case PASSWD_TROUBLE:
			routes_defer(leaf, address, 451, "4.3.0",
				     "the list of users cannot be read now");
			return true;
		}
	}
	home = duty_domain(r, n);
	for (size_t i = 0; i < count; i++) {
		if (home != NULL && is_duty(names[i]) && duty_user(r).len > 0) {
			mailbox(home, duty_user(r), address, arena, leaf);
			return true;
		}
	}
	routes_refuse(leaf, address, 550, "5.1.1", "no such user here");
	return false;
}

void
routes_ending(const struct routes *r, uint64_t direct, struct lookup_leaf *leaf)
{
	const struct config_delivery *delivery;
	const struct config_domain *d;
	bool is_read;

	if (leaf->kind != LOOKUP_MAILBOX)
		return;
	d = config_domain_find(r->config, leaf->domain);
	is_read = leaf->home.len == 0 && d->forward && direct != LOOKUP_DIRECT_MAILBOX;
	if (is_read ||
	    (r->as_root && leaf->home.len == 0 && span_equal(leaf->user, SPAN(ROUTES_ROOT_USER))))
		return;
	delivery = config_delivery_find(d, leaf->delivery);
	if (delivery == NULL)
		delivery = &d->deliver;
	switch (delivery->ending) {
	case CONFIG_LMTP:
		to_hops(span_of(delivery->hops), span_of(d->names[0]), leaf->address, leaf);
		return;
	case CONFIG_PIPE:
		leaf->kind = LOOKUP_LINE;
		return;
	case CONFIG_MAILDIR:
	case CONFIG_MBOX:
		return;
	}
}
