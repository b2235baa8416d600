/*
 * address - a mailbox as SMTP writes it
 *
 * Called by smtpd/envelope.c with what strangers sent, by lookup and the configuration with what the administrator
 * wrote.  Promises that a text which passes is canonical: two spellings of one mailbox give the same bytes, and no control
 * character or blank outside of quotes is in it; bytes above 126 only as UTF-8, and then the outcome says so.
 * RFC 5321, sections 4.1.2 (syntax), 4.1.3 (literals), 4.5.1 (postmaster), appendix C (source routes).
 */
#include "common/mail/address.h"

#include "common/mail/domain.h"
#include "common/text/utf8.h"

static bool
is_high(char c)
{
	return (unsigned char)c >= 0x80;
}

static bool
is_atext(char c)
{
	char l = ascii_lower(c);

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_dot_string(struct span s)
{
	bool after_dot = true;

	for (size_t i = 0; i < s.len; i++) {
		bool is_dot = s.at[i] == '.';
		if (is_dot ? after_dot : !is_atext(s.at[i]) && !is_high(s.at[i]))
			return false;
		after_dot = is_dot;
	}
	return !after_dot;
}

/* the bytes within the quotes, unescaped; *used counts the quotes too; false: not a quoted string (or too long) */
static bool
read_quoted(struct span text, char *to, size_t size, size_t *len, size_t *used)
{
	size_t n = 0, i = 1;

	for (; i < text.len && text.at[i] != '"'; i++) {
		char c = text.at[i];
		bool is_pair = c == '\\';
		if (is_pair && ++i < text.len)
			c = text.at[i];
		if (i == text.len || (unsigned char)c < 0x20 || c == 0x7f ||
		    (is_pair && is_high(c)))
			return false;
		if (n == size)
			return false;
		to[n++] = c;
	}
	if (i == text.len)
		return false;
	*len = n;
	*used = i + 1;
	return true;
}

static void
put(struct address *to, size_t max, char c, bool *fits)
{
	if (to->len < max)
		to->text[to->len++] = c;
	else
		*fits = false;
}

/* the local part at the front of *text into `to`, canonical; *text becomes what follows */
static enum address_outcome
take_local(struct span *text, struct address *to)
{
	char unquoted[2 * ADDRESS_LOCAL_MAX];
	struct span local = {unquoted, 0};
	size_t used = 0;
	bool fits = true;

	if (text->len > 0 && text->at[0] == '"') {
		if (!read_quoted(*text, unquoted, sizeof(unquoted), &local.len, &used))
			return text->len > sizeof(unquoted) ? ADDRESS_TOO_LONG : ADDRESS_SYNTAX;
	} else {
		while (used < text->len && (is_atext(text->at[used]) || is_high(text->at[used]) ||
					    text->at[used] == '.'))
			used++;
		local = span_from(text->at, used);
		if (!is_dot_string(local))
			return ADDRESS_SYNTAX;
	}
	*text = span_skip(*text, used);

	bool quoted = !is_dot_string(local);
	if (quoted)
		put(to, ADDRESS_LOCAL_MAX, '"', &fits);
	for (size_t i = 0; i < local.len; i++) {
		if (local.at[i] == '"' || local.at[i] == '\\')
			put(to, ADDRESS_LOCAL_MAX, '\\', &fits);
		put(to, ADDRESS_LOCAL_MAX, local.at[i], &fits);
	}
	if (quoted)
		put(to, ADDRESS_LOCAL_MAX, '"', &fits);
	return fits ? ADDRESS_OK : ADDRESS_TOO_LONG;
}

/* a domain with bytes above 127 has the form of one when they are taken for letters */
static bool
is_high_domain(struct span name)
{
	char ascii[ADDRESS_DOMAIN_MAX];
	bool has_high = false;

	if (name.len > sizeof(ascii))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		has_high = has_high || is_high(name.at[i]);
		ascii[i] = (char)(is_high(name.at[i]) ? 'x' : name.at[i]);
	}
	return has_high && domain_is_valid(span_from(ascii, name.len));
}

/* a whole mailbox; `may_be_postmaster`: a path, where that name alone is enough; `origin`: the domain of a name alone, empty: none */
static enum address_outcome
read_mailbox(struct span text, bool may_be_postmaster, struct span origin, struct address *to)
{
	struct span all = text;
	bool fits = true;

	*to = (struct address){.len = 0};
	enum address_outcome local = take_local(&text, to);
	if (local != ADDRESS_OK)
		return local;
	if (text.len == 0 && origin.len > 0) {
		to->domain_at = to->len + 1;
		put(to, ADDRESS_MAX, '@', &fits);
		for (size_t i = 0; i < origin.len; i++)
			put(to, ADDRESS_MAX, ascii_lower(origin.at[i]), &fits);
		return fits ? ADDRESS_OK : ADDRESS_TOO_LONG;
	}
	if (text.len == 0) {
		if (!may_be_postmaster ||
		    !span_equal_nocase(span_from(to->text, to->len), SPAN("postmaster")))
			return ADDRESS_NO_DOMAIN;
		for (size_t i = 0; i < to->len; i++)
			to->text[i] = ascii_lower(to->text[i]);
		return ADDRESS_OK;
	}
	if (text.at[0] != '@')
		return ADDRESS_SYNTAX;
	struct span domain = span_skip(text, 1);
	if (domain.len > ADDRESS_DOMAIN_MAX)
		return ADDRESS_TOO_LONG;
	bool high = is_high_domain(domain);
	if (!high && !domain_is_valid(domain) && !domain_is_literal(domain))
		return ADDRESS_SYNTAX;

	put(to, ADDRESS_MAX, '@', &fits);
	to->domain_at = to->len;
	for (size_t i = 0; i < domain.len; i++) {
		high = high || is_high(domain.at[i]);
		put(to, ADDRESS_MAX, ascii_lower(domain.at[i]), &fits);
	}
	for (size_t i = 0; i < to->domain_at; i++)
		high = high || is_high(to->text[i]);
	if (!fits)
		return ADDRESS_TOO_LONG;
	if (high)
		return utf8_is_valid(all) ? ADDRESS_UTF8 : ADDRESS_SYNTAX;
	return ADDRESS_OK;
}

enum address_outcome
address_mailbox(struct span text, struct address *to)
{
	struct address a;
	enum address_outcome outcome = read_mailbox(text, false, SPAN_NONE, &a);

	*to = outcome == ADDRESS_OK || outcome == ADDRESS_UTF8 ? a : (struct address){.len = 0};
	return outcome;
}

/* how many bytes stand before the first of `ends` that is outside of quotes */
static size_t
find_outside_quotes(struct span s, const char *ends)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < s.len; i++) {
		char c = s.at[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c != '\0' && strchr(ends, c) != NULL)
			break;
	}
	return i < s.len ? i : s.len;
}

/* `@a,@b:` in front of a mailbox; false when it begins like a route and is none */
static bool
skip_route(struct span *path)
{
	if (path->len == 0 || path->at[0] != '@')
		return true;
	/* an IPv6 literal holds colons: the route ends at the first one outside of brackets */
	size_t end = 0;
	for (bool inside = false; end < path->len && (inside || path->at[end] != ':'); end++)
		inside = path->at[end] == '[' || (inside && path->at[end] != ']');
	if (end == path->len)
		return false;
	struct span route = span_from(path->at, end);
	*path = span_skip(*path, end + 1);
	while (route.len > 0) {
		bool another = span_has(route, ',');
		struct span hop = span_cut(&route, ',');
		if (hop.len == 0 || hop.at[0] != '@' || (another && route.len == 0))
			return false;
		hop = span_skip(hop, 1);
		if (!domain_is_valid(hop) && !domain_is_literal(hop))
			return false;
	}
	return true;
}

enum address_outcome
address_path(struct span *text, struct address *to)
{
	return address_path_at(text, SPAN_NONE, to);
}

enum address_outcome
address_path_at(struct span *text, struct span origin, struct address *to)
{
	struct span path = span_trim(*text);
	struct span rest;
	struct address a;

	*to = (struct address){.len = 0};
	if (path.len == 0)
		return ADDRESS_SYNTAX;
	if (path.at[0] == '<') {
		path = span_skip(path, 1);
		size_t end = find_outside_quotes(path, ">");
		if (end == path.len)
			return ADDRESS_SYNTAX;
		rest = span_skip(path, end + 1);
		path.len = end;
		if (rest.len > 0 && rest.at[0] != ' ' && rest.at[0] != '\t')
			return ADDRESS_SYNTAX;
		if (path.len == 0) {
			*text = span_trim(rest);
			return ADDRESS_OK;
		}
		if (!skip_route(&path))
			return ADDRESS_SYNTAX;
	} else {
		size_t end = find_outside_quotes(path, " \t");
		rest = span_skip(path, end);
		path.len = end;
	}
	enum address_outcome outcome = read_mailbox(path, true, origin, &a);
	if (outcome == ADDRESS_OK || outcome == ADDRESS_UTF8) {
		*to = a;
		*text = span_trim(rest);
	}
	return outcome;
}

struct span
address_domain_of(struct span text)
{
	/* neither a domain nor a literal holds an @ or a quote */
	for (size_t i = text.len; i > 0 && text.at[i - 1] != '"'; i--) {
		if (text.at[i - 1] == '@')
			return span_skip(text, i);
	}
	return SPAN_NONE;
}

struct span
address_local_of(struct span text)
{
	struct span domain = address_domain_of(text);

	if (domain.len == 0)
		return text;
	return span_from(text.at, text.len - domain.len - 1);
}

struct span
address_domain(const struct address *a)
{
	if (a->domain_at == 0)
		return SPAN_NONE;
	return span_from(a->text + a->domain_at, a->len - a->domain_at);
}

void
address_local(const struct address *a, char *to)
{
	size_t len = a->domain_at > 0 ? a->domain_at - 1 : a->len;
	size_t n = 0;

	if (len == 0 || a->text[0] != '"') {
		memcpy(to, a->text, len);
		to[len] = '\0';
		return;
	}
	for (size_t i = 1; i + 1 < len; i++) {
		if (a->text[i] == '\\')
			i++;
		to[n++] = a->text[i];
	}
	to[n] = '\0';
}
