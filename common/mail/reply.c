/*
 * reply - see the header.  RFC 5321, section 4.2; RFC 2034 and RFC 3463 for the enhanced status
 *
 * Read by delivery from peers of the network, so every byte is a stranger's: what is kept is printable ASCII and bounded.
 */
#include "common/mail/reply.h"

#include <stdarg.h>
#include <stdio.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char
printable(char c)
{
	if (c == '\t' || c == '\r' || c == '\n')
		return ' ';
	if (c >= 0x20 && c <= 0x7e)
		return c;
	return '?';
}

bool
status_is_valid(struct span status)
{
	struct span rest = status;
	struct span class = span_cut(&rest, '.');
	struct span subject = span_cut(&rest, '.');
	struct span detail = rest;

	if (class.len != 1 || subject.len < 1 || subject.len > 3 || detail.len < 1 ||
	    detail.len > 3)
		return false;
	if (class.len + subject.len + detail.len + 2 != status.len)
		return false;
	if (class.at[0] != '2' && class.at[0] != '4' && class.at[0] != '5')
		return false;
	for (size_t i = 0; i < subject.len; i++)
		if (!is_digit(subject.at[i]))
			return false;
	for (size_t i = 0; i < detail.len; i++)
		if (!is_digit(detail.at[i]))
			return false;
	return true;
}

void
verdict_set(struct verdict *v, enum fate fate, int code, const char *status, const char *text, ...)
{
	va_list args;

	v->fate = fate;
	v->code = code;
	snprintf(v->status, sizeof(v->status), "%s", status);
	va_start(args, text);
	vsnprintf(v->text, sizeof(v->text), text, args);
	va_end(args);
	for (char *c = v->text; *c != '\0'; c++)
		*c = printable(*c);
}

void
reply_start(struct reply *r)
{
	r->code = 0;
	r->complete = false;
	r->lines = 0;
	r->status[0] = '\0';
	r->text[0] = '\0';
}

/* "250", "250 text" or "250-text"; the code, and what stands behind it */
static int
line_code(struct span line, struct span *text, bool *last)
{
	if (line.len < 3 || line.at[0] < '2' || line.at[0] > '5' || !is_digit(line.at[1]) ||
	    !is_digit(line.at[2]))
		return -1;
	*last = true;
	if (line.len > 3) {
		if (line.at[3] != ' ' && line.at[3] != '-')
			return -1;
		*last = line.at[3] == ' ';
	}
	*text = span_skip(line, 4);
	return (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + (line.at[2] - '0');
}

/* takes an enhanced status off the front, if there is one of the code's class (RFC 2034, section 4) */
static void
take_status(struct reply *r, struct span *text)
{
	struct span rest = *text;
	struct span word = span_word(&rest);

	if (!status_is_valid(word) || word.at[0] - '0' != r->code / 100)
		return;
	if (r->status[0] == '\0' && span_copy(word, r->status, sizeof(r->status)) == -1)
		return;
	*text = rest;
}

static void
add_text(struct reply *r, struct span text)
{
	size_t len = strlen(r->text);

	text = span_trim(text);
	if (text.len > 0 && len > 0 && len < REPLY_TEXT_MAX)
		r->text[len++] = ' ';
	for (size_t i = 0; i < text.len && len < REPLY_TEXT_MAX; i++)
		r->text[len++] = printable(text.at[i]);
	r->text[len] = '\0';
}

int
reply_line(struct reply *r, struct span line)
{
	struct span text = SPAN_NONE;
	bool last = false;
	int code = line_code(line, &text, &last);

	if (code == -1 || r->complete || r->lines >= REPLY_LINES_MAX)
		return -1;
	/* The RFC wants one code on all lines.  Where they differ within a class the last one counts, as everywhere. */
	if (r->lines > 0 && code / 100 != r->code / 100)
		return -1;
	r->code = code;
	r->lines++;
	r->complete = last;
	take_status(r, &text);
	add_text(r, text);
	return 0;
}

void
reply_verdict(const struct reply *r, struct verdict *v)
{
	enum fate fate = FATE_DEFERRED;
	const char *status = r->status;

	if (r->code / 100 == 2)
		fate = FATE_DELIVERED;
	else if (r->code / 100 == 5)
		fate = FATE_FAILED;
	if (status[0] == '\0')
		status = fate == FATE_DELIVERED ? "2.0.0" : fate == FATE_FAILED ? "5.0.0" : "4.0.0";
	verdict_set(v, fate, r->code, status, "%s", r->text);
}

/* ---- meanings ---- */

static const char *const meaning_words[REPLY_MEANINGS] = {
	[REPLY_ORDINARY] = "ordinary", [REPLY_CONNECTING] = "connecting",
	[REPLY_BUSY] = "busy",	       [REPLY_GREYLIST] = "greylist",
	[REPLY_RATE] = "rate",	       [REPLY_RECIPIENT] = "recipient",
	[REPLY_BROKEN] = "broken",     [REPLY_CONTENT] = "content",
	[REPLY_BLOCKED] = "blocked",
};

const char *
reply_meaning_word(enum reply_meaning m)
{
	return meaning_words[m];
}

int
reply_meaning_find(struct span word, enum reply_meaning *m)
{
	for (int i = 0; i < REPLY_MEANINGS; i++)
		if (span_equal(word, span_of(meaning_words[i]))) {
			*m = (enum reply_meaning)i;
			return 0;
		}
	return -1;
}
