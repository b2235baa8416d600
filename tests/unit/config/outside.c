/*
 * outside - what the configuration alone says of an address, and what it leaves to lookup
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/config/outside.h"
#include "common/mail/address.h"

static struct config *config;

static void
open_with(const char *text)
{
	static const struct config_defaults defaults = {.as_root = true,
							.hostname = "mx.example.org",
							.runtime = "/run/culver",
							.spool = "/var/spool/culver",
							.state = "/var/lib/culver"};
	struct config_errors errors;

	config_errors_init(&errors);
	config = config_parse(span_of(text), &defaults, &errors);
	if (config == NULL)
		fail_msg("%s", errors.list[0].text);
	config_errors_free(&errors);
}

/* BLOCK HOPS, or "lookup" */
static const char *
is(const char *address)
{
	static char text[512];
	struct outside o;

	if (!outside_address(config, span_of(address), &o))
		return "lookup";
	snprintf(text, sizeof(text), "%.*s %.*s", SPAN_ARG(o.block), SPAN_ARG(o.hops));
	return text;
}

static void
a_domain_of_others_goes_by_its_mx(void **state)
{
	(void)state;
	open_with("domain example.org {\n\taliases /etc/aliases\n}\n");
	assert_string_equal(is("a@other.test"), "outbound mx:other.test:25");
	assert_string_equal(is("a@sub.example.org"), "outbound mx:sub.example.org:25");
	config_free(config);
}

static void
ours_is_lookups(void **state)
{
	(void)state;
	open_with("domain example.org relayed.test {\n\trelay 192.0.2.1:25\n}\n");
	assert_string_equal(is("a@example.org"), "lookup");
	assert_string_equal(is("a@relayed.test"), "lookup");
	assert_string_equal(is("a@mx.example.org"), "lookup");
	assert_string_equal(is("a@localhost"), "lookup");
	assert_string_equal(is("a"), "lookup");
	config_free(config);
}

static void
what_has_a_sentence_of_its_own_is_lookups(void **state)
{
	static char longer[ADDRESS_LOCAL_MAX + 32];

	(void)state;
	open_with("");
	assert_string_equal(is("a@[192.0.2.1]"), "lookup");
	assert_string_equal(is("a@-.."), "lookup");
	assert_string_equal(is("a@d\xc3\xbc.test"), "lookup");
	assert_string_equal(is("\"\"@other.test"), "lookup");
	assert_string_equal(is("@other.test"), "lookup");
	memset(longer, 'a', ADDRESS_LOCAL_MAX + 1);
	strcpy(longer + ADDRESS_LOCAL_MAX + 1, "@other.test");
	assert_string_equal(is(longer), "lookup");
	assert_string_equal(is(longer + 1), "outbound mx:other.test:25");
	config_free(config);
}

static void
routes_and_smarthosts_say_where(void **state)
{
	(void)state;
	open_with("route .far.test {\n\tsmtp 192.0.2.7:26 mx:near.test\n}\n"
		  "route no.test {\n\trefuse\n}\n"
		  "route wait.test {\n\tdefer\n}\n"
		  "route kept.test {\n\thold\n}\n"
		  "route none.test {\n\tdiscard\n}\n"
		  "outbound {\n\tsmarthost relay.test:587 [2001:db8::7]:26\n}\n");
	assert_string_equal(is("a@so.far.test"), ".far.test 192.0.2.7:26 mx:near.test:25");
	assert_string_equal(is("a@far.test"), "outbound relay.test:587 [2001:db8::7]:26");
	assert_string_equal(is("a@no.test"), "lookup");
	assert_string_equal(is("a@wait.test"), "lookup");
	assert_string_equal(is("a@kept.test"), "lookup");
	assert_string_equal(is("a@none.test"), "lookup");
	config_free(config);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domain_of_others_goes_by_its_mx),
		cmocka_unit_test(ours_is_lookups),
		cmocka_unit_test(what_has_a_sentence_of_its_own_is_lookups),
		cmocka_unit_test(routes_and_smarthosts_say_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
