/*
 * mailbox - see mailbox.h
 */
#include "common/config/mailbox.h"

#include <limits.h>
#include <string.h>

#define USER_WORD "{user}"

struct span
mailbox_prefix(const char *path)
{
	const char *word = strchr(path, '{');
	struct span s = span_from(path, word != NULL ? (size_t)(word - path) : 0);

	while (s.len > 0 && s.at[s.len - 1] != '/')
		s.len--;
	while (s.len > 0 && s.at[s.len - 1] == '/')
		s.len--;
	return s;
}

const char *
mailbox_tail(const char *path)
{
	const char *user = strstr(path, USER_WORD);

	if (user == NULL || path[0] != '/' || mailbox_prefix(path).len == 0)
		return NULL;
	return user + strcspn(user, "/");
}

bool
mailbox_is_at_home(const char *path)
{
	struct span s = span_of(path);

	return span_equal(s, SPAN("~")) || span_starts(s, SPAN("~/")) ||
	       span_starts(s, SPAN("{home}"));
}

bool
mailbox_value_ok(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];

		if (c == '/' || c < 0x20 || c == 0x7f)
			return false;
	}
	return value.len > 0 && value.len <= NAME_MAX && !span_equal(value, SPAN(".")) &&
	       !span_equal(value, SPAN(".."));
}

bool
mailbox_home_ok(const char *path, struct span home)
{
	struct span prefix = mailbox_prefix(path), rest;

	if (home.len > MAILBOX_HOME_MAX || prefix.len == 0 || !span_starts(home, prefix) ||
	    home.len < prefix.len + 2 || home.at[prefix.len] != '/')
		return false;
	rest = span_skip(home, prefix.len + 1);
	if (span_ends(rest, SPAN("/")))
		return false;
	while (rest.len > 0)
		if (!mailbox_value_ok(span_cut(&rest, '/')))
			return false;
	return true;
}

bool
mailbox_home(const char *path, struct span user, struct span domain, struct buffer *to)
{
	const char *tail = mailbox_tail(path);
	struct span rest;

	if (tail == NULL || !mailbox_value_ok(user) || !mailbox_value_ok(domain))
		return false;
	rest = span_from(path, (size_t)(tail - path));
	while (rest.len > 0) {
		static const struct span words[] = {SPAN(USER_WORD), SPAN("{domain}"),
						    SPAN("{ext}")};
		const struct span values[] = {user, domain, SPAN_NONE};
		size_t step = 1;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (span_starts(rest, words[i])) {
				buffer_span(to, values[i]);
				step = words[i].len;
			}
		if (step == 1)
			buffer_char(to, rest.at[0]);
		rest = span_skip(rest, step);
	}
	return !to->failed && mailbox_home_ok(path, buffer_get(to));
}
