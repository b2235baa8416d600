/*
 * guessers - days of guessing under a clock of the test's own
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "auth/guessers.h"

static struct guessers *g;
static int64_t now_ms;

static int
begin(void **state)
{
	(void)state;
	g = guessers_new();
	now_ms = 1000000;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	guessers_free(g);
	return 0;
}

/* one guess; how long its answer is held back, -1: it is not looked at */
static int64_t
guess(const char *client, const char *login, bool is_right)
{
	int64_t delay_ms;

	guessers_charge(g, client, now_ms);
	bool may = guessers_judge(g, client, login, now_ms, &delay_ms);
	if (may && is_right) {
		guessers_pardon(g, client, now_ms);
		guessers_right(g, client, login, now_ms);
	} else if (may) {
		guessers_wrong(g, login, now_ms);
	}
	return may ? delay_ms : -1;
}

static void
who_mistypes_is_not_slowed(void **state)
{
	(void)state;
	for (int i = 0; i < GUESSERS_ADDRESS_FREE; i++)
		assert_int_equal(guess("192.0.2.1", "ann", false), 0);
	assert_int_equal(guess("192.0.2.1", "ann", true), 0);
}

static void
who_goes_on_waits_longer_each_time_and_is_shut_out_at_last(void **state)
{
	int64_t last_ms = 0, delay_ms;
	int looked_at = 0;
	(void)state;
	while ((delay_ms = guess("192.0.2.1", "ann", false)) >= 0) {
		assert_true(delay_ms >= last_ms && delay_ms <= GUESSERS_DELAY_MAX_MS);
		last_ms = delay_ms;
		assert_true(++looked_at <= GUESSERS_ADDRESS_SHUT);
	}
	assert_int_equal(looked_at, GUESSERS_ADDRESS_SHUT);
	assert_int_equal(last_ms, GUESSERS_DELAY_MAX_MS);
	/* also with another name, and with the right password */
	assert_int_equal(guess("192.0.2.1", "bob", true), -1);
	/* others are not, nor is anybody else's network */
	assert_int_equal(guess("192.0.2.2", "bob", true), 0);
	assert_int_equal(guess("198.51.100.1", "bob", true), 0);
}

static void
many_at_once_are_not_taken_for_one(void **state)
{
	int64_t delay_ms;
	(void)state;
	/* none of them has been answered yet */
	for (int i = 0; i < GUESSERS_ADDRESS_SHUT; i++)
		guessers_charge(g, "192.0.2.1", now_ms);
	guessers_charge(g, "192.0.2.1", now_ms);
	assert_false(guessers_judge(g, "192.0.2.1", "ann", now_ms, &delay_ms));
}

static void
it_is_forgotten_with_time(void **state)
{
	(void)state;
	while (guess("192.0.2.1", "ann", false) >= 0)
		;
	now_ms += 7 * GUESSERS_HALF_LIFE_MS;
	assert_int_equal(guess("192.0.2.1", "carol", true), 0);
}

static void
a_network_is_shut_when_its_addresses_take_turns(void **state)
{
	char client[40];
	int looked_at = 0;
	(void)state;
	for (int i = 0; i < 250; i++) {
		snprintf(client, sizeof(client), "192.0.2.%d", i);
		if (guess(client, "ann", false) >= 0)
			looked_at++;
	}
	assert_int_equal(looked_at, GUESSERS_NETWORK_SHUT);
	looked_at = 0;
	for (int i = 0; i < 1000; i++) {
		snprintf(client, sizeof(client), "2001:db8:1:%x::1", i);
		if (guess(client, "ann", false) >= 0)
			looked_at++;
	}
	assert_int_equal(looked_at, GUESSERS_NETWORK_SHUT);
	/* of one /64 all are one */
	for (looked_at = 0; looked_at < 100; looked_at++) {
		snprintf(client, sizeof(client), "2001:db8:2:0::%x", looked_at + 1);
		if (guess(client, "ann", false) < 0)
			break;
	}
	assert_int_equal(looked_at, GUESSERS_ADDRESS_SHUT);
}

static void
a_login_that_the_world_guesses_is_slow_and_never_shut(void **state)
{
	char client[40];
	int64_t delay_ms = 0;
	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(client, sizeof(client), "10.%d.%d.1", i / 200, i % 200);
		delay_ms = guess(client, "ann", false);
		assert_true(delay_ms >= 0 && delay_ms <= GUESSERS_DELAY_MAX_MS);
	}
	assert_int_equal(delay_ms, GUESSERS_DELAY_MAX_MS);
	/* its owner, from where she has never been */
	assert_int_equal(guess("203.0.113.5", "ann", true), GUESSERS_DELAY_MAX_MS);
	/* and somebody else */
	assert_int_equal(guess("203.0.113.77", "bob", true), 0);
}

static void
who_has_been_there_before_gets_in_at_once_whatever_others_do(void **state)
{
	char client[40];
	(void)state;
	assert_int_equal(guess("203.0.113.5", "ann", true), 0);
	for (int i = 0; i < 100000; i++) {
		snprintf(client, sizeof(client), "10.%d.%d.%d", i / 65536, i / 256 % 256, i % 256);
		(void)guess(client, "ann", false);
	}
	assert_int_equal(guess("203.0.113.99", "ann", true), 0);
	/* her own address is shut for a name that is wrong, not for hers */
	while (guess("203.0.113.5", "someone", false) >= 0)
		;
	assert_int_equal(guess("203.0.113.5", "ann", true), GUESSERS_DELAY_KNOWN_MS);
	now_ms += GUESSERS_KNOWN_MS + 1;
	while (guess("203.0.113.5", "someone", false) >= 0)
		;
	assert_int_equal(guess("203.0.113.5", "ann", true), -1);
}

static void
what_is_no_address_is_a_client_of_its_own(void **state)
{
	(void)state;
	while (guess("somewhere", "ann", false) >= 0)
		;
	assert_int_equal(guess("elsewhere", "bob", true), 0);
	assert_int_equal(guess("", "bob", true), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_mistypes_is_not_slowed),
		TEST(who_goes_on_waits_longer_each_time_and_is_shut_out_at_last),
		TEST(many_at_once_are_not_taken_for_one),
		TEST(it_is_forgotten_with_time),
		TEST(a_network_is_shut_when_its_addresses_take_turns),
		TEST(a_login_that_the_world_guesses_is_slow_and_never_shut),
		TEST(who_has_been_there_before_gets_in_at_once_whatever_others_do),
		TEST(what_is_no_address_is_a_client_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
