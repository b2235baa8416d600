/*
 * clients - who may have another session
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "smtpd/clients.h"
#include "smtpd/recipients.h"

static struct sockaddr_storage
address(const char *text)
{
	struct sockaddr_storage a = {0};
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		memcpy(&a, &four, sizeof(four));
	else if (inet_pton(AF_INET6, text, &six.sin6_addr) == 1)
		memcpy(&a, &six, sizeof(six));
	else
		fail();
	return a;
}

static void
sessions_are_counted_per_address_and_per_64_bits_of_ipv6(void **state)
{
	struct config_limits limits = {.sessions_per_client = 2};
	struct clients *c = clients_new(10, 0);
	struct sockaddr_storage one = address("192.0.2.1"), two = address("192.0.2.2"),
				six = address("2001:db8:0:1::1"),
				same = address("2001:db8:0:1:ffff::2"),
				other = address("2001:db8:0:2::1");
	(void)state;

	assert_non_null(c);
	assert_int_equal(clients_add(c, 101, &one), 0);
	assert_int_equal(clients_ask(c, &one, &limits), CLIENTS_WELCOME);
	assert_int_equal(clients_add(c, 102, &one), 0);
	assert_int_equal(clients_ask(c, &one, &limits), CLIENTS_TOO_MANY_OF);
	assert_int_equal(clients_ask(c, &two, &limits), CLIENTS_WELCOME);
	assert_int_equal(clients_add(c, 103, &six), 0);
	assert_int_equal(clients_add(c, 104, &same), 0);
	assert_int_equal(clients_ask(c, &six, &limits), CLIENTS_TOO_MANY_OF);
	assert_int_equal(clients_ask(c, &other, &limits), CLIENTS_WELCOME);
	assert_true(clients_remove(c, 101));
	assert_false(clients_remove(c, 101));
	assert_int_equal(clients_ask(c, &one, &limits), CLIENTS_WELCOME);
	assert_int_equal(clients_own(c), 3);
	clients_free(c);
}

static void
there_is_a_limit_in_all(void **state)
{
	struct config_limits limits = {.sessions_per_client = 100000};
	struct clients *c = clients_new(20000, 0);
	struct sockaddr_storage a = address("192.0.2.1");
	(void)state;

	for (pid_t pid = 1; pid <= 20000; pid++) {
		char text[40];
		snprintf(text, sizeof(text), "10.%d.%d.%d", pid >> 14, pid >> 7 & 127, pid & 127);
		struct sockaddr_storage from = address(text);
		assert_int_equal(clients_ask(c, &from, &limits), CLIENTS_WELCOME);
		assert_int_equal(clients_add(c, pid, &from), 0);
	}
	assert_int_equal(clients_ask(c, &a, &limits), CLIENTS_TOO_MANY);
	for (pid_t pid = 20000; pid >= 1; pid--)
		assert_true(clients_remove(c, pid));
	assert_int_equal(clients_own(c), 0);
	assert_int_equal(clients_ask(c, &a, &limits), CLIENTS_WELCOME);
	clients_free(c);
}

static void
no_child_can_read_the_table(void **state)
{
	struct clients *c = clients_new(10, 0);
	int status;
	(void)state;

	pid_t child = fork();
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(clients_own(c) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_int_equal(clients_own(c), 0);
	clients_free(c);
}

static bool
is_even(pid_t pid)
{
	return pid % 2 == 0;
}

static void
a_table_goes_from_one_listener_to_the_next(void **state)
{
	struct config_limits limits = {.sessions_per_client = 2};
	struct sockaddr_storage four = address("32.1.13.184"),
				six = address("2001:db8:ffff:ffff::1"), user;
	struct clients *old = clients_new(10, 0), *now = clients_new(10, 0);
	struct buffer text;
	(void)state;

	clients_local(&user, 1000);
	assert_int_equal(clients_add(old, 101, &four), 0);
	assert_int_equal(clients_add(old, 102, &four), 0);
	assert_int_equal(clients_add(old, 103, &six), 0);
	assert_int_equal(clients_add(old, 104, &user), 0);
	struct sockaddr_storage found, net = address("2001:db8:ffff:ffff::");
	assert_true(clients_find(old, 102, &found));
	assert_memory_equal(&found, &four, sizeof(found));
	assert_true(clients_find(old, 103, &found));
	assert_memory_equal(&found, &net, sizeof(found));
	uid_t uid;
	assert_true(clients_find(old, 104, &found) && clients_uid(&found, &uid) && uid == 1000);
	assert_false(clients_find(old, 105, &found));
	buffer_init(&text, 10 * CLIENTS_LINE_MAX + sizeof(CLIENTS_HEAD));
	clients_write(old, &text);
	assert_false(text.failed);
	for (int twice = 0; twice < 2; twice++)
		assert_int_equal(clients_read(now, buffer_get(&text)), 0);
	assert_int_equal(clients_inherited(now), 4);
	assert_int_equal(clients_own(now), 0);
	assert_int_equal(clients_ask(now, &four, &limits), CLIENTS_TOO_MANY_OF);
	assert_int_equal(clients_ask(now, &six, &limits), CLIENTS_WELCOME);
	/* a process of ours with the number of one that must be gone */
	assert_int_equal(clients_add(now, 104, &user), 0);
	assert_int_equal(clients_own(now), 1);
	assert_int_equal(clients_inherited(now), 3);
	/* nobody reaps the inherited ones: their end is looked for */
	assert_false(clients_remove(now, 101));
	clients_sweep(now, is_even);
	assert_int_equal(clients_inherited(now), 1);
	assert_int_equal(clients_ask(now, &four, &limits), CLIENTS_WELCOME);
	assert_true(clients_remove(now, 104));
	/* and what is inherited goes on to the one after */
	buffer_clear(&text);
	clients_write(now, &text);
	clients_free(old);
	old = clients_new(10, 0);
	assert_int_equal(clients_read(old, buffer_get(&text)), 0);
	assert_int_equal(clients_inherited(old), 1);
	clients_free(old);
	clients_free(now);
	buffer_free(&text);
}

static void
what_is_no_table_is_refused(void **state)
{
	static const char *const wrong[] = {"",
					    "culver-clients 2\n",
					    CLIENTS_HEAD "0 0000000000000001\n",
					    CLIENTS_HEAD "1\n",
					    CLIENTS_HEAD "1 x\n",
					    CLIENTS_HEAD "-1 0000000000000001\n",
					    CLIENTS_HEAD "1 1\n2 2\n3 3\n"};
	(void)state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct clients *c = clients_new(2, 0);
		assert_int_equal(clients_read(c, span_of(wrong[i])), -1);
		assert_true(clients_inherited(c) <= 2);
		clients_free(c);
	}
}

static void
local_users_are_no_addresses(void **state)
{
	struct config_limits limits = {.sessions_per_client = 1};
	struct sockaddr_storage user, root, four = address("232.3.0.0");
	struct clients *c = clients_new(10, 0);
	uid_t uid;
	(void)state;

	clients_local(&user, 1000);
	clients_local(&root, 0);
	assert_true(clients_uid(&user, &uid));
	assert_int_equal(uid, 1000);
	assert_false(clients_uid(&four, &uid));
	assert_int_equal(clients_add(c, 1, &user), 0);
	assert_int_equal(clients_ask(c, &user, &limits), CLIENTS_TOO_MANY_OF);
	assert_int_equal(clients_ask(c, &root, &limits), CLIENTS_WELCOME);
	assert_int_equal(clients_ask(c, &four, &limits), CLIENTS_WELCOME);
	clients_free(c);
}

static void
mapped_addresses_are_ipv4(void **state)
{
	struct sockaddr_storage a = address("::ffff:192.0.2.1"), b = address("192.0.2.1");
	struct sockaddr_storage six = address("2001:db8::1");
	struct sockaddr_in in;
	(void)state;

	clients_plain(&a);
	assert_int_equal(a.ss_family, AF_INET);
	memcpy(&in, &a, sizeof(in));
	assert_int_equal(in.sin_addr.s_addr, inet_addr("192.0.2.1"));
	clients_plain(&b);
	assert_int_equal(b.ss_family, AF_INET);
	clients_plain(&six);
	assert_int_equal(six.ss_family, AF_INET6);
}

static void
log_hears_of_each_once_a_second(void **state)
{
	struct clients *c = clients_new(10, 0);
	struct sockaddr_storage a = address("192.0.2.1"), b = address("192.0.2.2");
	uint64_t unsaid = 77;
	(void)state;

	assert_int_equal(clients_add(c, 1, &a), 0);
	assert_int_equal(clients_add(c, 2, &b), 0);
	assert_true(clients_may_tell(c, &a, 1000, &unsaid));
	assert_int_equal(unsaid, 0);
	assert_false(clients_may_tell(c, &a, 1001, &unsaid));
	assert_false(clients_may_tell(c, &a, 1999, &unsaid));
	assert_true(clients_may_tell(c, &b, 1999, &unsaid));
	assert_true(clients_may_tell(c, &a, 2000, &unsaid));
	assert_int_equal(unsaid, 2);
	clients_free(c);
}

static void
a_recipient_is_kept_once(void **state)
{
	static char text[50000][24];
	struct recipients r;
	(void)state;

	recipients_init(&r, 12345);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 50000; i++) {
			int n = snprintf(text[i], sizeof(text[i]), "u%d@example.org", i);
			struct intake_recipient a = {.address = span_from(text[i], (size_t)n)};
			assert_int_equal(recipients_add(&r, &a), RECIPIENTS_ADDED);
			assert_int_equal(recipients_add(&r, &a), RECIPIENTS_KNOWN);
		}
		assert_int_equal(r.count, 50000);
		assert_true(span_equal(r.list[49999].address, SPAN("u49999@example.org")));
		recipients_clear(&r);
		assert_int_equal(r.count, 0);
	}
	recipients_free(&r);
}

static void
who_is_named_twice_hears_of_what_either_asked_for(void **state)
{
	struct recipients r;
	struct intake_recipient a = {.address = SPAN("a@example.org"),
				     .notify = INTAKE_NOTIFY_SUCCESS,
				     .orcpt = SPAN_NONE};
	(void)state;

	recipients_init(&r, 12345);
	assert_int_equal(recipients_add(&r, &a), RECIPIENTS_ADDED);
	a.notify = INTAKE_NOTIFY_NEVER;
	a.orcpt = SPAN("rfc822;b@example.org");
	assert_int_equal(recipients_add(&r, &a), RECIPIENTS_KNOWN);
	assert_int_equal(r.list[0].notify, INTAKE_NOTIFY_SUCCESS);
	assert_true(span_equal(r.list[0].orcpt, SPAN("rfc822;b@example.org")));
	a.notify = 0;
	assert_int_equal(recipients_add(&r, &a), RECIPIENTS_KNOWN);
	assert_int_equal(r.list[0].notify,
			 INTAKE_NOTIFY_SUCCESS | INTAKE_NOTIFY_FAILURE | INTAKE_NOTIFY_DELAY);
	recipients_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_are_counted_per_address_and_per_64_bits_of_ipv6),
		cmocka_unit_test(there_is_a_limit_in_all),
		cmocka_unit_test(no_child_can_read_the_table),
		cmocka_unit_test(a_table_goes_from_one_listener_to_the_next),
		cmocka_unit_test(what_is_no_table_is_refused),
		cmocka_unit_test(local_users_are_no_addresses),
		cmocka_unit_test(mapped_addresses_are_ipv4),
		cmocka_unit_test(log_hears_of_each_once_a_second),
		cmocka_unit_test(a_recipient_is_kept_once),
		cmocka_unit_test(who_is_named_twice_hears_of_what_either_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
