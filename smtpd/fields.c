/*
 * fields - see fields.h
 *
 * RFC 5322, section 2.2: a field begins where a line does not begin with a blank, and has the lines that do.  The blank that old programs put
 * before the colon (section 4.5) hides no field.  What a name means is one table; what is private in it is documented in culver.conf(5), private-headers.
 */
#include "smtpd/fields.h"

#include <string.h>

static const struct {
	const char *name;
	enum field field;
} known[] = {
	{"Received", FIELD_RECEIVED},
	{"Date", FIELD_DATE},
	{"From", FIELD_FROM},
	{"Message-ID", FIELD_MESSAGE_ID},
	{"Sender", FIELD_SENDER},
	{"TLS-Required", FIELD_TLS_REQUIRED},
	/* who else has it */
	{"Bcc", FIELD_PRIVATE},
	{"Resent-Bcc", FIELD_PRIVATE},
	/* where he sits */
	{"X-Originating-IP", FIELD_PRIVATE},
	{"X-Originating-Client", FIELD_PRIVATE},
	{"X-Client-IP", FIELD_PRIVATE},
	{"X-Sender-IP", FIELD_PRIVATE},
	{"X-Forwarded-For", FIELD_PRIVATE},
	/* with which program he writes */
	{"User-Agent", FIELD_PRIVATE},
	{"X-Mailer", FIELD_PRIVATE},
	{"X-MimeOLE", FIELD_PRIVATE},
	{"X-PHP-Script", FIELD_PRIVATE},
	{"X-PHP-Originating-Script", FIELD_PRIVATE},
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* 0: none of those that matter */
static unsigned
find(struct span name)
{
	while (name.len > 0 && is_blank(name.at[name.len - 1]))
		name.len--;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_equal_nocase(name, span_of(known[i].name)))
			return known[i].field;
	return 0;
}

/* the name of this line's field is known */
static void
settle(struct fields *f, struct span name)
{
	unsigned field = find(name);

	f->is_known = true;
	f->has |= field;
	f->hops += field == FIELD_RECEIVED;
	f->is_waiver = field == FIELD_TLS_REQUIRED;
	f->waiver_len = 0;
	f->is_left_out = f->is_private && (field & (FIELD_PRIVATE | FIELD_RECEIVED)) != 0;
	f->author = field == FIELD_FROM ? f->from : field == FIELD_SENDER ? f->sender : NULL;
	if (f->author != NULL)
		f->author->count++;
	if (f->is_left_out && field == FIELD_RECEIVED) /* the next loop is to be seen, too */
		f->is_replaced = true;
}

size_t
fields_begin(struct fields *f, const char *at, size_t len)
{
	size_t n = 0;

	/* more of the field before: as that was */
	if (f->begin_len == 0 && len > 0 && is_blank(at[0])) {
		f->is_known = true;
		return 0;
	}
	while (n < len && f->begin_len < FIELDS_NAME_MAX && !f->is_known) {
		char c = at[n++];

		f->begin[f->begin_len++] = c;
		if (c == ':')
			settle(f, span_from(f->begin, f->begin_len - 1));
	}
	/* a name that has so many blanks before its colon is meant all the same */
	if (f->begin_len == FIELDS_NAME_MAX && !f->is_known)
		settle(f, span_from(f->begin, f->begin_len));
	return n;
}

void
fields_end_name(struct fields *f)
{
	settle(f, SPAN_NONE);
}

void
fields_value(struct fields *f, const char *at, size_t len)
{
	struct author *a = f->author;

	for (size_t i = 0; f->is_waiver && i < len && f->waiver_len < FIELDS_WAIVER_MAX; i++)
		f->waiver[f->waiver_len++] = at[i];
	if (a == NULL)
		return;
	if (len > FIELDS_AUTHOR_MAX - a->len) {
		a->is_too_long = true;
		len = FIELDS_AUTHOR_MAX - a->len;
	}
	memcpy(a->value + a->len, at, len);
	a->len += len;
}

void
fields_end_line(struct fields *f)
{
	/* another value is none that is known */
	if (f->is_waiver && f->waiver_len < FIELDS_WAIVER_MAX &&
	    span_equal_nocase(span_trim(span_from(f->waiver, f->waiver_len)), SPAN("no")))
		f->has |= FIELD_TLS_WAIVED;
	f->is_known = false;
	f->begin_len = 0;
}
