/*
 * secure - an SMTP client that speaks TLS: full handshakes a second, or many messages over sessions that are kept
 *
 * Called by bench.py.  A thread for each session, which blocks: what is measured is the server's share of a handshake, so what the client does stands in few lines.
 *
 *   secure --to ADDRESS:PORT --handshakes N [--sessions N]
 *   secure --to ADDRESS:PORT --messages N [--sessions N] [--size BYTES] [--rcpt ADDRESS] [--tag WORD]
 *
 * A handshake is a connection of its own: greeting, EHLO, STARTTLS, TLS without a ticket of an earlier one, EHLO, QUIT; its time begins with connect().  A message
 * is as load.c's, with its `X-Bench`, the commands of its transaction in one write.  No certificate is looked at.  A session that fails ends, and what it
 * would have done is done by the others.  The result is one line of JSON with the words of load's.
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench/net.h"
#include "bench/samples.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "common/text/number.h"

#define SESSIONS_MAX 400
#define COUNT_MAX 100000000
#define SIZE_MAX_BYTES (1 << 20)
#define IN_MAX 8192
#define COMMANDS_MAX 1024
#define PATIENCE_S 60

struct session {
	pthread_t thread;
	int fd;
	SSL *ssl; /* NULL: plain text still */
	char in[IN_MAX];
	size_t in_len;
	const char *wrong;
};

static struct {
	struct sockaddr_in to;
	uint64_t handshakes, messages, sessions, size;
	const char *rcpt, *tag;
} options = {.sessions = 1, .size = 4096, .rcpt = "r0@remote.test", .tag = "t"};

static SSL_CTX *context;
static char *content; /* the body of every message, with the final dot */
static int64_t start_us;

/* under the lock: */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t next_number;
static struct {
	uint64_t accepted, broken, connections;
	int64_t last_us;
	struct samples times;
	const char *first_error;
} result;

/* ---- bytes ---- */

static bool
put(struct session *s, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = s->ssl != NULL ? SSL_write(s->ssl, at, (int)len)
					   : send(s->fd, at, len, MSG_NOSIGNAL);
		if (n <= 0) {
			s->wrong = "cannot write";
			return false;
		}
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
say(struct session *s, const char *text)
{
	return put(s, text, strlen(text));
}

/* a whole reply, of however many lines, must have this code */
static bool
expect(struct session *s, const char *code)
{
	for (;;) {
		char *end = memchr(s->in, '\n', s->in_len);
		if (end != NULL) {
			bool is_right = strncmp(s->in, code, 3) == 0;
			bool is_last = s->in[3] != '-';
			size_t used = (size_t)(end + 1 - s->in);
			memmove(s->in, end + 1, s->in_len - used);
			s->in_len -= used;
			if (!is_right)
				s->wrong = "another reply than was expected";
			if (!is_right || is_last)
				return is_right;
			continue;
		}
		ssize_t n = s->in_len == IN_MAX ? -1
			    : s->ssl != NULL
				    ? SSL_read(s->ssl, s->in + s->in_len, (int)(IN_MAX - s->in_len))
				    : recv(s->fd, s->in + s->in_len, IN_MAX - s->in_len, 0);
		if (n <= 0) {
			s->wrong = "no reply";
			return false;
		}
		s->in_len += (size_t)n;
	}
}

/* ---- a connection ---- */

static void
finish(struct session *s)
{
	if (s->ssl != NULL)
		SSL_free(s->ssl);
	if (s->fd >= 0)
		close(s->fd);
	s->ssl = NULL;
	s->fd = -1;
	s->in_len = 0;
}

static bool
begin(struct session *s)
{
	struct timeval patience = {.tv_sec = PATIENCE_S};

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s->wrong = "cannot connect";
	if (s->fd < 0 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    connect(s->fd, (const struct sockaddr *)&options.to, sizeof(options.to)) != 0)
		return false;
	net_no_delay(s->fd);
	if (!expect(s, "220") || !say(s, "EHLO client.test\r\n") || !expect(s, "250") ||
	    !say(s, "STARTTLS\r\n") || !expect(s, "220"))
		return false;
	s->ssl = SSL_new(context);
	s->wrong = "the handshake failed";
	if (s->ssl == NULL || SSL_set_fd(s->ssl, s->fd) != 1 || SSL_connect(s->ssl) != 1)
		return false;
	return say(s, "EHLO client.test\r\n") && expect(s, "250");
}

/* ---- what is counted ---- */

static bool
take_number(uint64_t *number)
{
	uint64_t all = options.handshakes > 0 ? options.handshakes : options.messages;

	pthread_mutex_lock(&lock);
	bool is_one = next_number < all;
	*number = next_number;
	next_number += is_one;
	pthread_mutex_unlock(&lock);
	return is_one;
}

static void
tell(const struct session *s, bool is_done, int64_t began_us)
{
	int64_t now_us = clock_monotonic_us();

	pthread_mutex_lock(&lock);
	if (is_done) {
		result.accepted++;
		result.last_us = now_us;
		samples_add(&result.times, now_us - began_us);
	} else {
		result.broken++;
		if (result.first_error == NULL)
			result.first_error = s->wrong;
	}
	pthread_mutex_unlock(&lock);
}

static void
tell_connection(void)
{
	pthread_mutex_lock(&lock);
	result.connections++;
	pthread_mutex_unlock(&lock);
}

static void *
shake_hands(void *owner)
{
	struct session *s = owner;
	uint64_t number;

	while (take_number(&number)) {
		int64_t began_us = clock_monotonic_us();
		bool is_done = begin(s);
		tell_connection();
		tell(s, is_done, began_us);
		if (is_done)
			(void)(say(s, "QUIT\r\n") && expect(s, "221"));
		finish(s);
	}
	return NULL;
}

static bool
send_message(struct session *s, uint64_t number, int64_t began_us)
{
	char text[COMMANDS_MAX];

	snprintf(text, sizeof(text), "MAIL FROM:<sender@client.test>\r\nRCPT TO:<%s>\r\nDATA\r\n",
		 options.rcpt);
	if (!say(s, text) || !expect(s, "250") || !expect(s, "250") || !expect(s, "354"))
		return false;
	snprintf(text, sizeof(text),
		 "From: <sender@client.test>\r\nTo: <someone@remote.test>\r\nSubject: message "
		 "%llu\r\n"
		 "Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <%s.%llu@bench.test>\r\n"
		 "X-Bench: %s %llu %lld\r\n\r\n",
		 (unsigned long long)number, options.tag, (unsigned long long)number, options.tag,
		 (unsigned long long)number, (long long)began_us);
	return say(s, text) && say(s, content) && expect(s, "250");
}

static void *
send_messages(void *owner)
{
	struct session *s = owner;
	uint64_t number;
	bool is_there = begin(s);

	tell_connection();
	if (!is_there)
		tell(s, false, 0);
	while (is_there && take_number(&number)) {
		int64_t began_us = clock_monotonic_us();
		is_there = send_message(s, number, began_us);
		tell(s, is_there, began_us);
	}
	if (is_there)
		(void)(say(s, "QUIT\r\n") && expect(s, "221"));
	finish(s);
	return NULL;
}

/* ---- the whole ---- */

static void
make_content(void)
{
	static const char line[] =
		"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0123456789\r\n";
	size_t len = 0;

	content = malloc(options.size + sizeof(line) + 4);
	if (content == NULL)
		fatal(EXIT_OS, errno, "a body");
	while (len < options.size) {
		memcpy(content + len, line, sizeof(line) - 1);
		len += sizeof(line) - 1;
	}
	memcpy(content + len, ".\r\n", 4);
}

static void
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"to", 1, NULL, 't'},	    {"handshakes", 1, NULL, 'h'},
		{"messages", 1, NULL, 'm'}, {"sessions", 1, NULL, 's'},
		{"size", 1, NULL, 'l'},	    {"rcpt", 1, NULL, 'a'},
		{"tag", 1, NULL, 'g'},	    {0}};
	int option, bad = argc < 2;

	while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		struct span value = optarg != NULL ? span_of(optarg) : SPAN_NONE;
		switch (option) {
		case 't':
			bad |= net_address(value, &options.to);
			break;
		case 'h':
			bad |= number_parse(value, 1, COUNT_MAX, &options.handshakes);
			break;
		case 'm':
			bad |= number_parse(value, 1, COUNT_MAX, &options.messages);
			break;
		case 's':
			bad |= number_parse(value, 1, SESSIONS_MAX, &options.sessions);
			break;
		case 'l':
			bad |= number_parse(value, 1, SIZE_MAX_BYTES, &options.size);
			break;
		case 'a':
			options.rcpt = optarg;
			break;
		case 'g':
			options.tag = optarg;
			break;
		default:
			bad = 1;
		}
	}
	if (bad || optind != argc || (options.handshakes > 0) == (options.messages > 0) ||
	    options.to.sin_port == 0)
		fatal(EXIT_CONFIGURATION, 0,
		      "secure: wrong options, see the head of bench/secure.c");
}

static void
print_result(void)
{
	double seconds = (double)(result.last_us - start_us) / 1e6;

	printf("{\"accepted\": %llu, \"refused\": 0, \"broken\": %llu, \"connections\": %llu, "
	       "\"start_us\": %lld, \"seconds\": %.3f, \"per_second\": %.1f, ",
	       (unsigned long long)result.accepted, (unsigned long long)result.broken,
	       (unsigned long long)result.connections, (long long)start_us, seconds,
	       seconds > 0 ? (double)result.accepted / seconds : 0);
	samples_print(&result.times, "to_250", stdout);
	printf(", \"first_error\": \"%s\"}\n",
	       result.first_error != NULL ? result.first_error : "");
}

int
main(int argc, char **argv)
{
	struct session *sessions;

	read_options(argc, argv);
	net_prepare();
	make_content();
	context = SSL_CTX_new(TLS_client_method());
	sessions = calloc(options.sessions, sizeof(*sessions));
	if (context == NULL || sessions == NULL)
		fatal(EXIT_OS, errno, "memory");
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	start_us = clock_monotonic_us();
	result.last_us = start_us;
	for (size_t i = 0; i < options.sessions; i++)
		if (pthread_create(&sessions[i].thread, NULL,
				   options.handshakes > 0 ? shake_hands : send_messages,
				   &sessions[i]) != 0)
			fatal(EXIT_OS, errno, "a thread");
	for (size_t i = 0; i < options.sessions; i++)
		pthread_join(sessions[i].thread, NULL);
	print_result();
	return 0;
}
