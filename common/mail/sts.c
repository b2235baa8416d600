/*
 * sts - see the header.  RFC 8461, sections 3.1 and 3.2
 *
 * Both grammars are a run of fields, of which the unknown are passed over and of those that come twice the first counts.
 */
#include "common/mail/sts.h"

#include "common/mail/domain.h"
#include "common/text/number.h"

#define VERSION "STSv1"
#define FIELD_NAME_MAX 32

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* of an extension, which may be anything */
static bool
is_field_name(struct span s)
{
	if (s.len == 0 || s.len > FIELD_NAME_MAX || !is_alnum(s.at[0]))
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (!is_alnum(s.at[i]) && s.at[i] != '_' && s.at[i] != '-' && s.at[i] != '.')
			return false;
	return true;
}

/* ---- the record ---- */

bool
sts_is_record(struct span text)
{
	return span_starts(text, SPAN("v=" VERSION ";"));
}

static bool
is_id(struct span s)
{
	if (s.len == 0 || s.len > STS_ID_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.at[i]))
			return false;
	return true;
}

/* visible, and neither `=` nor `;` */
static bool
is_record_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] <= ' ' || s.at[i] > '~' || s.at[i] == '=')
			return false;
	return s.len > 0;
}

int
sts_record(struct span text, struct span *id)
{
	struct span rest = text, found = SPAN_NONE;

	if (!sts_is_record(text))
		return -1;
	(void)span_cut(&rest, ';');
	while (rest.len > 0) {
		struct span value = span_trim(span_cut(&rest, ';'));
		struct span name;

		/* the last `;` may be followed by nothing but blanks */
		if (value.len == 0 && rest.len == 0)
			break;
		name = span_cut(&value, '=');
		if (!is_field_name(name) || !is_record_value(value))
			return -1;
		if (!span_equal(name, SPAN("id")))
			continue;
		if (!is_id(value))
			return -1;
		if (found.len == 0)
			found = value;
	}
	if (found.len == 0)
		return -1;
	*id = found;
	return 0;
}

/* ---- the policy ---- */

struct fields {
	struct sts_policy *policy;
	bool has_version, has_mode, has_age;
	const char *wrong;
};

static void
take_mode(struct fields *f, struct span value)
{
	static const enum sts_mode modes[] = {STS_NONE, STS_TESTING, STS_ENFORCE};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!span_equal(value, span_of(sts_mode_name(modes[i]))))
			continue;
		f->policy->mode = modes[i];
		f->has_mode = true;
		return;
	}
	f->wrong = "its mode is none that there is";
}

static void
take_mx(struct fields *f, struct span value)
{
	struct span name = span_starts(value, SPAN("*.")) ? span_skip(value, 2) : value;

	if (!domain_is_valid(name))
		f->wrong = "an `mx` is no name of a host";
	else if (f->policy->mx_count == STS_MX_MAX)
		f->wrong = "it has too many `mx`";
	else
		f->policy->mx[f->policy->mx_count++] = value;
}

/* control characters have no place in any value */
static bool
is_policy_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] < ' ' || s.at[i] == 0x7f)
			return false;
	return s.len > 0;
}

static void
take_field(struct fields *f, struct span name, struct span value)
{
	if (!is_field_name(name) || !is_policy_value(value)) {
		f->wrong = "a line is not `name: value`";
	} else if (span_equal(name, SPAN("version")) && !f->has_version) {
		f->has_version = true;
		if (!span_equal(value, SPAN(VERSION)))
			f->wrong = "its version is not " VERSION;
	} else if (span_equal(name, SPAN("mode")) && !f->has_mode) {
		take_mode(f, value);
	} else if (span_equal(name, SPAN("max_age")) && !f->has_age) {
		f->has_age = true;
		if (number_parse(value, 0, STS_AGE_MAX, &f->policy->max_age) < 0)
			f->wrong = "its max_age is no number of seconds up to a year";
	} else if (span_equal(name, SPAN("mx"))) {
		take_mx(f, value);
	}
}

int
sts_policy(struct span text, struct sts_policy *policy, const char **wrong)
{
	struct fields f = {.policy = policy};
	struct span rest = text;

	policy->mx_count = 0;
	if (text.len > STS_POLICY_MAX)
		f.wrong = "it is too long";
	while (f.wrong == NULL && rest.len > 0) {
		struct span line = span_cut(&rest, '\n'), name;

		if (span_ends(line, SPAN("\r")))
			line.len--;
		line = span_trim(line);
		if (line.len == 0)
			continue;
		name = span_cut(&line, ':');
		take_field(&f, name, span_trim(line));
	}
	if (f.wrong == NULL && !f.has_version)
		f.wrong = "it has no version";
	if (f.wrong == NULL && !f.has_mode)
		f.wrong = "it has no mode";
	if (f.wrong == NULL && !f.has_age)
		f.wrong = "it has no max_age";
	if (f.wrong == NULL && policy->mx_count == 0 && policy->mode != STS_NONE)
		f.wrong = "it has no `mx`";
	*wrong = f.wrong;
	return f.wrong == NULL ? 0 : -1;
}

const char *
sts_mode_name(enum sts_mode mode)
{
	switch (mode) {
	case STS_NONE:
		return "none";
	case STS_TESTING:
		return "testing";
	case STS_ENFORCE:
		return "enforce";
	}
	return "";
}
