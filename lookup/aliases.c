/*
 * aliases - see aliases.h; called by recipients.c and serve.c
 *
 * A walk keeps a set of what it has met: names that are being expanded (OPEN) or are done (SHUT), and places that already
 * have their leaf.  So each name is expanded once, and recursion goes ALIASES_DEPTH_MAX deep at most.
 */
#include "lookup/aliases.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text/checksum.h"
#include "lookup/virtual.h"

#define OWNER "owner-" /* before the name of an alias: who is the sender of what goes through it */

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
	const char *over;  /* which bound was passed; NULL: none */
	struct span owner; /* of the innermost alias that has one: in the arena */
};

static void expand(struct walk *w, struct span address, uint64_t direct, unsigned depth);

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
 * `what` is 'v' for a name that `virtual` may take, 'n' for one that aliases may take, 'l' for a leaf, 'c' for a block whose catch-all
 * has been asked.  Valid until the next call.
 */
static struct met_key *
met(struct walk *w, char what, struct span local, struct span domain)
{
	char text[1 + ADDRESS_LOCAL_MAX + 1 + ADDRESS_MAX];
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

/* users of the system are the same, whichever domain of their block they stand in; all others are not */
static struct span
domain_key(const struct routes_name *n)
{
	bool is_same = n->domain != NULL && n->domain->users_system;

	return is_same ? span_of(n->domain->names[0]) : n->domain_text;
}

/* value_address - the value as a whole address; at == NULL: no memory, or too long to be one */
static struct span
value_address(const struct walk *w, const struct alias_value *v, const struct routes_name *n)
{
	size_t len = v->text.len + 1 + n->domain_text.len;
	char *to;

	if (v->kind == ALIAS_DOMAIN)
		return virtual_address(w->routes, v, n, SPAN_NONE, w->arena);
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
	out->leaves[out->count] = *leaf;
	out->leaves[out->count++].owner = w->owner;
	if (leaf->kind == LOOKUP_MAILBOX || leaf->kind == LOOKUP_SMTP ||
	    leaf->kind == LOOKUP_LINE || leaf->kind == LOOKUP_ALIAS)
		w->found_first = true;
}

/* catch_all - true: nobody has the name, and who gets what nobody has is there instead */
static bool
catch_all(struct walk *w, const struct routes_name *n, unsigned depth)
{
	const struct config_domain *d = n->domain;
	struct alias_value value = {.kind = ALIAS_ADDRESS};
	struct met_key *key;
	struct span address;

	if (d == NULL || d->catch_all == NULL || depth >= ALIASES_DEPTH_MAX)
		return false;
	key = met(w, 'c', SPAN_NONE, span_of(d->names[0]));
	if (key == NULL || key->state != MET_NOT) /* nobody has the name of the catch-all either */
		return false;
	key->state = MET_OPEN;
	value.text = span_of(d->catch_all);
	address = value_address(w, &value, n);
	if (address.at == NULL)
		w->over = "out of memory";
	else
		expand(w, address, LOOKUP_DIRECT_NOT, depth + 1);
	/* another name of the block may lead there as well: its leaves are met already, and come once */
	key = met(w, 'c', SPAN_NONE, span_of(d->names[0]));
	if (key != NULL)
		key->state = MET_NOT;
	return true;
}

/* place - what the name is without aliases; once */
static void
place(struct walk *w, const struct routes_name *n, struct span address, uint64_t direct,
      bool came_back, unsigned depth)
{
	bool is_there;

	struct lookup_leaf leaf;
	struct met_key *key = met(w, 'l', span_from(n->whole, n->whole_len), domain_key(n));

	if (key == NULL || key->state == MET_SHUT)
		return;
	key->state = MET_SHUT;
	is_there = routes_leaf(w->routes, n, address, w->now_ms, w->arena, &leaf);
	if (!is_there && !came_back && catch_all(w, n, depth))
		return;
	if (came_back && leaf.kind == LOOKUP_REFUSE)
		routes_refuse(&leaf, address, 550, "5.4.6",
			      "the alias leads back to itself, and there is no user of that name");
	routes_ending(w->routes, direct, &leaf);
	leaf.direct = direct;
	add_leaf(w, &leaf);
}

/* ---- aliases ---- */

/* is_text - do its lines stand in a file that local can read itself? */
static bool
is_text(const struct walk *w, const char *word)
{
	struct config_table table;

	return config_table_find(w->routes->config, word, &table) == 0 &&
	       table.type == CONFIG_TABLE_FILE;
}

/* the values of an entry; `rest` is the extension that they get, of virtual ones */
struct values {
	const struct alias_entry *entry;
	bool is_virtual;
	const char *
		text; /* the text table of aliases it stands in: its lines can be carried out; NULL: another */
	struct span rest;
};

/* find_alias - in each table of the block; TABLE_TROUBLE as soon as one cannot say */
static enum table_outcome
find_alias(const struct walk *w, const struct routes_name *n, struct values *v)
{
	const struct config_tables *tables = &n->domain->tables[CONFIG_ALIASES];
	struct table_answer answer;

	for (size_t i = 0; i < tables->count; i++) {
		struct tables *t = w->routes->tables;
		const char *word = tables->words[i];
		enum table_outcome o =
			tables_find(t, word, CONFIG_ALIASES, span_from(n->whole, n->whole_len),
				    w->now_ms, w->arena, &answer);

		if (o == TABLE_ABSENT && n->base_len < n->whole_len && !tables_is_whole(t, word))
			o = tables_find(t, word, CONFIG_ALIASES, span_from(n->whole, n->base_len),
					w->now_ms, w->arena, &answer);
		if (o == TABLE_FOUND && virtual_parse(&answer, w->arena, &v->entry) < 0)
			return TABLE_TROUBLE;
		v->text = is_text(w, word) ? word : NULL;
		if (o != TABLE_ABSENT)
			return o;
	}
	return TABLE_ABSENT;
}

/* is_line - a command, a file or a list, which local carries out */
static bool
is_line(const struct alias_value *v)
{
	return v->kind != ALIAS_ADDRESS && v->kind != ALIAS_DOMAIN;
}

/* is_served - can each value of the line be carried out? */
static bool
is_served(const struct values *v)
{
	for (size_t i = 0; v->text == NULL && i < v->entry->value_count; i++)
		if (is_line(&v->entry->values[i]))
			return false;
	return true;
}

/* add_line - once, however often the alias has it */
static void
add_line(struct walk *w, const struct values *v, const struct alias_value *value,
	 const struct routes_name *n, struct span address)
{
	char hash[17];
	struct met_key *key;
	struct lookup_leaf leaf = {.kind = LOOKUP_ALIAS,
				   .address = address,
				   .line = alias_value_hash(value),
				   .user = arena_span(w->arena, v->entry->name),
				   .domain = span_of(n->domain->names[0]),
				   .hosts = SPAN_NONE,
				   .status = SPAN_NONE,
				   .text = SPAN_NONE,
				   .home = span_of(v->text)};

	snprintf(hash, sizeof(hash), "%016" PRIX64, leaf.line);
	key = met(w, '|', span_of(hash), address);
	if (key == NULL || key->state == MET_SHUT)
		return;
	key->state = MET_SHUT;
	if (leaf.user.at == NULL)
		w->over = "out of memory";
	else
		add_leaf(w, &leaf);
}

/*
 * owner_of - owner-NAME at the name's domain, where there is an alias of that name; empty: NAME has none (aliases(5) of Postfix,
 * owner_request_special)
 */
static struct span
owner_of(struct walk *w, const struct routes_name *n)
{
	struct span name = span_from(n->whole, n->whole_len);
	struct values v = {.rest = SPAN_NONE};
	struct routes_name owner = *n;
	struct alias_value value = {.kind = ALIAS_ADDRESS};

	if (span_starts(name, SPAN(OWNER)) || span_ends(name, SPAN("-request")) ||
	    n->base_len + sizeof(OWNER) > sizeof(owner.whole))
		return SPAN_NONE;
	owner.base_len = owner.whole_len = sizeof(OWNER) - 1 + n->base_len;
	memcpy(owner.whole, OWNER, sizeof(OWNER) - 1);
	memcpy(owner.whole + sizeof(OWNER) - 1, n->whole, n->base_len);
	if (find_alias(w, &owner, &v) != TABLE_FOUND)
		return SPAN_NONE;
	value.text = span_from(owner.whole, owner.whole_len);
	return value_address(w, &value, n);
}

static void
expand_values(struct walk *w, const struct values *v, const struct routes_name *n, struct span name,
	      unsigned depth)
{
	for (size_t i = 0; i < v->entry->value_count && w->over == NULL; i++) {
		const struct alias_value *value = &v->entry->values[i];
		struct span address =
			is_line(value)	? name
			: v->is_virtual ? virtual_address(w->routes, value, n, v->rest, w->arena)
					: value_address(w, value, n);

		if (w->only_first && w->found_first)
			return;
		if (++w->steps > ALIASES_STEPS_MAX)
			w->over = "the alias has too many recipients";
		else if (address.at == NULL)
			w->over = "the alias leads to what can be no address";
		else if (is_line(value))
			add_line(w, v, value, n, name);
		else
			expand(w, address,
			       value->direct ? LOOKUP_DIRECT_MAILBOX : LOOKUP_DIRECT_NOT,
			       depth + 1);
	}
}

/* take - the name stands for these values: their leaves are there, or say why not */
static void
take(struct walk *w, enum table_outcome found, const struct values *v, const struct routes_name *n,
     struct span address, unsigned depth)
{
	struct lookup_leaf leaf;

	if (found == TABLE_TROUBLE || v->entry == NULL) {
		routes_defer(&leaf, address, 451, "4.3.0", "a table of aliases cannot be read now");
		add_leaf(w, &leaf);
	} else if (v->entry->value_count == 0) {
		routes_defer(&leaf, address, 451, "4.3.5",
			     "the line of this alias is not understood");
		add_leaf(w, &leaf);
	} else if (!is_served(v)) {
		routes_refuse(
			&leaf, address, 550, "5.3.3",
			"this alias names a command, a file or a list, which only a text file may");
		add_leaf(w, &leaf);
	} else if (depth >= ALIASES_DEPTH_MAX) {
		w->over = "aliases of aliases go too deep";
	} else {
		struct span before = w->owner;
		struct span owner = v->is_virtual ? SPAN_NONE : owner_of(w, n);

		if (owner.at == NULL)
			w->over = "the alias has an owner who can have no address";
		else if (owner.len > 0)
			w->owner = owner;
		expand_values(w, v, n, address, depth);
		w->owner = before;
	}
}

enum step {
	STEP_DONE,	/* its leaves are there */
	STEP_NEXT,	/* no table of this step has it */
	STEP_CAME_BACK, /* it is being expanded by this step: it is itself */
};

/* alias_step - by the tables of `virtual` (what is 'v') or of aliases ('n') */
static enum step
alias_step(struct walk *w, char what, const struct routes_name *n, struct span address,
	   unsigned depth)
{
	struct span whole = span_from(n->whole, n->whole_len);
	struct span domain = what == 'v' ? n->domain_text : domain_key(n);
	struct values v = {.is_virtual = what == 'v', .rest = SPAN_NONE};
	struct met_key *key = met(w, what, whole, domain);
	enum table_outcome found;

	if (key == NULL || key->state == MET_SHUT)
		return STEP_DONE;
	if (key->state == MET_OPEN)
		return STEP_CAME_BACK;
	key->state = MET_OPEN;
	found = what == 'v' ? virtual_find(w->routes, n, w->now_ms, w->arena, &v.entry, &v.rest)
			    : find_alias(w, n, &v);
	if (found == TABLE_ABSENT)
		return STEP_NEXT;
	take(w, found, &v, n, address, depth);
	key = met(w, what, whole, domain);
	if (key != NULL)
		key->state = MET_SHUT;
	return STEP_DONE;
}

static void
expand(struct walk *w, struct span address, uint64_t direct, unsigned depth)
{
	struct lookup_leaf leaf;
	struct routes_name n;
	enum step by_virtual = STEP_NEXT, by_alias = STEP_NEXT;

	if (routes_name(w->routes, address, &n) < 0) {
		routes_refuse(&leaf, address, 550, "5.1.3", "nobody can have this address");
		add_leaf(w, &leaf);
		return;
	}
	if (n.domain != NULL && n.domain->tables[CONFIG_VIRTUAL].count > 0 && !direct)
		by_virtual = alias_step(w, 'v', &n, address, depth);
	if (by_virtual == STEP_DONE)
		return;
	if (n.domain != NULL && n.domain->tables[CONFIG_ALIASES].count > 0 && !direct)
		by_alias = alias_step(w, 'n', &n, address, depth);
	if (by_alias == STEP_DONE)
		return;
	if (direct == LOOKUP_DIRECT_NOT &&
	    (by_virtual == STEP_CAME_BACK || by_alias == STEP_CAME_BACK))
		direct = LOOKUP_DIRECT_USER;
	place(w, &n, address, direct, by_alias == STEP_CAME_BACK, depth);
}

void
aliases_expand(const struct routes *r, struct span address, uint64_t direct, bool only_first,
	       int64_t now_ms, struct arena *arena, struct expansion *out)
{
	static struct lookup_leaf last_resort;
	struct walk w = {.routes = r,
			 .now_ms = now_ms,
			 .arena = arena,
			 .out = out,
			 .only_first = only_first,
			 .owner = SPAN_NONE};

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
	out->leaves[0].owner = SPAN_NONE;
	out->leaves[0].direct = direct;
}

/* line_of_alias - false: there is no such line now */
static bool
line_of_alias(struct walk *w, const struct routes_name *n, struct span address, uint64_t line)
{
	struct values v = {.rest = SPAN_NONE};

	if (n->domain == NULL || find_alias(w, n, &v) != TABLE_FOUND || v.text == NULL)
		return false;
	for (size_t i = 0; i < v.entry->value_count; i++)
		if (is_line(&v.entry->values[i]) && alias_value_hash(&v.entry->values[i]) == line) {
			add_line(w, &v, &v.entry->values[i], n, address);
			return w->over == NULL;
		}
	return false;
}

void
aliases_line(const struct routes *r, struct span address, uint64_t direct, uint64_t line,
	     int64_t now_ms, struct arena *arena, struct expansion *out)
{
	struct walk w = {
		.routes = r, .now_ms = now_ms, .arena = arena, .out = out, .owner = SPAN_NONE};
	struct routes_name n;

	*out = (struct expansion){.leaves = arena_alloc(arena, sizeof(*out->leaves)), .room = 1};
	if (out->leaves == NULL || routes_name(r, address, &n) < 0) {
		aliases_expand(r, address, direct, true, now_ms, arena, out);
		return;
	}
	if (direct != LOOKUP_DIRECT_NOT) {
		(void)routes_leaf(r, &n, address, now_ms, arena, &out->leaves[0]);
		out->count = 1;
		if (out->leaves[0].kind == LOOKUP_MAILBOX)
			out->leaves[0].kind = LOOKUP_LINE;
		out->leaves[0].direct = direct;
	} else if (!line_of_alias(&w, &n, address, line)) {
		routes_defer(&out->leaves[0], address, 451, "4.3.5",
			     "the line of the alias that this was for is no longer there");
		out->count = 1;
	}
	free(w.set);
	out->leaves[0].line = line;
	out->leaves[0].owner = SPAN_NONE;
}
