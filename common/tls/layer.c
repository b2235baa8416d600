/*
 * layer - see layer.h; called by those who speak TLS: smtpd, delivery
 */
#include "common/tls/layer.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* what an outcome of OpenSSL is to the stream: -1 with errno, and what is to be waited for; 0: the end */
static ssize_t
outcome_of(SSL *ssl, int outcome, short *wants)
{
	int kept = errno;

	switch (SSL_get_error(ssl, outcome)) {
	case SSL_ERROR_WANT_READ:
		*wants = POLLIN;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_WANT_WRITE:
		*wants = POLLOUT;
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		errno = kept != 0 && kept != EAGAIN ? kept : ECONNRESET;
		return -1;
	default: /* a record that is wrong, an alert */
		errno = ECONNRESET;
		return -1;
	}
}

static ssize_t
layer_read(void *owner, char *to, size_t size, short *wants)
{
	ERR_clear_error();
	errno = 0;
	int n = SSL_read(owner, to, size > INT_MAX ? INT_MAX : (int)size);
	return n > 0 ? n : outcome_of(owner, n, wants);
}

static ssize_t
layer_write(void *owner, const char *at, size_t len, short *wants)
{
	ERR_clear_error();
	errno = 0;
	int n = SSL_write(owner, at, len > INT_MAX ? INT_MAX : (int)len);
	ssize_t done = n > 0 ? n : outcome_of(owner, n, wants);
	if (done == 0) { /* the peer said that it reads nothing more */
		errno = EPIPE;
		return -1;
	}
	return done;
}

static bool
layer_has_input(void *owner)
{
	char byte;

	ERR_clear_error();
	return SSL_peek(owner, &byte, 1) > 0;
}

static void
layer_finish(void *owner)
{
	ERR_clear_error();
	(void)SSL_shutdown(owner); /* close_notify, if the socket has room for it */
	ERR_clear_error();
}

static void
layer_end(void *owner)
{
	SSL_free(owner);
}

static const struct stream_layer layer = {
	.read = layer_read,
	.write = layer_write,
	.has_input = layer_has_input,
	.finish = layer_finish,
	.end = layer_end,
};

static void
say(char wrong[LAYER_WRONG_MAX], ssize_t outcome)
{
	unsigned long error = ERR_peek_error();
	const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;

	snprintf(wrong, LAYER_WRONG_MAX, "%s",
		 reason != NULL ? reason
		 : outcome == 0 ? "the peer closed the connection"
				: strerror(errno));
	ERR_clear_error();
}

/* one step; STREAM_INTERRUPTED: there are more, when *wants allows it */
static enum stream_outcome
step(SSL *ssl, short *wants, char wrong[LAYER_WRONG_MAX])
{
	ERR_clear_error();
	errno = 0;
	int done = SSL_do_handshake(ssl);
	if (done == 1)
		return STREAM_OK;
	switch (SSL_get_error(ssl, done)) {
	case SSL_ERROR_WANT_READ:
		*wants = POLLIN;
		return STREAM_INTERRUPTED;
	case SSL_ERROR_WANT_WRITE:
		*wants = POLLOUT;
		return STREAM_INTERRUPTED;
	default:
		say(wrong, errno == 0 ? 0 : -1);
		return STREAM_CLOSED;
	}
}

enum stream_outcome
layer_start(struct stream *s, SSL *ssl, char wrong[LAYER_WRONG_MAX])
{
	enum stream_outcome outcome = STREAM_ERROR;
	short wants;

	/* a record that was begun is sent on from wherever its bytes lie then */
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	if (SSL_set_fd(ssl, s->fd) != 1) {
		say(wrong, -1);
		goto out;
	}
	for (;;) {
		outcome = step(ssl, &wants, wrong);
		if (outcome != STREAM_INTERRUPTED)
			break;
		outcome = stream_wait(s, wants);
		if (outcome == STREAM_OK)
			continue;
		snprintf(wrong, LAYER_WRONG_MAX, "%s",
			 outcome == STREAM_TIMEOUT ? "the handshake took too long" : "interrupted");
		break;
	}
out:
	if (outcome != STREAM_OK) {
		SSL_free(ssl);
		return outcome;
	}
	s->layer = &layer;
	s->owner = ssl;
	return STREAM_OK;
}

SSL *
layer_ssl(const struct stream *s)
{
	return s->layer == &layer ? s->owner : NULL;
}
