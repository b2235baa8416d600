/*
 * select - which messages a selector means
 *
 * See select.h.  Nothing that is not understood selects anything: the administrator is told which word it was.
 */
#include "queue-manager/select.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/protocol/control.h"
#include "common/text/number.h"
#include "queue-manager/manager.h"

#define SELECTOR_MEMORY (1u << 20)
#define ID_DIGITS_MIN 13
#define AGE_MAX_MS (INT64_MAX / 1000)

static const struct {
	const char *name;
	enum select_key key;
} keys[] = {{"from", SELECT_FROM},    {"to", SELECT_TO},       {"domain", SELECT_DOMAIN},
	    {"site", SELECT_SITE},    {"user", SELECT_USER},   {"login", SELECT_LOGIN},
	    {"state", SELECT_STATE},  {"older", SELECT_OLDER}, {"larger", SELECT_LARGER},
	    {"reason", SELECT_REASON}};

/* ---- words ---- */

static bool
is_state(struct span value)
{
	for (int c = 0; c < MESSAGE_CLASSES; c++)
		if (span_equal(value, span_of(message_class_name((enum message_class)c))))
			return true;
	return false;
}

static void
take_stars(struct select_word *w, struct span *value)
{
	if (value->len > 0 && value->at[0] == '*') {
		w->any_before = true;
		*value = span_skip(*value, 1);
	}
	if (value->len > 0 && value->at[value->len - 1] == '*') {
		w->any_after = true;
		value->len--;
	}
}

/* what follows the equals sign; NULL, or what is wrong with it */
static const char *
take_value(struct select_word *w, struct span value)
{
	bool is_any = span_equal(value, SPAN("*"));
	w->value = value;
	switch (w->key) {
	case SELECT_OLDER:
		return number_parse_duration(value, 0, AGE_MAX_MS, &w->number) == 0
			       ? NULL
			       : "older= is a time: 30m, 2h, 5d";
	case SELECT_LARGER:
		return number_parse_size(value, 0, INT64_MAX, &w->number) == 0
			       ? NULL
			       : "larger= is a size: 20000, 100K, 5M";
	case SELECT_USER:
		w->any_before = is_any;
		return is_any || number_parse(value, 0, UINT32_MAX - 1, &w->number) == 0
			       ? NULL
			       : "user= is a user of this machine, or * for each of them";
	case SELECT_STATE:
		if (!is_state(value))
			return "state= is one of incoming, ready, active, deferred, held";
		break;
	case SELECT_REASON:
		take_stars(w, &value);
		w->any_before = w->any_after = true;
		break;
	case SELECT_FROM:
	case SELECT_LOGIN:
	case SELECT_DOMAIN:
	case SELECT_SITE:
	case SELECT_TO:
		take_stars(w, &value);
		break;
	}
	if (span_has(value, '*') && w->key != SELECT_REASON)
		return "a star stands at the begin or the end of a value only";
	if (value.len == 0 && w->key != SELECT_FROM && (!w->any_before || w->key == SELECT_REASON))
		return "a value is missing behind the equals sign";
	w->value = value;
	return NULL;
}

static const char *
parse_pair(struct selector *s, struct span word)
{
	struct span value = word;
	struct span key = span_cut(&value, '=');
	struct select_word *w = &s->words[s->word_count];
	size_t i = 0;
	while (i < sizeof(keys) / sizeof(keys[0]) && !span_equal(key, span_of(keys[i].name)))
		i++;
	if (i == sizeof(keys) / sizeof(keys[0]))
		return "a selector has a word that is not from=, to=, domain=, site=, user=, "
		       "login=, state=, older=, larger= or reason=";
	*w = (struct select_word){.key = keys[i].key};
	const char *wrong = take_value(w, value);
	if (wrong != NULL)
		return wrong;
	w->value = arena_span(&s->arena, w->value);
	if (w->value.at == NULL)
		return "the selector is too long";
	if (w->key >= SELECT_DOMAIN)
		s->asks_recipients = true;
	s->word_count++;
	return NULL;
}

static const char *
parse_word(struct selector *s, struct span word)
{
	uint64_t id;
	if (span_equal(word, SPAN("all"))) {
		s->all = true;
		return NULL;
	}
	if (span_has(word, '='))
		return parse_pair(s, word);
	if (word.len < ID_DIGITS_MIN || number_parse_hex(word, &id) != 0)
		return "a selector has a word that is neither an id, nor `all`, nor KEY=VALUE";
	s->ids[s->id_count++] = id;
	return NULL;
}

/* by cost: a file is read only for a recipient for whom all else holds; there are few words */
static void
sort_words(struct selector *s)
{
	for (size_t i = 1; i < s->word_count; i++)
		for (size_t j = i; j > 0 && s->words[j - 1].key > s->words[j].key; j--) {
			struct select_word w = s->words[j];
			s->words[j] = s->words[j - 1];
			s->words[j - 1] = w;
		}
}

const char *
select_parse(struct selector *s, struct wire_list words, bool may_be_empty)
{
	struct control_word one;
	const char *wrong = NULL;
	*s = (struct selector){0};
	arena_init(&s->arena, SELECTOR_MEMORY);
	if (words.count == 0 && may_be_empty)
		s->all = true;
	s->ids = arena_alloc(&s->arena, (words.count + 1) * sizeof(*s->ids));
	s->words = arena_alloc(&s->arena, (words.count + 1) * sizeof(*s->words));
	if (s->ids == NULL || s->words == NULL)
		wrong = "the selector is too long";
	while (wrong == NULL && wire_list_next(&words, &control_word_shape, &one))
		wrong = parse_word(s, one.word);
	if (wrong == NULL && s->all + (s->id_count > 0) + (s->word_count > 0) != 1)
		wrong = "a selector is ids, or `all`, or KEY=VALUE words, not several of these";
	if (wrong != NULL)
		select_free(s);
	else
		sort_words(s);
	return wrong;
}

void
select_free(struct selector *s)
{
	arena_free(&s->arena);
	*s = (struct selector){0};
}

/* ---- what they mean ---- */

static bool
holds(const struct select_word *w, struct span text)
{
	struct span v = w->value;
	if (text.len < v.len)
		return false;
	if (!w->any_before && !w->any_after)
		return span_equal_nocase(text, v);
	if (!w->any_before)
		return span_starts_nocase(text, v);
	if (!w->any_after)
		return span_equal_nocase(span_skip(text, text.len - v.len), v);
	for (size_t at = 0; at + v.len <= text.len; at++)
		if (span_starts_nocase(span_skip(text, at), v))
			return true;
	return false;
}

static bool
message_holds(struct manager *q, const struct select_word *w, const struct message *m)
{
	switch (w->key) {
	case SELECT_FROM:
		return holds(w, name_text(m->sender));
	case SELECT_USER:
		return message_uid(m) != 0 && (w->any_before || message_uid(m) - 1 == w->number);
	case SELECT_LOGIN:
		return m->is_login && holds(w, message_login(q, m));
	case SELECT_STATE:
		return holds(w, span_of(message_class_name((enum message_class)m->class)));
	case SELECT_OLDER:
		return manager_wall_us(q) - m->arrived_us > (int64_t)w->number * 1000;
	case SELECT_LARGER:
		return m->length > w->number;
	case SELECT_DOMAIN:
	case SELECT_SITE:
	case SELECT_TO:
	case SELECT_REASON:
		break; /* asked of each recipient */
	}
	return true;
}

bool
select_matches(struct manager *q, const struct selector *s, const struct message *m)
{
	for (size_t i = 0; i < s->id_count; i++)
		if (s->ids[i] == m->id)
			return true;
	if (s->id_count > 0)
		return false;
	for (size_t i = 0; i < s->word_count; i++)
		if (!message_holds(q, &s->words[i], m))
			return false;
	return true;
}

static bool
reason_holds(struct manager *q, const struct select_word *w, struct message *m, uint32_t number)
{
	char reply[CONTROL_TEXT_MAX + 1];
	uint32_t last = m->recipients[number - 1].last;
	struct journal_entry e;
	if (last == 0 || message_line(q, m, last, &e) != 0 || e.verb == JOURNAL_EXPANDED)
		return false;
	select_reply(&e, reply);
	return holds(w, span_of(reply));
}

static bool
recipient_holds(struct manager *q, const struct select_word *w, struct message *m, uint32_t number)
{
	const struct recipient *r = &m->recipients[number - 1];
	struct journal_entry e;
	switch (w->key) {
	case SELECT_DOMAIN:
		return holds(w, destination_domain(q, r->domain));
	case SELECT_SITE:
		return message_is_undelivered(r) && holds(w, destination_site_name(q, r->domain));
	case SELECT_TO:
		return message_recipient(q, m, number, &e) == 0 && holds(w, e.text);
	case SELECT_REASON:
		return message_is_undelivered(r) && reason_holds(q, w, m, number);
	case SELECT_FROM:
	case SELECT_USER:
	case SELECT_LOGIN:
	case SELECT_STATE:
	case SELECT_OLDER:
	case SELECT_LARGER:
		break; /* held already, by select_matches */
	}
	return true;
}

bool
select_recipient(struct manager *q, const struct selector *s, struct message *m, uint32_t number)
{
	if (m->recipients[number - 1].state == RECIPIENT_ORPHAN)
		return false;
	for (size_t i = 0; i < s->word_count; i++)
		if (!recipient_holds(q, &s->words[i], m, number))
			return false;
	return true;
}

/* ---- the last reply ---- */

void
select_reply(const struct journal_entry *e, char to[CONTROL_TEXT_MAX + 1])
{
	const size_t size = CONTROL_TEXT_MAX + 1;
	int len = 0;
	if (e->code != 0)
		len = snprintf(to, size, "%" PRIu64 " ", e->code);
	len += snprintf(to + len, size - (size_t)len, "%.*s %.*s", SPAN_ARG(e->status),
			SPAN_ARG(e->reply));
	if (e->host.len > 0 && (size_t)len < size)
		snprintf(to + len, size - (size_t)len, " (%.*s)", SPAN_ARG(e->host));
}
