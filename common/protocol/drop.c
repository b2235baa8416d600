/*
 * drop - see drop.h
 */
#include "common/protocol/drop.h"

#include <inttypes.h>
#include <string.h>

#include "common/text/number.h"

#define FIRST "culver-drop 1"
#define END "end "

/* ---- writing ---- */

void
drop_write_head(struct buffer *to, struct span name, struct span mail)
{
	buffer_string(to, FIRST "\n");
	if (name.len > 0)
		buffer_format(to, "NAME %.*s\n", SPAN_ARG(name));
	buffer_format(to, "MAIL FROM:%.*s\n", SPAN_ARG(mail));
}

void
drop_write_recipient(struct buffer *to, struct span recipient)
{
	buffer_format(to, "RCPT TO:%.*s\n", SPAN_ARG(recipient));
}

void
drop_write_data(struct buffer *to)
{
	buffer_string(to, "DATA\n");
}

void
drop_write_end(struct buffer *to, uint64_t length)
{
	buffer_format(to, END "%" PRIu64 "\n", length);
}

/* ---- reading ---- */

int
drop_end(struct span tail, uint64_t size, uint64_t *content_at, uint64_t *length)
{
	if (tail.len < 2 || tail.at[tail.len - 1] != '\n')
		return -1;
	tail.len--;
	const char *before = memrchr(tail.at, '\n', tail.len);
	if (before == NULL)
		return -1;
	struct span line = span_skip(tail, (size_t)(before - tail.at) + 1);
	uint64_t behind = size - (line.len + 1); /* the line is a part of the file */
	if (!span_starts(line, SPAN(END)) ||
	    number_parse(span_skip(line, sizeof(END) - 1), 0, behind, length) != 0)
		return -1;
	*content_at = behind - *length;
	return 0;
}

/* a line of the head, without its LF; false: there is none, or it is not to be passed on */
static bool
take_line(struct span *text, struct span *line)
{
	if (!span_has(*text, '\n'))
		return false;
	*line = span_cut(text, '\n');
	for (size_t i = 0; i < line->len; i++) {
		if ((unsigned char)line->at[i] < ' ' || line->at[i] == 0x7f)
			return false;
	}
	return line->len <= DROP_LINE_MAX;
}

int
drop_head_read(struct span text, struct drop_head *h)
{
	struct span line;
	*h = (struct drop_head){.name = SPAN_NONE};
	if (!take_line(&text, &line) || !span_equal(line, SPAN(FIRST)) || !take_line(&text, &line))
		return -1;
	if (span_starts(line, SPAN("NAME "))) {
		h->name = span_skip(line, 5);
		if (!take_line(&text, &line))
			return -1;
	}
	if (!span_starts(line, SPAN("MAIL FROM:<")))
		return -1;
	h->mail = span_skip(line, 5);
	h->recipients = text;
	for (;;) {
		struct span rest = text;
		if (!take_line(&text, &line))
			return -1;
		if (span_equal(line, SPAN("DATA")) && text.len == 0 && h->count > 0) {
			h->recipients.len = (size_t)(rest.at - h->recipients.at);
			return 0;
		}
		if (!span_starts(line, SPAN("RCPT TO:<")))
			return -1;
		h->count++;
	}
}

struct span
drop_recipient(struct span *rest)
{
	return rest->len > 0 ? span_skip(span_cut(rest, '\n'), 5) : SPAN_NONE;
}
