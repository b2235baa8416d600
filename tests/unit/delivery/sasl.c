/*
 * sasl - the client's side of each mechanism, against the RFCs' exchanges and against servers that say what they must not
 */
#include "tests/unit/auth/scram-vectors.h"

#include "common/text/base64.h"
#include "delivery/sasl.h"

static struct sasl_client client;
static struct sasl_response response;

static void
begin(enum config_mechanism m, const char *user, const char *secret, const char *nonce)
{
	const struct sasl_identity who = {.user = span_of(user),
					  .secret = span_of(secret),
					  .host = SPAN("mail.example.org"),
					  .port = 587};

	sasl_start(&client, m, &who, nonce);
}

static void
expect_response(const char *challenge, struct span expected)
{
	assert_int_equal(sasl_step(&client, span_of(challenge), &response), SASL_RESPONSE);
	assert_int_equal(response.len, expected.len);
	assert_memory_equal(response.at, expected.at, expected.len);
}

static void
expect_wrong(const char *challenge, const char *sentence)
{
	assert_int_equal(sasl_step(&client, span_of(challenge), &response), SASL_WRONG);
	assert_non_null(strstr(client.wrong, sentence));
	assert_false(sasl_may_succeed(&client));
}

/* ---- SCRAM ---- */

static void
begin_vector(const struct vector *v)
{
	char nonce[SASL_NONCE_MAX + 1];

	snprintf(nonce, sizeof(nonce), "%s", strrchr(v->lines[0], ',') + 3);
	begin(v->is_sha1 ? CONFIG_MECHANISM_SCRAM_SHA_1 : CONFIG_MECHANISM_SCRAM_SHA_256, "user",
	      "pencil", nonce);
	expect_response("", span_of(v->lines[0]));
}

static void
check(const struct vector *v)
{
	begin_vector(v);
	expect_response(v->lines[1], span_of(v->lines[2]));
	assert_false(sasl_may_succeed(&client));
	expect_response(v->lines[3], SPAN(""));
	assert_true(sasl_may_succeed(&client));
}

static void
the_exchanges_of_the_rfcs_come_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		check(&vectors[i]);
}

static void
the_exchanges_of_the_data_folder_come_out(void **state)
{
	int count = each_vector_of_the_folder(check);

	(void)state;
	printf("sasl client: %d of the data folder's 2 exchanges came out\n", count);
	if (count == 0)
		skip();
}

static void
a_server_that_does_not_know_the_password_is_not_believed(void **state)
{
	static const char *const wrong[] = {
		"v=rmF9pqV8S7suAoZWja4dJRkFsKQ", "v=", "",
		"v=cm1GOXBxVjhTN3N1QW9aV2phNA==", "v=smF9pqV8S7suAoZWja4dJRkFsKQ="};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		begin_vector(&vectors[0]);
		expect_response(vectors[0].lines[1], span_of(vectors[0].lines[2]));
		expect_wrong(wrong[i], "knows the password");
	}
}

static void
a_server_that_says_why_not_is_heard_to_the_end(void **state)
{
	(void)state;
	begin_vector(&vectors[1]);
	expect_response(vectors[1].lines[1], span_of(vectors[1].lines[2]));
	expect_response("e=invalid-proof", SPAN(""));
	assert_false(sasl_may_succeed(&client));
}

static void
what_is_no_first_message_ends_it(void **state)
{
	static const struct {
		const char *text, *sentence;
	} wrong[] = {
		{"", "no SCRAM"},
		{"r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096", "nonce"},
		{"r=other3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096", "nonce"},
		{"m=x,r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=4096", "no SCRAM"},
		{"r=fyko+d2lbbFgONRv9qkxdawLx,i=4096,s=QSXCR+Q6sek8bf92", "no SCRAM"},
		{"r=fyko+d2lbbFgONRv9qkxdawLx,s=Q!,i=4096", "salt"},
		{"r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=4095", "iterations"},
		{"r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=1000001", "iterations"},
		{"r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=99999999999999999999",
		 "iterations"},
		{"r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=-1", "iterations"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		begin_vector(&vectors[0]);
		expect_wrong(wrong[i].text, wrong[i].sentence);
	}
}

static void
a_first_message_of_any_length_ends_it(void **state)
{
	static char text[SASL_CHALLENGE_MAX];
	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "r=fyko+d2lbbFgONRv9qkxdawL", 26);
	begin_vector(&vectors[0]);
	assert_int_equal(sasl_step(&client, span_from(text, sizeof(text)), &response), SASL_WRONG);
}

static void
a_login_is_bound_to_its_connection(void **state)
{
	/* what an independent implementation (Python's hmac) makes of "pencil" and this binding */
	static const struct {
		enum config_mechanism m;
		const char *first, *last;
	} expected[] = {
		{CONFIG_MECHANISM_SCRAM_SHA_256_PLUS, "p=tls-exporter,,n=user,r=NONCE",
		 "c=cD10bHMtZXhwb3J0ZXIsLDAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm,r=NONCEabc,p="
		 "dcPNYFIGYBTBYj8ywEWqmf04N/TNafQvyPUuwAar7P4="},
		{CONFIG_MECHANISM_SCRAM_SHA_256, "y,,n=user,r=NONCE",
		 "c=eSws,r=NONCEabc,p=3B7+c4JuH/i+2INfL02zVky2jREp5lwFOp4tMRtnrLo="},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		begin(expected[i].m, "user", "pencil", "NONCE");
		client.who.binding = SPAN("0123456789abcdef0123456789abcdef");
		expect_response("", span_of(expected[i].first));
		expect_response("r=NONCEabc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
				span_of(expected[i].last));
	}
}

static void
commas_in_a_name_are_spelled_otherwise(void **state)
{
	(void)state;
	begin(CONFIG_MECHANISM_SCRAM_SHA_256, "a,b=c", "x", "NONCE");
	expect_response("", SPAN("n,,n=a=2Cb=3Dc,r=NONCE"));
}

/* ---- the others ---- */

static void
plain_is_said_at_once_and_nothing_after_it(void **state)
{
	(void)state;
	begin(CONFIG_MECHANISM_PLAIN, "tim", "tanstaaftanstaaf", "n");
	expect_response("", SPAN("\0tim\0tanstaaftanstaaf")); /* RFC 4616, section 4 */
	assert_true(sasl_may_succeed(&client));
	expect_wrong("more", "more than PLAIN");
}

static void
login_says_name_and_password_in_turn_and_no_third(void **state)
{
	(void)state;
	begin(CONFIG_MECHANISM_LOGIN, "tim", "secret", "n");
	assert_false(sasl_has_initial(CONFIG_MECHANISM_LOGIN));
	expect_response("Username:", SPAN("tim"));
	expect_response("anything", SPAN("secret"));
	assert_true(sasl_may_succeed(&client));
	assert_int_equal(sasl_step(&client, SPAN("again"), &response), SASL_WRONG);
}

static void
a_token_is_said_as_google_and_the_rfc_have_it(void **state)
{
	(void)state;
	begin(CONFIG_MECHANISM_XOAUTH2, "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3", "n");
	expect_response("", SPAN("user=someuser@example.com\001auth=Bearer ya29.vF9dft4qmTc2Nvb3"
				 "\001\001"));
	assert_true(sasl_may_succeed(&client));
	begin(CONFIG_MECHANISM_OAUTHBEARER, "user@example.com", "vF9dft4qmTc2Nvb3", "n");
	expect_response("", SPAN("n,a=user@example.com,\001host=mail.example.org\001port=587\001"
				 "auth=Bearer vF9dft4qmTc2Nvb3\001\001"));
	assert_true(sasl_may_succeed(&client));
}

static void
a_token_that_is_not_taken_is_answered_and_never_succeeds(void **state)
{
	(void)state;
	begin(CONFIG_MECHANISM_XOAUTH2, "u", "t", "n");
	expect_response("", SPAN("user=u\001auth=Bearer t\001\001"));
	expect_response("{\"status\":\"401\"}", SPAN(""));
	assert_false(sasl_may_succeed(&client));
	assert_int_equal(sasl_step(&client, SPAN("again"), &response), SASL_WRONG);
	begin(CONFIG_MECHANISM_OAUTHBEARER, "u", "t", "n");
	assert_int_equal(sasl_step(&client, SPAN_NONE, &response), SASL_RESPONSE);
	expect_response("{\"status\":\"invalid_token\"}", SPAN("\001"));
	assert_false(sasl_may_succeed(&client));
}

static void
what_a_mechanism_cannot_carry_is_not_said(void **state)
{
	(void)state;
	begin(CONFIG_MECHANISM_XOAUTH2, "u\001auth=Bearer x", "t", "n");
	assert_int_equal(sasl_step(&client, SPAN_NONE, &response), SASL_TROUBLE);
	begin(CONFIG_MECHANISM_OAUTHBEARER, "u,x", "t", "n");
	assert_int_equal(sasl_step(&client, SPAN_NONE, &response), SASL_TROUBLE);
	begin(CONFIG_MECHANISM_PLAIN, "u", "t", "n");
	client.who.secret = SPAN("a\0b");
	assert_int_equal(sasl_step(&client, SPAN_NONE, &response), SASL_TROUBLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exchanges_of_the_rfcs_come_out),
		cmocka_unit_test(the_exchanges_of_the_data_folder_come_out),
		cmocka_unit_test(a_server_that_does_not_know_the_password_is_not_believed),
		cmocka_unit_test(a_server_that_says_why_not_is_heard_to_the_end),
		cmocka_unit_test(what_is_no_first_message_ends_it),
		cmocka_unit_test(a_first_message_of_any_length_ends_it),
		cmocka_unit_test(a_login_is_bound_to_its_connection),
		cmocka_unit_test(commas_in_a_name_are_spelled_otherwise),
		cmocka_unit_test(plain_is_said_at_once_and_nothing_after_it),
		cmocka_unit_test(login_says_name_and_password_in_turn_and_no_third),
		cmocka_unit_test(a_token_is_said_as_google_and_the_rfc_have_it),
		cmocka_unit_test(a_token_that_is_not_taken_is_answered_and_never_succeeds),
		cmocka_unit_test(what_a_mechanism_cannot_carry_is_not_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
