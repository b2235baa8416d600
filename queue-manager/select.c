/*
 * select - which messages a selector means
 *
 * See select.h.  Nothing that is not understood selects anything: the administrator is told which word it was.
 */
#include "queue-manager/select.h"

#include <stdio.h>

#include "common/mail/address.h"
#include "common/protocol/control.h"
#include "common/text/number.h"

#define SELECTOR_MEMORY (1u << 20)

static const struct {
	const char *name;
	enum select_key key;
} keys[] = {{"from", SELECT_FROM},
	    {"to", SELECT_TO},
	    {"domain", SELECT_DOMAIN},
	    {"state", SELECT_STATE}};

static bool
is_state(struct span value)
{
	for (int c = 0; c < MESSAGE_CLASSES; c++)
		if (span_equal(value, span_of(message_class_name((enum message_class)c))))
			return true;
	return false;
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
		return "a selector has a word that is not from=, to=, domain= or state=";
	*w = (struct select_word){.key = keys[i].key};
	if (value.len > 0 && value.at[0] == '*') {
		w->any_before = true;
		value = span_skip(value, 1);
	}
	if (value.len > 0 && value.at[value.len - 1] == '*') {
		w->any_after = true;
		value.len--;
	}
	if (span_has(value, '*'))
		return "a star stands at the begin or the end of a value only";
	if (w->key == SELECT_STATE && !is_state(value))
		return "state= is one of incoming, ready, active, deferred, held";
	if (w->key != SELECT_FROM && value.len == 0 && !w->any_before)
		return "a value is missing behind the equals sign";
	w->value = arena_span(&s->arena, value);
	if (w->value.at == NULL)
		return "the selector is too long";
	if (w->key == SELECT_TO || w->key == SELECT_DOMAIN)
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
	if (word.len < 13 || number_parse_hex(word, &id) != 0)
		return "a selector has a word that is neither an id, nor `all`, nor KEY=VALUE";
	s->ids[s->id_count++] = id;
	return NULL;
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
	return wrong;
}

void
select_free(struct selector *s)
{
	arena_free(&s->arena);
	*s = (struct selector){0};
}

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

bool
select_matches(const struct selector *s, const struct message *m)
{
	for (size_t i = 0; i < s->id_count; i++)
		if (s->ids[i] == m->id)
			return true;
	if (s->id_count > 0)
		return false;
	for (size_t i = 0; i < s->word_count; i++) {
		const struct select_word *w = &s->words[i];
		switch (w->key) {
		case SELECT_FROM:
			if (!holds(w, name_text(m->sender)))
				return false;
			break;
		case SELECT_STATE:
			if (!holds(w, span_of(message_class_name((enum message_class)m->class))))
				return false;
			break;
		case SELECT_TO:
		case SELECT_DOMAIN:
			break;
		}
	}
	return true;
}

bool
select_recipient(const struct selector *s, struct span address)
{
	for (size_t i = 0; i < s->word_count; i++) {
		const struct select_word *w = &s->words[i];
		if (w->key == SELECT_TO && !holds(w, address))
			return false;
		if (w->key == SELECT_DOMAIN && !holds(w, address_domain_of(address)))
			return false;
	}
	return true;
}
