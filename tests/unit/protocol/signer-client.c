/*
 * signer-client - what a session hears of a signer that answers, refuses, talks nonsense, dies, or is not there
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/protocol/signer-client.h"
#include "common/system/clock.h"

static char folder[] = "/tmp/culver-signer-client-XXXXXX";
static char path[sizeof(folder) + 16];
static int listener = -1;

/* what the signer of the test does with each question that comes */
enum deed { ANSWER, REFUSE, WRONG_REQUEST, NONSENSE, CLOSE };
static enum deed deeds[8];
static int deed_count, deeds_done;

static int
open_socket(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/signer", folder);
	memcpy(a.sun_path, path, sizeof(path));
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	return listen(listener, 8);
}

static int
close_socket(void **state)
{
	(void)state;
	close(listener);
	unlink(path);
	return rmdir(folder);
}

static bool
carry_out(int fd, enum deed deed)
{
	static char in[CHANNEL_MAX];
	struct signer_signed made = {.signature = SPAN("signature")};
	struct signer_refused refused = {.reason = SIGNER_NO_SHAPE};
	struct wire_header h;
	size_t len;

	if (channel_receive_wait(fd, in, &len, NULL, clock_monotonic_ms() + 10000) != CHANNEL_OK)
		return false;
	assert_int_equal(wire_peek(span_from(in, len), &h), 0);
	switch (deed) {
	case ANSWER:
		return wire_send(fd, wire_find(signer_answers, SIGNER_SIGNED), 0, h.request, &made,
				 NULL) == CHANNEL_OK;
	case REFUSE:
		return wire_send(fd, wire_find(signer_answers, SIGNER_REFUSED), 0, h.request,
				 &refused, NULL) == CHANNEL_OK;
	/* the client closes the connection behind these */
	case WRONG_REQUEST:
		assert_int_equal(wire_send(fd, wire_find(signer_answers, SIGNER_SIGNED), 0,
					   h.request + 1, &made, NULL),
				 CHANNEL_OK);
		return false;
	case NONSENSE:
		assert_int_equal(channel_send(fd, SPAN("nonsense"), NULL, 0), CHANNEL_OK);
		return false;
	case CLOSE:
		return false;
	}
	return false;
}

static void *
serve(void *owner)
{
	(void)owner;
	while (deeds_done < deed_count) {
		struct pollfd p = {.fd = listener, .events = POLLIN};
		struct channel_peer peer;
		if (poll(&p, 1, 10000) != 1)
			return NULL;
		int fd = channel_accept(listener, &peer);
		while (deeds_done < deed_count && carry_out(fd, deeds[deeds_done++]))
			continue;
		close(fd);
	}
	return NULL;
}

static size_t
ask(struct signer_client *c, unsigned char *to)
{
	return signer_client_sign(c, 7, 0x0804, SPAN("text"), to, clock_monotonic_ms() + 10000);
}

static pthread_t
begin(int count, const enum deed *list)
{
	pthread_t t;

	memcpy(deeds, list, (size_t)count * sizeof(*list));
	deed_count = count;
	deeds_done = 0;
	assert_int_equal(pthread_create(&t, NULL, serve, NULL), 0);
	return t;
}

static void
a_signature_comes_over_a_connection_that_is_kept(void **state)
{
	unsigned char to[SIGNER_SIGNATURE_MAX];
	struct signer_client c;
	pthread_t t = begin(2, (enum deed[]){ANSWER, ANSWER});

	(void)state;
	signer_client_init(&c, path);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask(&c, to), 9);
		assert_memory_equal(to, "signature", 9);
		assert_null(c.wrong);
	}
	signer_client_close(&c);
	pthread_join(t, NULL);
}

static void
a_refusal_is_told_and_the_connection_stays(void **state)
{
	unsigned char to[SIGNER_SIGNATURE_MAX];
	struct signer_client c;
	pthread_t t = begin(2, (enum deed[]){REFUSE, ANSWER});

	(void)state;
	signer_client_init(&c, path);
	assert_int_equal(ask(&c, to), 0);
	assert_non_null(strstr(c.wrong, "such a text"));
	assert_true(c.fd >= 0);
	assert_int_equal(ask(&c, to), 9);
	signer_client_close(&c);
	pthread_join(t, NULL);
}

static void
a_signer_that_dies_of_a_question_is_asked_once_more(void **state)
{
	unsigned char to[SIGNER_SIGNATURE_MAX];
	struct signer_client c;
	pthread_t t = begin(2, (enum deed[]){CLOSE, ANSWER});

	(void)state;
	signer_client_init(&c, path);
	assert_int_equal(ask(&c, to), 9);
	signer_client_close(&c);
	pthread_join(t, NULL);
	/* and no third time */
	t = begin(2, (enum deed[]){CLOSE, CLOSE});
	assert_int_equal(ask(&c, to), 0);
	assert_non_null(c.wrong);
	pthread_join(t, NULL);
}

static void
what_is_no_answer_is_no_signature(void **state)
{
	unsigned char to[SIGNER_SIGNATURE_MAX];
	struct signer_client c;
	pthread_t t = begin(2, (enum deed[]){WRONG_REQUEST, NONSENSE});

	(void)state;
	signer_client_init(&c, path);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask(&c, to), 0);
		assert_non_null(strstr(c.wrong, "malformed"));
		assert_int_equal(c.fd, -1);
	}
	pthread_join(t, NULL);
}

static void
one_that_is_silent_or_not_there_is_not_waited_for_longer_than_the_deadline(void **state)
{
	struct signer_client c;
	int64_t begun = clock_monotonic_ms();

	(void)state;
	/* the backlog takes the connection; nobody answers */
	signer_client_init(&c, path);
	assert_false(signer_client_ready(&c, 7, begun + 200));
	assert_true(clock_monotonic_ms() - begun >= 200);
	signer_client_init(&c, "/nowhere/signer");
	assert_false(signer_client_ready(&c, 7, clock_monotonic_ms() + 10000));
	signer_client_init(&c, NULL);
	assert_false(signer_client_ready(&c, 7, clock_monotonic_ms() + 10000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signature_comes_over_a_connection_that_is_kept),
		cmocka_unit_test(a_refusal_is_told_and_the_connection_stays),
		cmocka_unit_test(a_signer_that_dies_of_a_question_is_asked_once_more),
		cmocka_unit_test(what_is_no_answer_is_no_signature),
		cmocka_unit_test(
			one_that_is_silent_or_not_there_is_not_waited_for_longer_than_the_deadline),
	};

	return cmocka_run_group_tests(tests, open_socket, close_socket);
}
