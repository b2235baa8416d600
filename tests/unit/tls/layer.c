/*
 * layer - a stream that speaks TLS: a client in a thread at the other end of a socketpair
 */
#include "tests/unit/tls/harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/tls/layer.h"

#define LARGE (1u << 20)

static SSL_CTX *server, *client;

static int
make_contexts(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = make_certificate(key, NULL, 3600);

	(void)state;
	server = SSL_CTX_new(TLS_server_method());
	client = SSL_CTX_new(TLS_client_method());
	assert_int_equal(SSL_CTX_use_certificate(server, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(server, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
	return 0;
}

struct peer {
	int fd;
	pthread_t thread;
	void (*act)(SSL *ssl, int fd);
};

static void *
run_peer(void *owner)
{
	struct peer *p = owner;
	SSL *ssl = SSL_new(client);

	SSL_set_fd(ssl, p->fd);
	p->act(ssl, p->fd);
	SSL_free(ssl);
	close(p->fd);
	return NULL;
}

static SSL *
server_end(void)
{
	SSL *ssl = SSL_new(server);

	SSL_set_accept_state(ssl);
	return ssl;
}

static void
start(struct stream *s, struct peer *p, void (*act)(SSL *ssl, int fd))
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*p = (struct peer){.fd = pair[1], .act = act};
	assert_int_equal(stream_open(s, pair[0]), 0);
	s->deadline_ms = clock_monotonic_ms() + 20000;
	assert_int_equal(pthread_create(&p->thread, NULL, run_peer, p), 0);
}

static void
act_talk(SSL *ssl, int fd)
{
	char answer[16] = "";

	(void)fd;
	if (SSL_connect(ssl) == 1 && SSL_write(ssl, "one\r\ntwo\r\nthree", 15) == 15 &&
	    SSL_read(ssl, answer, sizeof(answer)) == 4 && memcmp(answer, "go\r\n", 4) == 0)
		SSL_write(ssl, "\r\n", 2);
	/* the end of the other side is said, and not only seen */
	if (SSL_read(ssl, answer, 1) <= 0 && SSL_get_shutdown(ssl) == SSL_RECEIVED_SHUTDOWN)
		SSL_write(ssl, "said\r\n", 6);
}

static void
lines_come_and_go_as_without_it(void **state)
{
	char wrong[LAYER_WRONG_MAX];
	struct span line;
	struct stream s;
	struct peer p;

	(void)state;
	start(&s, &p, act_talk);
	assert_int_equal(layer_start(&s, server_end(), wrong), STREAM_OK);
	assert_non_null(layer_ssl(&s));
	assert_int_equal(stream_line(&s, 100, &line), STREAM_OK);
	assert_true(span_equal(line, SPAN("one")));
	assert_true(stream_has_input(&s));
	assert_int_equal(stream_line(&s, 100, &line), STREAM_OK);
	assert_true(span_equal(line, SPAN("two")));
	assert_int_equal(stream_put(&s, SPAN("go\r\n")), STREAM_OK);
	/* sent before it waits */
	assert_int_equal(stream_line(&s, 100, &line), STREAM_OK);
	assert_true(span_equal(line, SPAN("three")));
	assert_false(stream_has_input(&s));
	assert_int_equal(stream_finish(&s), STREAM_OK);
	assert_int_equal(stream_line(&s, 100, &line), STREAM_OK);
	assert_true(span_equal(line, SPAN("said")));
	assert_int_equal(stream_line(&s, 100, &line), STREAM_CLOSED);
	stream_close(&s);
	pthread_join(p.thread, NULL);
}

static void
act_echo(SSL *ssl, int fd)
{
	static char all[LARGE];
	size_t have = 0;
	int n;

	(void)fd;
	if (SSL_connect(ssl) != 1)
		return;
	usleep(50000); /* the writer runs into a full socket meanwhile */
	while (have < LARGE && (n = SSL_read(ssl, all + have, (int)(LARGE - have))) > 0)
		have += (size_t)n;
	SSL_write(ssl, all, (int)have);
}

static void
more_than_a_socket_holds_goes_both_ways(void **state)
{
	static char out[LARGE], in[LARGE];
	char wrong[LAYER_WRONG_MAX];
	struct span chunk;
	struct stream s;
	struct peer p;
	size_t have = 0;

	(void)state;
	for (size_t i = 0; i < LARGE; i++)
		out[i] = (char)(i * 2654435761u >> 13);
	start(&s, &p, act_echo);
	assert_int_equal(layer_start(&s, server_end(), wrong), STREAM_OK);
	for (size_t i = 0; i < LARGE; i += 4096)
		assert_int_equal(stream_put(&s, span_from(out + i, 4096)), STREAM_OK);
	assert_int_equal(stream_flush(&s), STREAM_OK);
	while (have < LARGE) {
		assert_int_equal(stream_chunk(&s, &chunk), STREAM_OK);
		assert_true(chunk.len <= LARGE - have);
		memcpy(in + have, chunk.at, chunk.len);
		have += chunk.len;
		stream_take(&s, chunk.len);
	}
	assert_memory_equal(in, out, LARGE);
	stream_close(&s);
	pthread_join(p.thread, NULL);
}

static void
act_nonsense(SSL *ssl, int fd)
{
	ssize_t n = write(fd, "EHLO mx.example\r\n", 17);
	char answer[64];

	(void)ssl;
	while (n > 0)
		n = read(fd, answer, sizeof(answer));
}

static void
act_silence(SSL *ssl, int fd)
{
	char answer[64];

	(void)ssl;
	while (read(fd, answer, sizeof(answer)) > 0)
		continue;
}

static void
a_handshake_that_is_none_fails_with_a_reason(void **state)
{
	char wrong[LAYER_WRONG_MAX];
	struct stream s;
	struct peer p;

	(void)state;
	start(&s, &p, act_nonsense);
	assert_int_equal(layer_start(&s, server_end(), wrong), STREAM_CLOSED);
	assert_true(wrong[0] != '\0');
	assert_null(layer_ssl(&s));
	stream_close(&s);
	pthread_join(p.thread, NULL);
}

static void
a_handshake_has_a_deadline(void **state)
{
	char wrong[LAYER_WRONG_MAX];
	struct stream s;
	struct peer p;

	(void)state;
	start(&s, &p, act_silence);
	s.deadline_ms = clock_monotonic_ms() + 100;
	assert_int_equal(layer_start(&s, server_end(), wrong), STREAM_TIMEOUT);
	assert_true(wrong[0] != '\0');
	stream_close(&s);
	pthread_join(p.thread, NULL);
}

static void
act_cut(SSL *ssl, int fd)
{
	(void)fd;
	if (SSL_connect(ssl) == 1)
		SSL_write(ssl, "half", 4);
}

static void
a_connection_that_is_cut_off_is_closed(void **state)
{
	char wrong[LAYER_WRONG_MAX];
	struct span line;
	struct stream s;
	struct peer p;

	(void)state;
	start(&s, &p, act_cut);
	assert_int_equal(layer_start(&s, server_end(), wrong), STREAM_OK);
	assert_int_equal(stream_line(&s, 100, &line), STREAM_CLOSED);
	stream_close(&s);
	pthread_join(p.thread, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_and_go_as_without_it),
		cmocka_unit_test(more_than_a_socket_holds_goes_both_ways),
		cmocka_unit_test(a_handshake_that_is_none_fails_with_a_reason),
		cmocka_unit_test(a_handshake_has_a_deadline),
		cmocka_unit_test(a_connection_that_is_cut_off_is_closed),
	};

	signal(SIGPIPE, SIG_IGN); /* as start_take does */
	return cmocka_run_group_tests(tests, make_contexts, NULL);
}
