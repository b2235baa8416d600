/*
 * mailboxes - see common/mail/mailboxes.h
 *
 * One pass, a character at a time: what is gathered becomes the address when the element ends, unless a `<` comes, which makes it a name,
 * or a `:`, which makes it the name of a group.
 */
#include "common/mail/mailboxes.h"

#include <stdbool.h>
#include <string.h>

/* one element of the list */
struct element {
	struct buffer *text;
	bool is_inside;	 /* of < > */
	bool is_closed;	 /* the > was there: what follows is of no account, */
	bool is_loose;	 /* and something does */
	bool has_word;	 /* something was gathered */
	bool has_blank;	 /* a blank behind a word: a second word makes it a phrase */
	bool is_phrase;	 /* words, which are no address unless a < follows */
	bool was_joined; /* the last character was @ or a dot: blanks are none */
	bool is_wrong;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static void
put(struct element *e, char c)
{
	if (e->text->len == MAILBOXES_MAX || is_control(c))
		e->is_wrong = true;
	else
		buffer_char(e->text, c);
}

static void
restart(struct element *e)
{
	buffer_clear(e->text);
	e->has_word = e->has_blank = e->is_phrase = e->was_joined = false;
	e->is_wrong = false;
}

/* a character of the address itself */
static void
put_word(struct element *e, char c)
{
	if (e->is_closed) {
		e->is_loose = true;
		return;
	}
	bool joins = c == '@' || c == '.';
	if (e->has_blank && !joins && !e->was_joined)
		e->is_phrase = true;
	put(e, c);
	e->has_word = true;
	e->has_blank = false;
	e->was_joined = joins;
}

/* behind the opening bracket: behind the closing one, with what it holds passed over; false: it is never closed */
static bool
skip_comment(struct span *rest)
{
	size_t depth = 1;
	size_t i = 0;
	for (; i < rest->len && depth > 0; i++) {
		if (rest->at[i] == '\\')
			i++;
		else if (rest->at[i] == '(')
			depth++;
		else if (rest->at[i] == ')')
			depth--;
	}
	*rest = span_skip(*rest, i < rest->len ? i : rest->len);
	return depth == 0;
}

/* behind the opening quote; line ends of a fold are left out */
static void
take_quoted(struct element *e, struct span *rest)
{
	bool is_closed = false;
	put_word(e, '"');
	size_t i = 0;
	for (; i < rest->len && !is_closed; i++) {
		char c = rest->at[i];
		if (c == '\r' || c == '\n')
			continue;
		if (e->is_closed) {
			i += c == '\\';
		} else if (c == '\\' && i + 1 < rest->len) {
			put(e, c);
			put(e, rest->at[++i]);
		} else {
			if (c == '\t')
				c = ' ';
			put(e, c);
		}
		is_closed = c == '"';
	}
	*rest = span_skip(*rest, i < rest->len ? i : rest->len);
	e->is_wrong = e->is_wrong || !is_closed;
}

/* behind the opening bracket of a literal [192.0.2.1] */
static void
take_literal(struct element *e, struct span *rest)
{
	bool is_closed = false;
	put_word(e, '[');
	while (rest->len > 0 && !is_closed) {
		char c = rest->at[0];
		*rest = span_skip(*rest, 1);
		is_closed = c == ']';
		e->is_wrong = e->is_wrong || strchr("\"<>()[\\", c) != NULL;
		if (!is_blank(c) && !e->is_closed)
			put(e, c);
	}
	e->is_wrong = e->is_wrong || !is_closed;
}

/* one character outside of all that is quoted; true: the element ends with it */
static bool
take_char(struct element *e, char c)
{
	switch (c) {
	case '<':
		e->is_wrong = e->is_inside || e->is_closed;
		if (e->is_wrong)
			return false;
		restart(e);
		e->is_inside = true;
		return false;
	case '>':
		e->is_wrong = e->is_wrong || !e->is_inside;
		e->is_inside = false;
		e->is_closed = true;
		return false;
	case ':':
		if (e->is_inside || e->is_closed)
			put_word(e, c);
		else
			restart(e); /* the name of a group */
		return false;
	case ',':
		if (e->is_inside) /* of a route */
			put_word(e, c);
		return !e->is_inside;
	case ';':
		if (e->is_inside)
			e->is_wrong = true;
		return !e->is_inside;
	default:
		if (is_blank(c))
			e->has_blank = e->has_word;
		else
			put_word(e, c);
		return false;
	}
}

static void
take_element(struct element *e, struct span *rest)
{
	bool is_over = false;
	while (rest->len > 0 && !is_over) {
		char c = rest->at[0];
		*rest = span_skip(*rest, 1);
		if (c == '(')
			e->is_wrong = !skip_comment(rest) || e->is_wrong;
		else if (c == '"')
			take_quoted(e, rest);
		else if (c == '[')
			take_literal(e, rest);
		else
			is_over = take_char(e, c);
	}
}

enum mailboxes_outcome
mailboxes_next(struct span *rest, struct buffer *to)
{
	while (rest->len > 0) {
		struct element e = {.text = to};
		buffer_clear(to);
		take_element(&e, rest);
		if (e.is_wrong || e.is_inside || e.is_phrase || to->failed)
			return MAILBOXES_WRONG;
		if (e.has_word || e.is_closed)
			return e.is_loose ? MAILBOXES_LOOSE : MAILBOXES_ONE;
	}
	return MAILBOXES_END;
}
