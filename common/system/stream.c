/*
 * stream - see stream.h
 */
#include "common/system/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"

int
stream_open(struct stream *s, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	*s = (struct stream){.fd = fd, .deadline_ms = INT64_MAX};
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	s->in = malloc(STREAM_IN_MAX);
	s->out = malloc(STREAM_OUT_MAX);
	if (s->in == NULL || s->out == NULL) {
		free(s->in);
		free(s->out);
		s->in = s->out = NULL;
		return -1;
	}
	return 0;
}

void
stream_open_in(struct stream *s, int fd, char *in, char *out)
{
	*s = (struct stream){
		.fd = fd, .deadline_ms = INT64_MAX, .is_lent = true, .in = in, .out = out};
}

void
stream_close(struct stream *s)
{
	if (s->layer != NULL)
		s->layer->end(s->owner);
	if (s->fd >= 0)
		close(s->fd);
	if (!s->is_lent) {
		free(s->in);
		free(s->out);
	}
	*s = (struct stream){.fd = -1};
}

enum stream_outcome
stream_wait(struct stream *s, short events)
{
	for (;;) {
		int64_t held = events_hold();
		int64_t left = s->deadline_ms - clock_monotonic_ms();
		if (left <= 0)
			return STREAM_TIMEOUT;
		if (held < left)
			left = held;
		struct pollfd p = {.fd = s->fd, .events = events};
		int n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (n > 0)
			return STREAM_OK;
		if (n < 0 && errno != EINTR)
			return STREAM_ERROR;
		if (n < 0)
			return STREAM_INTERRUPTED;
	}
}

static enum stream_outcome
trouble(void)
{
	return errno == ECONNRESET || errno == EPIPE || errno == ENOTCONN ? STREAM_CLOSED
									  : STREAM_ERROR;
}

/* what can be sent and received now; -1 with EAGAIN: when *wants allows more */
static ssize_t
write_some(struct stream *s, const char *at, size_t len, short *wants)
{
	*wants = POLLOUT;
	if (s->layer != NULL)
		return s->layer->write(s->owner, at, len, wants);
	return send(s->fd, at, len, MSG_NOSIGNAL);
}

static ssize_t
read_some(struct stream *s, short *wants)
{
	*wants = POLLIN;
	if (s->layer != NULL)
		return s->layer->read(s->owner, s->in + s->in_len, STREAM_IN_MAX - s->in_len,
				      wants);
	size_t room = STREAM_IN_MAX - s->in_len;
	ssize_t n = recv(s->fd, s->in + s->in_len, room, 0);
	s->is_drained = n > 0 && (size_t)n < room;
	return n;
}

static enum stream_outcome
send_all(struct stream *s, const char *at, size_t len)
{
	while (len > 0) {
		short wants;
		ssize_t n = write_some(s, at, len, &wants);
		if (n >= 0) {
			at += n;
			len -= (size_t)n;
			s->sent += (uint64_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return trouble();
		enum stream_outcome o = stream_wait(s, wants);
		if (o != STREAM_OK && o != STREAM_INTERRUPTED)
			return o;
	}
	return STREAM_OK;
}

enum stream_outcome
stream_flush(struct stream *s)
{
	size_t len = s->out_len;
	s->out_len = 0; /* after trouble nothing of it is of use */
	return send_all(s, s->out, len);
}

enum stream_outcome
stream_finish(struct stream *s)
{
	enum stream_outcome o = stream_flush(s);
	if (o == STREAM_OK && s->layer != NULL)
		s->layer->finish(s->owner);
	return o;
}

enum stream_outcome
stream_put(struct stream *s, struct span bytes)
{
	if (bytes.len > STREAM_OUT_MAX - s->out_len) {
		enum stream_outcome o = stream_flush(s);
		if (o != STREAM_OK)
			return o;
	}
	if (bytes.len >= STREAM_OUT_MAX)
		return send_all(s, bytes.at, bytes.len);
	if (bytes.len > 0)
		memcpy(s->out + s->out_len, bytes.at, bytes.len);
	s->out_len += bytes.len;
	return STREAM_OK;
}

enum stream_outcome
stream_printf(struct stream *s, const char *format, ...)
{
	char text[4096];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text)) {
		errno = EOVERFLOW;
		return STREAM_ERROR;
	}
	return stream_put(s, span_from(text, (size_t)n));
}

/* at least one more byte into the buffer, which has room; what was put is sent before waiting */
static enum stream_outcome
fill(struct stream *s)
{
	if (s->in_at > 0) {
		memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
		s->in_len -= s->in_at;
		s->in_at = 0;
	}
	for (;;) {
		short wants = POLLIN;
		ssize_t n = -1;
		errno = EAGAIN;
		/* the peer waits for what we have to say: it had sent no more a moment ago */
		if (!s->is_drained || s->out_len == 0 || s->layer != NULL)
			n = read_some(s, &wants);
		s->is_drained = n > 0 && s->is_drained;
		if (n > 0) {
			s->in_len += (size_t)n;
			s->received += (uint64_t)n;
			return STREAM_OK;
		}
		if (n == 0) {
			/* half closed by a peer that still reads: it gets its answers */
			enum stream_outcome o = stream_flush(s);
			return o == STREAM_TIMEOUT ? o : STREAM_CLOSED;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return trouble();
		enum stream_outcome o = stream_flush(s);
		if (o == STREAM_OK)
			o = stream_wait(s, wants);
		if (o != STREAM_OK)
			return o;
	}
}

/* all up to and with the next LF is dropped */
static enum stream_outcome
drop_line(struct stream *s)
{
	for (;;) {
		char *end = memchr(s->in + s->in_at, '\n', s->in_len - s->in_at);
		if (end != NULL) {
			s->in_at = (size_t)(end - s->in) + 1;
			return STREAM_LONG;
		}
		s->in_at = s->in_len = 0;
		enum stream_outcome o = fill(s);
		if (o != STREAM_OK && o != STREAM_INTERRUPTED)
			return o;
	}
}

enum stream_outcome
stream_line(struct stream *s, size_t max, struct span *line)
{
	size_t seen = 0;
	if (max > STREAM_IN_MAX)
		max = STREAM_IN_MAX;
	for (;;) {
		char *at = s->in + s->in_at;
		size_t len = s->in_len - s->in_at;
		char *end = len > seen ? memchr(at + seen, '\n', len - seen) : NULL;
		if (end == NULL && len >= max)
			return drop_line(s);
		if (end != NULL) {
			size_t whole = (size_t)(end - at) + 1;
			s->in_at += whole;
			if (whole > max)
				return STREAM_LONG;
			*line = span_from(at, whole - 1);
			if (whole < 2 || at[whole - 2] != '\r')
				return STREAM_BARE;
			line->len--;
			return span_has(*line, '\r') || span_has(*line, '\0') ? STREAM_BARE
									      : STREAM_OK;
		}
		seen = len;
		enum stream_outcome o = fill(s);
		if (o != STREAM_OK)
			return o;
	}
}

enum stream_outcome
stream_chunk(struct stream *s, struct span *chunk)
{
	while (s->in_at == s->in_len) {
		s->in_at = s->in_len = 0;
		enum stream_outcome o = fill(s);
		if (o != STREAM_OK)
			return o;
	}
	*chunk = span_from(s->in + s->in_at, s->in_len - s->in_at);
	return STREAM_OK;
}

void
stream_take(struct stream *s, size_t n)
{
	s->in_at += n < s->in_len - s->in_at ? n : s->in_len - s->in_at;
}

bool
stream_has_input(struct stream *s)
{
	char byte;
	if (s->in_len > s->in_at)
		return true;
	if (s->layer != NULL)
		return s->layer->has_input(s->owner);
	return recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

uint64_t
stream_discard_input(struct stream *s)
{
	uint64_t before = s->received - (s->in_len - s->in_at);
	ssize_t n = 0;
	do {
		short wants;
		s->received += (uint64_t)(n > 0 ? n : 0);
		s->in_at = s->in_len = 0;
		n = read_some(s, &wants);
	} while (n > 0);
	return s->received - before;
}

void
stream_forget(struct stream *s)
{
	explicit_bzero(s->out + s->out_len, STREAM_OUT_MAX - s->out_len);
}
