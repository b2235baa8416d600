/*
 * hop-tls - the words of `tls` in outbound, route and domain, and which block counts
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/config/config.h"

static const struct config_defaults root = {
	.as_root = true,
	.hostname = "machine.example",
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

static struct config *
parse_right(const char *text)
{
	struct config *c = parse(text);

	if (c == NULL)
		fail_msg("%s", errors.list[0].text);
	config_errors_free(&errors);
	return c;
}

static void
assert_mistake(const char *text, unsigned line, const char *part)
{
	assert_null(parse(text));
	assert_int_equal(errors.count, 1);
	assert_int_equal(errors.list[0].line, line);
	if (strstr(errors.list[0].text, part) == NULL)
		fail_msg("%s", errors.list[0].text);
	config_errors_free(&errors);
}

static void
without_a_word_it_is_what_the_public_network_wants(void **state)
{
	struct config *c = parse_right("route a.example {\n\tsmtp h:25\n}\n");
	const char *const blocks[] = {"outbound", "a.example", "localhost"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct config_hop_tls *tls = config_hop_tls_of(c, span_of(blocks[i]));

		assert_int_equal(tls->level, CONFIG_HOP_OPPORTUNISTIC);
		assert_true(tls->dane && tls->sts);
		assert_int_equal(tls->policy, CONFIG_TLS_OLD);
		assert_null(tls->ca);
	}
	config_free(c);
}

static void
each_block_has_its_own(void **state)
{
	struct config *c =
		parse_right("outbound {\n\ttls none\n}\n"
			    "route a.example {\n\tsmtp h:465\n\ttls verified {\n"
			    "\t\tnames MX.example .below.example\n\t\tca /ca.pem\n"
			    "\t\tpolicy modern\n\t\timplicit no\n\t}\n}\n"
			    "route b.example {\n\tsmtp h:25\n}\n"
			    "domain c.example {\n\trelay h:25\n\ttls dane required\n}\n");
	const struct config_hop_tls *tls = config_hop_tls_of(c, SPAN("a.example"));

	(void)state;
	assert_int_equal(tls->level, CONFIG_HOP_VERIFIED);
	assert_false(tls->dane || tls->sts);
	assert_int_equal(tls->names.count, 2);
	assert_string_equal(tls->names.words[0], "mx.example");
	assert_string_equal(tls->ca, "/ca.pem");
	assert_int_equal(tls->policy, CONFIG_TLS_MODERN);
	assert_int_equal(tls->implicit, CONFIG_HOP_STARTTLS);
	assert_int_equal(config_hop_tls_of(c, SPAN("outbound"))->level, CONFIG_HOP_NONE);
	/* a route does not take outbound's */
	assert_int_equal(config_hop_tls_of(c, SPAN("b.example"))->level, CONFIG_HOP_OPPORTUNISTIC);
	tls = config_hop_tls_of(c, SPAN("c.example"));
	assert_int_equal(tls->level, CONFIG_HOP_REQUIRED);
	assert_true(tls->dane && !tls->sts);
	config_free(c);
}

static void
mistakes_are_said(void **state)
{
	(void)state;
	assert_mistake("outbound {\n\ttls sometimes\n}\n", 2, "expected `none`");
	assert_mistake("outbound {\n\ttls required verified\n}\n", 2, "expected `none`");
	assert_mistake("outbound {\n\ttls dane dane\n}\n", 2, "expected `none`");
	assert_mistake("outbound {\n\ttls none dane\n}\n", 2, "expected it alone");
	assert_mistake("outbound {\n\ttls required {\n\t\tnames a.example\n\t}\n}\n", 3,
		       "expected `tls verified`");
	assert_mistake("outbound {\n\ttls verified {\n\t\tnames a_b/c\n\t}\n}\n", 3,
		       "expected the name of a host");
	assert_mistake("outbound {\n\ttls required {\n\t\tpolicy new\n\t}\n}\n", 3,
		       "expected `modern`");
	assert_mistake("outbound {\n\ttls required {\n\t\timplicit maybe\n\t}\n}\n", 3,
		       "expected `yes` or `no`");
	assert_mistake("outbound {\n\ttls none {\n\t\timplicit yes\n\t}\n}\n", 3,
		       "expected another word");
	assert_mistake("outbound {\n\ttls required {\n\t\tca ca.pem\n\t}\n}\n", 3, "/");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_word_it_is_what_the_public_network_wants),
		cmocka_unit_test(each_block_has_its_own),
		cmocka_unit_test(mistakes_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
