/*
 * policy - who demands what of a host, by the words of the configuration and what the domain publishes
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "delivery/policy.h"

static const struct span patterns[] = {{"mx.dom.test", 11}, {"*.hosts.test", 12}};
static const struct policy_sts enforced = {POLICY_STS_ENFORCE, patterns, 2};
static const struct policy_sts testing = {POLICY_STS_TESTING, patterns, 2};
static struct dane dane;

static struct config_hop_tls
words(enum config_hop_level level, bool has_dane, bool has_sts)
{
	return (struct config_hop_tls){
		.is_given = true, .level = level, .dane = has_dane, .sts = has_sts};
}

static const struct dane *
published(enum dane_outcome outcome)
{
	dane = (struct dane){.outcome = outcome,
			     .base = SPAN("mx.dom.test"),
			     .text = SPAN("no answer"),
			     .count = outcome == DANE_FOUND};
	return &dane;
}

static struct policy
decide(struct config_hop_tls *tls, const struct dane *records, const struct policy_sts *sts)
{
	struct policy p;

	policy_decide(&(struct policy_question){.tls = tls,
						.domain = SPAN("dom.test"),
						.host = SPAN("mx.dom.test"),
						.is_tcp = true,
						.dane = records,
						.sts = sts},
		      &p);
	return p;
}

static bool
has_name(const struct policy *p, const char *name)
{
	for (size_t i = 0; i < p->name_count; i++)
		if (span_equal(p->names[i], span_of(name)))
			return true;
	return false;
}

/* level, whether DANE and MTA-STS are looked for, what they say -> what is demanded, by whom */
static const struct {
	enum config_hop_level level;
	bool dane, sts;
	int records; /* enum dane_outcome */
	const struct policy_sts *policy;
	enum policy_level demanded;
	enum policy_source by;
	bool is_passed_over;
} cases[] = {
	{CONFIG_HOP_NONE, false, false, DANE_FOUND, &enforced, POLICY_NONE, POLICY_BY_CONFIGURATION,
	 false},
	{CONFIG_HOP_OPPORTUNISTIC, true, true, DANE_ABSENT, NULL, POLICY_OPPORTUNISTIC,
	 POLICY_BY_CONFIGURATION, false},
	{CONFIG_HOP_OPPORTUNISTIC, true, true, DANE_FOUND, NULL, POLICY_DANE, POLICY_BY_DANE,
	 false},
	{CONFIG_HOP_OPPORTUNISTIC, true, true, DANE_UNUSABLE, NULL, POLICY_ENCRYPTED,
	 POLICY_BY_DANE, false},
	{CONFIG_HOP_OPPORTUNISTIC, true, true, DANE_TROUBLE, NULL, POLICY_DANE, POLICY_BY_DANE,
	 true},
	{CONFIG_HOP_OPPORTUNISTIC, true, true, DANE_ABSENT, &enforced, POLICY_VERIFIED,
	 POLICY_BY_STS, false},
	/* DANE first: a policy neither adds to it nor stands in for it */
	{CONFIG_HOP_OPPORTUNISTIC, true, true, DANE_FOUND, &enforced, POLICY_DANE, POLICY_BY_DANE,
	 false},
	{CONFIG_HOP_OPPORTUNISTIC, true, true, DANE_TROUBLE, &enforced, POLICY_DANE, POLICY_BY_DANE,
	 true},
	/* who is not to be asked is not listened to */
	{CONFIG_HOP_OPPORTUNISTIC, false, true, DANE_FOUND, NULL, POLICY_OPPORTUNISTIC,
	 POLICY_BY_CONFIGURATION, false},
	{CONFIG_HOP_OPPORTUNISTIC, true, false, DANE_ABSENT, &enforced, POLICY_OPPORTUNISTIC,
	 POLICY_BY_CONFIGURATION, false},
	/* the configuration's words are the least */
	{CONFIG_HOP_REQUIRED, true, true, DANE_ABSENT, NULL, POLICY_ENCRYPTED,
	 POLICY_BY_CONFIGURATION, false},
	{CONFIG_HOP_REQUIRED, true, true, DANE_ABSENT, &testing, POLICY_ENCRYPTED,
	 POLICY_BY_CONFIGURATION, false},
	{CONFIG_HOP_REQUIRED, true, true, DANE_ABSENT, &enforced, POLICY_VERIFIED, POLICY_BY_STS,
	 false},
	{CONFIG_HOP_VERIFIED, true, true, DANE_UNUSABLE, NULL, POLICY_VERIFIED,
	 POLICY_BY_CONFIGURATION, false},
	{CONFIG_HOP_VERIFIED, true, true, DANE_FOUND, NULL, POLICY_DANE, POLICY_BY_DANE, false},
	{CONFIG_HOP_VERIFIED, false, false, DANE_FOUND, &enforced, POLICY_VERIFIED,
	 POLICY_BY_CONFIGURATION, false},
};

static void
each_case_has_its_demand(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_hop_tls tls = words(cases[i].level, cases[i].dane, cases[i].sts);
		struct policy p = decide(&tls, published((enum dane_outcome)cases[i].records),
					 cases[i].policy);

		if (p.level != cases[i].demanded || p.source != cases[i].by ||
		    p.is_passed_over != cases[i].is_passed_over || p.why[0] == '\0')
			fail_msg("case %zu: %s by %s, %d: %s", i, policy_level_name(p.level),
				 policy_source_name(p.source), p.is_passed_over, p.why);
	}
}

static void
a_policy_that_is_tested_only_tells(void **state)
{
	struct config_hop_tls tls = words(CONFIG_HOP_OPPORTUNISTIC, true, true);
	struct policy p = decide(&tls, NULL, &testing);

	(void)state;
	assert_int_equal(p.level, POLICY_OPPORTUNISTIC);
	assert_true(p.is_tested);
	assert_false(p.has_stranger);
	assert_true(has_name(&p, "mx.dom.test"));
}

static void
a_host_that_the_policy_does_not_name_is_passed_over(void **state)
{
	struct config_hop_tls tls = words(CONFIG_HOP_OPPORTUNISTIC, true, true);
	static const struct policy_sts *const both[] = {&enforced, &testing};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct policy p;

		policy_decide(&(struct policy_question){.tls = &tls,
							.domain = SPAN("dom.test"),
							.host = SPAN("evil.test"),
							.is_tcp = true,
							.sts = both[i]},
			      &p);
		assert_true(p.has_stranger);
		assert_int_equal(p.is_passed_over, i == 0);
	}
}

static void
a_wildcard_of_a_policy_is_one_label(void **state)
{
	(void)state;
	assert_true(policy_sts_names(&enforced, SPAN("MX.dom.test")));
	assert_true(policy_sts_names(&enforced, SPAN("a.hosts.test")));
	assert_false(policy_sts_names(&enforced, SPAN("a.b.hosts.test")));
	assert_false(policy_sts_names(&enforced, SPAN("hosts.test")));
	assert_false(policy_sts_names(&enforced, SPAN(".hosts.test")));
	assert_false(policy_sts_names(&enforced, SPAN("dom.test")));
}

static void
a_name_of_an_unsigned_mx_proves_nothing(void **state)
{
	struct config_hop_tls tls = words(CONFIG_HOP_VERIFIED, false, false);
	struct policy_question q = {.tls = &tls,
				    .domain = SPAN("dom.test"),
				    .host = SPAN("mx.elsewhere.test"),
				    .is_tcp = true};
	struct policy p;

	(void)state;
	policy_decide(&q, &p);
	assert_false(has_name(&p, "mx.elsewhere.test"));
	assert_true(has_name(&p, "dom.test"));
	q.is_secure = true;
	policy_decide(&q, &p);
	assert_true(has_name(&p, "mx.elsewhere.test"));
	/* one that the configuration names */
	q.domain = SPAN_NONE;
	q.is_secure = false;
	policy_decide(&q, &p);
	assert_true(has_name(&p, "mx.elsewhere.test"));
	assert_int_equal(p.name_count, 1);
}

static void
names_that_are_given_count_alone(void **state)
{
	static char one[] = "one.test";
	char *list[] = {one};
	struct config_hop_tls tls = words(CONFIG_HOP_VERIFIED, true, true);
	struct policy p;

	(void)state;
	tls.names.words = list;
	tls.names.count = 1;
	p = decide(&tls, published(DANE_FOUND), &enforced);
	assert_int_equal(p.level, POLICY_VERIFIED);
	assert_int_equal(p.name_count, 1);
	assert_true(has_name(&p, "one.test"));
	/* so nobody is asked, and nobody's silence counts */
	assert_false(policy_wants_dane(&tls));
	assert_false(policy_wants_sts(&tls));
}

static void
an_address_alone_cannot_be_verified_and_a_socket_needs_it_not(void **state)
{
	struct config_hop_tls tls = words(CONFIG_HOP_VERIFIED, false, false);
	struct policy_question q = {
		.tls = &tls, .domain = SPAN_NONE, .host = SPAN_NONE, .is_tcp = true};
	struct policy p;

	(void)state;
	policy_decide(&q, &p);
	assert_true(p.is_passed_over);
	q.is_tcp = false;
	policy_decide(&q, &p);
	assert_false(p.is_passed_over);
	assert_int_equal(p.level, POLICY_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_case_has_its_demand),
		cmocka_unit_test(a_policy_that_is_tested_only_tells),
		cmocka_unit_test(a_host_that_the_policy_does_not_name_is_passed_over),
		cmocka_unit_test(a_wildcard_of_a_policy_is_one_label),
		cmocka_unit_test(a_name_of_an_unsigned_mx_proves_nothing),
		cmocka_unit_test(names_that_are_given_count_alone),
		cmocka_unit_test(an_address_alone_cannot_be_verified_and_a_socket_needs_it_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
