/*
 * submission - SMTP with submit(8), on the socket `submission`: the client's half
 *
 * Spoken by sendmail(1), and by submit itself for letters of the drop directory.  It waits, with deadlines, for one answer after another; recipients are sent several at a time.
 */
#ifndef COMMON_PROTOCOL_SUBMISSION_H
#define COMMON_PROTOCOL_SUBMISSION_H

#include <stdbool.h>

#include "common/system/stream.h"
#include "common/text/span.h"

#define SUBMISSION_LINE_MAX 4096
#define SUBMISSION_TEXT_MAX 600
#define SUBMISSION_CONNECT_MS 1000
#define SUBMISSION_ANSWER_MS 120000  /* for one answer; */
#define SUBMISSION_END_MS 600000     /* for that after the message (RFC 5321, section 4.5.3.2.6) */
#define SUBMISSION_RECIPIENTS_MAX 50 /* sent before the first answer is read */

struct submission {
	struct stream stream;
	bool is_verbose; /* the conversation is shown on stderr */
	bool has_dsn, has_utf8, has_size, has_8bit;
	char origin[300]; /* what a name alone is at; empty: not said */
	/* the last answer; code 0: there was none, the connection is lost */
	int code;
	char text[SUBMISSION_TEXT_MAX]; /* its last line, behind the code */
};

/* submission_connect - a connected stream socket at `path`; -1: errno */
int submission_connect(const char *path) __attribute__((warn_unused_result));
/* submission_begin - takes the descriptor; the banner and EHLO; false: s->code and text say why */
bool submission_begin(struct submission *s, int fd) __attribute__((warn_unused_result));
/* submission_say - sends a line (without its CRLF); it goes out with the next wait.  False: the connection is lost. */
bool submission_say(struct submission *s, const char *format, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));
/* submission_hear - waits for the next answer; its code, 0: none */
int submission_hear(struct submission *s, int64_t ms);
/* submission_put - bytes of the content, CRLF in them, in any pieces: dots are doubled here */
bool submission_put(struct submission *s, struct span bytes, bool *at_line_start)
	__attribute__((warn_unused_result));
void submission_end(struct submission *s);

#endif
