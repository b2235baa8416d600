/*
 * mailbox-path - see mailbox-path.h
 */
#include "local/mailbox-path.h"

#include <limits.h>

#include "common/mail/address.h"
#include "common/text/buffer.h"

static bool
is_dots(struct span component)
{
	return span_equal(component, SPAN(".")) || span_equal(component, SPAN(".."));
}

static bool
may_be_component(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];

		if (c == '/' || c < 0x20 || c == 0x7f)
			return false;
	}
	return value.len <= NAME_MAX && !is_dots(value);
}

/* fill_in - one {word} */
static enum mailbox_path_outcome
fill_in(struct span word, const struct mailbox_path_values *v, struct buffer *to)
{
	struct span value;

	if (span_equal(word, SPAN("home"))) {
		buffer_string(to, v->home);
		return MAILBOX_PATH_OK;
	}
	if (span_equal(word, SPAN("user")))
		value = v->user;
	else if (span_equal(word, SPAN("ext")))
		value = v->ext;
	else if (span_equal(word, SPAN("domain")))
		value = v->domain;
	else
		return MAILBOX_PATH_TEMPLATE;
	if (!may_be_component(value))
		return MAILBOX_PATH_VALUE;
	buffer_span(to, value);
	return MAILBOX_PATH_OK;
}

/* has_dots - is one of the components `.` or `..`? */
static bool
has_dots(struct span path)
{
	while (path.len > 0)
		if (is_dots(span_cut(&path, '/')))
			return true;
	return false;
}

static bool
is_below(struct span path, struct span home)
{
	while (home.len > 0 && home.at[home.len - 1] == '/')
		home.len--;
	return home.len > 0 && span_starts(path, home) && path.len > home.len + 1 &&
	       path.at[home.len] == '/';
}

enum mailbox_path_outcome
mailbox_path(const char *template, const struct mailbox_path_values *v, char *to, size_t size)
{
	struct span rest = span_of(template), path;
	enum mailbox_path_outcome outcome = MAILBOX_PATH_OK;
	struct buffer b;

	buffer_init(&b, PATH_MAX);
	if (span_equal(rest, SPAN("~")) || span_starts(rest, SPAN("~/"))) {
		buffer_string(&b, v->home);
		rest = span_skip(rest, 1);
	}
	while (outcome == MAILBOX_PATH_OK && rest.len > 0) {
		if (rest.at[0] == '{' && span_has(rest, '}')) {
			rest = span_skip(rest, 1);
			outcome = fill_in(span_cut(&rest, '}'), v, &b);
		} else {
			buffer_char(&b, rest.at[0]);
			rest = span_skip(rest, 1);
		}
	}
	path = buffer_get(&b);
	while (path.len > 0 && path.at[path.len - 1] == '/')
		path.len--;
	if (outcome == MAILBOX_PATH_OK && b.failed)
		outcome = MAILBOX_PATH_TEMPLATE;
	if (outcome == MAILBOX_PATH_OK && has_dots(path))
		outcome = v->ext.len > 0 ? MAILBOX_PATH_VALUE : MAILBOX_PATH_TEMPLATE;
	if (outcome == MAILBOX_PATH_OK &&
	    (!is_below(path, span_of(v->home)) || span_copy(path, to, size) < 0))
		outcome = MAILBOX_PATH_TEMPLATE;
	buffer_free(&b);
	return outcome;
}

struct span
mailbox_path_extension(struct span address, struct span user, char separator)
{
	struct span local = address_local_of(address);

	if (separator == '\0' || span_equal_nocase(local, user) || local.len == 0)
		return SPAN_NONE;
	/* a quoted local part keeps its quotes: `"a b+c"` has no extension */
	if (local.at[0] == '"')
		return SPAN_NONE;
	span_cut(&local, separator);
	return local;
}
