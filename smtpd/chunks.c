/*
 * chunks - BDAT: the content in pieces that are counted
 *
 * Called by the table of verbs.  RFC 3030: a chunk follows its command at once, whatever is answered, so it is always read away; after a
 * chunk that was refused nothing is taken until the transaction is given up (section 4.2).  BINARYMIME is not offered: what
 * holds for the lines of DATA holds here (CRLF only, no NUL, no line too long), over the joined chunks.
 *
 * Promises: no byte of a chunk is ever taken for a command.  Where the size cannot be known, the session ends.
 */
#include "smtpd/chunks.h"

#include <inttypes.h>

#include "common/system/clock.h"
#include "common/text/number.h"
#include "smtpd/accept.h"
#include "smtpd/content.h"
#include "smtpd/gates.h"
#include "smtpd/session.h"
#include "smtpd/submitted.h"

#define CHUNK_MAX \
	(UINT64_C(1) << 50) /* what a size may say; a message is bounded by message-size */

struct chunk {
	uint64_t size;
	bool is_last;
};

/* "SIZE" or "SIZE LAST" */
static int
parse(struct span argument, struct chunk *chunk)
{
	struct span size = span_word(&argument);
	struct span last = span_word(&argument);

	if (number_parse(size, 0, CHUNK_MAX, &chunk->size) == -1 || span_trim(argument).len > 0)
		return -1;
	chunk->is_last = last.len > 0;
	return last.len == 0 || span_equal_nocase(last, SPAN("LAST")) ? 0 : -1;
}

/* the bytes of the chunk, into `c`, or away (NULL) */
static enum stream_outcome
receive(struct session *s, uint64_t left, struct content *c)
{
	while (left > 0) {
		struct span bytes;
		size_t used;
		enum stream_outcome outcome = stream_chunk(&s->stream, &bytes);

		if (outcome == STREAM_INTERRUPTED) {
			int64_t soon_ms = session_deadline(s, SESSION_STOP_MS);
			if (session_must_stop() && soon_ms < s->stream.deadline_ms)
				s->stream.deadline_ms = soon_ms;
			continue;
		}
		if (outcome != STREAM_OK)
			return outcome;
		if (bytes.len > left)
			bytes.len = (size_t)left;
		/* counted content has no end of its own */
		if (c != NULL && content_scan(c, bytes, &used))
			return STREAM_ERROR;
		stream_take(&s->stream, bytes.len);
		left -= bytes.len;
	}
	return STREAM_OK;
}

void
chunks_reset(struct session *s)
{
	if (!s->in_chunks)
		return;
	s->in_chunks = false;
	if (!s->chunks_are_refused)
		accept_abandon(s);
	s->chunks_are_refused = false;
	content_free(&s->chunks);
}

/* what came is dropped, what comes is read away, until RSET or the like */
static void
refuse(struct session *s)
{
	accept_abandon(s);
	s->chunks_are_refused = true;
}

/* the first chunk of a message; false: it was answered, and is to be read away */
static bool
begin(struct session *s)
{
	if ((s->stage & (STAGE_MAIL | STAGE_RCPT)) == 0) {
		session_reply(s, 503, "5.5.1", "not now: BDAT comes after MAIL and RCPT");
		return false;
	}
	if (s->transaction.recipients.count == 0) {
		session_reply(s, 554, "5.5.1", "no recipient was accepted");
		return false;
	}
	if (!gates_data(s) || !accept_file(s) || !content_begin(s, &s->chunks)) {
		session_reset(s);
		return false;
	}
	s->chunks.is_counted = true;
	s->in_chunks = true;
	s->chunks_are_refused = false;
	s->chunks_end_ms = session_deadline(s, s->limits->message_time);
	s->stage = STAGE_CHUNKS;
	return true;
}

static void
end_chunk(struct session *s, const struct chunk *chunk)
{
	struct content *c = &s->chunks;

	if (chunk->is_last)
		content_finish(c);
	if (content_is_refused(s, c) ||
	    (chunk->is_last && (submitted_is_refused(s, c) || !gates_message(s, c)))) {
		refuse(s);
	} else if (chunk->is_last) {
		accept_message(s, c);
		s->chunks_are_refused = true; /* nothing is left to be abandoned */
	} else {
		session_reply(s, 250, "2.0.0", "%" PRIu64 " bytes", chunk->size);
	}
	if (chunk->is_last)
		session_reset(s);
}

void
chunks_bdat(struct session *s, struct span argument)
{
	struct chunk chunk;
	enum stream_outcome outcome;

	if (parse(argument, &chunk) == -1) {
		session_reply(s, 501, "5.5.4", "BDAT takes the number of bytes, and perhaps LAST");
		session_end(s, "chunk-size");
		return;
	}
	bool is_taken = s->in_chunks ? !s->chunks_are_refused : begin(s);
	if (s->in_chunks && s->chunks_are_refused)
		session_reply(s, 503, "5.5.1", "the message was refused already");
	s->stream.deadline_ms =
		is_taken ? s->chunks_end_ms : session_deadline(s, s->limits->message_time);
	outcome = receive(s, chunk.size, is_taken ? &s->chunks : NULL);
	if (outcome != STREAM_OK) {
		session_reset(s);
		session_lost(s, outcome);
	} else if (is_taken) {
		end_chunk(s, &chunk);
	} else if (chunk.is_last && s->in_chunks) {
		session_reset(s);
	}
}
