/*
 * logins - `login` blocks and who is sent by which: what is taken, and what is told where it is wrong
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/config/config.h"
#include "common/config/secret.h"

#define LOGIN "login a {\n\tuser u\n\tpassword /p\n}\n"
#define ENDPOINT(url) "login r {\n\tuser u\n\trefresh /r\n\tendpoint " url "\n\tclient c\n}\n"
#define TOKEN "login t {\n\tuser u\n\ttoken /t\n}\n"

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

static void
each_block_has_the_login_that_it_names(void **state)
{
	struct config *c = parse(LOGIN TOKEN "outbound {\n\tsmarthost h:25\n\tlogin a\n}\n"
					     "route x.test {\n\tsmtp h:25\n\tlogin t\n"
					     "\tsender-logins /etc/senders\n}\n"
					     "route y.test {\n\tsmtp h:25\n}\n");
	const struct config_login *login;

	(void)state;
	assert_non_null(c);
	login = config_login_find(c, SPAN("a"));
	assert_string_equal(login->user, "u");
	assert_string_equal(login->file, "/p");
	assert_false(login->is_token || login->may_be_clear);
	assert_int_equal(login->mechanisms, 0);
	assert_true(config_login_find(c, SPAN("t"))->is_token);
	assert_null(config_login_find(c, SPAN("b")));
	assert_string_equal(config_sent_as_of(c, SPAN("outbound"))->login, "a");
	assert_string_equal(config_sent_as_of(c, SPAN("x.test"))->login, "t");
	assert_int_equal(config_sent_as_of(c, SPAN("x.test"))->senders.count, 1);
	/* that of outbound is for other hosts */
	assert_null(config_sent_as_of(c, SPAN("y.test"))->login);
	assert_null(config_sent_as_of(c, SPAN("z.test")));
	assert_true(config_has_sender_logins(c));
	config_free(c);
	config_errors_free(&errors);
}

static void
an_endpoint_is_a_host_a_port_and_a_path(void **state)
{
	struct config *c = parse(ENDPOINT("https://Login.Example:8443/t?a=b"));

	(void)state;
	assert_non_null(c);
	assert_true(c->logins[0].is_refresh && c->logins[0].is_token);
	assert_string_equal(c->logins[0].endpoint_host, "login.example");
	assert_int_equal(c->logins[0].endpoint_port, 8443);
	assert_string_equal(c->logins[0].endpoint_path, "/t?a=b");
	config_free(c);
	config_errors_free(&errors);
	c = parse(ENDPOINT("https://oauth2.example/token"));
	assert_non_null(c);
	assert_int_equal(c->logins[0].endpoint_port, 443);
	assert_string_equal(c->logins[0].endpoint_path, "/token");
	config_free(c);
	config_errors_free(&errors);
}

static void
without_a_table_nobody_asks_for_senders(void **state)
{
	struct config *c = parse(LOGIN "outbound {\n\tsmarthost h:25\n\tlogin a\n}\n");

	(void)state;
	assert_non_null(c);
	assert_false(config_has_sender_logins(c));
	config_free(c);
	config_errors_free(&errors);
}

static void
mechanisms_are_those_that_are_named(void **state)
{
	struct config *c = parse("login a {\n\tuser u\n\tpassword /p\n\tmechanisms PLAIN "
				 "scram-sha-1\n\tclear yes\n}\n");

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->logins[0].mechanisms,
			 1u << CONFIG_MECHANISM_PLAIN | 1u << CONFIG_MECHANISM_SCRAM_SHA_1);
	assert_true(c->logins[0].may_be_clear);
	config_free(c);
	config_errors_free(&errors);
}

static void
each_mistake_is_told_where_it_stands(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *part;
	} wrong[] = {
		{"login a {\n\tuser u\n}\n", 1, "`token` or `refresh`"},
		{"login a {\n\tuser u\n\trefresh /r\n\tclient c\n}\n", 1,
		 "`endpoint` and `client`"},
		{"login a {\n\tuser u\n\ttoken /r\n\tclient c\n}\n", 1, "`endpoint` and `client`"},
		{ENDPOINT("http://h.test/t"), 4, "https://HOST"},
		{ENDPOINT("https://h.test"), 4, "https://HOST"},
		{ENDPOINT("https://h.test:0/t"), 4, "https://HOST"},
		{ENDPOINT("https://h.test:70000/t"), 4, "https://HOST"},
		{ENDPOINT("https://a@h.test/t"), 4, "https://HOST"},
		{ENDPOINT("https:///t"), 4, "https://HOST"},
		{"login a {\n\tpassword /p\n}\n", 1, "expected `user`"},
		{"login a {\n\tuser u\n\tpassword /p\n\ttoken /t\n}\n", 4, "only one of"},
		{"login a {\n\tuser u\n\tpassword p\n}\n", 3, "begins with `/`"},
		{"login a {\n\tuser \"\"\n\tpassword /p\n}\n", 2, "expected a text of 1"},
		{"login a,b {\n\tuser u\n\tpassword /p\n}\n", 1, "without blanks"},
		{"login none {\n\tuser u\n\tpassword /p\n}\n", 1, "not `none`"},
		{LOGIN LOGIN, 5, "here twice"},
		{"login a {\n\tuser u\n\tpassword /p\n\tmechanisms gssapi\n}\n", 4, "`xoauth2`"},
		{"login a {\n\tuser u\n\tpassword /p\n\tmechanisms xoauth2\n}\n", 1,
		 "go with a password"},
		{"login a {\n\tuser u\n\ttoken /t\n\tmechanisms plain\n}\n", 1, "go with a token"},
		{"outbound {\n\tsmarthost h:25\n\tlogin b\n}\n", 3, "name of a `login` block"},
		{LOGIN "outbound {\n\tlogin a\n}\n", 5, "`smarthost`"},
		{LOGIN "route x.test {\n\tlmtp /run/lmtp\n\tlogin a\n}\n", 5, "`smtp`"},
		{LOGIN "route x.test {\n\tdiscard\n\tlogin a\n}\n", 5, "`smtp`"},
		{"route x.test {\n\tsmtp h:25\n\tsender-logins gone\n}\n", 3, "begins with `/`"},
		{"login a\n", 1, "expected `{`"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (parse(wrong[i].text) != NULL || errors.count != 1 ||
		    errors.list[0].line != wrong[i].line ||
		    strstr(errors.list[0].text, wrong[i].part) == NULL)
			fail_msg("%s\ntold %zu: %u: %s", wrong[i].text, errors.count,
				 errors.list[0].line, errors.count > 0 ? errors.list[0].text : "");
		config_errors_free(&errors);
	}
}

static void
more_logins_than_can_be_held_are_refused(void **state)
{
	struct buffer text;

	(void)state;
	buffer_init(&text, 1 << 20);
	for (int i = 0; i <= CONFIG_LOGINS_MAX; i++)
		buffer_format(&text, "login l%d {\n\tuser u\n\tpassword /p\n}\n", i);
	buffer_char(&text, '\0');
	assert_null(parse(text.at));
	assert_int_equal(errors.count, 1);
	assert_non_null(strstr(errors.list[0].text, "more logins"));
	config_errors_free(&errors);
	buffer_free(&text);
}

/* ---- the files ---- */

static void
a_secret_is_the_first_line(void **state)
{
	static const char *const right[] = {"pw", "pw\n", "pw\r\n", " pw\t\nmore\n"};
	static const char *const wrong[] = {"", "\n", "  \nx\n", "a\001b\n", "a\x7f"};
	struct span secret;

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		assert_null(secret_take(span_of(right[i]), &secret));
		assert_true(span_equal(secret, SPAN("pw")));
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(secret_take(span_of(wrong[i]), &secret));
	/* what is cut is no secret */
	assert_non_null(secret_take(SPAN("a\0b\n"), &secret));
}

static void
a_file_is_its_owner_s_alone(void **state)
{
	const struct stat good = {.st_mode = S_IFREG | 0600, .st_uid = 0};
	struct stat st = good;

	(void)state;
	assert_null(secret_file_wrong(&st, 1000));
	st.st_uid = 1000;
	assert_null(secret_file_wrong(&st, 1000));
	st.st_uid = 1001;
	assert_non_null(secret_file_wrong(&st, 1000));
	for (unsigned bit = 1; bit <= 040; bit <<= 1) {
		st = good;
		st.st_mode |= bit;
		assert_non_null(secret_file_wrong(&st, 0));
	}
	st = good;
	st.st_mode = S_IFDIR | 0600;
	assert_non_null(secret_file_wrong(&st, 0));
	st = good;
	st.st_size = SECRET_FILE_MAX + 1;
	assert_non_null(secret_file_wrong(&st, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_block_has_the_login_that_it_names),
		cmocka_unit_test(an_endpoint_is_a_host_a_port_and_a_path),
		cmocka_unit_test(without_a_table_nobody_asks_for_senders),
		cmocka_unit_test(mechanisms_are_those_that_are_named),
		cmocka_unit_test(each_mistake_is_told_where_it_stands),
		cmocka_unit_test(more_logins_than_can_be_held_are_refused),
		cmocka_unit_test(a_secret_is_the_first_line),
		cmocka_unit_test(a_file_is_its_owner_s_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
