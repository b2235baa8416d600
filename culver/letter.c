/*
 * letter - see culver/letter.h
 */
#include "culver/letter.h"

#include <errno.h>
#include <unistd.h>

#include "common/mail/header.h"

/* a byte within a line; where the next one stands */
static enum letter_place
put_in_line(char c, struct buffer *to)
{
	if (c == '\n') {
		buffer_string(to, "\r\n");
		return LETTER_LINE_START;
	}
	if (c == '\r')
		return LETTER_AFTER_CR;
	buffer_char(to, c);
	return LETTER_IN_LINE;
}

/* a CR that was no half of a line end stays what it is: the server refuses it */
static enum letter_place
put_after_cr(char c, struct buffer *to)
{
	if (c != '\n')
		buffer_char(to, '\r');
	return put_in_line(c, to);
}

void
letter_convert(struct letter *l, struct span bytes, struct buffer *to)
{
	for (size_t i = 0; i < bytes.len && !l->is_over; i++) {
		char c = bytes.at[i];
		switch (l->place) {
		case LETTER_LINE_START:
			if (c == '.' && l->dot_ends)
				l->place = LETTER_AFTER_DOT;
			else
				l->place = put_in_line(c, to);
			break;
		case LETTER_IN_LINE:
			l->place = put_in_line(c, to);
			break;
		case LETTER_AFTER_CR:
			l->place = put_after_cr(c, to);
			break;
		case LETTER_AFTER_DOT:
			if (c == '\n') {
				l->is_over = true;
			} else if (c == '\r') {
				l->place = LETTER_AFTER_DOT_CR;
			} else {
				buffer_char(to, '.');
				l->place = put_in_line(c, to);
			}
			break;
		case LETTER_AFTER_DOT_CR:
			if (c == '\n') {
				l->is_over = true;
			} else {
				buffer_char(to, '.');
				l->place = put_after_cr(c, to);
			}
			break;
		}
	}
}

void
letter_finish(struct letter *l, struct buffer *to)
{
	if (!l->is_over && (l->place == LETTER_IN_LINE || l->place == LETTER_AFTER_CR))
		buffer_string(to, l->place == LETTER_AFTER_CR ? "\r\r\n" : "\r\n");
	l->is_over = true;
}

/* one read; -1: errno */
static int
read_some(struct letter *l, struct buffer *to)
{
	static char bytes[LETTER_CHUNK];
	ssize_t n;
	do
		n = read(l->fd, bytes, sizeof(bytes));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	if (n == 0)
		letter_finish(l, to);
	else
		letter_convert(l, span_from(bytes, (size_t)n), to);
	if (!to->failed)
		return 0;
	errno = ENOMEM;
	return -1;
}

/* the fields, and where they end; false: they end nowhere in what is there */
static bool
part(struct letter *l)
{
	struct span all = buffer_get(&l->first), rest = all, name, value;
	/* what a mailbox, or a hop of UUCP, begins with is no field */
	while (span_starts(rest, SPAN("From ")) ||
	       (rest.at > all.at && span_starts(rest, SPAN(">From "))))
		(void)span_cut(&rest, '\n');
	l->mailbox = span_from(all.at, all.len - rest.len);
	all = rest;
	while (header_field(&rest, &name, &value, NULL))
		continue;
	l->header = span_from(all.at, all.len - rest.len);
	l->content = rest;
	l->lacks_line = rest.len > 0 && !span_starts(rest, SPAN("\r\n"));
	/* half a line may be the beginning of a field */
	return span_has(rest, '\n') || l->is_over;
}

int
letter_begin(struct letter *l, int fd, bool dot_ends)
{
	*l = (struct letter){.fd = fd, .dot_ends = dot_ends};
	buffer_init(&l->first, LETTER_FIRST + 2 * LETTER_CHUNK);
	while (!l->is_over && l->first.len < LETTER_FIRST)
		if (read_some(l, &l->first) != 0)
			return -1;
	errno = 0;
	return part(l) ? 0 : -1;
}

int
letter_more(struct letter *l, struct buffer *to)
{
	buffer_clear(to);
	while (!l->is_over && to->len == 0)
		if (read_some(l, to) != 0)
			return -1;
	return to->len > 0;
}

bool
letter_field(struct span *rest, struct span *field)
{
	struct span name, value;
	while (header_field(rest, &name, &value, field)) {
		if (!span_equal_nocase(name, SPAN("Bcc")) &&
		    !span_equal_nocase(name, SPAN("Resent-Bcc")))
			return true;
	}
	return false;
}

void
letter_free(struct letter *l)
{
	buffer_free(&l->first);
}
