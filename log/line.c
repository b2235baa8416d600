/*
 * line - see line.h
 */
#include "log/line.h"

#include "common/text/escape.h"
#include "common/text/number.h"

static bool
is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word_of(struct span s, char joint)
{
	if (s.len == 0 || s.len > LINE_NAME_MAX || !is_letter(s.at[0]))
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (!is_letter(s.at[i]) && !is_digit(s.at[i]) && s.at[i] != joint)
			return false;
	return true;
}

bool
line_name_is_valid(struct span name)
{
	return is_word_of(name, '-');
}

/* KEY=WORD at the front of *rest, and the blank behind it */
static enum line_outcome
take_field(struct span *rest, struct line_field *f, struct buffer *room)
{
	const char *equals = memchr(rest->at, '=', rest->len);
	if (equals == NULL)
		return LINE_WRONG_KEY;
	f->key = span_from(rest->at, (size_t)(equals - rest->at));
	if (!is_word_of(f->key, '_'))
		return LINE_WRONG_KEY;
	*rest = span_skip(*rest, f->key.len + 1);
	struct span before = *rest;
	size_t room_at = room->len;
	if (unescape_word(rest, room) < 0)
		return LINE_WRONG_WORD;
	size_t used = before.len - rest->len;
	bool blank = before.at[used - 1] == ' ';
	if (blank && rest->len == 0)
		return LINE_WRONG_WORD; /* a blank at the end */
	f->word = span_from(before.at, blank ? used - 1 : used);
	f->value = span_from(room->at + room_at, room->len - room_at);
	return LINE_OK;
}

enum line_outcome
line_parse(struct span text, struct line *l, struct buffer *room)
{
	if (text.len > LINE_MAX_BYTES)
		return LINE_TOO_LONG;
	buffer_clear(room);
	/* so that it never moves below: values point into it */
	if (buffer_reserve(room, LINE_MAX_BYTES) == NULL)
		return LINE_TOO_LONG;
	struct span time = span_cut(&text, ' ');
	uint64_t us;
	if (time.len > LINE_TIME_DIGITS || number_parse(time, 0, INT64_MAX, &us) < 0)
		return LINE_NO_TIME;
	l->time_us = (int64_t)us;
	bool bare = memchr(text.at, ' ', text.len) == NULL;
	l->name = span_cut(&text, ' ');
	if (!line_name_is_valid(l->name) || (!bare && text.len == 0))
		return LINE_NO_NAME;
	l->field_count = 0;
	while (text.len > 0) {
		if (l->field_count == LINE_FIELDS_MAX)
			return LINE_MANY_FIELDS;
		struct line_field *f = &l->fields[l->field_count];
		enum line_outcome o = take_field(&text, f, room);
		if (o != LINE_OK)
			return o;
		for (size_t i = 0; i < l->field_count; i++)
			if (span_equal(l->fields[i].key, f->key))
				return LINE_KEY_TWICE;
		l->field_count++;
	}
	return LINE_OK;
}

const char *
line_outcome_text(enum line_outcome o)
{
	switch (o) {
	case LINE_OK:
		return "nothing is wrong";
	case LINE_TOO_LONG:
		return "a line is too long";
	case LINE_NO_TIME:
		return "a line has no time";
	case LINE_NO_NAME:
		return "an event has no name";
	case LINE_WRONG_KEY:
		return "a key is malformed";
	case LINE_WRONG_WORD:
		return "a value is malformed";
	case LINE_KEY_TWICE:
		return "a key stands twice";
	case LINE_MANY_FIELDS:
		return "an event has too many fields";
	}
	return "unknown";
}

const struct line_field *
line_find(const struct line *l, const char *key)
{
	for (size_t i = 0; i < l->field_count; i++)
		if (span_equal(l->fields[i].key, span_of(key)))
			return &l->fields[i];
	return NULL;
}
