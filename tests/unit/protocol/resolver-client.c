/*
 * resolver-client - an answer comes whole, or it is trouble; never that of another question
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/protocol/resolver-client.h"
#include "common/system/clock.h"

#define WAIT_MS 5000

static char folder[] = "/tmp/culver-resolver-client-XXXXXX";
static char path[64];
static int listener;
static struct resolver_client client;
static struct arena arena;
static struct resolver_found found[RESOLVER_QUESTIONS_MAX];
static pthread_t thread;

static int
start(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/resolver", folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 8), 0);
	resolver_client_init(&client, path);
	arena_init(&arena, 8 << 20);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	resolver_client_close(&client);
	arena_free(&arena);
	close(listener);
	unlink(path);
	rmdir(folder);
	memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
	return 0;
}

static void
serve(void *(*server)(void *))
{
	assert_int_equal(pthread_create(&thread, NULL, server, NULL), 0);
}

static void
ask(size_t count, int64_t wait_ms)
{
	const struct resolver_question questions[] = {{RESOLVER_TXT, SPAN("one.test")},
						      {RESOLVER_TXT, SPAN("two.test")}};

	resolver_client_ask(&client, questions, count, &arena, clock_monotonic_ms() + wait_ms,
			    found);
}

/* ---- servers ---- */

static uint32_t
take(int fd)
{
	static char in[CHANNEL_MAX];
	struct wire_header h;
	ssize_t n = recv(fd, in, sizeof(in), 0);

	if (n <= 0 || wire_peek(span_from(in, (size_t)n), &h) < 0)
		abort();
	return h.request;
}

static void
give(int fd, uint32_t request, uint16_t flags, const char *const *texts)
{
	static struct wire list;
	struct resolver_answer a = {.outcome = RESOLVER_FOUND,
				    .security = RESOLVER_SECURE,
				    .ttl = 5,
				    .canonical = SPAN("real.test"),
				    .text = SPAN_NONE};

	wire_list_start(&list);
	for (size_t i = 0; texts[i] != NULL; i++) {
		struct resolver_record r = {.name = SPAN_NONE, .data = span_of(texts[i])};

		if (wire_list_add(&list, WIRE_LIST_ROOM, &resolver_record_shape, &r) < 0)
			abort();
	}
	a.records = wire_list_get(&list);
	if (wire_send(fd, wire_find(resolver_answers, RESOLVER_ANSWER), flags, request, &a, NULL) !=
	    CHANNEL_OK)
		abort();
}

static void *
answers_in_parts_and_out_of_order(void *arg)
{
	int fd = accept(listener, NULL, NULL);
	uint32_t one = take(fd), two = take(fd);

	give(fd, two, WIRE_MORE, (const char *const[]){"c", NULL});
	give(fd, one, WIRE_MORE, (const char *const[]){"a", NULL});
	give(fd, two, 0, (const char *const[]){"d", "e", NULL});
	give(fd, one, 0, (const char *const[]){"b", NULL});
	close(fd);
	return arg;
}

static void *
goes_away_and_comes_back(void *arg)
{
	int fd = accept(listener, NULL, NULL);
	uint32_t one = take(fd);

	give(fd, one, WIRE_MORE, (const char *const[]){"lost", NULL});
	close(fd);
	fd = accept(listener, NULL, NULL);
	give(fd, take(fd), 0, (const char *const[]){"again", NULL});
	close(fd);
	return arg;
}

static void *
answers_another_question(void *arg)
{
	int fd = accept(listener, NULL, NULL);

	give(fd, take(fd) + 77, 0, (const char *const[]){"other", NULL});
	close(fd);
	return arg;
}

static void *
finds_nothing(void *arg)
{
	int fd = accept(listener, NULL, NULL);

	give(fd, take(fd), 0, (const char *const[]){NULL});
	close(fd);
	return arg;
}

/* the first call is late; its answer comes before that of the second, on whatever connection */
static void *
answers_late(void *arg)
{
	int fd = accept(listener, NULL, NULL);
	uint32_t first = take(fd);
	char byte;

	/* the client has closed it */
	if (recv(fd, &byte, 1, 0) != 0)
		abort();
	close(fd);
	fd = accept(listener, NULL, NULL);
	uint32_t second = take(fd);

	if (second == first)
		abort();
	give(fd, second, 0, (const char *const[]){"second", NULL});
	close(fd);
	return arg;
}

/* ---- promises ---- */

static void
parts_and_answers_find_their_questions(void **state)
{
	(void)state;
	serve(answers_in_parts_and_out_of_order);
	ask(2, WAIT_MS);
	pthread_join(thread, NULL);
	assert_int_equal(found[0].outcome, RESOLVER_FOUND);
	assert_int_equal(found[0].security, RESOLVER_SECURE);
	assert_int_equal(found[0].ttl, 5);
	assert_true(span_equal(found[0].canonical, SPAN("real.test")));
	assert_int_equal(found[0].count, 2);
	assert_true(span_equal(found[0].records[1].data, SPAN("b")));
	assert_int_equal(found[1].count, 3);
	assert_true(span_equal(found[1].records[2].data, SPAN("e")));
}

static void
a_resolver_that_was_restarted_is_asked_again(void **state)
{
	(void)state;
	serve(goes_away_and_comes_back);
	ask(1, WAIT_MS);
	pthread_join(thread, NULL);
	assert_int_equal(found[0].outcome, RESOLVER_FOUND);
	assert_int_equal(found[0].count, 1);
	assert_true(span_equal(found[0].records[0].data, SPAN("again")));
}

static void
nonsense_is_trouble(void **state)
{
	void *(*const servers[])(void *) = {answers_another_question, finds_nothing};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		serve(servers[i]);
		ask(1, WAIT_MS);
		pthread_join(thread, NULL);
		assert_int_equal(found[0].outcome, RESOLVER_TROUBLE);
		assert_int_equal(found[0].count, 0);
		assert_int_equal(client.fd, -1);
	}
}

static void
a_late_answer_is_never_that_of_a_later_question(void **state)
{
	(void)state;
	serve(answers_late);
	ask(1, 100);
	assert_int_equal(found[0].outcome, RESOLVER_TROUBLE);
	assert_true(found[0].text.len > 0);
	ask(1, WAIT_MS);
	pthread_join(thread, NULL);
	assert_int_equal(found[0].outcome, RESOLVER_FOUND);
	assert_true(span_equal(found[0].records[0].data, SPAN("second")));
}

static void
without_a_resolver_there_is_trouble_at_once(void **state)
{
	(void)state;
	close(listener);
	unlink(path);
	listener = -1;
	ask(2, WAIT_MS);
	assert_int_equal(found[0].outcome, RESOLVER_TROUBLE);
	assert_int_equal(found[1].outcome, RESOLVER_TROUBLE);
	assert_true(span_equal(found[1].text, SPAN("the resolver is not there")));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
	const struct CMUnitTest tests[] = {
		TEST(parts_and_answers_find_their_questions),
		TEST(a_resolver_that_was_restarted_is_asked_again),
		TEST(nonsense_is_trouble),
		TEST(a_late_answer_is_never_that_of_a_later_question),
		TEST(without_a_resolver_there_is_trouble_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
