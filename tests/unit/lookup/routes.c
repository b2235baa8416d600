/*
 * routes - where the mail of domains goes that are not ours
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lookup/routes.h"

static struct config *config;
static struct routes routes;
static struct arena arena;

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
	routes_init(&routes, config, NULL, NULL, true);
	arena_init(&arena, 1 << 20);
}

static void
close_all(void)
{
	arena_free(&arena);
	config_free(config);
}

/* KIND BLOCK HOSTS CODE STATUS TEXT, what is empty left out */
static const char *
leaf_of(const char *address)
{
	static const char *const kinds[] = {"",	     "mailbox", "smtp", "refuse",
					    "defer", "discard", "hold"};
	static char text[2048];
	struct routes_name n;
	struct lookup_leaf l;
	size_t len;

	arena_reset(&arena);
	if (routes_name(&routes, span_of(address), &n) < 0)
		return "no address";
	assert_null(n.domain);
	routes_leaf(&routes, &n, span_of(address), 0, &arena, &l);
	assert_true(span_equal(l.address, span_of(address)));
	len = (size_t)snprintf(text, sizeof(text), "%s", kinds[l.kind]);
	const struct span parts[] = {l.domain, l.hosts, l.status, l.text};

	if (l.code > 0)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %d", (int)l.code);
	for (size_t i = 0; i < 4; i++)
		if (parts[i].len > 0)
			len += (size_t)snprintf(text + len, sizeof(text) - len, " %.*s",
						SPAN_ARG(parts[i]));
	return text;
}

static void
a_domain_goes_by_its_mx(void **state)
{
	(void)state;
	open_with("");
	assert_string_equal(leaf_of("a@Other.TEST"), "smtp outbound mx:other.test:25");
	assert_string_equal(leaf_of("a@[192.0.2.1]"), "smtp outbound 192.0.2.1:25");
	assert_string_equal(leaf_of("a@[IPv6:2001:DB8::1]"), "smtp outbound [2001:db8::1]:25");
	close_all();
}

static void
what_is_no_domain_is_refused(void **state)
{
	(void)state;
	open_with("");
	assert_string_equal(leaf_of("a@-.."), "refuse 550 5.1.2 this is not the name of a domain");
	close_all();
}

static void
a_domain_in_utf_8_is_known_by_its_a_labels(void **state)
{
	struct routes_name n;

	(void)state;
	open_with("domain xn--bcher-kva.example {\n\taliases /etc/aliases\n}\n"
		  "route xn--mnchen-3ya.test {\n\tdefer\n}\n");
	assert_string_equal(leaf_of("a@d\xc3\xbc.test"), "smtp outbound mx:xn--d-eha.test:25");
	/* composed or not, upper case or not: one domain */
	assert_string_equal(leaf_of("a@D\x55\xcc\x88.test"), "smtp outbound mx:xn--d-eha.test:25");
	assert_non_null(strstr(leaf_of("a@M\xc3\x9cNCHEN.test"), "defer 450"));
	assert_int_equal(routes_name(&routes,
				     SPAN("a@b\xc3\xbc"
					  "cher.example"),
				     &n),
			 0);
	assert_non_null(n.domain);
	/* a bidirectional name that mixes directions, and one that is too long */
	assert_string_equal(leaf_of("a@\xd7\x90x.test"), "no address");
	close_all();
}

static void
smarthosts_may_be_those_of_an_mx(void **state)
{
	(void)state;
	open_with("outbound {\n\tsmarthost mx:Relay.test [2001:db8::1]:26 a.test:25\n}\n");
	assert_string_equal(leaf_of("a@other.test"),
			    "smtp outbound mx:relay.test:25 [2001:db8::1]:26 a.test:25");
	close_all();
}

static void
a_route_decides_before_the_smarthost(void **state)
{
	(void)state;
	open_with("outbound {\n\tsmarthost relay.test:25\n}\n"
		  "route smtp.test {\n\tsmtp mx:other.test\n}\n"
		  "route .smtp.test {\n\tlmtp /run/lmtp\n}\n"
		  "route refuse.test {\n\trefuse \"not to them\"\n}\n"
		  "route plain.test {\n\trefuse\n}\n"
		  "route discard.test {\n\tdiscard\n}\n"
		  "route defer.test {\n\tdefer moving\n}\n"
		  "route hold.test {\n\thold\n}\n");
	assert_string_equal(leaf_of("a@SMTP.test"), "smtp smtp.test mx:other.test:25");
	assert_string_equal(leaf_of("a@b.smtp.test"), "smtp .smtp.test lmtp:/run/lmtp");
	assert_string_equal(leaf_of("a@refuse.test"), "refuse 550 5.7.1 not to them");
	assert_string_equal(leaf_of("a@plain.test"),
			    "refuse 550 5.7.1 mail for this domain is not taken");
	assert_string_equal(leaf_of("a@discard.test"), "discard discard.test");
	assert_string_equal(leaf_of("a@defer.test"), "defer 450 4.7.1 moving");
	assert_string_equal(leaf_of("a@hold.test"), "hold hold.test");
	assert_string_equal(leaf_of("a@other.test"), "smtp outbound relay.test:25");
	close_all();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domain_goes_by_its_mx),
		cmocka_unit_test(what_is_no_domain_is_refused),
		cmocka_unit_test(a_domain_in_utf_8_is_known_by_its_a_labels),
		cmocka_unit_test(smarthosts_may_be_those_of_an_mx),
		cmocka_unit_test(a_route_decides_before_the_smarthost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
