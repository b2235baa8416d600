/*
 * serve - the socket `lookup`, in a process of its own, confined as in earnest (strict)
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protocol/lookup.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "lookup/serve.h"
#include "lookup/syscalls.h"

#define WAIT_MS 20000
#define BIG_LIST 9000
#define CLIENTS_MAX 20

static char folder[] = "/tmp/culver-serve-XXXXXX";
static char table[128], path[100];
static pid_t server;
static char in[CHANNEL_MAX];

static int64_t
deadline(void)
{
	return clock_monotonic_ms() + WAIT_MS;
}

/* the server: what main.c does, on our socket, with the users of this system looked up after it is confined */
static void
run_server(int listener)
{
	static const struct config_defaults defaults = {.as_root = true,
							.hostname = "mx.example.org",
							.runtime = "/run/culver",
							.spool = "/var/spool/culver",
							.state = "/var/lib/culver"};
	struct start_listen listen = {
		.name = "lookup", .fd = listener, .peers = {{getuid(), "test"}}};
	static const char *const shown[] = {"/etc", "/usr/lib", "/lib", "/lib64", "/run"};
	static struct start s = {.program = "lookup", .strict = true};
	struct confine_limits limits = {.descriptors = 100};
	struct config_errors errors;
	struct config *config;
	struct routes routes;
	char text[512];

	listen.peer_count = 1;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		snprintf(s.directories[i].path, sizeof(s.directories[i].path), "%s", shown[i]);
		s.directories[i].rights = START_READ | START_EXECUTE;
		s.directory_count++;
	}
	snprintf(s.directories[s.directory_count].path, START_PATH_MAX, "%s", folder);
	s.directories[s.directory_count++].rights = START_READ;
	snprintf(text, sizeof(text), "domain example.org {\n\taliases %s\n}\n", table);
	config_errors_init(&errors);
	config = config_parse(span_of(text), &defaults, &errors);
	if (config == NULL)
		_exit(99);
	/* it tells of each of the hundreds of clients that it ends */
	if (dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) < 0)
		_exit(98);
	events_start("lookup", NULL);
	passwd_preload();
	routes_init(&routes, config, tables_new(config), users_new(), true);
	confine(&s, lookup_syscalls, &limits);
	tables_preload(routes.tables);
	serve(&listen, &routes, CLIENTS_MAX);
	_exit(0);
}

static int
end_server(int signal)
{
	int status = -1;

	kill(server, signal);
	if (waitpid(server, &status, 0) != server)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int
stop_server(void **state)
{
	(void)state;
	return end_server(SIGTERM);
}

static int
connect_client(void)
{
	int fd = channel_connect(path, deadline());

	assert_true(fd >= 0);
	return fd;
}

static enum channel_outcome
ask(int fd, uint16_t type, uint32_t request, const char *const *addresses, size_t count)
{
	static struct wire list;
	struct lookup_questions m;

	wire_list_start(&list);
	for (size_t i = 0; i < count; i++) {
		struct lookup_question q = {.number = i, .address = span_of(addresses[i])};

		assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &lookup_question_shape, &q),
				 0);
	}
	m.questions = wire_list_get(&list);
	return wire_send_wait(fd, wire_find(lookup_calls, type), 0, request, &m, NULL, deadline());
}

/* one part of an answer; CHANNEL_CLOSED when we were ended */
static enum channel_outcome
receive(int fd, uint16_t type, uint32_t request, void *message, bool *more)
{
	struct wire_header h;
	size_t len;
	enum channel_outcome o = channel_receive_wait(fd, in, &len, NULL, deadline());

	if (o != CHANNEL_OK)
		return o;
	assert_int_equal(wire_peek(span_from(in, len), &h), 0);
	assert_int_equal(h.type, type);
	assert_int_equal(h.request, request);
	assert_int_equal(wire_decode(span_from(in, len), wire_find(lookup_answers, type), message),
			 0);
	*more = (h.flags & WIRE_MORE) != 0;
	return CHANNEL_OK;
}

/* all leaves of a request, and in how many parts they came */
static size_t
count_leaves(int fd, uint32_t request, size_t *parts)
{
	struct lookup_leaves m;
	struct lookup_leaf leaf;
	size_t count = 0, left = 0;
	bool more = true;

	*parts = 0;
	while (more) {
		assert_int_equal(receive(fd, LOOKUP_LEAVES, request, &m, &more), CHANNEL_OK);
		++*parts;
		while (wire_list_next(&m.leaves, &lookup_leaf_shape, &leaf)) {
			/* all of a question stand together, and say how many they are */
			if (left == 0)
				left = leaf.leaves;
			left--;
			count++;
		}
	}
	assert_int_equal(left, 0);
	return count;
}

/* a signal that comes before it serves would be no test of how it ends */
static bool
is_serving(void)
{
	static const char *const one[] = {"nobody@example.org"};
	int fd = connect_client();
	size_t parts;

	assert_int_equal(ask(fd, LOOKUP_ROUTES, 1, one, 1), CHANNEL_OK);
	assert_int_equal(count_leaves(fd, 1, &parts), 1);
	close(fd);
	return true;
}

static int
start_server(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)state;
	unlink(path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (listener < 0 ||
	    bind(listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 50) < 0)
		return -1;
	server = fork();
	if (server == 0)
		run_server(listener);
	close(listener);
	return server > 0 && is_serving() ? 0 : -1;
}

static void
a_list_of_questions_has_a_list_of_answers(void **state)
{
	static const char *const addresses[] = {"nobody@example.org", "no-such-user@example.org",
						"x@elsewhere.test", "daemon@localhost"};
	static const uint64_t classes[] = {LOOKUP_LOCAL, LOOKUP_REFUSED, LOOKUP_RELAY,
					   LOOKUP_LOCAL};
	int fd = connect_client();
	struct lookup_verdicts m;
	struct lookup_verdict v;
	bool more;

	(void)state;
	assert_int_equal(ask(fd, LOOKUP_RECIPIENTS, 77, addresses, 4), CHANNEL_OK);
	assert_int_equal(receive(fd, LOOKUP_VERDICTS, 77, &m, &more), CHANNEL_OK);
	assert_false(more);
	for (size_t i = 0; i < 4; i++) {
		assert_true(wire_list_next(&m.verdicts, &lookup_verdict_shape, &v));
		assert_int_equal(v.number, i);
		assert_int_equal(v.class, classes[i]);
	}
	assert_false(wire_list_next(&m.verdicts, &lookup_verdict_shape, &v));
	close(fd);
}

static void
users_are_still_found_after_the_cache_has_forgotten(void **state)
{
	/* NSS is asked again within the confined process; this waits for the time of the cache by asking many names instead */
	int fd = connect_client();
	static char names[256][64];
	const char *addresses[256];
	struct lookup_verdicts m;
	struct lookup_verdict v;
	bool more;

	(void)state;
	for (int i = 0; i < 256; i++) {
		snprintf(names[i], sizeof(names[i]), "nobody-%d@example.org", i);
		addresses[i] = names[i];
	}
	addresses[255] = "nobody@example.org";
	for (uint32_t round = 0; round < USERS_CACHE_MAX / 255 + 2; round++) {
		for (int i = 0; i < 255; i++)
			snprintf(names[i], sizeof(names[i]), "nobody-%d-%u@example.org", i, round);
		assert_int_equal(ask(fd, LOOKUP_RECIPIENTS, round, addresses, 256), CHANNEL_OK);
		more = true;
		size_t local = 0;
		while (more) {
			assert_int_equal(receive(fd, LOOKUP_VERDICTS, round, &m, &more),
					 CHANNEL_OK);
			while (wire_list_next(&m.verdicts, &lookup_verdict_shape, &v))
				local += v.class == LOOKUP_LOCAL;
		}
		assert_int_equal(local, 1);
	}
	close(fd);
}

static void
a_long_answer_comes_in_parts(void **state)
{
	static const char *const addresses[] = {"big@example.org", "nobody@example.org",
						"big@localhost"};
	int fd = connect_client();
	size_t parts;

	(void)state;
	assert_int_equal(ask(fd, LOOKUP_ROUTES, 5, addresses, 3), CHANNEL_OK);
	assert_int_equal(count_leaves(fd, 5, &parts), 2 * BIG_LIST + 1);
	assert_true(parts > 4);
	close(fd);
}

static long
memory_kb(void)
{
	char text[64], line[256];
	long kb = -1;
	FILE *f;

	snprintf(text, sizeof(text), "/proc/%d/status", (int)server);
	f = fopen(text, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %ld kB", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

static void
who_does_not_read_costs_little_and_delays_nobody(void **state)
{
	static const char *const one[] = {"nobody@example.org"};
	const char *addresses[LOOKUP_QUESTIONS_MAX];
	int lazy = connect_client(), other = connect_client();
	size_t parts;
	long before;

	(void)state;
	assert_int_equal(ask(other, LOOKUP_ROUTES, 1, one, 1), CHANNEL_OK);
	assert_int_equal(count_leaves(other, 1, &parts), 1);
	before = memory_kb();
	for (size_t i = 0; i < LOOKUP_QUESTIONS_MAX; i++)
		addresses[i] = "big@example.org";
	assert_int_equal(ask(lazy, LOOKUP_ROUTES, 9, addresses, LOOKUP_QUESTIONS_MAX), CHANNEL_OK);
	for (uint32_t i = 0; i < 50; i++) {
		assert_int_equal(ask(other, LOOKUP_ROUTES, i, one, 1), CHANNEL_OK);
		assert_int_equal(count_leaves(other, i, &parts), 1);
	}
	print_message("memory with a client that does not read: %ld -> %ld KB\n", before,
		      memory_kb());
#ifndef CULVER_SANITIZE
	assert_true(memory_kb() - before < 8000);
#endif
	/* and when it reads, it gets all of it */
	assert_int_equal(count_leaves(lazy, 9, &parts), (size_t)LOOKUP_QUESTIONS_MAX * BIG_LIST);
	close(lazy);
	close(other);
}

static void
who_goes_amid_a_long_answer_harms_nobody(void **state)
{
	static const char *const one[] = {"nobody@example.org"};
	const char *addresses[LOOKUP_QUESTIONS_MAX];
	size_t parts;

	(void)state;
	for (size_t i = 0; i < LOOKUP_QUESTIONS_MAX; i++)
		addresses[i] = "big@example.org";
	for (int i = 0; i < 20; i++) {
		int lazy = connect_client();

		assert_int_equal(ask(lazy, LOOKUP_ROUTES, 9, addresses, LOOKUP_QUESTIONS_MAX),
				 CHANNEL_OK);
		close(lazy);
	}
	int fd = connect_client();
	assert_int_equal(ask(fd, LOOKUP_ROUTES, 1, one, 1), CHANNEL_OK);
	assert_int_equal(count_leaves(fd, 1, &parts), 1);
	close(fd);
}

static void
more_clients_than_may_be_wait_for_their_turn(void **state)
{
	static const char *const one[] = {"nobody@example.org"};
	int fds[CLIENTS_MAX + 5];
	size_t parts;

	(void)state;
	for (int i = 0; i < CLIENTS_MAX + 5; i++)
		fds[i] = connect_client();
	assert_int_equal(ask(fds[CLIENTS_MAX], LOOKUP_ROUTES, 1, one, 1), CHANNEL_OK);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	assert_int_equal(count_leaves(fds[CLIENTS_MAX], 1, &parts), 1);
	for (int i = 5; i < CLIENTS_MAX + 5; i++)
		close(fds[i]);
}

static void
nonsense_ends_its_client_and_no_other(void **state)
{
	static const char *const one[] = {"nobody@example.org"};
	int good = connect_client(), pipe_fds[2];
	unsigned seed = 1;
	size_t parts;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	for (int round = 0; round < 300; round++) {
		int bad = connect_client();
		char bytes[200];
		size_t len = 1 + (size_t)rand_r(&seed) % sizeof(bytes);
		bool with_fd = round % 5 == 0;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)rand_r(&seed);
		assert_int_equal(channel_send_wait(bad, span_from(bytes, len), pipe_fds,
						   with_fd ? 1 : 0, deadline()),
				 CHANNEL_OK);
		assert_int_equal(channel_receive_wait(bad, in, &len, NULL, deadline()),
				 CHANNEL_CLOSED);
		close(bad);
	}
	assert_int_equal(ask(good, LOOKUP_ROUTES, 1, one, 1), CHANNEL_OK);
	assert_int_equal(count_leaves(good, 1, &parts), 1);
	close(good);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void
a_retired_server_answers_what_was_asked_and_ends(void **state)
{
	static const char *const one[] = {"nobody@example.org"};
	const char *addresses[LOOKUP_QUESTIONS_MAX];
	int idle = connect_client(), busy = connect_client();
	size_t parts, len;

	(void)state;
	for (size_t i = 0; i < LOOKUP_QUESTIONS_MAX; i++)
		addresses[i] = "big@example.org";
	assert_int_equal(ask(idle, LOOKUP_ROUTES, 1, one, 1), CHANNEL_OK);
	assert_int_equal(count_leaves(idle, 1, &parts), 1);
	assert_int_equal(ask(busy, LOOKUP_ROUTES, 2, addresses, LOOKUP_QUESTIONS_MAX), CHANNEL_OK);
	/* another's answer shows that the busy one's question has been taken */
	assert_int_equal(ask(idle, LOOKUP_ROUTES, 3, one, 1), CHANNEL_OK);
	assert_int_equal(count_leaves(idle, 3, &parts), 1);
	kill(server, SIGUSR1);
	assert_int_equal(channel_receive_wait(idle, in, &len, NULL, deadline()), CHANNEL_CLOSED);
	assert_int_equal(count_leaves(busy, 2, &parts), (size_t)LOOKUP_QUESTIONS_MAX * BIG_LIST);
	assert_int_equal(channel_receive_wait(busy, in, &len, NULL, deadline()), CHANNEL_CLOSED);
	close(idle);
	close(busy);
	assert_int_equal(end_server(0), 0);
	assert_int_equal(start_server(NULL), 0);
}

static void
it_ends_by_sigterm(void **state)
{
	int fd = connect_client();
	size_t len;

	(void)state;
	assert_int_equal(end_server(SIGTERM), 0);
	assert_int_equal(channel_receive_wait(fd, in, &len, NULL, deadline()), CHANNEL_CLOSED);
	close(fd);
	assert_int_equal(start_server(NULL), 0);
}

static int
make_folder(void **state)
{
	FILE *f;

	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(table, sizeof(table), "%s/aliases", folder);
	snprintf(path, sizeof(path), "%s/lookup", folder);
	f = fopen(table, "w");
	if (f == NULL)
		return -1;
	fputs("big: ", f);
	for (int i = 0; i < BIG_LIST; i++)
		fprintf(f, "user%d@other.test,\n ", i);
	fputs("\n", f);
	if (fclose(f) != 0)
		return -1;
	return start_server(state);
}

static int
remove_folder(void **state)
{
	int status = stop_server(state);

	unlink(table);
	unlink(path);
	return rmdir(folder) < 0 ? -1 : status;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_of_questions_has_a_list_of_answers),
		cmocka_unit_test(users_are_still_found_after_the_cache_has_forgotten),
		cmocka_unit_test(a_long_answer_comes_in_parts),
		cmocka_unit_test(who_does_not_read_costs_little_and_delays_nobody),
		cmocka_unit_test(who_goes_amid_a_long_answer_harms_nobody),
		cmocka_unit_test(more_clients_than_may_be_wait_for_their_turn),
		cmocka_unit_test(nonsense_ends_its_client_and_no_other),
		cmocka_unit_test(a_retired_server_answers_what_was_asked_and_ends),
		cmocka_unit_test(it_ends_by_sigterm),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
