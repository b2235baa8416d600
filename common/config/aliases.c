/*
 * aliases - a text table in the format of /etc/aliases, read as it is
 *
 * The text is cut into entries (a line and what continues it), an entry into its name and values.  Nothing is copied but what
 * was quoted or written in capitals.  A mistake ends its entry and no other.
 */
#include "common/config/aliases.h"

#include <string.h>

#include "common/mail/address.h"
#include "common/mail/domain.h"
#include "common/text/checksum.h"

#define SENTENCE_NO_COLON "a name and `:` were expected"

struct parser {
	struct span text;
	struct arena *arena;
	void (*entry)(void *owner, const struct alias_entry *e);
	void (*wrong)(void *owner, unsigned line, unsigned column, const char *text);
	void *owner;
	const char *line_at; /* where line number `line` begins */
	unsigned line;
	bool out_of_memory;
	bool takes_domains;	    /* @domain is a value */
	struct alias_value *values; /* of the entry at hand: room for value_room */
	size_t value_count, value_room;
};

/* one value as it stands: all of it, and what stands between angle brackets in it (at == NULL: there are none) */
struct raw_value {
	struct span all;
	struct span angle;
	bool is_plain; /* a command, a path or an :include:, unquoted: nothing in it is a comment */
};

/* one entry: from its first byte to the end of its last line; may hold line ends and lines of comment */
struct cursor {
	const char *at, *end;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
complain(struct parser *p, const char *at, const char *sentence)
{
	const char *line_at = p->line_at;
	unsigned line = p->line;

	for (const char *n;
	     line_at < at && (n = memchr(line_at, '\n', (size_t)(at - line_at))) != NULL;) {
		line_at = n + 1;
		line++;
	}
	p->wrong(p->owner, line, (unsigned)(at - line_at) + 1, sentence);
}

/* line_end - behind the line end of the line at `at` */
static const char *
line_end(const char *at, const char *end)
{
	const char *n = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

	return n != NULL ? n + 1 : end;
}

/* line_says - the first byte of the line at `at` that is no blank; '\n' when there is none, or only a comment */
static char
line_says(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	if (at == end || *at == '#')
		return '\n';
	return *at;
}

/* entry_end - where the entry that begins at `at` ends: before the next line that begins with neither blank nor comment */
static const char *
entry_end(const char *at, const char *end)
{
	const char *last = line_end(at, end);

	for (const char *next = last; next < end; next = line_end(next, end)) {
		if (line_says(next, end) == '\n')
			continue;
		if (!is_blank(*next))
			break;
		last = line_end(next, end);
	}
	return last;
}

/* skip_blank - blanks, line ends with the lines of comment behind them, and (comments); false: one of those is unfinished */
static bool
skip_blank(struct parser *p, struct cursor *c)
{
	while (c->at < c->end) {
		if (is_blank(*c->at)) {
			c->at++;
		} else if (*c->at == '\n') {
			c->at++;
			while (c->at < c->end && line_says(c->at, c->end) == '\n')
				c->at = line_end(c->at, c->end);
		} else if (*c->at == '(') {
			const char *open = c->at;
			int depth = 0;

			do {
				if (*c->at == '\\' && c->at + 1 < c->end)
					c->at++;
				else if (*c->at == '(')
					depth++;
				else if (*c->at == ')')
					depth--;
				c->at++;
			} while (c->at < c->end && depth > 0);
			if (depth > 0) {
				complain(p, open, "the comment that begins here has no `)`");
				return false;
			}
		} else {
			break;
		}
	}
	return true;
}

/* quoted_end - behind the closing quote of the string that opens at `at`; NULL: it has none on its line */
static const char *
quoted_end(const char *at, const char *end)
{
	for (at++; at < end && *at != '\n'; at++) {
		if (*at == '"')
			return at + 1;
		if (*at == '\\' && at + 1 < end && at[1] != '\n')
			at++;
	}
	return NULL;
}

/* unquoted - the inside of what stands between two quotes, or of bytes with quoted strings among them */
static struct span
unquoted(struct parser *p, struct span raw)
{
	char *to;
	size_t len = 0;
	bool quoted = false;

	if (!span_has(raw, '"'))
		return raw;
	to = arena_alloc(p->arena, raw.len);
	if (to == NULL) {
		p->out_of_memory = true;
		return SPAN_NONE;
	}
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.at[i] == '"')
			quoted = !quoted;
		else if (quoted && raw.at[i] == '\\' && i + 1 < raw.len)
			to[len++] = raw.at[++i];
		else
			to[len++] = raw.at[i];
	}
	return span_from(to, len);
}

static struct span
lowered(struct parser *p, struct span s)
{
	size_t i = 0;
	char *to;

	while (i < s.len && ascii_lower(s.at[i]) == s.at[i])
		i++;
	if (i == s.len)
		return s;
	to = arena_alloc(p->arena, s.len);
	if (to == NULL) {
		p->out_of_memory = true;
		return SPAN_NONE;
	}
	for (i = 0; i < s.len; i++)
		to[i] = ascii_lower(s.at[i]);
	return span_from(to, s.len);
}

/* take_name - what stands before the colon, and the colon; false: said what is wrong */
static bool
take_name(struct parser *p, struct cursor *c, struct span *name)
{
	const char *start = c->at;
	bool is_quoted = *start == '"';

	if (is_quoted) {
		c->at = quoted_end(start, c->end);
		if (c->at == NULL) {
			complain(p, start, "the name that begins here has no closing `\"`");
			return false;
		}
	} else {
		while (c->at < c->end && !is_blank(*c->at) && *c->at != '\n' && *c->at != ':')
			c->at++;
	}
	*name = unquoted(p, span_from(start, (size_t)(c->at - start)));
	while (c->at < c->end && is_blank(*c->at))
		c->at++;
	if (c->at == c->end || *c->at != ':') {
		complain(p, c->at, SENTENCE_NO_COLON);
		return false;
	}
	c->at++;
	if (name->len == 0)
		complain(p, start, "the name before the `:` is missing");
	else if (name->len > ALIASES_NAME_MAX)
		complain(p, start, "the name is too long: no address can have it");
	else if (!is_quoted && span_has(*name, '@'))
		complain(p, start,
			 "a name here has no domain: the `domain` block that uses the table says "
			 "which");
	else
		return true;
	return false;
}

/* take_value - up to the comma that ends it, or the end; quotes, comments and angle brackets are stepped over */
static bool
take_value(struct parser *p, struct cursor *c, struct raw_value *raw)
{
	const char *start = c->at,
		   *last = c->at; /* behind the last byte that is neither blank nor comment */

	*raw = (struct raw_value){.is_plain = *start == '|' || *start == '/' || *start == ':'};
	while (c->at < c->end && *c->at != ',') {
		if (*c->at == '"') {
			const char *behind = quoted_end(c->at, c->end);

			if (behind == NULL) {
				complain(p, c->at, "the text that begins here has no closing `\"`");
				return false;
			}
			last = c->at = behind;
		} else if (is_blank(*c->at) || *c->at == '\n' ||
			   (*c->at == '(' && !raw->is_plain)) {
			if (*c->at == '(' || *c->at == '\n') {
				if (!skip_blank(p, c))
					return false;
			} else {
				c->at++;
			}
		} else if (*c->at == '<' && !raw->is_plain) {
			const char *close = memchr(c->at, '>', (size_t)(c->end - c->at));

			if (close == NULL) {
				complain(p, c->at, "`<` without `>`");
				return false;
			}
			raw->angle = span_trim(span_from(c->at + 1, (size_t)(close - c->at) - 1));
			last = c->at = close + 1;
		} else {
			last = ++c->at;
		}
	}
	raw->all = span_from(start, (size_t)(last - start));
	return true;
}

/* domain_value - what stands behind the @ of @domain */
static bool
domain_value(struct parser *p, const struct raw_value *raw, struct span text, struct alias_value *v)
{
	if (!domain_is_valid(text)) {
		complain(p, raw->all.at, "behind the `@` the name of a domain was expected");
		return false;
	}
	v->kind = ALIAS_DOMAIN;
	v->text = lowered(p, text);
	return !p->out_of_memory;
}

/* address_value - user or user@domain, checked and made canonical */
static bool
address_value(struct parser *p, const struct raw_value *raw, struct alias_value *v)
{
	struct address address;
	char whole[ADDRESS_MAX + sizeof("@localhost")];
	struct span text = raw->angle.at != NULL ? raw->angle : raw->all;
	bool is_local;

	if (p->takes_domains && text.len > 1 && text.at[0] == '@')
		return domain_value(p, raw, span_skip(text, 1), v);
	if (text.len > 0 && text.at[0] == '\\') {
		v->direct = true;
		text = span_skip(text, 1);
	}
	if (text.len > ADDRESS_MAX) {
		complain(p, raw->all.at, "the address is too long");
		return false;
	}
	/* a quoted local part alone may hold an @ */
	is_local = span_ends(text, SPAN("\"")) || address_domain_of(text).len == 0;
	memcpy(whole, text.at, text.len);
	memcpy(whole + text.len, "@localhost", is_local ? sizeof("@localhost") - 1 : 0);
	switch (address_mailbox(
		span_from(whole, text.len + (is_local ? sizeof("@localhost") - 1 : 0)), &address)) {
	case ADDRESS_OK:
		break;
	case ADDRESS_TOO_LONG:
		complain(p, raw->all.at, "the address is too long");
		return false;
	case ADDRESS_UTF8:
		complain(p, raw->all.at, "an address of ASCII characters was expected");
		return false;
	case ADDRESS_SYNTAX:
	case ADDRESS_NO_DOMAIN:
		complain(p, raw->all.at,
			 "no address: user, user@domain, or a quoted text was expected (values are "
			 "parted by commas)");
		return false;
	}
	v->kind = ALIAS_ADDRESS;
	v->text = span_from(address.text, is_local ? address.domain_at - 1 : address.len);
	/* most are canonical as they stand */
	v->text = span_equal(v->text, text) ? text : arena_span(p->arena, v->text);
	if (v->text.at == NULL)
		p->out_of_memory = true;
	return v->text.at != NULL;
}

/* value_of - what one value is */
static bool
value_of(struct parser *p, const struct raw_value *raw, struct alias_value *v)
{
	struct span text = unquoted(p, raw->all);

	*v = (struct alias_value){.kind = ALIAS_ADDRESS};
	if (p->out_of_memory)
		return false;
	if (span_starts(text, SPAN("|"))) {
		v->kind = ALIAS_COMMAND;
		v->text = span_trim(span_skip(text, 1));
	} else if (span_starts(text, SPAN("/"))) {
		v->kind = ALIAS_FILE;
		v->text = text;
	} else if (span_starts_nocase(text, SPAN(":include:"))) {
		v->kind = ALIAS_INCLUDE;
		v->text = span_trim(span_skip(text, sizeof(":include:") - 1));
	} else {
		return address_value(p, raw, v);
	}
	if (v->text.len == 0) {
		complain(p, raw->all.at, "a command or a path was expected here");
		return false;
	}
	return true;
}

static bool
add_value(struct parser *p, const char *at, const struct alias_value *v)
{
	if (p->value_count == ALIASES_VALUES_MAX) {
		complain(p, at, "too many values for one name");
		return false;
	}
	if (p->value_count == p->value_room) {
		size_t room = p->value_room > 0 ? 2 * p->value_room : 1;
		struct alias_value *wider = arena_alloc(p->arena, room * sizeof(*wider));

		if (wider == NULL) {
			p->out_of_memory = true;
			return false;
		}
		if (p->value_count > 0)
			memcpy(wider, p->values, p->value_count * sizeof(*wider));
		p->values = wider;
		p->value_room = room;
	}
	p->values[p->value_count++] = *v;
	return true;
}

/* take_values - all of them; false: said what is wrong, or no memory */
static bool
take_values(struct parser *p, struct cursor *c)
{
	const char *start = c->at;

	for (;;) {
		struct alias_value v;
		struct raw_value raw;

		if (!skip_blank(p, c))
			return false;
		if (c->at == c->end)
			break;
		if (*c->at == ',') { /* empty ones are forgiven: a trailing comma is common */
			c->at++;
			continue;
		}
		if (!take_value(p, c, &raw) || !value_of(p, &raw, &v) ||
		    !add_value(p, raw.all.at, &v))
			return false;
	}
	if (p->value_count > 0)
		return true;
	complain(p, start, "at least one address was expected behind the `:`");
	return false;
}

/* one_entry - parses it and tells the caller */
static void
one_entry(struct parser *p, struct cursor c)
{
	struct alias_entry e = {.line = p->line};
	const char *nul = memchr(c.at, '\0', (size_t)(c.end - c.at));

	p->values = NULL;
	p->value_count = p->value_room = 0;
	if (nul != NULL) {
		complain(p, nul, "a NUL byte has no place in a text table");
		return;
	}
	if (is_blank(*c.at)) {
		complain(p, c.at,
			 "blank space at the begin of a line continues the line before, and there "
			 "is none");
		return;
	}
	if (!take_name(p, &c, &e.name))
		return;
	e.name = lowered(p, e.name);
	if (take_values(p, &c)) {
		e.values = p->values;
		e.value_count = p->value_count;
	}
	if (!p->out_of_memory)
		p->entry(p->owner, &e);
}

uint64_t
alias_value_hash(const struct alias_value *v)
{
	/* the kinds have no number in common */
	uint64_t hash = checksum_of(v->text.at, v->text.len) + (uint64_t)v->kind;

	return hash != 0 ? hash : 1;
}

int
aliases_parse(struct span text, struct arena *arena,
	      void (*entry)(void *owner, const struct alias_entry *e),
	      void (*wrong)(void *owner, unsigned line, unsigned column, const char *text),
	      void *owner)
{
	struct parser p = {.text = text,
			   .arena = arena,
			   .entry = entry,
			   .wrong = wrong,
			   .owner = owner,
			   .line_at = text.at,
			   .line = 1};
	const char *at = text.at, *end = text.at + text.len;

	while (at < end && !p.out_of_memory) {
		struct cursor c = {at, at};

		c.end = line_says(at, end) == '\n' ? line_end(at, end) : entry_end(at, end);
		if (line_says(at, end) != '\n')
			one_entry(&p, c);
		for (at = p.line_at; at < c.end; at = p.line_at) {
			p.line_at = line_end(at, end);
			p.line++;
		}
	}
	return p.out_of_memory ? -1 : 0;
}

int
aliases_values(struct span text, unsigned line, struct arena *arena, struct alias_entry *e,
	       void (*wrong)(void *owner, unsigned line, unsigned column, const char *text),
	       void *owner)
{
	struct parser p = {.text = text,
			   .arena = arena,
			   .wrong = wrong,
			   .owner = owner,
			   .line_at = text.at,
			   .line = line,
			   .takes_domains = true};
	struct cursor c = {text.at, text.at + text.len};

	*e = (struct alias_entry){.name = e->name, .line = line};
	if (memchr(text.at, '\0', text.len) != NULL) {
		complain(&p, text.at, "a NUL byte has no place in a text table");
	} else if (take_values(&p, &c)) {
		e->values = p.values;
		e->value_count = p.value_count;
	}
	return p.out_of_memory ? -1 : 0;
}
