/*
 * submission - see submission.h
 */
#include "common/protocol/submission.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/text/number.h"

int
submission_connect(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	/* a full backlog is waited for, but not long */
	struct timeval most = {.tv_sec = SUBMISSION_CONNECT_MS / 1000};
	if (strlen(path) >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) == 0 &&
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void
set_text(struct submission *s, int code, struct span text)
{
	s->code = code;
	snprintf(s->text, sizeof(s->text), "%.*s", SPAN_ARG(text));
	for (char *at = s->text; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
			*at = '?';
	}
}

/* a line of an EHLO answer */
static void
note_extension(struct submission *s, struct span line)
{
	struct span word = span_word(&line);
	if (span_equal_nocase(word, SPAN("DSN")))
		s->has_dsn = true;
	else if (span_equal_nocase(word, SPAN("SMTPUTF8")))
		s->has_utf8 = true;
	else if (span_equal_nocase(word, SPAN("SIZE")))
		s->has_size = true;
	else if (span_equal_nocase(word, SPAN("8BITMIME")))
		s->has_8bit = true;
	else if (span_equal_nocase(word, SPAN("XORIGIN")) &&
		 span_copy(span_trim(line), s->origin, sizeof(s->origin)) != 0)
		s->origin[0] = '\0';
}

int
submission_hear(struct submission *s, int64_t ms)
{
	struct span line;
	uint64_t code;
	s->stream.deadline_ms = clock_monotonic_ms() + ms;
	for (;;) {
		enum stream_outcome o = stream_line(&s->stream, SUBMISSION_LINE_MAX, &line);
		if (o == STREAM_INTERRUPTED)
			continue;
		if (o != STREAM_OK || line.len < 3 ||
		    number_parse(span_from(line.at, 3), 200, 599, &code) != 0) {
			set_text(s, 0, SPAN("submit does not answer, or has ended"));
			return 0;
		}
		if (s->is_verbose)
			fprintf(stderr, "<<< %.*s\n", SPAN_ARG(line));
		bool is_last = line.len == 3 || line.at[3] != '-';
		struct span text = line.len > 4 ? span_skip(line, 4) : SPAN_NONE;
		note_extension(s, text);
		if (is_last) {
			set_text(s, (int)code, text);
			return s->code;
		}
	}
}

bool
submission_say(struct submission *s, const char *format, ...)
{
	char line[SUBMISSION_LINE_MAX];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	s->stream.deadline_ms = clock_monotonic_ms() + SUBMISSION_ANSWER_MS;
	if (n < 0 || n >= (int)sizeof(line)) {
		set_text(s, 0, SPAN("a command would be too long"));
		return false;
	}
	if (s->is_verbose)
		fprintf(stderr, ">>> %s\n", line);
	if (stream_put(&s->stream, span_from(line, (size_t)n)) == STREAM_OK &&
	    stream_put(&s->stream, SPAN("\r\n")) == STREAM_OK)
		return true;
	set_text(s, 0, SPAN("submit does not listen, or has ended"));
	return false;
}

bool
submission_begin(struct submission *s, int fd)
{
	if (stream_open(&s->stream, fd) != 0) {
		set_text(s, 0, SPAN("memory is out"));
		return false;
	}
	return submission_hear(s, SUBMISSION_ANSWER_MS) == 220 &&
	       submission_say(s, "EHLO localhost") &&
	       submission_hear(s, SUBMISSION_ANSWER_MS) == 250;
}

bool
submission_put(struct submission *s, struct span bytes, bool *at_line_start)
{
	s->stream.deadline_ms = clock_monotonic_ms() + SUBMISSION_END_MS;
	while (bytes.len > 0) {
		const char *end = memchr(bytes.at, '\n', bytes.len);
		size_t len = end != NULL ? (size_t)(end - bytes.at) + 1 : bytes.len;
		if (*at_line_start && bytes.at[0] == '.' &&
		    stream_put(&s->stream, SPAN(".")) != STREAM_OK)
			return false;
		if (stream_put(&s->stream, span_from(bytes.at, len)) != STREAM_OK)
			return false;
		*at_line_start = end != NULL;
		bytes = span_skip(bytes, len);
	}
	return true;
}

void
submission_end(struct submission *s)
{
	stream_close(&s->stream);
}
