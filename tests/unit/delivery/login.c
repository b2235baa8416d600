/*
 * login - AUTH as a client: what is chosen, what is said to whom, and what becomes of each refusal
 */
#include "tests/unit/delivery/job.h"

#include "common/text/base64.h"
#include "delivery/login.h"

#define PASSWORD "correct-horse-battery"

static struct config config;
static struct config_login login;
static struct credentials who;
static struct connection connection;
static struct hosts_address host;
static struct verdict why;

/* ---- the test's end ---- */

static void
set_login(bool may_be_clear, bool is_token, const char *secret)
{
	static char hostname[] = "client.test", name[] = "relay", user[] = "alice";

	memset(&config, 0, sizeof(config));
	config.hostname = hostname;
	login = (struct config_login){
		.name = name, .user = user, .is_token = is_token, .may_be_clear = may_be_clear};
	who = (struct credentials){.login = &login, .secret = span_of(secret)};
}

/* connects to the script, logs in */
static enum login_outcome
run(void (*script)(struct sink *), int stage)
{
	static const struct config_hop_tls plain = {.level = CONFIG_HOP_NONE};
	static const struct policy policy;
	const struct tls_demand demand = {&plain, &policy, host.text};
	struct sockaddr_in *a = (struct sockaddr_in *)&host.address;

	sink_start(&sink, script, stage);
	memset(&host, 0, sizeof(host));
	a->sin_family = AF_INET;
	a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a->sin_port = htons((uint16_t)sink.port);
	host.len = sizeof(*a);
	host.port = (uint16_t)sink.port;
	snprintf(host.name, sizeof(host.name), "mail.example.org");
	snprintf(host.text, sizeof(host.text), "mail.example.org[127.0.0.1]:%u", sink.port);
	memset(&why, 0, sizeof(why));
	assert_int_equal(connect_open(&connection, &host, &config, &demand, CONNECT_TCP_MS, &why),
			 0);
	return login_run(&connection, &who, &why);
}

static void
finish(void)
{
	connect_quit(&connection);
	sink_end(&sink);
	assert_string_equal(sink.wrong, "");
}

/* what the host did is a deferral with that status, and the connection is gone */
static void
expect_deferral(int code, const char *status, const char *text)
{
	assert_int_equal(why.fate, FATE_DEFERRED);
	assert_int_equal(why.code, code);
	assert_string_equal(why.status, status);
	if (strstr(why.text, text) == NULL)
		fail_msg("`%s` is not in `%s`", text, why.text);
	assert_null(strstr(why.text, PASSWORD));
	assert_false(connection.open);
	finish();
}

static void
expect_quit(struct sink *s)
{
	sink_expect(s, "QUIT");
	sink_say(s, "221 bye\r\n");
}

/* ---- what is chosen ---- */

static void
offer_plain(struct sink *s)
{
	sink_greet(s, s->stage == 0   ? "250-AUTH PLAIN LOGIN\r\n"
		      : s->stage == 1 ? "250-AUTH GSSAPI XOAUTH2\r\n"
				      : "");
	expect_quit(s);
}

static void
a_password_is_not_said_where_everybody_hears_it(void **state)
{
	(void)state;
	set_login(false, false, PASSWORD);
	assert_int_equal(run(offer_plain, 0), LOGIN_PASSED_OVER);
	expect_deferral(0, "4.7.11", "there is no TLS");
}

static void
a_token_is_not_said_where_everybody_hears_it(void **state)
{
	(void)state;
	set_login(false, true, PASSWORD);
	assert_int_equal(run(offer_plain, 1), LOGIN_PASSED_OVER);
	expect_deferral(0, "4.7.11", "there is no TLS");
}

static void
a_host_that_has_no_way_to_log_in_gets_no_mail(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	for (int stage = 1; stage < 3; stage++) {
		assert_int_equal(run(offer_plain, stage), LOGIN_PASSED_OVER);
		expect_deferral(0, "4.7.4", "offers no way");
	}
}

static void
take_plain(struct sink *s)
{
	sink_greet(s, s->stage == 0 ? "250-AUTH LOGIN PLAIN\r\n" : "250-AUTH=LOGIN PLAIN\r\n");
	sink_expect(s, "AUTH PLAIN AGFsaWNlAGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==");
	sink_say(s, "235 2.7.0 welcome\r\n");
	expect_quit(s);
}

static void
plain_is_said_where_the_configuration_allows_it(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	for (int stage = 0; stage < 2; stage++) {
		assert_int_equal(run(take_plain, stage), LOGIN_DONE);
		assert_true(connection.is_logged_in);
		finish();
	}
}

static void
what_was_sent_is_no_longer_in_memory(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	assert_int_equal(run(take_plain, 0), LOGIN_DONE);
	assert_null(memmem(connection.stream.out, STREAM_OUT_MAX, "AGFsaWNl", 8));
	finish();
}

static void
take_login(struct sink *s)
{
	sink_greet(s, "250-AUTH LOGIN\r\n");
	sink_expect(s, "AUTH LOGIN");
	sink_say(s, "334 VXNlcm5hbWU6\r\n");
	sink_expect(s, "YWxpY2U=");
	sink_say(s, s->stage == 0 ? "334 UGFzc3dvcmQ6\r\n" : "334 Password, please!\r\n");
	sink_expect(s, "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5");
	sink_say(s, "235 welcome\r\n");
	expect_quit(s);
}

static void
login_is_said_whatever_it_is_asked_by(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	for (int stage = 0; stage < 2; stage++) {
		assert_int_equal(run(take_login, stage), LOGIN_DONE);
		finish();
	}
}

static void
want_other_mechanism(struct sink *s)
{
	sink_greet(s, "250-AUTH PLAIN LOGIN\r\n");
	sink_expect(s, "AUTH PLAIN ");
	sink_say(s, "504 5.5.4 not this one after all\r\n");
	sink_expect(s, "AUTH LOGIN");
	sink_say(s, "334 \r\n");
	sink_expect(s, "YWxpY2U=");
	sink_say(s, "334 \r\n");
	sink_expect(s, "Y29y");
	sink_say(s, "235 ok\r\n");
	expect_quit(s);
}

static void
a_mechanism_that_is_not_wanted_makes_room_for_the_next(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	assert_int_equal(run(want_other_mechanism, 0), LOGIN_DONE);
	finish();
}

static void
only_what_the_block_names_is_used(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	login.mechanisms = 1u << CONFIG_MECHANISM_SCRAM_SHA_256;
	assert_int_equal(run(offer_plain, 0), LOGIN_PASSED_OVER);
	expect_deferral(0, "4.7.4", "offers no way");
}

/* ---- tokens ---- */

static void
take_long_token(struct sink *s)
{
	sink_greet(s, "250-AUTH XOAUTH2\r\n");
	sink_expect(s, "AUTH XOAUTH2");
	if (strlen(s->line) != strlen("AUTH XOAUTH2"))
		sink_wrong(s, "no initial response", s->line);
	sink_say(s, "334 \r\n");
	sink_expect(s, "dXNlcj1hbGljZQ");
	if (strlen(s->line) < 2000)
		sink_wrong(s, "the whole token", s->line);
	sink_say(s, "235 ok\r\n");
	expect_quit(s);
}

static void
a_token_that_is_too_long_for_the_command_is_said_when_asked(void **state)
{
	static char token[2001];
	(void)state;
	memset(token, 't', sizeof(token) - 1);
	set_login(true, true, token);
	assert_int_equal(run(take_long_token, 0), LOGIN_DONE);
	finish();
}

static void
refuse_token(struct sink *s)
{
	sink_greet(s, "250-AUTH XOAUTH2\r\n");
	sink_expect(s, "AUTH XOAUTH2 ");
	sink_say(s, "334 eyJzdGF0dXMiOiI0MDAifQ==\r\n");
	sink_expect(s, "");
	if (s->line[0] != '\0')
		sink_wrong(s, "an empty line", s->line);
	sink_say(s, "535-5.7.8 Username and Password not accepted\r\n535 5.7.8 go away\r\n");
	expect_quit(s);
}

static void
a_token_that_has_expired_is_a_deferral(void **state)
{
	(void)state;
	set_login(true, true, "expired");
	assert_int_equal(run(refuse_token, 0), LOGIN_REFUSED);
	expect_deferral(535, "4.7.8", "535 Username and Password not accepted go away");
}

/* ---- refusals ---- */

static void
refuse(struct sink *s)
{
	static const char *const replies[] = {
		"535 5.7.8 wrong\r\n", "454 4.7.0 our passwords are away\r\n", "535 no\r\n",
		"535 5.7.8 AGFsaWNlAGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ== is wrong\r\n",
		"535 5.7.8 " PASSWORD " is wrong\r\n"};

	sink_greet(s, "250-AUTH PLAIN LOGIN\r\n");
	sink_expect(s, "AUTH PLAIN ");
	sink_say(s, replies[s->stage]);
	expect_quit(s);
}

static void
a_refusal_is_a_deferral_and_asked_of_nobody_else(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	assert_int_equal(run(refuse, 0), LOGIN_REFUSED);
	expect_deferral(535, "4.7.8", "does not let the login relay in: 535 wrong");
	assert_int_equal(run(refuse, 2), LOGIN_REFUSED);
	expect_deferral(535, "4.7.8", "535 no");
}

static void
trouble_of_the_host_s_is_no_refusal(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	assert_int_equal(run(refuse, 1), LOGIN_PASSED_OVER);
	expect_deferral(454, "4.7.0", "454 our passwords are away");
}

static void
a_secret_that_is_repeated_is_not_told_on(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	for (int stage = 3; stage < 5; stage++) {
		assert_int_equal(run(refuse, stage), LOGIN_REFUSED);
		assert_null(strstr(why.text, "AGFsaWNl"));
		expect_deferral(535, "4.7.8", "it repeats what is secret");
	}
}

/* ---- hostile hosts ---- */

static void
believe_anything(struct sink *s)
{
	sink_greet(s, "250-AUTH SCRAM-SHA-256 PLAIN\r\n");
	sink_expect(s, "AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyP");
	if (s->stage == 0) {
		sink_say(s, "235 welcome\r\n");
		sink_expect(s, "*");
		sink_say(s, "500 what?\r\n");
	} else {
		char nonce[64], first[256], text[512];
		int len = base64_decode(span_of(s->line + strlen("AUTH SCRAM-SHA-256 ")), first,
					sizeof(first) - 1);

		first[len > 0 ? len : 0] = '\0';
		snprintf(nonce, sizeof(nonce), "%s", strrchr(first, '=') + 1);
		snprintf(first, sizeof(first), "r=%smore,s=QSXCR+Q6sek8bf92,i=4096", nonce);
		base64_encode(span_of(first), text);
		sink_say(s, "334 ");
		sink_say(s, text);
		sink_say(s, "\r\n");
		sink_expect(s, "Yz1iaXdzLHI9");
		/* v= and 32 bytes that are not the signature */
		sink_say(s, s->stage == 1
				    ? "334 dj1BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
				      "QUFBQT0=\r\n"
				    : "235 welcome\r\n");
		sink_expect(s, "*");
		sink_say(s, "501 as you like\r\n");
	}
	expect_quit(s);
}

static void
a_host_that_cannot_prove_itself_gets_no_mail_and_no_weaker_way(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	for (int stage = 0; stage < 3; stage++) {
		assert_int_equal(run(believe_anything, stage), LOGIN_PASSED_OVER);
		expect_deferral(0, "4.7.0", stage == 1 ? "knows the password" : "without a proof");
	}
}

static void
ask_without_end(struct sink *s)
{
	sink_greet(s, "250-AUTH LOGIN\r\n");
	sink_expect(s, "AUTH LOGIN");
	for (int i = 0; i < 3; i++) {
		sink_say(s, "334 VXNlcm5hbWU6\r\n");
		if (!sink_line(s))
			break;
	}
	if (strcmp(s->line, "*") != 0)
		sink_wrong(s, "the end", s->line);
	sink_say(s, "501 ok\r\n");
	expect_quit(s);
}

static void
a_host_that_asks_without_end_is_left(void **state)
{
	(void)state;
	set_login(true, false, PASSWORD);
	assert_int_equal(run(ask_without_end, 0), LOGIN_PASSED_OVER);
	expect_deferral(0, "4.7.0", "more than a name and a password");
}

static void
say_rubbish(struct sink *s)
{
	static char line[20000];

	sink_greet(s, "250-AUTH SCRAM-SHA-1\r\n");
	sink_expect(s, "AUTH SCRAM-SHA-1 ");
	switch (s->stage) {
	case 0:
		sink_say(s, "334 !!!! no base64\r\n");
		sink_expect(s, "*");
		sink_say(s, "501 ok\r\n");
		expect_quit(s);
		return;
	case 1:
		memset(line, 'A', sizeof(line) - 3);
		memcpy(line, "334 ", 4);
		memcpy(line + sizeof(line) - 3, "\r\n", 3);
		sink_say(s, line);
		break;
	case 2:
		sink_say(s, "334-QQ==\r\n334 QQ==\r\n");
		break;
	case 3:
		sink_say(s, "nonsense\r\n");
		break;
	default:
		break;
	}
	sink_hang_up(s);
}

static void
rubbish_ends_the_connection_and_nothing_else(void **state)
{
	static const struct {
		const char *status, *text;
	} expected[] = {{"4.7.0", "no base64"},
			{"4.5.0", "what is no SMTP"},
			{"4.5.0", "what is no SMTP"},
			{"4.5.0", "what is no SMTP"},
			{"4.4.2", "closed the connection"}};
	(void)state;
	set_login(true, false, PASSWORD);
	for (int stage = 0; stage < 5; stage++) {
		assert_int_equal(run(say_rubbish, stage), LOGIN_PASSED_OVER);
		expect_deferral(0, expected[stage].status, expected[stage].text);
	}
}

/* ---- in an agent ---- */

static void
take_a_message(struct sink *s)
{
	sink_greet(s, "250-AUTH PLAIN\r\n");
	sink_expect(s, "AUTH PLAIN AGFsaWNlAHB3");
	sink_say(s, s->stage == 0 ? "235 ok\r\n" : "535 5.7.8 no\r\n");
	if (s->stage == 0) {
		sink_expect(s, "MAIL FROM:<sender@example.com> AUTH=<>");
		sink_say(s, "250 ok\r\n");
		sink_expect(s, "RCPT");
		sink_say(s, "250 ok\r\n");
		sink_expect(s, "DATA");
		sink_say(s, "354 ok\r\n");
		sink_data(s);
		sink_say(s, "250 ok\r\n");
	}
	sink_expect(s, "QUIT");
}

static void
start_logged_in(const char *secret, void (*script)(struct sink *s), int stage)
{
	static char name[] = "relay", user[] = "alice", file[] = "/unused";
	struct start row = {.file_count = 1};
	char place[64];
	int fd = memfd_create("secret", MFD_CLOEXEC);

	assert_int_equal(write(fd, secret, strlen(secret)), strlen(secret));
	snprintf(row.files[0].name, sizeof(row.files[0].name), "login.0");
	row.files[0].fd = fd;
	snprintf(agent.login, sizeof(agent.login), "relay");
	set_login(true, false, "");
	config.logins[0] = (struct config_login){
		.name = name, .user = user, .file = file, .may_be_clear = true};
	config.login_count = 1;
	credentials_hold(&row, &config);
	sink_start(&sink, script, stage);
	snprintf(place, sizeof(place), "127.0.0.1:%u", sink.port);
	agent.logins = config.logins;
	agent.login_count = 1;
	start_agent(place);
}

static void
an_agent_logs_in_before_its_first_message(void **state)
{
	(void)state;
	start_logged_in("pw\r\nand a line that is none of it\n", take_a_message, 0);
	send_job("A: b\r\n\r\nc\r\n", 1);
	expect((struct outcome){1, FATE_DELIVERED, 250, NULL, true, false});
	end();
}

static void
a_login_that_is_refused_is_the_place_s_trouble(void **state)
{
	(void)state;
	start_logged_in("pw\n", take_a_message, 1);
	send_job("A: b\r\n\r\nc\r\n", 1);
	expect((struct outcome){1, FATE_DEFERRED, 535, "4.7.8", true, true});
	end();
}

static void
a_file_without_a_secret_defers(void **state)
{
	(void)state;
	/* nobody is there to be called */
	start_logged_in("\n", NULL, 0);
	send_job("A: b\r\n\r\nc\r\n", 1);
	expect((struct outcome){1, FATE_DEFERRED, 0, "4.3.5", true, true});
	end_agent();
	sink_end(&sink);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_password_is_not_said_where_everybody_hears_it),
		cmocka_unit_test(a_token_is_not_said_where_everybody_hears_it),
		cmocka_unit_test(a_host_that_has_no_way_to_log_in_gets_no_mail),
		cmocka_unit_test(plain_is_said_where_the_configuration_allows_it),
		cmocka_unit_test(what_was_sent_is_no_longer_in_memory),
		cmocka_unit_test(login_is_said_whatever_it_is_asked_by),
		cmocka_unit_test(a_mechanism_that_is_not_wanted_makes_room_for_the_next),
		cmocka_unit_test(only_what_the_block_names_is_used),
		cmocka_unit_test(a_token_that_is_too_long_for_the_command_is_said_when_asked),
		cmocka_unit_test(a_token_that_has_expired_is_a_deferral),
		cmocka_unit_test(a_refusal_is_a_deferral_and_asked_of_nobody_else),
		cmocka_unit_test(trouble_of_the_host_s_is_no_refusal),
		cmocka_unit_test(a_secret_that_is_repeated_is_not_told_on),
		cmocka_unit_test(a_host_that_cannot_prove_itself_gets_no_mail_and_no_weaker_way),
		cmocka_unit_test(a_host_that_asks_without_end_is_left),
		cmocka_unit_test(rubbish_ends_the_connection_and_nothing_else),
		cmocka_unit_test(an_agent_logs_in_before_its_first_message),
		cmocka_unit_test(a_login_that_is_refused_is_the_place_s_trouble),
		cmocka_unit_test(a_file_without_a_secret_defers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
