/*
 * virtual - see virtual.h
 */
#include "lookup/virtual.h"

#include <string.h>

#include "common/config/mailbox.h"
#include "common/system/events.h"
#include "common/text/buffer.h"

#define KEY_MAX (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

struct key {
	char text[KEY_MAX];
	size_t len;
};

static struct span
local_of(const struct routes_name *n, bool is_base)
{
	return span_from(n->whole, is_base ? n->base_len : n->whole_len);
}

/* make_key - local@domain, in lower case; false: no address is that long */
static bool
make_key(struct span local, struct span domain, struct key *k)
{
	if (local.len + 1 + domain.len > sizeof(k->text))
		return false;
	memcpy(k->text, local.at, local.len);
	k->text[local.len] = '@';
	for (size_t i = 0; i < domain.len; i++)
		k->text[local.len + 1 + i] = ascii_lower(domain.at[i]);
	k->len = local.len + 1 + domain.len;
	return true;
}

/* ask - one key, in each table of a use */
static enum table_outcome
ask(const struct routes *r, const struct routes_name *n, enum config_use use, struct span key,
    bool is_whole_address, int64_t now_ms, struct arena *arena, struct table_answer *answer)
{
	const struct config_tables *tables = &n->domain->tables[use];

	for (size_t i = 0; i < tables->count; i++) {
		enum table_outcome o;

		if (!is_whole_address && tables_is_whole(r->tables, tables->words[i]))
			continue;
		o = tables_find(r->tables, tables->words[i], use, key, now_ms, arena, answer);
		if (o != TABLE_ABSENT)
			return o;
	}
	return TABLE_ABSENT;
}

/* ask_address - user+ext@domain, then user@domain; *is_base: it was the second */
static enum table_outcome
ask_address(const struct routes *r, const struct routes_name *n, enum config_use use,
	    int64_t now_ms, struct arena *arena, struct table_answer *answer, bool *is_base)
{
	enum table_outcome o = TABLE_ABSENT;
	struct key k;

	*is_base = false;
	if (make_key(local_of(n, false), n->domain_text, &k))
		o = ask(r, n, use, span_from(k.text, k.len), true, now_ms, arena, answer);
	if (o != TABLE_ABSENT || n->base_len == n->whole_len)
		return o;
	*is_base = true;
	if (make_key(local_of(n, true), n->domain_text, &k))
		o = ask(r, n, use, span_from(k.text, k.len), false, now_ms, arena, answer);
	return o;
}

/* ---- virtual aliases ---- */

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	(void)line;
	(void)column;
	EVENT("table-value", event_text("value", *(const struct span *)owner),
	      event_string("reason", text));
}

int
virtual_parse(const struct table_answer *answer, struct arena *arena,
	      const struct alias_entry **entry)
{
	struct span value = answer->value;
	struct alias_entry *made;

	if (answer->entry != NULL) {
		*entry = answer->entry;
		return 0;
	}
	made = arena_alloc(arena, sizeof(*made));
	if (made == NULL || aliases_values(value, 1, arena, made, on_wrong, &value) < 0)
		return -1;
	*entry = made;
	return 0;
}

enum table_outcome
virtual_find(const struct routes *r, const struct routes_name *n, int64_t now_ms,
	     struct arena *arena, const struct alias_entry **entry, struct span *rest)
{
	struct table_answer answer;
	enum table_outcome o;
	struct key k;
	bool is_base;

	*rest = SPAN_NONE;
	o = ask_address(r, n, CONFIG_VIRTUAL, now_ms, arena, &answer, &is_base);
	if (o == TABLE_FOUND && is_base)
		*rest = span_from(n->whole + n->base_len, n->whole_len - n->base_len);
	if (o == TABLE_ABSENT && make_key(SPAN_NONE, n->domain_text, &k))
		o = ask(r, n, CONFIG_VIRTUAL, span_from(k.text, k.len), false, now_ms, arena,
			&answer);
	if (o == TABLE_FOUND && virtual_parse(&answer, arena, entry) < 0)
		return TABLE_TROUBLE;
	return o;
}

struct span
virtual_address(const struct routes *r, const struct alias_value *v, const struct routes_name *n,
		struct span rest, struct arena *arena)
{
	struct span domain = span_of(r->config->origin);
	struct span local = v->text;
	struct buffer b;
	struct span kept;
	struct address canonical;

	if (v->kind == ALIAS_DOMAIN) {
		local = local_of(n, false);
		domain = v->text;
		rest = SPAN_NONE;
	} else if (!span_ends(v->text, SPAN("\"")) && address_domain_of(v->text).len > 0) {
		if (rest.len == 0)
			return v->text;
		domain = address_domain_of(v->text);
		local = address_local_of(v->text);
	}
	buffer_init(&b, ADDRESS_MAX + 2);
	if (v->kind == ALIAS_DOMAIN) {
		/* unquoted in `n`: quoted here, and what needs no quotes loses them again */
		buffer_char(&b, '"');
		for (size_t i = 0; i < local.len; i++) {
			if (local.at[i] == '"' || local.at[i] == '\\')
				buffer_char(&b, '\\');
			buffer_char(&b, local.at[i]);
		}
		buffer_char(&b, '"');
	} else if (span_ends(local, SPAN("\""))) {
		buffer_span(&b, local); /* no extension is put behind a quote */
	} else {
		buffer_span(&b, local);
		buffer_span(&b, rest);
	}
	buffer_char(&b, '@');
	buffer_span(&b, domain);
	kept = span_from(NULL, 0);
	if (!b.failed && address_mailbox(buffer_get(&b), &canonical) == ADDRESS_OK)
		kept = arena_span(arena, span_from(canonical.text, canonical.len));
	buffer_free(&b);
	return kept;
}

/* ---- virtual users and relayed recipients ---- */

static void
trouble(struct lookup_leaf *leaf, struct span address)
{
	routes_defer(leaf, address, 451, "4.3.0", "a table of recipients cannot be read now");
}

/* ask_name - all keys; *is_base: user+ext was not there, user is */
static enum table_outcome
ask_name(const struct routes *r, const struct routes_name *n, enum config_use use, int64_t now_ms,
	 struct arena *arena, struct table_answer *answer, bool *is_base)
{
	enum table_outcome o = ask_address(r, n, use, now_ms, arena, answer, is_base);

	if (o == TABLE_ABSENT) {
		*is_base = false;
		o = ask(r, n, use, local_of(n, false), false, now_ms, arena, answer);
	}
	if (o == TABLE_ABSENT && n->base_len < n->whole_len) {
		*is_base = true;
		o = ask(r, n, use, local_of(n, true), false, now_ms, arena, answer);
	}
	return o;
}

static bool
nobody(struct lookup_leaf *leaf, struct span address)
{
	routes_refuse(leaf, address, 550, "5.1.1", "no such user here");
	return false;
}

/* ---- which delivery ---- */

bool
virtual_delivery(const struct routes *r, const struct routes_name *n, int64_t now_ms,
		 struct arena *arena, struct lookup_leaf *leaf)
{
	struct table_answer answer;
	struct span name, rest;
	bool is_base;

	switch (ask_name(r, n, CONFIG_DELIVER_BY, now_ms, arena, &answer, &is_base)) {
	case TABLE_ABSENT:
		return true;
	case TABLE_TROUBLE:
		routes_defer(leaf, leaf->address, 451, "4.3.0",
			     "a table of `deliver-by` cannot be read now");
		return false;
	case TABLE_FOUND:
		break;
	}
	rest = answer.value;
	name = span_word(&rest);
	if (name.len > 0 && span_trim(rest).len == 0 &&
	    config_delivery_find(n->domain, name) != NULL) {
		leaf->delivery = name;
		return true;
	}
	EVENT("table-value", event_text("user", leaf->address), event_text("value", answer.value),
	      event_string("reason", "the domain has no `delivery` of this name"));
	routes_defer(leaf, leaf->address, 451, "4.3.5",
		     "the table of `deliver-by` names no delivery of the domain");
	return false;
}

static void
onwards(const struct routes_name *n, const char *hops, struct span address,
	struct lookup_leaf *leaf)
{
	*leaf = (struct lookup_leaf){.kind = LOOKUP_SMTP,
				     .address = address,
				     .user = SPAN_NONE,
				     .domain = span_of(n->domain->names[0]),
				     .hosts = span_of(hops),
				     .status = SPAN_NONE,
				     .text = SPAN_NONE,
				     .home = SPAN_NONE};
}

/* understand - what the table says of a user; false: *wrong says why not */
static bool
understand(const struct config_domain *d, struct span value, struct rules_user *says,
	   const char **wrong)
{
	if (!rules_user(value, says, wrong))
		return false;
	if (says->home.len > 0 && !mailbox_home_ok(config_homes(d), says->home))
		*wrong = "`home=` is not below the prefix";
	else if (config_delivery_find(d, says->deliver) == NULL)
		*wrong = "the domain has no `delivery` of this name";
	else
		return true;
	return false;
}

/* mailbox - of a virtual user; `value` is what the table says of him */
static void
mailbox(const struct routes *r, const struct routes_name *n, struct span user, struct span value,
	struct span address, int64_t now_ms, struct arena *arena, struct lookup_leaf *leaf)
{
	const struct config_delivery *delivery;
	const char *wrong = "";
	struct rules_user says;
	struct buffer home;
	struct span kept_home, kept_user;

	if (!understand(n->domain, value, &says, &wrong)) {
		EVENT("table-value", event_text("user", address), event_text("value", value),
		      event_string("reason", wrong));
		routes_defer(leaf, address, 451, "4.3.5",
			     "what the table of users says of this one is not understood");
		return;
	}
	buffer_init(&home, MAILBOX_HOME_MAX);
	if (says.home.len > 0) {
		buffer_span(&home, says.home);
	} else if (!mailbox_home(config_homes(n->domain), user, n->domain_text, &home)) {
		buffer_free(&home);
		(void)nobody(leaf, address); /* a name that no directory can have */
		return;
	}
	kept_home = arena_span(arena, buffer_get(&home));
	kept_user = arena_span(arena, user);
	buffer_free(&home);
	if (kept_home.at == NULL || kept_user.at == NULL) {
		routes_defer(leaf, address, 451, "4.3.0", "out of memory");
		return;
	}
	*leaf = (struct lookup_leaf){.kind = LOOKUP_MAILBOX,
				     .address = address,
				     .user = kept_user,
				     .domain = span_of(n->domain->names[0]),
				     .hosts = SPAN_NONE,
				     .status = SPAN_NONE,
				     .text = SPAN_NONE,
				     .home = kept_home,
				     .quota = says.quota,
				     .delivery = says.deliver};
	if (says.deliver.len == 0 && !virtual_delivery(r, n, now_ms, arena, leaf))
		return;
	delivery = config_delivery_find(n->domain, leaf->delivery);
	if (delivery != NULL && delivery->ending == CONFIG_LMTP)
		onwards(n, delivery->hops, address, leaf);
}

bool
virtual_leaf(const struct routes *r, const struct routes_name *n, struct span address,
	     int64_t now_ms, struct arena *arena, struct lookup_leaf *leaf)
{
	bool is_relayed = n->domain->relay != NULL, is_base = false;
	enum config_use use = is_relayed ? CONFIG_RECIPIENTS : CONFIG_USERS;
	enum table_outcome o = TABLE_FOUND;
	struct table_answer answer = {SPAN_NONE, NULL};

	if (n->domain->tables[use].count > 0)
		o = ask_name(r, n, use, now_ms, arena, &answer, &is_base);
	if (o == TABLE_TROUBLE)
		trouble(leaf, address);
	else if (o == TABLE_ABSENT)
		return nobody(leaf, address);
	else if (is_relayed)
		onwards(n, n->domain->relay, address, leaf);
	else if (n->domain->deliver.ending == CONFIG_LMTP && n->domain->delivery_count == 0)
		onwards(n, n->domain->deliver.hops, address, leaf);
	else
		mailbox(r, n, local_of(n, is_base), answer.value, address, now_ms, arena, leaf);
	return true;
}
