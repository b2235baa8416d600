/*
 * aliases - see aliases.h; called by recipients.c and serve.c
 *
 * A walk keeps a set of what it has met: names that are being expanded (OPEN) or are done (SHUT), and places that already
 * have their leaf.  So each name is expanded once, and recursion goes ALIASES_DEPTH_MAX deep at most.
 */
#include "lookup/aliases.h"

#include <stdlib.h>
#include <string.h>

#include "common/text/checksum.h"

enum met { MET_NOT, MET_OPEN, MET_SHUT };

struct met_key {
	struct span key; /* in the arena; at == NULL: free */
	enum met state;
};

struct walk {
	const struct routes *routes;
	int64_t now_ms;
	struct arena *arena;
	struct expansion *out;
	bool only_first, found_first;
	struct met_key *set;
	size_t set_count, set_size; /* size: 0 or a power of two */
	size_t steps;
	const char *over; /* which bound was passed; NULL: none */
};

static void expand(struct walk *w, struct span address, bool direct, unsigned depth);

/* ---- what has been met ---- */

static struct met_key *
slot_of(struct met_key *set, size_t size, struct span key)
{
	size_t i = checksum_of(key.at, key.len) & (size - 1);

	while (set[i].key.at != NULL && !span_equal(set[i].key, key))
		i = (i + 1) & (size - 1);
	return &set[i];
}

static bool
grow(struct walk *w)
{
	size_t size = w->set_size > 0 ? 4 * w->set_size : 64;
	struct met_key *set = calloc(size, sizeof(*set));

	if (set == NULL)
		return false;
	for (size_t i = 0; i < w->set_size; i++)
		if (w->set[i].key.at != NULL)
			*slot_of(set, size, w->set[i].key) = w->set[i];
	free(w->set);
	w->set = set;
	w->set_size = size;
	return true;
}

/*
 * met - the place of a key in the set, made if need be; NULL: no memory (w->over)
 *
 * `what` is 'n' for a name that aliases may take, 'l' for a leaf.  Valid until the next call.
 */
static struct met_key *
met(struct walk *w, char what, struct span local, struct span domain)
{
	char text[1 + ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX];
	struct span key = span_from(text, 1 + local.len + 1 + domain.len);
	struct met_key *slot;

	if (key.len > sizeof(text) || (w->set_size <= 2 * w->set_count && !grow(w))) {
		w->over = "out of memory";
		return NULL;
	}
	text[0] = what;
	memcpy(text + 1, local.at, local.len);
	text[1 + local.len] = '@';
	memcpy(text + 1 + local.len + 1, domain.at, domain.len);
	slot = slot_of(w->set, w->set_size, key);
	if (slot->key.at == NULL) {
		key = arena_span(w->arena, key);
		if (key.at == NULL) {
			w->over = "out of memory";
			return NULL;
		}
		*slot = (struct met_key){.key = key, .state = MET_NOT};
		w->set_count++;
	}
	return slot;
}

/* names of one block are the same, whichever of its domains they stand in */
static struct span
domain_key(const struct routes_name *n)
{
	return n->domain != NULL ? span_of(n->domain->names[0]) : n->domain_text;
}

/* ---- leaves ---- */

static void
add_leaf(struct walk *w, const struct lookup_leaf *leaf)
{
	struct expansion *out = w->out;

	if (out->count == ALIASES_LEAVES_MAX) {
		w->over = "the alias has too many recipients";
		return;
	}
	if (out->count == out->room) {
		size_t room = out->room > 0 ? 4 * out->room : 4;
		struct lookup_leaf *wider = arena_alloc(w->arena, room * sizeof(*wider));

		if (wider == NULL) {
			w->over = "out of memory";
			return;
		}
		if (out->count > 0)
			memcpy(wider, out->leaves, out->count * sizeof(*wider));
		out->leaves = wider;
		out->room = room;
	}
	out->leaves[out->count++] = *leaf;
	if (leaf->kind == LOOKUP_MAILBOX || leaf->kind == LOOKUP_SMTP)
		w->found_first = true;
}

/* place - what the name is without aliases; once */
static void
place(struct walk *w, const struct routes_name *n, struct span address, bool direct, bool came_back)
{
	struct lookup_leaf leaf;
	struct met_key *key = met(w, 'l', span_from(n->whole, n->whole_len), domain_key(n));

	if (key == NULL || key->state == MET_SHUT)
		return;
	key->state = MET_SHUT;
	routes_leaf(w->routes, n, address, w->now_ms, w->arena, &leaf);
	if (came_back && leaf.kind == LOOKUP_REFUSE)
		routes_refuse(&leaf, address, 550, "5.4.6",
			      "the alias leads back to itself, and there is no user of that name");
	leaf.direct = direct;
	add_leaf(w, &leaf);
}

/* ---- aliases ---- */

/* find_alias - in each table of the block; TABLE_TROUBLE as soon as one cannot say */
static enum table_outcome
find_alias(const struct walk *w, const struct routes_name *n, const struct alias_entry **entry)
{
	const struct config_domain *d = n->domain;

	for (size_t i = 0; i < d->alias_count; i++) {
		enum table_outcome o =
			tables_find(w->routes->tables, d->aliases[i],
				    span_from(n->whole, n->whole_len), w->now_ms, entry);

		if (o == TABLE_ABSENT && n->base_len < n->whole_len)
			o = tables_find(w->routes->tables, d->aliases[i],
					span_from(n->whole, n->base_len), w->now_ms, entry);
		if (o != TABLE_ABSENT)
			return o;
	}
	return TABLE_ABSENT;
}

/* is_served - can each value of the line be carried out? */
static bool
is_served(const struct alias_entry *e)
{
	for (size_t i = 0; i < e->value_count; i++)
		if (e->values[i].kind != ALIAS_ADDRESS)
			return false;
	return true;
}

/* value_address - the value as a whole address; at == NULL: no memory, or too long to be one */
static struct span
value_address(const struct walk *w, const struct alias_value *v, const struct routes_name *n)
{
	size_t len = v->text.len + 1 + n->domain_text.len;
	char *to;

	if (!span_ends(v->text, SPAN("\"")) && address_domain_of(v->text).len > 0)
		return v->text;
	to = len <= ADDRESS_MAX ? arena_alloc(w->arena, len) : NULL;
	if (to == NULL)
		return span_from(NULL, 0);
	memcpy(to, v->text.at, v->text.len);
	to[v->text.len] = '@';
	memcpy(to + v->text.len + 1, n->domain_text.at, n->domain_text.len);
	return span_from(to, len);
}

static void
expand_values(struct walk *w, const struct alias_entry *e, const struct routes_name *n,
	      unsigned depth)
{
	for (size_t i = 0; i < e->value_count && w->over == NULL; i++) {
		struct span address = value_address(w, &e->values[i], n);

		if (w->only_first && w->found_first)
			return;
		if (++w->steps > ALIASES_STEPS_MAX)
			w->over = "the alias has too many recipients";
		else if (address.at == NULL)
			w->over = "out of memory";
		else
			expand(w, address, e->values[i].direct, depth + 1);
	}
}

/* alias - true: an alias took the name, and its leaves are there */
static bool
alias(struct walk *w, const struct routes_name *n, struct span address, unsigned depth)
{
	const struct alias_entry *entry;
	struct lookup_leaf leaf;
	struct met_key *key;
	struct span whole = span_from(n->whole, n->whole_len);

	switch (find_alias(w, n, &entry)) {
	case TABLE_ABSENT:
		return false;
	case TABLE_TROUBLE:
		routes_defer(&leaf, address, 451, "4.3.0", "a table of aliases cannot be read now");
		add_leaf(w, &leaf);
		return true;
	case TABLE_FOUND:
		break;
	}
	if (entry->value_count == 0) {
		routes_defer(&leaf, address, 451, "4.3.5",
			     "the line of this alias is not understood");
		add_leaf(w, &leaf);
	} else if (!is_served(entry)) {
		routes_refuse(
			&leaf, address, 550, "5.3.3",
			"this alias names a command, a file or a list, which is not served here");
		add_leaf(w, &leaf);
	} else if (depth >= ALIASES_DEPTH_MAX) {
		w->over = "aliases of aliases go too deep";
	} else {
		expand_values(w, entry, n, depth);
	}
	key = met(w, 'n', whole, domain_key(n));
	if (key != NULL)
		key->state = MET_SHUT;
	return true;
}

static void
expand(struct walk *w, struct span address, bool direct, unsigned depth)
{
	struct lookup_leaf leaf;
	struct routes_name n;
	struct met_key *key;
	bool came_back = false;

	if (routes_name(w->routes, address, &n) < 0) {
		routes_refuse(&leaf, address, 550, "5.1.3", "nobody can have this address");
		add_leaf(w, &leaf);
		return;
	}
	if (n.domain != NULL && n.domain->alias_count > 0 && !direct) {
		key = met(w, 'n', span_from(n.whole, n.whole_len), domain_key(&n));
		if (key == NULL || key->state == MET_SHUT)
			return;
		came_back = key->state == MET_OPEN;
		key->state = MET_OPEN;
		if (!came_back && alias(w, &n, address, depth))
			return;
	}
	place(w, &n, address, direct || came_back, came_back);
}

void
aliases_expand(const struct routes *r, struct span address, bool direct, bool only_first,
	       int64_t now_ms, struct arena *arena, struct expansion *out)
{
	static struct lookup_leaf last_resort;
	struct walk w = {.routes = r,
			 .now_ms = now_ms,
			 .arena = arena,
			 .out = out,
			 .only_first = only_first};

	*out = (struct expansion){0};
	expand(&w, address, direct, 0);
	free(w.set);
	if (w.over == NULL && out->count > 0)
		return;
	if (w.over == NULL) /* cannot be: each name that is met gives a leaf, or has given one */
		w.over = "the alias leads nowhere";
	if (out->room == 0) {
		out->leaves = &last_resort;
		out->room = 1;
	}
	out->count = 1;
	routes_defer(&out->leaves[0], address, 451, "4.3.5", w.over);
	out->leaves[0].direct = direct;
}
