/*
 * early - `early-delivery`: which of its lines counts for a place, and which are wrong
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/config/config.h"

#define STANDARD_MS 250

static const struct config_defaults root = {
	.as_root = true,
	.hostname = "mx.example",
	.runtime = "/run/culver",
	.spool = "/var/spool/culver",
	.state = "/var/lib/culver",
};

static struct config_errors errors;

static struct config *
parse(const char *text)
{
	config_errors_init(&errors);
	return config_parse(span_of(text), &root, &errors);
}

static void
is(const struct config *c, const char *block, enum config_early how, uint64_t wait)
{
	struct config_early_delivery e = config_early_of(c, span_of(block));

	assert_int_equal(e.how, how);
	if (how == CONFIG_EARLY_WAIT)
		assert_int_equal(e.wait, wait);
}

static void
the_innermost_line_counts(void **state)
{
	struct config *c =
		parse("early-delivery off\n"
		      "domain example.org {\n\tearly-delivery auto\n}\n"
		      "domain example.net {\n}\n"
		      "route .slow.example {\n\tsmtp 192.0.2.1:25\n\tearly-delivery 5s\n}\n"
		      "route other.example {\n\tsmtp 192.0.2.1:25\n}\n"
		      "outbound {\n\tearly-delivery 400ms\n}\n");

	(void)state;
	assert_non_null(c);
	is(c, "example.org", CONFIG_EARLY_AUTO, 0);
	is(c, "example.net", CONFIG_EARLY_OFF, 0);
	is(c, ".slow.example", CONFIG_EARLY_WAIT, 5000);
	is(c, "other.example", CONFIG_EARLY_OFF, 0);
	is(c, "outbound", CONFIG_EARLY_WAIT, 400);
	is(c, "unknown.example", CONFIG_EARLY_OFF, 0);
	assert_int_equal(config_early_longest(c, STANDARD_MS), 5000);
	config_free(c);
}

static void
it_is_automatic_by_itself(void **state)
{
	struct config *c = parse("outbound {\n\tretry 1m\n}\n");

	(void)state;
	assert_non_null(c);
	is(c, "outbound", CONFIG_EARLY_AUTO, 0);
	is(c, "mx.example", CONFIG_EARLY_AUTO, 0);
	assert_int_equal(config_early_longest(c, STANDARD_MS), STANDARD_MS);
	config_free(c);
}

static void
nobody_waits_where_it_is_off_everywhere(void **state)
{
	struct config *c = parse("early-delivery off\n");

	(void)state;
	assert_non_null(c);
	assert_int_equal(config_early_longest(c, STANDARD_MS), 0);
	config_free(c);
}

static void
a_wrong_line_is_named(void **state)
{
	static const char *const expected[] = {
		"to 20s",	  "from 100ms",	    "`auto`, `off` or a time", "early-delivery",
		"early-delivery", "early-delivery", "does not stand in",
	};
	static const char *const wrong[] = {
		"early-delivery 21s\n",
		"early-delivery 0s\n",
		"early-delivery on\n",
		"early-delivery\n",
		"early-delivery auto 5s\n",
		"early-delivery off\nearly-delivery auto\n",
		"listen 192.0.2.1:25 mx {\n\tearly-delivery off\n}\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_null(parse(wrong[i]));
		assert_int_equal(errors.count, 1);
		assert_true(strstr(errors.list[0].text, expected[i]) != NULL);
		config_errors_free(&errors);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_innermost_line_counts),
		cmocka_unit_test(it_is_automatic_by_itself),
		cmocka_unit_test(nobody_waits_where_it_is_off_everywhere),
		cmocka_unit_test(a_wrong_line_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
