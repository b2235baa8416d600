/*
 * sink - a small SMTP server in a thread, which does what its script says
 *
 * A script is a C function that reads top to bottom like the dialogue it plays.  What it meets against expectation is written into
 * `wrong`, which the test looks at after the thread has ended: a thread may not leave a test by longjmp.
 */
#ifndef TESTS_UNIT_DELIVERY_SINK_H
#define TESTS_UNIT_DELIVERY_SINK_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SINK_WAIT_MS 10000
#define SINK_DATA_MAX (32u << 20)

struct sink {
	int listener;
	unsigned port;
	int fd; /* of the connection at hand */
	void (*script)(struct sink *s);
	int stage; /* for scripts that are played in several ways */
	pthread_t thread;
	sem_t go; /* the test lets the script go on */
	char in[65536];
	size_t in_len;
	char line[4096];
	char *data; /* dots undone */
	size_t data_len;
	char wrong[512]; /* the first thing that was not as expected */
};

static inline void
sink_wrong(struct sink *s, const char *what, const char *got)
{
	if (s->wrong[0] == '\0')
		snprintf(s->wrong, sizeof(s->wrong), "%s, got `%.300s`", what, got);
}

static inline bool
sink_readable(int fd, int wait_ms)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, wait_ms) > 0;
}

static inline void
sink_accept(struct sink *s)
{
	s->in_len = 0;
	s->fd = -1;
	if (sink_readable(s->listener, SINK_WAIT_MS))
		s->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	if (s->fd < 0)
		sink_wrong(s, "a connection expected", "none");
}

static inline void
sink_hang_up(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static inline void
sink_say(struct sink *s, const char *text)
{
	if (send(s->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		sink_wrong(s, text, strerror(errno));
}

/* the next line without its CRLF; false at the end of the connection */
static inline bool
sink_line(struct sink *s)
{
	for (;;) {
		char *end = memmem(s->in, s->in_len, "\r\n", 2);
		ssize_t n;

		if (end != NULL) {
			size_t len = (size_t)(end - s->in);

			snprintf(s->line, sizeof(s->line), "%.*s", (int)len, s->in);
			s->in_len -= len + 2;
			memmove(s->in, end + 2, s->in_len);
			return true;
		}
		snprintf(s->line, sizeof(s->line), "(end)");
		if (s->in_len == sizeof(s->in) || s->fd < 0 || !sink_readable(s->fd, SINK_WAIT_MS))
			return false;
		n = recv(s->fd, s->in + s->in_len, sizeof(s->in) - s->in_len, 0);
		if (n <= 0)
			return false;
		s->in_len += (size_t)n;
	}
}

static inline void
sink_expect(struct sink *s, const char *begin)
{
	if (!sink_line(s) || strncmp(s->line, begin, strlen(begin)) != 0)
		sink_wrong(s, begin, s->line);
}

/* the peer closes now, and says nothing more */
static inline void
sink_expect_end(struct sink *s)
{
	if (sink_line(s) || s->in_len > 0)
		sink_wrong(s, "the end expected", s->line);
	sink_hang_up(s);
}

/* is there more than what was read, without waiting for it? */
static inline bool
sink_has_more(struct sink *s, int wait_ms)
{
	return s->in_len > 0 || sink_readable(s->fd, wait_ms);
}

/* the content up to the dot, which is undone */
static inline void
sink_data(struct sink *s)
{
	s->data_len = 0;
	while (sink_line(s)) {
		const char *at = s->line;
		size_t len;

		if (strcmp(at, ".") == 0)
			return;
		if (*at == '.')
			at++;
		len = strlen(at);
		if (s->data_len + len + 2 > SINK_DATA_MAX)
			break;
		memcpy(s->data + s->data_len, at, len);
		memcpy(s->data + s->data_len + len, "\r\n", 2);
		s->data_len += len + 2;
	}
	sink_wrong(s, "a dot expected", s->line);
}

static inline void
sink_greet(struct sink *s, const char *extensions)
{
	char text[1024];

	sink_accept(s);
	sink_say(s, "220-sink.test\r\n220 at your service\r\n");
	sink_expect(s, "EHLO client.test");
	snprintf(text, sizeof(text), "250-sink.test hello\r\n%s250 HELP\r\n", extensions);
	sink_say(s, text);
}

static inline void
sink_wait_go(struct sink *s)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += SINK_WAIT_MS / 1000;
	if (sem_timedwait(&s->go, &t) != 0)
		sink_wrong(s, "go", "nothing");
}

static inline void *
sink_run(void *arg)
{
	struct sink *s = arg;

	s->script(s);
	sink_hang_up(s);
	return NULL;
}

/* listens; the script begins in a thread */
static inline void
sink_start(struct sink *s, void (*script)(struct sink *s), int stage)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->script = script;
	s->stage = stage;
	s->data = malloc(SINK_DATA_MAX);
	sem_init(&s->go, 0, 0);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->data == NULL || s->listener < 0 ||
	    bind(s->listener, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(s->listener, 16) != 0 ||
	    getsockname(s->listener, (struct sockaddr *)&a, &len) != 0)
		abort();
	s->port = ntohs(a.sin_port);
	if (script != NULL && pthread_create(&s->thread, NULL, sink_run, s) != 0)
		abort();
}

/* waits for the end of the script; what was wrong is in s->wrong */
static inline void
sink_end(struct sink *s)
{
	if (s->script != NULL)
		pthread_join(s->thread, NULL);
	close(s->listener);
	sem_destroy(&s->go);
	free(s->data);
	s->data = NULL;
}

#endif
