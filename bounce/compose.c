/*
 * compose - see the header.  RFC 6522; RFC 2046, section 5.1.1; RFC 6533, sections 4 to 6
 */
#include "bounce/compose.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/mail/header.h"
#include "common/system/clock.h"

#define BOUNDARY_SIZE 64
#define MESSAGE_ID_MAX 250
#define SUBJECT_MAX 200
#define DOUBLE_FIELD "X-Culver-Notice"

/* ---- what comes back of the failed message ---- */

/* every line end becomes CRLF: the spool has no others, but what is put into a notice must not depend on that */
static void
put_clean(struct buffer *to, struct span text)
{
	char before = '\n';

	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];

		if (c == '\n' && before != '\r')
			buffer_char(to, '\r');
		if (before == '\r' && c != '\n')
			buffer_char(to, '\n');
		if (c == '\0')
			c = ' ';
		buffer_char(to, c);
		before = c;
	}
	if (before == '\r')
		buffer_char(to, '\n');
	else if (before != '\n')
		buffer_string(to, "\r\n");
}

int
compose_original(struct compose_original *o, struct span bytes, uint64_t size, bool may_be_whole)
{
	size_t end;

	buffer_init(&o->text, COMPOSE_WHOLE_MAX * 2 + 2);
	o->whole = may_be_whole && size <= COMPOSE_WHOLE_MAX && bytes.len == size;
	if (!o->whole) {
		end = header_end(bytes);
		if (end > COMPOSE_HEADER_MAX)
			end = COMPOSE_HEADER_MAX;
		if (end == bytes.len || end == COMPOSE_HEADER_MAX) {
			/* the head goes on: up to its last whole line */
			while (end > 0 && bytes.at[end - 1] != '\n')
				end--;
		}
		bytes = span_from(bytes.at, end);
	}
	put_clean(&o->text, bytes);
	if (!o->text.failed)
		return 0;
	buffer_free(&o->text);
	return -1;
}

bool
compose_is_double(const struct compose_original *o)
{
	struct span value;

	return header_find(buffer_get(&o->text), DOUBLE_FIELD, &value) &&
	       span_equal_nocase(value, SPAN("double"));
}

static bool
has_high_bytes(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.at[i] > 0x7f)
			return true;
	return false;
}

static bool
is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < 0x20 || s.at[i] > 0x7e)
			return false;
	return true;
}

/* the subject, where people can read it: not folded, not encoded, not endless */
static struct span
readable_subject(const struct compose_original *o)
{
	struct span subject;

	if (!header_find(buffer_get(&o->text), "Subject", &subject) || !is_printable(subject))
		return SPAN_NONE;
	if (subject.len > SUBJECT_MAX || memmem(subject.at, subject.len, "=?", 2) != NULL)
		return SPAN_NONE;
	return subject;
}

static bool
original_message_id(const struct compose_original *o, struct span *id)
{
	return header_find(buffer_get(&o->text), "Message-ID", id) && id->len > 2 &&
	       id->len <= MESSAGE_ID_MAX && id->at[0] == '<' && id->at[id->len - 1] == '>' &&
	       is_printable(*id) && !span_has(*id, ' ');
}

/* ---- the message ---- */

/*
 * A boundary that none of the parts has in it.  In the first two no line can begin with it (entries are indented or begin with a
 * field name), the third is searched.
 */
static void
choose_boundary(const struct notice *n, const struct compose_original *o,
		char boundary[BOUNDARY_SIZE])
{
	for (unsigned attempt = 0;; attempt++) {
		snprintf(boundary, BOUNDARY_SIZE, "=_%" PRIX64 ".%" PRIX64 ".%X", n->id,
			 (uint64_t)n->now_us, attempt);
		if (memmem(o->text.at != NULL ? o->text.at : "", o->text.len, boundary,
			   strlen(boundary)) == NULL)
			return;
	}
}

static const char *
subject_of(const struct notice *n)
{
	if (notice_is_double(n))
		return "A message without sender could not be delivered (double bounce)";
	if (n->actions[JOBS_ACTION_FAILED] > 0)
		return "Your message could not be delivered";
	if (n->actions[JOBS_ACTION_DELAYED] > 0)
		return "Your message is delayed";
	return n->actions[JOBS_ACTION_DELIVERED] == n->count
		       ? "Your message was delivered"
		       : "Your message was passed on successfully";
}

static void
put_header(struct composed *c, const struct notice *n, const struct compose_original *o,
	   const char *boundary)
{
	struct buffer *to = &c->head;
	char date[CLOCK_TEXT_MAX];
	struct span id;

	clock_rfc5322(n->now_us, date);
	buffer_format(to, "Date: %s\r\n", date);
	buffer_format(to, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", n->hostname);
	buffer_string(to, "To: <");
	notice_address(n, to, span_of(n->to));
	buffer_string(to, ">\r\n");
	buffer_format(to, "Subject: %s\r\n", subject_of(n));
	buffer_format(to, "Message-ID: <%013" PRIX64 ".%" PRIX64 ".notice@%s>\r\n", n->id,
		      (uint64_t)n->now_us, n->hostname);
	if (original_message_id(o, &id)) {
		buffer_format(to, "In-Reply-To: %.*s\r\n", SPAN_ARG(id));
		buffer_format(to, "References: %.*s\r\n", SPAN_ARG(id));
	}
	buffer_string(to, "Auto-Submitted: auto-replied\r\n");
	if (notice_is_double(n))
		buffer_string(to, DOUBLE_FIELD ": double\r\n");
	if (n->tls_demand == INTAKE_TLS_WAIVED)
		buffer_string(to, "TLS-Required: No\r\n");
	buffer_string(to, "MIME-Version: 1.0\r\n");
	buffer_format(to,
		      "Content-Type: multipart/report; "
		      "report-type=delivery-status;\r\n\tboundary=\"%s\"\r\n",
		      boundary);
	if (c->eight_bit)
		buffer_string(to, "Content-Transfer-Encoding: 8bit\r\n");
	buffer_string(to, "\r\n");
}

static void
put_part(struct buffer *to, const char *boundary, const char *type, const char *description,
	 bool eight_bit)
{
	buffer_format(to, "--%s\r\nContent-Type: %s\r\nContent-Description: %s\r\n", boundary, type,
		      description);
	if (eight_bit)
		buffer_string(to, "Content-Transfer-Encoding: 8bit\r\n");
	buffer_string(to, "\r\n");
}

int
compose(struct composed *c, const struct notice *n, const struct compose_original *o)
{
	char boundary[BOUNDARY_SIZE];

	buffer_init(&c->head, COMPOSE_TEXT_MAX);
	buffer_init(&c->tail, COMPOSE_TEXT_MAX);
	bool is_utf8 = n->is_global &&
		       (has_high_bytes(buffer_get(&n->people)) ||
			has_high_bytes(buffer_get(&n->status)) || has_high_bytes(span_of(n->to)));
	bool original_is_high = has_high_bytes(buffer_get(&o->text));
	c->eight_bit = is_utf8 || original_is_high;
	choose_boundary(n, o, boundary);

	put_header(c, n, o, boundary);
	put_part(&c->head, boundary,
		 is_utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
		 "Explanation", is_utf8);
	notice_people(n, readable_subject(o), o->whole, &c->head);
	buffer_string(&c->head, "\r\n");
	put_part(&c->head, boundary,
		 n->is_global ? "message/global-delivery-status" : "message/delivery-status",
		 "Delivery report", is_utf8);
	notice_message_fields(n, &c->head);

	buffer_string(&c->tail, "\r\n");
	const char *type = n->is_global ? (o->whole ? "message/global" : "message/global-headers")
					: (o->whole ? "message/rfc822" : "text/rfc822-headers");
	bool is_undelivered = n->actions[JOBS_ACTION_FAILED] > 0;
	put_part(&c->tail, boundary, type,
		 o->whole	  ? "Undelivered message"
		 : is_undelivered ? "Head of the undelivered message"
				  : "Head of the message",
		 original_is_high);
	buffer_span(&c->tail, buffer_get(&o->text));
	buffer_format(&c->tail, "\r\n--%s--\r\n", boundary);

	if (!c->head.failed && !c->tail.failed)
		return 0;
	compose_free(c);
	return -1;
}

void
compose_free(struct composed *c)
{
	buffer_free(&c->head);
	buffer_free(&c->tail);
}
