/* expn: how often a client may ask; what is shown of an address tests/system/test_orders.py sees */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "lookup/expn.h"

static void
a_client_has_so_many_in_an_hour(void **state)
{
	static struct expn e;
	int64_t now_ms = 5;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(expn_may(&e, SPAN("192.0.2.1"), 3, now_ms + i));
	assert_false(expn_may(&e, SPAN("192.0.2.1"), 3, now_ms + 3));
	/* another one has his own */
	assert_true(expn_may(&e, SPAN("192.0.2.10"), 3, now_ms));
	assert_false(expn_may(&e, SPAN("192.0.2.1"), 3, now_ms + EXPN_HOUR_MS - 1));
	assert_true(expn_may(&e, SPAN("192.0.2.1"), 3, now_ms + EXPN_HOUR_MS));
}

static void
a_flood_of_clients_frees_nobody(void **state)
{
	static struct expn e;
	char client[LOOKUP_CLIENT_MAX];

	(void)state;
	assert_true(expn_may(&e, SPAN("192.0.2.1"), 1, 0));
	for (int i = 1; i < EXPN_CLIENTS_MAX; i++) {
		snprintf(client, sizeof(client), "2001:db8::%x", i);
		assert_true(expn_may(&e, span_of(client), 1, 1));
	}
	assert_false(expn_may(&e, SPAN("2001:db8::ffff"), 1, 2));
	assert_false(expn_may(&e, SPAN("192.0.2.1"), 1, 2));
	assert_true(expn_may(&e, SPAN("2001:db8::ffff"), 1, EXPN_HOUR_MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_has_so_many_in_an_hour),
		cmocka_unit_test(a_flood_of_clients_frees_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
