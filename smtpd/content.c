/*
 * content - DATA: line ends, dots, sizes, into the file
 *
 * Called by the table of verbs (content_data); the decoder by the fuzz target too.  RFC 5321, sections 4.1.1.4 and 4.5.2 (dots), 2.3.8
 * (CR and LF only together), 6.3 (loops); RFC 6152.
 *
 * Promises: the message ends at CRLF . CRLF and nowhere else, so that nobody can hide a second one in it; what cannot be
 * taken is read to that end all the same, and refused then.  What is in the file is what the client meant, byte for byte,
 * without the dots it put in front of dots; with may_repair, CR or LF alone became CRLF, and a dot behind such a line end is
 * just a dot.
 */
#include "smtpd/content.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "smtpd/accept.h"
#include "smtpd/gates.h"
#include "smtpd/session.h"
#include "smtpd/submitted.h"

/* ---- what goes into the file ---- */

/* eight at a time */
static bool
has_high(const char *at, size_t len)
{
	uint64_t all = 0, word;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		all |= word;
	}
	for (; len > 0; at++, len--)
		all |= (unsigned char)*at;
	return (all & UINT64_C(0x8080808080808080)) != 0;
}

static void
write_out(struct content *c)
{
	const char *at = c->out;
	size_t left = c->out_len;

	c->out_len = 0;
	if (left == 0 || c->is_discarding)
		return;
	if (memchr(at, '\0', left) != NULL) {
		c->has_nul = true;
		c->is_discarding = true;
		return;
	}
	c->has_high = c->has_high || has_high(at, left);
	checksum_add(c->checksum, at, left);
	while (left > 0) {
		ssize_t n = write(c->to, at, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			c->write_errno = n < 0 ? errno : ENOSPC;
			c->is_discarding = true;
			return;
		}
		at += n;
		left -= (size_t)n;
	}
}

static void
put(struct content *c, const char *at, size_t len)
{
	c->size += len;
	c->line_len += len;
	if (c->line_len > c->line_max)
		c->has_long_line = true;
	if (c->size > c->size_max || c->has_long_line)
		c->is_discarding = true;
	while (len > 0 && !c->is_discarding) {
		if (c->out_len == CONTENT_OUT_MAX)
			write_out(c);
		size_t n = len < CONTENT_OUT_MAX - c->out_len ? len : CONTENT_OUT_MAX - c->out_len;
		memcpy(c->out + c->out_len, at, n);
		c->out_len += n;
		at += n;
		len -= n;
	}
}

/* ---- lines ---- */

/* the bytes that were held back until their field was known */
static void
put_begin(struct content *c)
{
	struct fields *f = &c->fields;

	if (f->is_replaced)
		put(c, f->received.at, f->received.len);
	f->is_replaced = false;
	if (f->is_left_out)
		c->left_out += f->begin_len;
	else
		put(c, f->begin, f->begin_len);
}

/* bytes that belong to a field which is known */
static void
put_value(struct content *c, const char *at, size_t len)
{
	if (c->fields.is_left_out) {
		c->left_out += len;
		c->is_discarding = c->is_discarding || c->size + c->left_out > c->size_max;
	} else {
		put(c, at, len);
	}
}

/* bytes within a line */
static void
put_text(struct content *c, const char *at, size_t len)
{
	struct fields *f = &c->fields;

	if (!c->in_header) {
		put(c, at, len);
		return;
	}
	if (!f->is_known) {
		size_t held = fields_begin(f, at, len);

		if (!f->is_known)
			return;
		put_begin(c);
		at += held;
		len -= held;
	}
	fields_value(f, at, len);
	put_value(c, at, len);
}

/* a line has ended, with CRLF or, if that is repaired, without */
static void
end_line(struct content *c)
{
	struct fields *f = &c->fields;

	if (c->in_header && !f->is_known && f->begin_len > 0) {
		fields_end_name(f);
		put_begin(c);
	}
	if (c->in_header && f->is_known) {
		put_value(c, "\r\n", 2);
		fields_end_line(f);
	} else {
		put(c, "\r\n", 2);
		c->in_header = false;
	}
	c->line_len = 0;
}

/* CR or LF alone */
static void
put_bare(struct content *c)
{
	c->has_bare = true;
	if (!c->may_repair) {
		c->is_discarding = true;
		return;
	}
	end_line(c);
}

int
content_start(struct content *c, int to, char *out)
{
	*c = (struct content){
		.to = to,
		.out = out,
		.size_max = UINT64_MAX,
		.line_max = UINT64_MAX,
		.hops_max = UINT64_MAX,
		.in_header = true,
		.place = CONTENT_LINE_START,
		.checksum = checksum_new(),
	};
	if (c->checksum == NULL)
		return -1;
	checksum_start(c->checksum);
	return 0;
}

/* the next `what` from p on; what was found before is still right as long as it lies ahead */
static const char *
ahead(const char *found, const char *p, const char *end, char what)
{
	if (found != NULL && found >= p)
		return found;
	found = memchr(p, what, (size_t)(end - p));
	return found != NULL ? found : end;
}

/*
 * scan_lines - whole lines at once: from within a line to where something else than text and CRLF is met
 *
 * Leaves c->place at what comes next.
 */
static const char *
scan_lines(struct content *c, const char *p, const char *end)
{
	const char *cr = NULL, *lf = NULL;

	while (p < end) {
		cr = ahead(cr, p, end, '\r');
		lf = ahead(lf, p, end, '\n');
		if (cr < lf) {
			put_text(c, p, (size_t)(cr - p));
			p = cr + 1;
			if (p == end) {
				c->place = CONTENT_AFTER_CR;
				return p;
			}
			if (p != lf) {
				put_bare(c);
				continue;
			}
			end_line(c);
			p = lf + 1;
			c->place = CONTENT_LINE_START;
			if (p == end || *p == '.')
				return p;
			c->place = CONTENT_IN_LINE;
		} else if (lf < end) {
			put_text(c, p, (size_t)(lf - p));
			put_bare(c);
			p = lf + 1;
		} else {
			put_text(c, p, (size_t)(end - p));
			p = end;
		}
	}
	return p;
}

bool
content_scan(struct content *c, struct span chunk, size_t *used)
{
	const char *p = chunk.at;
	const char *end = chunk.at + chunk.len;

	*used = chunk.len;
	while (p < end) {
		switch (c->place) {
		case CONTENT_LINE_START:
			c->place = CONTENT_IN_LINE;
			if (*p == '.' && !c->is_counted) {
				c->place = CONTENT_AFTER_DOT;
				p++;
			}
			break;
		case CONTENT_AFTER_DOT:
			c->place = CONTENT_IN_LINE;
			if (*p == '\r') {
				c->place = CONTENT_AFTER_DOT_CR;
				p++;
			}
			break;
		case CONTENT_AFTER_DOT_CR:
			if (*p == '\n') {
				*used = (size_t)(p + 1 - chunk.at);
				return true;
			}
			put_bare(c);
			c->place = CONTENT_IN_LINE;
			break;
		case CONTENT_AFTER_CR:
			if (*p == '\n') {
				end_line(c);
				c->place = CONTENT_LINE_START;
				p++;
			} else {
				put_bare(c);
				c->place = CONTENT_IN_LINE;
			}
			break;
		case CONTENT_IN_LINE:
			p = scan_lines(c, p, end);
			break;
		}
	}
	return false;
}

void
content_finish(struct content *c)
{
	/* only counted bytes can end so: a CR that nothing follows */
	if (c->place == CONTENT_AFTER_CR)
		put_bare(c);
	/* nor need its last line have one */
	if (c->in_header && !c->fields.is_known && c->fields.begin_len > 0) {
		fields_end_name(&c->fields);
		put_begin(c);
	}
	write_out(c);
}

uint64_t
content_checksum(const struct content *c)
{
	return checksum_value(c->checksum);
}

void
content_free(struct content *c)
{
	checksum_free(c->checksum);
	c->checksum = NULL;
}

/* ---- the command ---- */

static enum stream_outcome
receive(struct session *s, struct content *c)
{
	struct span chunk;
	size_t used;
	bool done = false;

	s->stream.deadline_ms = session_deadline(s, s->limits->message_time);
	while (!done) {
		enum stream_outcome outcome = stream_chunk(&s->stream, &chunk);
		if (outcome == STREAM_INTERRUPTED) {
			int64_t soon_ms = session_deadline(s, SESSION_STOP_MS);
			if (session_must_stop() && soon_ms < s->stream.deadline_ms)
				s->stream.deadline_ms = soon_ms;
			continue;
		}
		if (outcome != STREAM_OK)
			return outcome;
		done = content_scan(c, chunk, &used);
		stream_take(&s->stream, used);
	}
	content_finish(c);
	return STREAM_OK;
}

/* permanent reasons first */
bool
content_is_refused(struct session *s, const struct content *c)
{
	if (c->has_bare && !c->may_repair) {
		session_reply(s, 550, "5.6.11",
			      "lines must end with CR LF, and a CR or LF must not stand alone");
	} else if (c->has_nul) {
		session_reply(s, 550, "5.6.0", "the message holds a NUL");
	} else if (c->size + c->left_out > c->size_max) {
		session_reply(s, 552, "5.3.4", "a message may have %" PRIu64 " bytes", c->size_max);
	} else if (c->has_long_line) {
		session_reply(s, 550, "5.6.0", "a line may have %" PRIu64 " bytes", c->line_max);
	} else if (c->fields.hops > c->hops_max) {
		session_reply(s, 554, "5.4.6",
			      "more than %" PRIu64 " Received lines: the message goes in a circle",
			      c->hops_max);
	} else if (c->write_errno != 0) {
		EVENT("write-failed", event_string("session", s->id), event_id(s->accept.id),
		      event_string("errno", strerror(c->write_errno)));
		if (c->write_errno == ENOSPC || c->write_errno == EDQUOT)
			session_reply(s, 452, "4.3.1", "no room for the message, try again later");
		else
			session_reply(s, 451, "4.3.0",
				      "the message could not be written, try again later");
	} else {
		return false;
	}
	return true;
}

bool
content_begin(struct session *s, struct content *c)
{
	static char out[CONTENT_OUT_MAX]; /* one message at a time in a process */

	if (content_start(c, s->accept.writer, out) == -1) {
		accept_abandon(s);
		session_reply(s, 451, "4.3.0", "no memory for a message, try again later");
		return false;
	}
	c->size_max = s->limits->message_size;
	c->line_max = s->limits->line;
	c->hops_max = s->limits->hops;
	c->may_repair = s->config->repair_line_ends && s->may_relay;
	submitted_begin(s, &c->fields);
	return true;
}

void
content_data(struct session *s, struct span argument)
{
	struct content c;

	if (argument.len > 0) {
		session_reply(s, 501, "5.5.4", "DATA takes no argument");
		return;
	}
	if (s->transaction.recipients.count == 0) {
		session_reply(s, 554, "5.5.1", "no recipient was accepted");
		return;
	}
	if (!gates_data(s) || !accept_file(s)) {
		session_reset(s);
		return;
	}
	if (!content_begin(s, &c)) {
		session_reset(s);
		return;
	}
	session_reply(s, 354, NULL, "send the message, and a line with only a dot");
	enum stream_outcome outcome = receive(s, &c);
	if (outcome != STREAM_OK) {
		accept_abandon(s);
		session_lost(s, outcome);
	} else if (content_is_refused(s, &c) || submitted_is_refused(s, &c) ||
		   !gates_message(s, &c)) {
		accept_abandon(s);
	} else {
		accept_message(s, &c);
	}
	content_free(&c);
	session_reset(s);
}
