/*
 * binding - what a client's TLS adds: SCRAM bound to it, and a login by its certificate
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/auth/accounts.h"
#include "tests/unit/auth/client.h"

#define BARE "n=ann@example.org,r=abcdefgh"
#define EXPORTER "thirty-two bytes of the exporter"
#define END_POINT "thirty-two bytes of a hash, here"

static struct accounts accounts;
static struct sasl_source source;
static struct sasl_exchange x;
static struct sasl_result r;

static int
open_source(void **state)
{
	(void)state;
	source = accounts_source(&accounts);
	return 0;
}

static void
begin(enum auth_mechanism mechanism, bool is_bound)
{
	static const unsigned char nonce[SASL_NONCE_SIZE] = "0123456789abcdefg";

	sasl_start(&x, mechanism, nonce);
	if (!is_bound)
		return;
	sasl_bind(&x, SASL_EXPORTER, SPAN(EXPORTER));
	sasl_bind(&x, SASL_END_POINT, SPAN(END_POINT));
}

static enum sasl_outcome
say(struct span response)
{
	sasl_step(&x, &response, &source, &r);
	return r.outcome;
}

/* `again`: what `c` says */
static enum sasl_outcome
scram(enum auth_mechanism mechanism, const char *header, const char *again)
{
	char first[200], server_first[SCRAM_FIRST_MAX + 1], final[CLIENT_MESSAGE_MAX];

	begin(mechanism, true);
	snprintf(first, sizeof(first), "%s%s", header, BARE);
	if (say(span_of(first)) != SASL_CHALLENGE)
		return r.outcome;
	snprintf(server_first, sizeof(server_first), "%.*s", (int)r.len, r.data);
	client_final(mechanism == AUTH_SCRAM_SHA_1 || mechanism == AUTH_SCRAM_SHA_1_PLUS, BARE,
		     server_first, again, ACCOUNTS_PASSWORD, "", final);
	if (say(span_of(final)) != SASL_CHALLENGE)
		return r.outcome;
	return say(SPAN(""));
}

static const enum auth_mechanism plus[] = {AUTH_SCRAM_SHA_256_PLUS, AUTH_SCRAM_SHA_1_PLUS};

static void
who_says_the_data_of_his_channel_is_let_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(scram(plus[i], "p=tls-exporter,,", "p=tls-exporter,," EXPORTER),
				 SASL_SUCCESS);
		assert_int_equal(scram(plus[i], "p=tls-server-end-point,,",
				       "p=tls-server-end-point,," END_POINT),
				 SASL_SUCCESS);
		assert_string_equal(x.login, ACCOUNTS_LOGIN);
	}
}

static void
who_says_other_data_is_not(void **state)
{
	static const char *const wrong[] = {"p=tls-exporter,,",
					    "p=tls-exporter,," END_POINT,
					    "p=tls-exporter,," EXPORTER "x",
					    "p=tls-server-end-point,," END_POINT,
					    "p=tls-server-end-point,," EXPORTER,
					    "n,,",
					    "n,," EXPORTER,
					    "y,,"};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		for (size_t m = 0; m < 2; m++) {
			assert_int_equal(scram(plus[m], "p=tls-exporter,,", wrong[i]),
					 SASL_FAILURE);
			assert_int_equal(r.reason, AUTH_WRONG);
		}
}

struct refused {
	enum auth_mechanism mechanism;
	const char *header;
	enum auth_reason reason;
};

static void
the_flag_must_fit_what_was_offered(void **state)
{
	static const struct refused refused[] = {
		/* a list of ours without -PLUS reached the client: somebody took it out */
		{AUTH_SCRAM_SHA_256, "y,,", AUTH_DOWNGRADE},
		{AUTH_SCRAM_SHA_1, "y,a=ann@example.org,", AUTH_DOWNGRADE},
		{AUTH_SCRAM_SHA_256, "p=tls-exporter,,", AUTH_BINDING},
		{AUTH_SCRAM_SHA_256_PLUS, "p=tls-unique,,", AUTH_BINDING},
		{AUTH_SCRAM_SHA_256_PLUS, "p=tls-exporte,,", AUTH_BINDING},
		{AUTH_SCRAM_SHA_256_PLUS, "p=,,", AUTH_BINDING},
		{AUTH_SCRAM_SHA_256_PLUS, "p,,", AUTH_MALFORMED},
		{AUTH_SCRAM_SHA_256_PLUS, "n,,", AUTH_MALFORMED},
		{AUTH_SCRAM_SHA_256_PLUS, "y,,", AUTH_MALFORMED},
		{AUTH_SCRAM_SHA_256, ",,", AUTH_MALFORMED},
		{AUTH_SCRAM_SHA_256, "yes,,", AUTH_MALFORMED},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (scram(refused[i].mechanism, refused[i].header, refused[i].header) !=
			    SASL_FAILURE ||
		    r.reason != refused[i].reason)
			fail_msg("%s: outcome %d, reason %d", refused[i].header, (int)r.outcome,
				 (int)r.reason);
	}
	/* who cannot bind need not */
	assert_int_equal(scram(AUTH_SCRAM_SHA_256, "n,,", "n,,"), SASL_SUCCESS);
}

static enum sasl_outcome
external(const char *certificate, struct span response)
{
	begin(AUTH_EXTERNAL, false);
	assert_int_equal(span_copy(span_of(certificate), x.certificate, sizeof(x.certificate)), 0);
	return say(response);
}

static void
a_certificate_logs_in_as_whom_it_names(void **state)
{
	(void)state;
	assert_int_equal(external("ann@example.org", SPAN("")), SASL_SUCCESS);
	assert_string_equal(x.login, ACCOUNTS_LOGIN);
	assert_int_equal(external("Ann@Example.org", SPAN("ANN@example.org")), SASL_SUCCESS);
	assert_string_equal(x.login, ACCOUNTS_LOGIN);
	begin(AUTH_EXTERNAL, false);
	sasl_step(&x, NULL, &source, &r);
	assert_int_equal(r.outcome, SASL_CHALLENGE);
	assert_int_equal(r.len, 0);
}

static void
a_certificate_logs_in_as_nobody_else(void **state)
{
	(void)state;
	assert_int_equal(external("ann@example.org", SPAN("bob@example.org")), SASL_FAILURE);
	assert_int_equal(r.reason, AUTH_WRONG);
	assert_int_equal(external("", SPAN("ann@example.org")), SASL_FAILURE);
	assert_int_equal(external("", SPAN("")), SASL_FAILURE);
	/* no account: it was removed */
	assert_int_equal(external("bob@example.org", SPAN("")), SASL_FAILURE);
	assert_int_equal(r.reason, AUTH_WRONG);
	assert_int_equal(external("ann@example.org", SPAN("\0ann@example.org")), SASL_FAILURE);
	assert_int_equal(r.reason, AUTH_MALFORMED);
	accounts.answer = SASL_UNKNOWN;
	assert_int_equal(external("ann@example.org", SPAN("")), SASL_TROUBLE);
	accounts.answer = SASL_FOUND;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_says_the_data_of_his_channel_is_let_in),
		cmocka_unit_test(who_says_other_data_is_not),
		cmocka_unit_test(the_flag_must_fit_what_was_offered),
		cmocka_unit_test(a_certificate_logs_in_as_whom_it_names),
		cmocka_unit_test(a_certificate_logs_in_as_nobody_else),
	};
	return cmocka_run_group_tests(tests, open_source, NULL);
}
