/*
 * dovecot - its lines, read and written; and which login a response names
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "auth/dovecot-lines.h"
#include "auth/names.h"

static struct dovecot_line l;

static enum dovecot_kind
parse(const char *line)
{
	dovecot_parse(span_of(line), &l);
	return l.kind;
}

static void
its_lines_are_read(void **state)
{
	(void)state;
	assert_int_equal(parse("VERSION\t1\t2"), DOVECOT_VERSION);
	assert_int_equal(l.number, 1);
	assert_int_equal(parse("MECH\tSCRAM-SHA-256\tmutual-auth"), DOVECOT_MECHANISM);
	assert_int_equal(l.mechanism, AUTH_SCRAM_SHA_256);
	assert_int_equal(parse("MECH\tPLAIN\tplaintext"), DOVECOT_MECHANISM);
	assert_int_equal(l.mechanism, AUTH_PLAIN);
	assert_int_equal(parse("DONE"), DOVECOT_DONE);
	assert_int_equal(parse("OK\t1\tuser=ann\tnologin"), DOVECOT_OK);
	assert_int_equal(l.number, 1);
	assert_true(span_equal(l.user, SPAN("ann")));
	assert_true(l.is_barred);
	assert_int_equal(parse("CONT\t7\tAAAA"), DOVECOT_CONT);
	assert_true(span_equal(l.data, SPAN("AAAA")));
	assert_int_equal(parse("CONT\t7\t"), DOVECOT_CONT);
	assert_int_equal(l.data.len, 0);
	assert_int_equal(parse("FAIL\t1\tuser=ann\treason=no"), DOVECOT_FAIL);
	assert_false(l.is_temporary);
	assert_int_equal(parse("FAIL\t1\ttemp"), DOVECOT_FAIL);
	assert_true(l.is_temporary);
	assert_int_equal(parse("FAIL\t1\tcode=temp_fail"), DOVECOT_FAIL);
	assert_true(l.is_temporary);
	assert_int_equal(parse("COOKIE\tabcd"), DOVECOT_OTHER);
	assert_int_equal(parse(""), DOVECOT_OTHER);
}

static void
what_is_not_for_clients_is_not_offered(void **state)
{
	static const char *const lines[] = {"MECH\tPLAIN\tprivate",
					    "MECH\tANONYMOUS\tanonymous",
					    "MECH\tPLAIN\tplaintext\tanonymous",
					    "MECH\tNTLM",
					    "MECH\t",
					    "MECH"};
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(parse(lines[i]), DOVECOT_MECHANISM);
		assert_int_equal(l.mechanism, 0);
	}
}

static void
what_it_cannot_say_is_malformed(void **state)
{
	static const char *const lines[] = {"OK",
					    "OK\t1",
					    "OK\t1\tuser=",
					    "OK\t1\tuser",
					    "OK\tx\tuser=ann",
					    "OK\t-1\tuser=ann",
					    "CONT",
					    "CONT\t",
					    "FAIL\tone",
					    "VERSION",
					    "OK\t4294967296\tuser=ann"};
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (parse(lines[i]) != DOVECOT_MALFORMED)
			fail_msg("%s", lines[i]);
	dovecot_parse(SPAN("OK\t1\tuser=ann\0x"), &l);
	assert_int_equal(l.kind, DOVECOT_MALFORMED);
}

static void
a_client_cannot_add_words(void **state)
{
	const struct span response = SPAN("\0ann\0pw");
	const struct dovecot_request r = {
		.mechanism = AUTH_PLAIN,
		.session = SPAN("S1\tx"),
		.client = SPAN("192.0.2.1"),
		.server = SPAN(""),
		.tls = SPAN("TLSv1.3 TLS_AES_128_GCM_SHA256"),
		.certificate = SPAN("a\nOK\t1\1\r"),
		.response = &response,
	};
	struct buffer b;

	(void)state;
	buffer_init(&b, 4096);
	dovecot_write_hello(&b, 5);
	dovecot_write_auth(&b, &r);
	dovecot_write_cont(&b, SPAN(""));
	buffer_char(&b, '\0');
	assert_false(b.failed);
	assert_string_equal(
		b.at,
		"VERSION\t1\t2\nCPID\t5\n"
		"AUTH\t1\tPLAIN\tservice=smtp\tno-penalty\tsession=S1\001tx\trip=192.0.2.1"
		"\tsecured=tls\ttls_protocol=TLSv1.3\ttls_cipher=TLS_AES_128_GCM_SHA256"
		"\tvalid-client-cert\tcert_username=a\001nOK\001t1\0011\001r\tresp=AGFubgBwdw==\n"
		"CONT\t1\t\n");
	buffer_free(&b);
}

/* ---- names ---- */

struct named {
	enum auth_mechanism mechanism;
	struct span response;
	const char *login;
};

static void
a_response_names_its_login(void **state)
{
	static const struct named named[] = {
		{AUTH_PLAIN, {"\0Ann\0pw", 7}, "ann"},
		{AUTH_PLAIN, {"root\0ann\0pw", 11}, "ann"},
		{AUTH_PLAIN, {"ann", 3}, ""},
		{AUTH_LOGIN, {"Ann", 3}, "ann"},
		{AUTH_SCRAM_SHA_256, {"n,,n=ann,r=x", 12}, "ann"},
		{AUTH_SCRAM_SHA_1, {"n,a=bob,n=ann,r=x", 17}, "ann"},
		{AUTH_OAUTHBEARER, {"n,a=ann,\1auth=Bearer x\1\1", 25}, "ann"},
		{AUTH_OAUTHBEARER, {"n,,\1auth=Bearer x\1\1", 20}, ""},
		{AUTH_XOAUTH2, {"user=ann\1auth=Bearer x\1\1", 25}, "ann"},
		{AUTH_XOAUTH2, {"auth=Bearer x\1\1", 16}, ""},
		{AUTH_CRAM_MD5, {"ann smith 00ff", 14}, "ann smith"},
		{AUTH_CRAM_MD5, {"ann", 3}, ""},
		{AUTH_GSSAPI, {"ann", 3}, ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		struct sasl_exchange x = {.mechanism = named[i].mechanism};
		names_take(&x, named[i].response);
		assert_string_equal(x.login, named[i].login);
		/* a second one is a password, or a proof: never a name */
		names_take(&x, SPAN("secret"));
		assert_string_equal(x.login, named[i].login);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_lines_are_read),
		cmocka_unit_test(what_is_not_for_clients_is_not_offered),
		cmocka_unit_test(what_it_cannot_say_is_malformed),
		cmocka_unit_test(a_client_cannot_add_words),
		cmocka_unit_test(a_response_names_its_login),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
