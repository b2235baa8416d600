/*
 * rules - see rules.h
 */
#include "common/config/rules.h"

#include <string.h>

#include "common/config/values.h"
#include "common/text/buffer.h"
#include "common/text/number.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span
trim(struct span s)
{
	while (s.len > 0 && is_blank(s.at[0]))
		s = span_skip(s, 1);
	while (s.len > 0 && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

static void
wrong(const struct rules_reader *r, unsigned line, unsigned column, const char *text)
{
	r->wrong(r->owner, line, column, text);
}

/* ---- lines ---- */

static bool
says_nothing(struct span line)
{
	line = trim(line);
	return line.len == 0 || line.at[0] == '#';
}

int
rules_each(struct span text, struct arena *arena, const struct rules_reader *r,
	   void (*each)(void *owner, const struct rules_reader *r, unsigned line, struct span text),
	   void *owner)
{
	unsigned number = 0;

	while (text.len > 0) {
		struct span line = span_cut(&text, '\n'), ahead = text;
		const char *start = line.at, *end = line.at + line.len;
		unsigned first = ++number, lines = 0, taken = 0;

		if (says_nothing(line))
			continue;
		/* what continues it, with the lines of comment between */
		while (ahead.len > 0) {
			struct span next = span_cut(&ahead, '\n');

			lines++;
			if (says_nothing(next))
				continue;
			if (!is_blank(next.at[0]))
				break;
			taken = lines;
			end = next.at + next.len;
			text = ahead;
		}
		number += taken;
		if (taken > 0) {
			struct span rest = span_from(start, (size_t)(end - start));
			char *to = arena_alloc(arena, rest.len);
			size_t len = 0;

			if (to == NULL)
				return -1;
			while (rest.len > 0) {
				struct span part = span_cut(&rest, '\n');

				if (says_nothing(part))
					continue;
				memcpy(to + len, part.at, part.len);
				len += part.len;
			}
			line = span_from(to, len);
		}
		if (memchr(line.at, '\0', line.len) != NULL)
			wrong(r, first, 1, "a NUL byte has no place in a table");
		else if (is_blank(line.at[0]))
			wrong(r, first, 1,
			      "blank space at the begin of a line continues the line before, and "
			      "there is none");
		else
			each(owner, r, first, trim(line));
	}
	return 0;
}

/* ---- key value ---- */

/* quoted_key - behind its closing quote; 0: there is none */
static size_t
quoted_key(struct span text)
{
	for (size_t i = 1; i < text.len; i++) {
		if (text.at[i] == '"')
			return i + 1;
		if (text.at[i] == '\\')
			i++;
	}
	return 0;
}

bool
rules_pair(const struct rules_reader *r, unsigned line, struct span text, struct arena *arena,
	   struct span *key, struct span *value)
{
	size_t end = 0, len = 0;
	bool is_quoted = text.at[0] == '"';
	char *to;

	if (is_quoted)
		end = quoted_key(text);
	else
		while (end < text.len && !is_blank(text.at[end]))
			end++;
	if (end == 0) {
		wrong(r, line, 1, "the key that begins here has no closing `\"`");
		return false;
	}
	if (end < text.len && !is_blank(text.at[end])) {
		wrong(r, line, (unsigned)end + 1, "blank space was expected behind the key");
		return false;
	}
	to = arena_alloc(arena, end);
	if (to == NULL) {
		wrong(r, line, 1, "out of memory for this key");
		return false;
	}
	for (size_t i = is_quoted; i < end - is_quoted; i++) {
		if (is_quoted && text.at[i] == '\\')
			i++;
		to[len++] = ascii_lower(text.at[i]);
	}
	*key = span_from(to, len);
	*value = trim(span_skip(text, end));
	if (len == 0 || len > RULES_KEY_MAX) {
		wrong(r, line, 1,
		      len == 0 ? "the key is empty" : "the key is too long: no address can be it");
		return false;
	}
	if (!is_quoted && to[len - 1] == ':')
		wrong(r, line, (unsigned)end,
		      "the key ends in `:`, which stands behind the names of alias tables only");
	return true;
}

/* ---- patterns ---- */

/* scan_value - the highest group that it names; *bad: a $ that names none */
static unsigned
scan_value(struct span value, bool *bad)
{
	unsigned highest = 0;

	*bad = false;
	for (size_t i = 0; i < value.len; i++) {
		unsigned n = 0;
		size_t at = i + 1;
		char shut = '\0';

		if (value.at[i] != '$')
			continue;
		if (at < value.len && value.at[at] == '$') {
			i = at;
			continue;
		}
		if (at < value.len && (value.at[at] == '{' || value.at[at] == '('))
			shut = value.at[at++] == '{' ? '}' : ')';
		while (at < value.len && value.at[at] >= '0' && value.at[at] <= '9' &&
		       n <= RULES_GROUPS_MAX)
			n = 10 * n + (unsigned)(value.at[at++] - '0');
		if (n == 0 || n > RULES_GROUPS_MAX ||
		    (shut != '\0' && (at == value.len || value.at[at] != shut)))
			*bad = true;
		else if (n > highest)
			highest = n;
	}
	return highest;
}

void
rules_put(struct span value, struct span (*group)(void *owner, unsigned n), void *owner,
	  struct buffer *to)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned n = 0;

		if (value.at[i] != '$' || i + 1 == value.len) {
			buffer_char(to, value.at[i]);
			continue;
		}
		i++;
		if (value.at[i] == '$') {
			buffer_char(to, '$');
			continue;
		}
		bool is_shut = value.at[i] == '{' || value.at[i] == '(';

		i += is_shut;
		while (i < value.len && value.at[i] >= '0' && value.at[i] <= '9' &&
		       n <= RULES_GROUPS_MAX)
			n = 10 * n + (unsigned)(value.at[i++] - '0');
		i -= !is_shut; /* the loop steps over the closing mark, or over the last digit */
		buffer_span(to, group(owner, n));
	}
}

/* is it `word` at the front, alone or with a blank behind?  The rest is trimmed. */
static bool
takes_word(struct span *text, struct span word)
{
	if (!span_starts_nocase(*text, word) ||
	    (text->len > word.len && !is_blank(text->at[word.len])))
		return false;
	*text = trim(span_skip(*text, word.len));
	return true;
}

static bool
takes_not(struct span *text)
{
	if (text->len == 0 || text->at[0] != '!')
		return false;
	*text = trim(span_skip(*text, 1));
	return true;
}

static bool
is_delimiter(char c)
{
	return strchr(" \t\r\\!", c) == NULL && (c < '0' || c > '9') &&
	       (ascii_lower(c) < 'a' || ascii_lower(c) > 'z');
}

/* take_pattern - /pattern/flags; false: said what is wrong */
static bool
take_pattern(const struct rules_reader *r, struct rules_pattern *p, const char *line_at,
	     struct span *rest)
{
	size_t end = 1, flags;

	p->pattern_column = (unsigned)(rest->at - line_at) + 1;
	if (rest->len == 0 || !is_delimiter(rest->at[0])) {
		wrong(r, p->line, p->pattern_column,
		      "a pattern was expected here, like /^user@example\\.org$/");
		return false;
	}
	while (end < rest->len && rest->at[end] != rest->at[0])
		end += rest->at[end] == '\\' && end + 1 < rest->len ? 2 : 1;
	if (end >= rest->len) {
		wrong(r, p->line, p->pattern_column, "the pattern that begins here is not closed");
		return false;
	}
	p->pattern = span_from(rest->at + 1, end - 1);
	p->pattern_column++;
	for (flags = ++end; end < rest->len && !is_blank(rest->at[end]); end++)
		if (strchr("imsxAEUX", rest->at[end]) == NULL) {
			wrong(r, p->line, (unsigned)(rest->at + end - line_at) + 1,
			      "no flag of a pattern; they are i, m, s, x, A, E and U");
			return false;
		}
	p->flags = span_from(rest->at + flags, end - flags);
	*rest = trim(span_skip(*rest, end));
	if (p->pattern.len > 0)
		return true;
	wrong(r, p->line, p->pattern_column, "the pattern is empty");
	return false;
}

bool
rules_pattern(const struct rules_reader *r, unsigned line, struct span text,
	      struct rules_pattern *p)
{
	struct span rest = text;
	bool bad;

	*p = (struct rules_pattern){.line = line, .value = SPAN_NONE};
	if (takes_word(&rest, SPAN("endif"))) {
		p->kind = RULES_ENDIF;
		if (rest.len > 0)
			wrong(r, line, (unsigned)(rest.at - text.at) + 1,
			      "what stands behind `endif` is ignored");
		return true;
	}
	p->kind = takes_word(&rest, SPAN("if")) ? RULES_IF : RULES_MATCH;
	p->is_negated = takes_not(&rest);
	if (!take_pattern(r, p, text.at, &rest))
		return false;
	if (p->kind == RULES_IF) {
		if (rest.len > 0)
			wrong(r, line, (unsigned)(rest.at - text.at) + 1,
			      "what stands behind the pattern of `if` is ignored");
		return true;
	}
	p->value = rest;
	p->highest_group = scan_value(rest, &bad);
	if (!bad && !(p->is_negated && p->highest_group > 0))
		return true;
	wrong(r, line, (unsigned)(rest.at - text.at) + 1,
	      bad ? "`$` is followed by the number of a group, like $1 or ${1}, or by `$`"
		  : "what a pattern with `!` did not match has no groups");
	return false;
}

/* ---- networks ---- */

bool
rules_network(const struct rules_reader *r, unsigned line, struct span text,
	      struct rules_network *n)
{
	struct span rest = text, word;

	*n = (struct rules_network){.line = line, .value = SPAN_NONE};
	if (takes_word(&rest, SPAN("endif"))) {
		n->kind = RULES_ENDIF;
		if (rest.len > 0)
			wrong(r, line, (unsigned)(rest.at - text.at) + 1,
			      "what stands behind `endif` is ignored");
		return true;
	}
	n->kind = takes_word(&rest, SPAN("if")) ? RULES_IF : RULES_MATCH;
	n->is_negated = takes_not(&rest);
	word = rest;
	word.len = 0;
	while (word.len < rest.len && !is_blank(rest.at[word.len]))
		word.len++;
	rest = trim(span_skip(rest, word.len));
	if (value_network(word, &n->network) < 0) {
		wrong(r, line, (unsigned)(word.at - text.at) + 1,
		      "an address or a network was expected here, like 192.0.2.0/24 or "
		      "2001:db8::/32, all bits behind its length 0");
		return false;
	}
	n->value = rest;
	if (n->kind == RULES_IF && rest.len > 0)
		wrong(r, line, (unsigned)(rest.at - text.at) + 1,
		      "what stands behind the network of `if` is ignored");
	if (n->kind != RULES_MATCH || rest.len > 0)
		return true;
	wrong(r, line, (unsigned)text.len + 1, "a value was expected behind the network");
	return false;
}

bool
rules_network_has(const struct config_network *n, int family, const unsigned char address[16])
{
	unsigned whole = n->bits / 8, left = n->bits % 8;

	if (family != n->family || memcmp(address, n->address, whole) != 0)
		return false;
	return left == 0 || ((address[whole] ^ n->address[whole]) >> (8 - left)) == 0;
}

/* ---- if and endif ---- */

bool
rules_nest(const struct rules_reader *r, struct rules_nest *nest, enum rules_kind kind,
	   unsigned line)
{
	switch (kind) {
	case RULES_MATCH:
		return true;
	case RULES_IF:
		if (nest->depth == RULES_DEPTH_MAX) {
			wrong(r, line, 1, "too many `if` within one another");
			return false;
		}
		nest->lines[nest->depth++] = line;
		return true;
	case RULES_ENDIF:
		if (nest->depth == 0) {
			wrong(r, line, 1, "`endif` without an `if` before it");
			return false;
		}
		nest->depth--;
		return true;
	}
	return false;
}

void
rules_nest_end(const struct rules_reader *r, const struct rules_nest *nest)
{
	for (size_t i = nest->depth; i > 0; i--)
		wrong(r, nest->lines[i - 1], 1, "this `if` has no `endif`");
}

/* ---- users ---- */

bool
rules_user(struct span value, struct rules_user *user, const char **why)
{
	*user = (struct rules_user){.home = SPAN_NONE, .deliver = SPAN_NONE};
	for (struct span rest = value;;) {
		struct span word = span_word(&rest);

		if (word.len == 0)
			return true;
		if (span_starts(word, SPAN("home="))) {
			struct span path;

			user->home = span_skip(word, 5);
			if (value_path(user->home, &path) == 0 && path.len == user->home.len)
				continue;
			*why = "expected behind `home=` a path that begins with `/`, without `.` "
			       "and `..` in it";
		} else if (span_starts(word, SPAN("quota="))) {
			if (number_parse_size(span_skip(word, 6), 0, RULES_QUOTA_MAX,
					      &user->quota) == 0)
				continue;
			*why = "expected behind `quota=` a number of bytes, which K, M, G or T may "
			       "follow";
		} else if (span_starts(word, SPAN("deliver="))) {
			user->deliver = span_skip(word, 8);
			if (user->deliver.len > 0)
				continue;
			*why = "expected behind `deliver=` the name of a `delivery`";
		} else {
			*why = "expected nothing, or words home=PATH, quota=SIZE and deliver=NAME";
		}
		return false;
	}
}
