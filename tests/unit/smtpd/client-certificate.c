/*
 * client-certificate - whom it names, and whom a list of those that may relay means
 */
#include "tests/unit/tls/harness.h"

#include "smtpd/client-certificate.h"

static EVP_PKEY *key;

static int
make_key(void **state)
{
	(void)state;
	key = EVP_EC_gen("P-256");
	return key != NULL ? 0 : -1;
}

static int
free_key(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return 0;
}

static void
names(const char *alternatives, const char *name)
{
	struct client_certificate c;
	X509 *x = make_certificate(key, alternatives, 3600);

	client_certificate_describe(x, &c);
	assert_string_equal(c.name, name);
	assert_int_equal(strlen(c.fingerprint), CONFIG_FINGERPRINT_LEN);
	assert_false(c.is_verified);
	X509_free(x);
}

static void
a_host_goes_before_an_address_and_both_before_the_common_name(void **state)
{
	(void)state;
	names(NULL, "subject.example");
	names("email:a@b.example", "a@b.example");
	names("email:a@b.example,DNS:mx.b.example", "mx.b.example");
	/* what would break a line of the log is no name */
	names("DNS:a b", "subject.example");
	names("DNS:a b,DNS:good.example", "good.example");
}

static bool
may_relay(const char *alternatives, char *word, bool is_verified, bool every)
{
	struct client_certificate c;
	struct config_tls tls = {.every_client_relays = every,
				 .client_relays = {&word, word != NULL}};
	X509 *x = make_certificate(key, alternatives, 3600);

	client_certificate_describe(x, &c);
	c.is_verified = is_verified;
	if (word != NULL && strcmp(word, "its own") == 0)
		word = c.fingerprint;
	bool may = client_certificate_may_relay(x, &tls, &c);
	X509_free(x);
	return may;
}

static void
who_is_listed_may_relay_and_nobody_who_is_not_verified(void **state)
{
	char host[] = "mx.b.example", mail[] = "a@b.example", own[] = "its own";
	char other[] = "0000000000000000000000000000000000000000000000000000000000000000";

	(void)state;
	assert_true(may_relay("DNS:x.example,DNS:MX.b.example", host, true, false));
	assert_true(may_relay("email:a@b.example", mail, true, false));
	assert_true(may_relay(NULL, own, true, false));
	assert_true(may_relay(NULL, NULL, true, true));
	assert_false(may_relay("DNS:*.b.example", host, true, false));
	assert_false(may_relay("DNS:b.example", host, true, false));
	assert_false(may_relay("email:mx.b.example@b.example", host, true, false));
	assert_false(may_relay("DNS:mx.b.example", other, true, false));
	assert_false(may_relay("DNS:mx.b.example", host, false, false));
	assert_false(may_relay(NULL, own, false, false));
	assert_false(may_relay(NULL, NULL, false, true));
	assert_false(may_relay(NULL, NULL, true, false));
	assert_false(client_certificate_may_relay(
		NULL, &(struct config_tls){.every_client_relays = true},
		&(struct client_certificate){.is_verified = true}));
}

static void
assert_trace(bool is_verified, const char *name, const char *words)
{
	struct client_certificate c = {.is_verified = is_verified};
	char text[CLIENT_NAME_MAX + 16];

	snprintf(c.name, sizeof(c.name), "%s", name);
	client_certificate_trace(&c, text);
	assert_string_equal(text, words);
}

static void
received_names_what_was_verified_and_a_comment_can_hold(void **state)
{
	(void)state;
	assert_trace(true, "mx.b.example", ", client mx.b.example");
	assert_trace(false, "mx.b.example", "");
	assert_trace(true, "", "");
	assert_trace(true, "a)b", "");
	assert_trace(true, "a\\b", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_goes_before_an_address_and_both_before_the_common_name),
		cmocka_unit_test(who_is_listed_may_relay_and_nobody_who_is_not_verified),
		cmocka_unit_test(received_names_what_was_verified_and_a_comment_can_hold),
	};

	return cmocka_run_group_tests(tests, make_key, free_key);
}
