/*
 * grammar - the shape of culver.conf: see grammar.h
 *
 * A mistake never ends the reading of the line: braces are believed as far as they can be, so that the blocks around stay
 * balanced and the next mistake that is reported is a mistake of its own.
 */
#include <stdint.h>

#include "common/config/grammar.h"

struct reader {
	struct span text;
	size_t at;
	struct arena *arena;
	struct grammar_word *words;
	size_t count, size;
	struct grammar_line *line;
	void (*wrong)(void *owner, unsigned column, const char *text);
	void *owner;
};

static void
mistake(struct reader *r, size_t at, const char *text)
{
	if (r->line->is_whole)
		r->wrong(r->owner, (unsigned)at + 1, text);
	r->line->is_whole = false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int
word_add(struct reader *r, struct span text, size_t at, bool quoted)
{
	if (r->count == GRAMMAR_WORDS_MAX) {
		mistake(r, at, "too many words on one line");
		return 0;
	}
	if (r->count == r->size) {
		size_t size = r->size == 0 ? 8 : r->size * 4;
		struct grammar_word *words = arena_alloc(r->arena, size * sizeof(*words));

		if (words == NULL)
			return -1;
		if (r->count > 0)
			memcpy(words, r->words, r->count * sizeof(*words));
		r->words = words;
		r->size = size;
	}
	r->words[r->count++] = (struct grammar_word){text, (unsigned)at + 1, quoted};
	r->line->end = (unsigned)r->at + 1;
	return 0;
}

/* \" and \\ become " and \ */
static int
unescape(struct reader *r, struct span *text)
{
	char *to = arena_alloc(r->arena, text->len + 1);
	size_t len = 0;

	if (to == NULL)
		return -1;
	for (size_t i = 0; i < text->len; i++) {
		if (text->at[i] == '\\' && i + 1 < text->len)
			i++;
		to[len++] = text->at[i];
	}
	*text = span_from(to, len);
	return 0;
}

static int
read_quoted(struct reader *r)
{
	size_t start = r->at;
	char quote = r->text.at[r->at++];
	bool escaped = false;
	struct span word;

	while (r->at < r->text.len && r->text.at[r->at] != quote) {
		if (quote == '"' && r->text.at[r->at] == '\\') {
			char next = '\0';

			if (r->at + 1 < r->text.len)
				next = r->text.at[r->at + 1];
			if (next != '"' && next != '\\')
				mistake(r, r->at,
					"a backslash in double quotes stands before \" or \\ only; "
					"write \\\\ for a backslash");
			escaped = true;
			if (r->at + 1 < r->text.len)
				r->at++;
		}
		r->at++;
	}
	word = span_from(r->text.at + start + 1, r->at - start - 1);
	if (r->at < r->text.len) {
		r->at++;
	} else {
		mistake(r, start,
			quote == '"' ? "this quote is not closed on its line; expected \""
				     : "this quote is not closed on its line; expected '");
		if (span_ends(word, SPAN(" {"))) { /* the block opens all the same */
			r->line->opens = true;
			r->line->brace = (unsigned)r->at;
			word.len -= 2;
		}
	}
	if (escaped && unescape(r, &word) < 0)
		return -1;
	if (word_add(r, word, start, true) < 0)
		return -1;
	if (r->at < r->text.len && !is_blank(r->text.at[r->at])) {
		mistake(r, r->at, "expected a blank behind the closing quote");
		while (r->at < r->text.len && !is_blank(r->text.at[r->at]))
			r->at++;
	}
	return 0;
}

static int
read_bare(struct reader *r)
{
	size_t start = r->at;
	struct span word;

	for (; r->at < r->text.len && !is_blank(r->text.at[r->at]); r->at++) {
		char c = r->text.at[r->at];

		if (c == ';')
			mistake(r, r->at,
				"there is no `;`: a directive ends with its line (in a value, "
				"quote the word)");
		else if (c == '"' || c == '\'')
			mistake(r, r->at, "a quote stands around a whole word, not within it");
	}
	word = span_from(r->text.at + start, r->at - start);
	if (span_equal(word, SPAN("\\"))) {
		mistake(r, start, "there are no continued lines: a directive ends with its line");
		return 0;
	}
	if (word.len > 1 && span_ends(word, SPAN("{"))) {
		mistake(r, r->at - 1, "expected a blank before `{`");
		r->line->opens = true;
		r->line->brace = (unsigned)r->at;
		word.len--;
	}
	return word_add(r, word, start, false);
}

static bool
is_brace(const struct grammar_word *w, const char *brace)
{
	return !w->quoted && span_equal(w->text, span_of(brace));
}

/* takes { off the end and } off the front, and says where they should not be */
static void
find_braces(struct reader *r)
{
	struct grammar_line *line = r->line;

	if (r->count > 0 && is_brace(&r->words[0], "}")) {
		line->closes = true;
		line->brace = r->words[0].column;
		if (r->count > 1)
			mistake(r, r->words[1].column - 1, "`}` stands alone on its line");
		/* `} word {` both ends and begins: what follows is one more block */
		line->opens = r->count > 1 && is_brace(&r->words[r->count - 1], "{");
		r->count = 0;
		return;
	}
	if (r->count > 0 && is_brace(&r->words[r->count - 1], "{")) {
		line->opens = true;
		line->brace = r->words[r->count - 1].column;
		r->count--;
		if (r->count == 0)
			mistake(r, line->brace - 1,
				"expected a directive before `{`, on the same line");
		else
			line->end = r->words[r->count - 1].column +
				    (unsigned)r->words[r->count - 1].text.len;
	}
	for (size_t i = 0; i < r->count; i++) {
		if (is_brace(&r->words[i], "{")) {
			bool closed = is_brace(&r->words[r->count - 1], "}");

			mistake(r, r->words[i].column - 1,
				"`{` ends its line: what is in the block stands below");
			line->opens = line->opens || !closed;
			line->brace = r->words[i].column;
			r->count = i;
		} else if (is_brace(&r->words[i], "}")) {
			mistake(r, r->words[i].column - 1, "`}` stands alone on its line");
			line->closes = true;
			line->brace = r->words[i].column;
			r->count = i;
		} else if (!r->words[i].quoted && span_equal(r->words[i].text, SPAN("{}"))) {
			mistake(r, r->words[i].column - 1,
				"`{` ends its line and `}` stands alone; an empty block can be "
				"left out");
			r->count = i;
		}
	}
}

int
grammar_line(struct span text, struct arena *arena, struct grammar_line *line,
	     void (*wrong)(void *owner, unsigned column, const char *text), void *owner)
{
	struct reader r = {
		.text = text, .arena = arena, .line = line, .wrong = wrong, .owner = owner};

	*line = (struct grammar_line){.end = 1, .is_whole = true};
	if (span_ends(r.text, SPAN("\r")))
		r.text.len--;
	for (size_t i = 0; i < r.text.len; i++) {
		unsigned char c = (unsigned char)r.text.at[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			mistake(&r, i,
				"a control character; only blanks and tabs stand between words");
			return 0;
		}
	}
	for (;;) {
		int outcome;

		while (r.at < r.text.len && is_blank(r.text.at[r.at]))
			r.at++;
		if (r.at == r.text.len || r.text.at[r.at] == '#')
			break;
		if (r.text.at[r.at] == '"' || r.text.at[r.at] == '\'')
			outcome = read_quoted(&r);
		else
			outcome = read_bare(&r);
		if (outcome < 0)
			return -1;
	}
	find_braces(&r);
	line->words = r.words;
	line->count = r.count;
	return 0;
}
