/*
 * sasl - each mechanism from outside: a response in, a challenge or a verdict out
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/auth/accounts.h"
#include "tests/unit/auth/client.h"

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
begin(enum auth_mechanism mechanism)
{
	static const unsigned char nonce[SASL_NONCE_SIZE] = "0123456789abcdefg";

	sasl_start(&x, mechanism, nonce);
}

static enum sasl_outcome
say(struct span response)
{
	sasl_step(&x, &response, &source, &r);
	return r.outcome;
}

static enum sasl_outcome
say_nothing(void)
{
	sasl_step(&x, NULL, &source, &r);
	return r.outcome;
}

static void
assert_challenge(const char *text)
{
	assert_int_equal(r.outcome, SASL_CHALLENGE);
	assert_int_equal(r.len, strlen(text));
	assert_memory_equal(r.data, text, r.len);
}

static enum sasl_outcome
plain(struct span message)
{
	begin(AUTH_PLAIN);
	return say(message);
}

/* ---- PLAIN ---- */

static void
plain_lets_in_who_knows_the_password(void **state)
{
	(void)state;
	assert_int_equal(plain(SPAN("\0ann@example.org\0pencil")), SASL_SUCCESS);
	assert_string_equal(x.login, "ann@example.org");
	assert_true(r.is_checked);
	/* as whoever he is, in whatever case */
	assert_int_equal(plain(SPAN("ann@example.org\0Ann@Example.ORG\0pencil")), SASL_SUCCESS);
	assert_string_equal(x.login, "ann@example.org");
	begin(AUTH_PLAIN);
	assert_int_equal(say_nothing(), SASL_CHALLENGE);
	assert_challenge("");
	assert_int_equal(say(SPAN("\0ann@example.org\0pencil")), SASL_SUCCESS);
}

static void
plain_lets_nobody_else_in(void **state)
{
	static const struct span wrong[] = {SPAN("\0ann@example.org\0pencils"),
					    SPAN("\0ann@example.org\0Pencil"),
					    SPAN("\0bob@example.org\0pencil"),
					    SPAN("bob@example.org\0ann@example.org\0pencil"),
					    SPAN("\0ann\0pencil"),
					    SPAN("\0ann@example.org\0pen\xc3\x28"),
					    SPAN("\0ann@example.org\0\x07pencil")};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(plain(wrong[i]), SASL_FAILURE);
		assert_int_equal(r.reason, AUTH_WRONG);
	}
}

static void
plain_is_read_strictly(void **state)
{
	static const struct span wrong[] = {SPAN(""),
					    SPAN("ann"),
					    SPAN("\0"),
					    SPAN("\0\0"),
					    SPAN("\0ann@example.org"),
					    SPAN("\0ann@example.org\0"),
					    SPAN("\0\0pencil"),
					    SPAN("ann@example.org\0pencil"),
					    SPAN("\0ann@example.org\0pencil\0"),
					    SPAN("\0ann@example.org\0pen\0cil")};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (plain(wrong[i]) != SASL_FAILURE || r.reason != AUTH_MALFORMED)
			fail_msg("message %zu: outcome %d, reason %d", i, (int)r.outcome,
				 (int)r.reason);
	}
}

static void
names_and_passwords_are_compared_as_saslprep_has_them(void **state)
{
	char a[PREPARE_LOGIN_MAX + 1], b[PREPARE_LOGIN_MAX + 1];
	(void)state;
	/* RFC 4013, section 3: 1, 2, 4, 5, 6, 7 */
	assert_int_equal(prepare_login(SPAN("I\xc2\xadX"), true, a), 0);
	assert_string_equal(a, "ix");
	assert_int_equal(prepare_login(SPAN("\xc2\xaa"), true, a), 0);
	assert_string_equal(a, "a");
	assert_int_equal(prepare_login(SPAN("\xe2\x85\xa8"), true, b), 0);
	assert_string_equal(b, "ix");
	assert_int_equal(prepare_login(SPAN("\x07"), true, a), -1);
	assert_int_equal(prepare_login(SPAN("\xd8\xa7\x31"), true, a), -1);
	/* a soft hyphen alone is nothing */
	assert_int_equal(prepare_login(SPAN("\xc2\xad"), true, a), -1);
	/* what Unicode 3.2 did not assign: in a query, not in what is stored */
	assert_int_equal(prepare_login(SPAN("\xc8\xa1x"), true, a), -1);
	assert_int_equal(prepare_login(SPAN("\xc8\xa1x"), false, a), 0);
	assert_int_equal(plain(SPAN("\0ann@example.org\0pen\xc2\xad\x63il")), SASL_SUCCESS);
}

static void
trouble_is_no_verdict(void **state)
{
	(void)state;
	accounts.answer = SASL_UNKNOWN;
	assert_int_equal(plain(SPAN("\0ann@example.org\0pencil")), SASL_TROUBLE);
	assert_false(r.is_checked);
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(SPAN("n,,n=ann@example.org,r=abc")), SASL_TROUBLE);
	accounts.answer = SASL_FOUND;
}

static void
who_may_not_guess_is_not_checked(void **state)
{
	(void)state;
	accounts.refuses = true;
	accounts.asked = 0;
	assert_int_equal(plain(SPAN("\0ann@example.org\0pencil")), SASL_REFUSED);
	assert_int_equal(accounts.asked, 0);
	assert_false(r.is_checked);
	accounts.refuses = false;
}

/* ---- LOGIN ---- */

static void
login_asks_for_both(void **state)
{
	(void)state;
	begin(AUTH_LOGIN);
	assert_int_equal(say_nothing(), SASL_CHALLENGE);
	assert_challenge("Username:");
	assert_int_equal(say(SPAN("ann@example.org")), SASL_CHALLENGE);
	assert_challenge("Password:");
	assert_int_equal(say(SPAN("pencil")), SASL_SUCCESS);
	/* the name with AUTH itself */
	begin(AUTH_LOGIN);
	assert_int_equal(say(SPAN("ann@example.org")), SASL_CHALLENGE);
	assert_int_equal(say(SPAN("pencil")), SASL_SUCCESS);
}

static void
login_tells_nobody_which_names_there_are(void **state)
{
	static const struct span names[] = {SPAN("bob"), SPAN("\x07"), SPAN("ann@example.org")};
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		begin(AUTH_LOGIN);
		assert_int_equal(say(names[i]), SASL_CHALLENGE);
		assert_challenge("Password:");
		assert_int_equal(say(SPAN("wrong")), SASL_FAILURE);
		assert_int_equal(r.reason, AUTH_WRONG);
	}
	begin(AUTH_LOGIN);
	assert_int_equal(say(SPAN("")), SASL_FAILURE);
	assert_int_equal(r.reason, AUTH_MALFORMED);
}

/* ---- SCRAM ---- */

struct attempt {
	const char *header, *bare; /* of the first message */
	const char *header_again;  /* what `c` says; NULL: the same */
	const char *password;
	const char *extra; /* behind the nonce, with a comma */
};

static enum sasl_outcome
scram(enum auth_mechanism mechanism, const struct attempt *a)
{
	char first[1200], server_first[SCRAM_FIRST_MAX + 1], final[CLIENT_MESSAGE_MAX];

	begin(mechanism);
	snprintf(first, sizeof(first), "%s%s", a->header, a->bare);
	if (say(span_of(first)) != SASL_CHALLENGE)
		return r.outcome;
	snprintf(server_first, sizeof(server_first), "%.*s", (int)r.len, r.data);
	client_final(mechanism == AUTH_SCRAM_SHA_1, a->bare, server_first,
		     a->header_again != NULL ? a->header_again : a->header, a->password,
		     a->extra != NULL ? a->extra : "", final);
	if (say(span_of(final)) != SASL_CHALLENGE)
		return r.outcome;
	return say(SPAN(""));
}

#define BARE "n=ann@example.org,r=abcdefgh"

static const enum auth_mechanism both[] = {AUTH_SCRAM_SHA_256, AUTH_SCRAM_SHA_1};

static void
scram_lets_in_who_knows_the_password(void **state)
{
	static const struct attempt right[] = {
		{"n,,", BARE, NULL, "pencil", NULL},
		{"n,a=ann@example.org,", BARE, NULL, "pencil", NULL},
		{"n,,", "n=Ann@Example.org,r=abcdefgh", NULL, "pencil", NULL},
		{"n,,", BARE ",x=unknown", NULL, "pencil", ",y=unknown,z=too"},
		/* it could bind, and sees that we cannot */
		{"y,,", BARE, NULL, "pencil", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		for (size_t m = 0; m < 2; m++) {
			assert_int_equal(scram(both[m], &right[i]), SASL_SUCCESS);
			assert_string_equal(x.login, "ann@example.org");
		}
}

static void
scram_lets_nobody_else_in(void **state)
{
	static const struct attempt wrong[] = {
		{"n,,", BARE, NULL, "pencils", NULL},
		{"n,,", "n=bob@example.org,r=abcdefgh", NULL, "pencil", NULL},
		{"n,a=bob@example.org,", BARE, NULL, "pencil", NULL},
		/* somebody between us has changed the flag (RFC 5802, section 6), or the name */
		{"n,,", BARE, "y,,", "pencil", NULL},
		{"y,,", BARE, "n,,", "pencil", NULL},
		{"n,,", BARE, "p=tls-exporter,,", "pencil", NULL},
		{"n,,", BARE, "n,a=bob,", "pencil", NULL},
		{"n,,", BARE, "", "pencil", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		for (size_t m = 0; m < 2; m++) {
			if (scram(both[m], &wrong[i]) != SASL_FAILURE)
				fail_msg("attempt %zu: outcome %d", i, (int)r.outcome);
			assert_int_equal(r.reason, AUTH_WRONG);
		}
}

static void
scram_tells_who_insists_on_a_binding_that_there_is_none(void **state)
{
	(void)state;
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(SPAN("p=tls-exporter,,n=ann@example.org,r=abc")), SASL_FAILURE);
	assert_int_equal(r.reason, AUTH_BINDING);
}

static void
scram_takes_no_other_nonce(void **state)
{
	char message[CLIENT_MESSAGE_MAX], final[CLIENT_MESSAGE_MAX], encoded[100];
	unsigned char proof[VERIFIER_KEY_MAX];
	(void)state;
	/* all is proven, but for a nonce that is the client's alone */
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(SPAN("n,," BARE)), SASL_CHALLENGE);
	snprintf(message, sizeof(message), BARE ",%s,c=biws,r=abcdefgh", x.server_first);
	client_proof(false, "pencil", x.verifier.salt, x.verifier.salt_len,
		     (int)x.verifier.iterations, message, proof);
	base64_encode(span_from((const char *)proof, sizeof(proof)), encoded);
	snprintf(final, sizeof(final), "c=biws,r=abcdefgh,p=%s", encoded);
	assert_int_equal(say(span_of(final)), SASL_FAILURE);
	assert_int_equal(r.reason, AUTH_WRONG);
}

static void
scram_is_read_strictly(void **state)
{
	static const char *const first[] = {"",
					    "n",
					    "n,",
					    "n,,",
					    "n,,n=,r=a",
					    "n,,n=ann",
					    "n,,n=ann,r=",
					    "n,,r=a,n=ann",
					    "x,,n=ann,r=a",
					    "n,b=ann,n=ann,r=a",
					    "n,,n=a=n,r=a",
					    "n,,n=a=2c,r=a",
					    "n,,m=x,n=ann,r=a",
					    "nn,,n=ann,r=a",
					    ",,n=ann,r=a",
					    "n,,n=ann,r=a\x01",
					    "n,a=,n=ann,r=a\x7f"};
	static const char *const last[] = {
		"", "c=biws", "c=biws,r=abc", "r=abc,c=biws,p=AAAA",
		"c=biws,r=abc,p=", "c=biws,r=abc,p=AAAA", "c=biws,r=abc,p=!!!!", "p=AAAA",
		/* a proof that is whole, and something behind it */
		"c=biws,r=abc,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,x=y",
		"c=biws,r=abc,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,"};
	char long_one[SCRAM_MESSAGE_MAX + 2];
	(void)state;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		begin(AUTH_SCRAM_SHA_256);
		if (say(span_of(first[i])) != SASL_FAILURE || r.reason != AUTH_MALFORMED)
			fail_msg("`%s`: outcome %d, reason %d", first[i], (int)r.outcome,
				 (int)r.reason);
	}
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		begin(AUTH_SCRAM_SHA_256);
		assert_int_equal(say(SPAN("n,," BARE)), SASL_CHALLENGE);
		if (say(span_of(last[i])) != SASL_FAILURE || r.reason != AUTH_MALFORMED)
			fail_msg("`%s`: outcome %d, reason %d", last[i], (int)r.outcome,
				 (int)r.reason);
	}
	memset(long_one, 'a', sizeof(long_one));
	memcpy(long_one, "n,,n=ann,r=", 11);
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(span_from(long_one, sizeof(long_one))), SASL_FAILURE);
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(SPAN("n,,n=ann\0,r=a")), SASL_FAILURE);
}

static void
scram_takes_a_comma_and_an_equals_sign_in_a_name(void **state)
{
	(void)state;
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(SPAN("n,,n=a=2Cb=3Dc,r=abc")), SASL_CHALLENGE);
	assert_string_equal(x.login, "a,b=c");
}

static void
scram_says_nothing_behind_its_last_word(void **state)
{
	char server_first[SCRAM_FIRST_MAX + 1], final[CLIENT_MESSAGE_MAX];
	(void)state;
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(SPAN("n,," BARE)), SASL_CHALLENGE);
	snprintf(server_first, sizeof(server_first), "%.*s", (int)r.len, r.data);
	client_final(false, BARE, server_first, "n,,", "pencil", "", final);
	assert_int_equal(say(span_of(final)), SASL_CHALLENGE);
	assert_int_equal(say(SPAN("x")), SASL_FAILURE);
}

static void
a_login_that_is_not_there_has_the_same_salt_each_time(void **state)
{
	char first[SASL_NONCE_TEXT + 1400];
	const char *salt;
	(void)state;
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(SPAN("n,,n=nobody,r=abc")), SASL_CHALLENGE);
	snprintf(first, sizeof(first), "%s", x.server_first);
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(SPAN("n,,n=nobody,r=abc")), SASL_CHALLENGE);
	assert_string_equal(first, x.server_first);
	salt = strstr(first, ",s=");
	assert_non_null(strstr(first, ",i=20000"));
	begin(AUTH_SCRAM_SHA_256);
	assert_int_equal(say(SPAN("n,,n=nobody.else,r=abc")), SASL_CHALLENGE);
	assert_string_not_equal(salt, strstr(x.server_first, ",s="));
	begin(AUTH_SCRAM_SHA_1);
	assert_int_equal(say(SPAN("n,,n=nobody,r=abc")), SASL_CHALLENGE);
	assert_string_not_equal(salt, strstr(x.server_first, ",s="));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_lets_in_who_knows_the_password),
		cmocka_unit_test(plain_lets_nobody_else_in),
		cmocka_unit_test(plain_is_read_strictly),
		cmocka_unit_test(names_and_passwords_are_compared_as_saslprep_has_them),
		cmocka_unit_test(trouble_is_no_verdict),
		cmocka_unit_test(who_may_not_guess_is_not_checked),
		cmocka_unit_test(login_asks_for_both),
		cmocka_unit_test(login_tells_nobody_which_names_there_are),
		cmocka_unit_test(scram_lets_in_who_knows_the_password),
		cmocka_unit_test(scram_lets_nobody_else_in),
		cmocka_unit_test(scram_tells_who_insists_on_a_binding_that_there_is_none),
		cmocka_unit_test(scram_takes_no_other_nonce),
		cmocka_unit_test(scram_is_read_strictly),
		cmocka_unit_test(scram_takes_a_comma_and_an_equals_sign_in_a_name),
		cmocka_unit_test(scram_says_nothing_behind_its_last_word),
		cmocka_unit_test(a_login_that_is_not_there_has_the_same_salt_each_time),
	};
	return cmocka_run_group_tests(tests, open_source, NULL);
}
