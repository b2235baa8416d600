/*
 * require - what a sender demands (RFC 8689) beside what domains publish and the configuration says
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "delivery/policy.h"

static struct config_hop_tls open_tls = {
	.level = CONFIG_HOP_OPPORTUNISTIC, .dane = true, .sts = true};
static struct config_hop_tls none_tls = {.level = CONFIG_HOP_NONE};

/* by MX, unsigned, nothing published */
static struct policy_question
question(enum intake_tls_demand demand)
{
	return (struct policy_question){.tls = &open_tls,
					.domain = SPAN("hop.example"),
					.host = SPAN("mx.hop.example"),
					.is_tcp = true,
					.demand = demand};
}

static void
requiretls_demands_a_verified_host_that_knows_it(void **state)
{
	struct policy_question q = question(INTAKE_TLS_REQUIRED);
	struct policy p;

	(void)state;
	policy_decide(&q, &p);
	assert_int_equal(p.level, POLICY_VERIFIED);
	assert_int_equal(p.source, POLICY_BY_SENDER);
	assert_true(p.must_require);
	assert_false(p.is_passed_over);
	/* the MX is not signed: whoever it names must be the domain itself */
	assert_int_equal(p.name_count, 1);
	assert_true(span_equal(p.names[0], SPAN("hop.example")));
	q.is_secure = true;
	policy_decide(&q, &p);
	assert_int_equal(p.name_count, 2);
	assert_true(span_equal(p.names[0], SPAN("mx.hop.example")));
}

static void
requiretls_is_not_had_where_tls_is_forbidden_or_nobody_has_a_name(void **state)
{
	struct policy_question q = question(INTAKE_TLS_REQUIRED);
	struct policy p;

	(void)state;
	q.tls = &none_tls;
	policy_decide(&q, &p);
	assert_true(p.is_passed_over && p.is_permanent);
	q = question(INTAKE_TLS_REQUIRED);
	q.domain = q.host = SPAN_NONE;
	policy_decide(&q, &p);
	assert_true(p.is_passed_over && p.is_permanent);
	/* a socket of this machine is no way that anybody listens on */
	q.is_tcp = false;
	policy_decide(&q, &p);
	assert_false(p.is_passed_over || p.must_require);
}

static void
requiretls_leaves_dane_and_sts_what_they_are(void **state)
{
	struct policy_question q = question(INTAKE_TLS_REQUIRED);
	const struct span patterns[] = {SPAN("mx.hop.example")};
	struct policy_sts sts = {POLICY_STS_ENFORCE, patterns, 1};
	struct dane dane = {.outcome = DANE_FOUND, .base = SPAN("mx.hop.example")};
	struct policy p;

	(void)state;
	q.sts = &sts;
	policy_decide(&q, &p);
	assert_true(p.level == POLICY_VERIFIED && p.source == POLICY_BY_STS && p.must_require);
	/* one that is tested is no promise */
	sts.mode = POLICY_STS_TESTING;
	policy_decide(&q, &p);
	assert_true(p.level == POLICY_VERIFIED && p.source == POLICY_BY_SENDER && !p.is_tested);
	q.dane = &dane;
	policy_decide(&q, &p);
	assert_true(p.level == POLICY_DANE && p.source == POLICY_BY_DANE && p.must_require);
	/* encryption alone does not say who the host is */
	dane.outcome = DANE_UNUSABLE;
	policy_decide(&q, &p);
	assert_true(p.level == POLICY_VERIFIED && p.source == POLICY_BY_SENDER);
	/* and what cannot be had now may be had later */
	dane.outcome = DANE_TROUBLE;
	policy_decide(&q, &p);
	assert_true(p.is_passed_over && !p.is_permanent);
}

static void
tls_required_no_waives_what_domains_publish_and_not_the_configuration(void **state)
{
	struct policy_question q = question(INTAKE_TLS_WAIVED);
	const struct span patterns[] = {SPAN("other.example")};
	struct policy_sts sts = {POLICY_STS_ENFORCE, patterns, 1};
	struct dane dane = {.outcome = DANE_TROUBLE};
	struct config_hop_tls strict = open_tls;
	struct policy p;

	(void)state;
	q.sts = &sts;
	q.dane = &dane;
	policy_decide(&q, &p);
	assert_true(p.level == POLICY_OPPORTUNISTIC && !p.is_passed_over && !p.must_require);
	strict.level = CONFIG_HOP_REQUIRED;
	q.tls = &strict;
	policy_decide(&q, &p);
	assert_int_equal(p.level, POLICY_ENCRYPTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requiretls_demands_a_verified_host_that_knows_it),
		cmocka_unit_test(requiretls_is_not_had_where_tls_is_forbidden_or_nobody_has_a_name),
		cmocka_unit_test(requiretls_leaves_dane_and_sts_what_they_are),
		cmocka_unit_test(
			tls_required_no_waives_what_domains_publish_and_not_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
