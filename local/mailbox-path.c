/*
 * mailbox-path - see mailbox-path.h
 */
#include "local/mailbox-path.h"

#include <limits.h>

#include "common/config/mailbox.h"
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

static struct span
without_slash(struct span path)
{
	while (path.len > 0 && path.at[path.len - 1] == '/')
		path.len--;
	return path;
}

int
mailbox_path_base(const char *template, const char *home, char *to, size_t size)
{
	struct span path = span_of(template), base;
	const char *word = strchr(template, '{');

	if (mailbox_is_at_home(template)) {
		base = without_slash(span_of(home));
	} else {
		base = word != NULL ? span_from(template, (size_t)(word - template))
				    : without_slash(path);
		while (base.len > 0 && base.at[base.len - 1] != '/')
			base.len--;
		base = without_slash(base);
	}
	return base.len > 0 && base.at[0] == '/' ? span_copy(base, to, size) : -1;
}

static bool
is_below(struct span path, const char *base)
{
	size_t len = strlen(base);

	return span_starts(path, span_of(base)) && path.len > len + 1 && path.at[len] == '/';
}

enum mailbox_path_outcome
mailbox_path(const char *template, const struct mailbox_path_values *v, char *to, size_t size)
{
	struct span rest = span_of(template), path;
	char base[PATH_MAX];
	enum mailbox_path_outcome outcome = MAILBOX_PATH_OK;
	struct buffer b;

	if (mailbox_path_base(template, v->home, base, sizeof(base)) < 0)
		return MAILBOX_PATH_TEMPLATE;
	buffer_init(&b, PATH_MAX);
	if (span_equal(rest, SPAN("~")) || span_starts(rest, SPAN("~/"))) {
		buffer_string(&b, v->home);
		rest = span_skip(rest, 1);
	}
	while (outcome == MAILBOX_PATH_OK && rest.len > 0) {
		if (rest.at[0] == '{' && !span_has(rest, '}')) {
			outcome = MAILBOX_PATH_TEMPLATE;
		} else if (rest.at[0] == '{') {
			rest = span_skip(rest, 1);
			outcome = fill_in(span_cut(&rest, '}'), v, &b);
		} else {
			buffer_char(&b, rest.at[0]);
			rest = span_skip(rest, 1);
		}
	}
	path = without_slash(buffer_get(&b));
	if (outcome == MAILBOX_PATH_OK && b.failed)
		outcome = MAILBOX_PATH_TEMPLATE;
	if (outcome == MAILBOX_PATH_OK && has_dots(path))
		outcome = v->ext.len > 0 ? MAILBOX_PATH_VALUE : MAILBOX_PATH_TEMPLATE;
	/* of a virtual user, whose agent has his home as its base, that may be the Maildir itself */
	if (outcome == MAILBOX_PATH_OK && span_equal(span_of(template), SPAN("{home}")) &&
	    span_copy(path, to, size) == 0) {
		buffer_free(&b);
		return MAILBOX_PATH_OK;
	}
	if (outcome == MAILBOX_PATH_OK && (!is_below(path, base) || span_copy(path, to, size) < 0))
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
