/*
 * session - a client that sends anything: each input is cut at \x01, and each piece is sent once the session has answered the last
 *
 * Whatever comes, every reply is well-formed, the session ends, and no more messages are accepted than there are ends of data.
 */
#include <assert.h>
#include <pthread.h>

#include "tests/unit/smtpd/driver.h"

#define INPUT_MAX 4096
#define ANSWER_MS \
	20 /* a piece that gets no answer (half a line) is followed by the next after this */

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct driver driver;

struct client {
	int fd;
	const char *at;
	size_t len;
	size_t kept; /* replies that say a message is ours */
	char reply[600];
	size_t reply_len;
};

static void
check_byte(struct client *c, char byte)
{
	assert(c->reply_len < 512);
	c->reply[c->reply_len++] = byte;
	if (byte != '\n')
		return;
	assert(c->reply_len >= 6 && c->reply[c->reply_len - 2] == '\r');
	for (size_t i = 0; i < c->reply_len - 2; i++)
		assert(i < 3 ? c->reply[i] >= '0' && c->reply[i] <= '9'
			     : c->reply[i] >= ' ' && c->reply[i] <= '~');
	assert(c->reply[3] == ' ' || c->reply[3] == '-');
	c->kept += span_starts(span_from(c->reply, c->reply_len), SPAN("250 2.0.0 kept as "));
	c->reply_len = 0;
}

/* all that comes within `wait_ms`; false: the session has closed */
static bool
listen_to(struct client *c, int wait_ms)
{
	char bytes[4096];
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	while (poll(&p, 1, wait_ms) == 1) {
		ssize_t n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++)
			check_byte(c, bytes[i]);
		/* it may be all there is: more is taken where it is there already */
		if (bytes[n - 1] == '\n')
			wait_ms = 0;
	}
	return true;
}

static void *
run_client(void *argument)
{
	struct client *c = argument;
	struct span rest = {c->at, c->len};
	bool open = listen_to(c, 5000);

	while (open && rest.len > 0) {
		struct span piece = span_cut(&rest, '\x01');
		if (piece.len > 0 && send(c->fd, piece.at, piece.len, MSG_NOSIGNAL) < 0)
			break;
		open = listen_to(c, ANSWER_MS);
	}
	shutdown(c->fd, SHUT_WR);
	while (listen_to(c, 5000))
		continue;
	close(c->fd);
	return NULL;
}

static void
stop(void)
{
	driver_stop(&driver);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	signal(SIGPIPE, SIG_IGN);
	events_start("smtpd", "/nonexistent/log");
	driver_start(&driver, FAULT_NONE, false);
	session_prepare();
	atexit(stop);
	driver.listen.limits.message_size = 2000;
	driver.listen.limits.line = 500;
	driver.listen.limits.recipients = 5;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client c = {.at = (const char *)data, .len = size};
	pthread_t thread;
	int pair[2];

	if (size > INPUT_MAX)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		abort();
	c.fd = pair[0];
	struct session_start start =
		driver_session(&driver, pair[1], size % 2 ? "127.0.0.1" : "2001:db8::1");
	driver.config.repair_line_ends = size % 3 == 0;
	/* there is no auth: AUTH comes to 454 whatever is said */
	driver.config.auth.may_be_clear = driver.listen.offers_auth = size % 5 == 0;
	if (pthread_create(&thread, NULL, run_client, &c) != 0)
		abort();
	session_serve(&start);
	session_release();
	pthread_join(thread, NULL);

	/* each end of data has a dot of its own */
	size_t ends = 0;
	for (size_t i = 0; i < size; i++)
		ends += data[i] == '.';
	assert(c.kept <= ends);
	return 0;
}
