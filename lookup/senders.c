/*
 * senders - see senders.h; called by serve.c
 */
#include "lookup/senders.h"

#include <stdio.h>

#define KEY_MAX (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

#define UID_WORD "uid:" /* and the number: a user of this host, in a table as in `budget` */

/* is he who asks among those of the value? */
static bool
names(struct span value, const struct lookup_sender *question)
{
	char uid[sizeof(UID_WORD) + 20];
	struct span who = question->login;

	if (question->uid != 0) {
		snprintf(uid, sizeof(uid), UID_WORD "%u", (unsigned)(question->uid - 1));
		who = span_of(uid);
	} else if (span_starts(who, SPAN(UID_WORD))) {
		return false; /* a login is no user of this host */
	}
	while (value.len > 0) {
		struct span words = span_cut(&value, ',');

		for (struct span w = span_word(&words); w.len > 0; w = span_word(&words))
			if (span_equal_nocase(w, who))
				return true;
	}
	return false;
}

/* one key in each table; the first that has it says */
static enum table_outcome
ask(const struct routes *r, const struct config_tables *tables, struct span key, bool is_whole,
    int64_t now_ms, struct arena *arena, struct table_answer *answer)
{
	for (size_t i = 0; i < tables->count; i++) {
		enum table_outcome o;

		/* patterns are asked for addresses alone */
		if (!is_whole && tables_is_whole(r->tables, tables->words[i]))
			continue;
		o = tables_find(r->tables, tables->words[i], CONFIG_RECIPIENTS, key, now_ms, arena,
				answer);
		if (o != TABLE_ABSENT)
			return o;
	}
	return TABLE_ABSENT;
}

/* is it the name of that user of this host, with or without an extension, at a domain whose users are the system's, or at origin? */
static enum passwd_outcome
is_user(const struct routes *r, const struct routes_name *n, uid_t asked, int64_t now_ms)
{
	const size_t lens[] = {n->whole_len, n->base_len};
	enum passwd_outcome o = PASSWD_ABSENT;
	uid_t uid;

	if (!span_equal_nocase(n->domain_text, span_of(r->config->origin)) &&
	    (n->domain == NULL || !n->domain->users_system))
		return PASSWD_ABSENT;
	for (size_t i = 0; i < 2 && o == PASSWD_ABSENT; i++)
		o = users_find(r->users, span_from(n->whole, lens[i]), now_ms, &uid);
	return o == PASSWD_FOUND && uid != asked ? PASSWD_ABSENT : o;
}

enum table_outcome
senders_find(const struct routes *r, const struct config_tables *tables, struct span address,
	     int64_t now_ms, struct arena *arena, struct table_answer *answer)
{
	enum table_outcome o = TABLE_ABSENT;
	struct routes_name n;
	char key[KEY_MAX + 1];

	*answer = (struct table_answer){SPAN_NONE, NULL};
	if (routes_name(r, address, &n) < 0)
		return TABLE_ABSENT;
	/* whole, without its extension, the domain alone */
	const size_t lens[] = {n.whole_len, n.base_len, 0};
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]) && o == TABLE_ABSENT; i++) {
		if (i == 1 && n.base_len == n.whole_len)
			continue;
		int len = snprintf(key, sizeof(key), "%.*s@%.*s", (int)lens[i], n.whole,
				   SPAN_ARG(n.domain_text));
		if (len < 0 || (size_t)len >= sizeof(key))
			return TABLE_ABSENT;
		o = ask(r, tables, span_from(key, (size_t)len), i == 0, now_ms, arena, answer);
	}
	return o;
}

/* code 0: it may */
static void
set(struct lookup_verdict *v, enum lookup_class class, uint64_t code, const char *status,
    const char *text)
{
	*v = (struct lookup_verdict){.class = class,
				     .code = code,
				     .status = span_of(status),
				     .text = span_of(text),
				     .ask = SPAN_NONE,
				     .block = SPAN_NONE};
}

void
senders_verdict(const struct routes *r, const struct lookup_sender *question, int64_t now_ms,
		struct arena *arena, struct lookup_verdict *v)
{
	struct table_answer answer;
	struct routes_name n;
	enum table_outcome o = TABLE_ABSENT;

	set(v, LOOKUP_REFUSED, 553, "5.7.1", "not an address of this login");
	if (routes_name(r, question->address, &n) < 0)
		return;
	if (question->uid != 0) {
		switch (is_user(r, &n, (uid_t)(question->uid - 1), now_ms)) {
		case PASSWD_FOUND:
			set(v, LOOKUP_LOCAL, 0, "", "");
			return;
		case PASSWD_TROUBLE:
			o = TABLE_TROUBLE;
			break;
		case PASSWD_ABSENT:
			v->text = SPAN("not an address of this user");
			break;
		}
	}
	if (o == TABLE_ABSENT)
		o = senders_find(r, &r->config->auth.senders, question->address, now_ms, arena,
				 &answer);
	switch (o) {
	case TABLE_FOUND:
		if (names(answer.value, question))
			set(v, LOOKUP_LOCAL, 0, "", "");
		return;
	case TABLE_ABSENT:
		return;
	case TABLE_TROUBLE:
		break;
	}
	set(v, LOOKUP_TROUBLE, 451, "4.3.0",
	    "the senders of a login cannot be looked up now, try again later");
}
