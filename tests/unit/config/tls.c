/*
 * tls - what the blocks of `tls` come to: which address shows which pairs, and how it begins
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
without_a_block_there_is_no_tls(void **state)
{
	struct config *c = parse_right("listen [::]:25 mx\n");

	(void)state;
	assert_int_equal(c->pair_count, 0);
	assert_int_equal(c->listens[0].tls.pair_count, 0);
	assert_false(c->listens[0].implicit_tls);
	config_free(c);
}

static void
keys_belong_to_the_files_in_their_order_and_a_directory_has_its_own(void **state)
{
	struct config *c = parse_right("tls {\n"
				       "\tcertificate /a.pem /live/mx/ /b.pem\n"
				       "\tkey /a.key /b.key\n"
				       "\tpolicy modern\n"
				       "}\n"
				       "listen [::]:25 mx\n");

	(void)state;
	assert_int_equal(c->pair_count, 3);
	assert_string_equal(c->pairs[0].certificate, "/a.pem");
	assert_string_equal(c->pairs[0].key, "/a.key");
	assert_string_equal(c->pairs[1].certificate, "/live/mx/fullchain.pem");
	assert_string_equal(c->pairs[1].key, "/live/mx/privkey.pem");
	assert_string_equal(c->pairs[2].certificate, "/b.pem");
	assert_string_equal(c->pairs[2].key, "/b.key");
	assert_int_equal(c->listens[0].tls.pair_count, 3);
	assert_int_equal(c->listens[0].tls.policy, CONFIG_TLS_MODERN);
	config_free(c);
}

static void
the_block_of_an_address_wins_whole(void **state)
{
	struct config *c = parse_right("listen 192.0.2.1:25 mx {\n"
				       "\ttls {\n\t\tcertificate /b/\n\t}\n"
				       "}\n"
				       "listen 192.0.2.2:25 mx {\n"
				       "\ttls {\n\t}\n"
				       "}\n"
				       "listen 192.0.2.3:25 mx\n"
				       "tls {\n\tcertificate /a/\n\tpolicy old\n}\n");

	(void)state;
	assert_int_equal(c->pair_count, 2);
	assert_int_equal(c->listens[0].tls.pair_count, 1);
	assert_string_equal(c->pairs[c->listens[0].tls.pairs[0]].key, "/b/privkey.pem");
	assert_int_equal(c->listens[0].tls.policy, CONFIG_TLS_INTERMEDIATE);
	assert_int_equal(c->listens[1].tls.pair_count, 0);
	assert_string_equal(c->pairs[c->listens[2].tls.pairs[0]].key, "/a/privkey.pem");
	assert_int_equal(c->listens[2].tls.policy, CONFIG_TLS_OLD);
	config_free(c);
}

static void
a_pair_that_stands_twice_is_one(void **state)
{
	struct config *c = parse_right("tls {\n\tcertificate /a/\n}\n"
				       "listen 192.0.2.1:25 mx {\n"
				       "\ttls {\n\t\tcertificate /a/\n\t\tpolicy old\n\t}\n"
				       "}\n");

	(void)state;
	assert_int_equal(c->pair_count, 1);
	assert_int_equal(c->listens[0].tls.pairs[0], 0);
	config_free(c);
}

static void
port_465_begins_with_tls_unless_told_otherwise(void **state)
{
	struct config *c = parse_right("tls {\n\tcertificate /a/\n}\n"
				       "listen [::]:465 mx\n"
				       "listen 192.0.2.1:465 mx {\n\timplicit-tls no\n}\n"
				       "listen 192.0.2.1:2525 mx {\n\timplicit-tls yes\n}\n");

	(void)state;
	assert_true(c->listens[0].implicit_tls);
	assert_false(c->listens[1].implicit_tls);
	assert_true(c->listens[2].implicit_tls);
	config_free(c);
}

#define PRINT \
	"AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:" \
	"aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99"

static void
the_general_block_asks_clients_of_submission_alone(void **state)
{
	struct config *c =
		parse_right("tls {\n\tcertificate /a/\n\tclient-certificate require\n"
			    "\tclient-ca /ca.pem\n\tclient-relay verified\n}\n"
			    "listen 192.0.2.1:25 mx\n"
			    "listen 192.0.2.1:465 submission\n"
			    "listen 192.0.2.2:25 mx {\n\ttls {\n\t\tcertificate /a/\n"
			    "\t\tclient-ca /own.pem\n\t\tclient-certificate ask\n"
			    "\t\tclient-relay Peer.Example a@peer.example " PRINT "\n\t}\n}\n");
	const struct config_tls *own = &c->listens[2].tls;

	(void)state;
	assert_int_equal(c->listens[0].tls.client, CONFIG_CLIENT_NONE);
	assert_false(c->listens[0].tls.every_client_relays);
	assert_int_equal(c->listens[1].tls.client, CONFIG_CLIENT_REQUIRE);
	assert_true(c->listens[1].tls.every_client_relays);
	assert_int_equal(own->client, CONFIG_CLIENT_ASK);
	assert_int_equal(c->authority_count, 2);
	assert_string_equal(c->authorities[c->listens[1].tls.authority], "/ca.pem");
	assert_string_equal(c->authorities[own->authority], "/own.pem");
	assert_int_equal(own->client_relays.count, 3);
	assert_string_equal(own->client_relays.words[0], "peer.example");
	assert_string_equal(own->client_relays.words[1], "a@peer.example");
	assert_string_equal(own->client_relays.words[2],
			    "aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899");
	config_free(c);
}

static void
mistakes_about_clients_are_told(void **state)
{
	(void)state;
	assert_mistake("tls {\n\tcertificate /a/\n\tclient-certificate yes\n}\n", 3,
		       "`none`, `ask` or `require`");
	assert_mistake("tls {\n\tcertificate /a/\n\tclient-certificate ask\n}\n", 1,
		       "expected a `client-ca`");
	assert_mistake("tls {\n\tcertificate /a/\n\tclient-relay verified\n}\n", 1,
		       "no client shows");
	assert_mistake("tls {\n\tcertificate /a/\n\tclient-ca a.pem\n}\n", 3, "begins with `/`");
	assert_mistake("listen [::]:25 mx {\n\ttls {\n\t\tclient-ca /a\n"
		       "\t\tclient-certificate ask\n\t}\n}\n",
		       2, "without a `certificate`");
	/* a digit short, a colon too many, no host */
	assert_mistake("tls {\n\tcertificate /a/\n\tclient-ca /b\n\tclient-certificate ask\n"
		       "\tclient-relay abcdef\n}\n",
		       5, "64 hex digits");
	assert_mistake("tls {\n\tcertificate /a/\n\tclient-ca /b\n\tclient-certificate ask\n"
		       "\tclient-relay " PRINT ":\n}\n",
		       5, "64 hex digits");
	assert_mistake("tls {\n\tcertificate /a/\n\tclient-ca /b\n\tclient-certificate ask\n"
		       "\tclient-relay a.example verified\n}\n",
		       5, "`verified`: expected");
}

static void
mistakes_are_told_where_they_are(void **state)
{
	(void)state;
	assert_mistake("hostname a.example\ntls {\n\tcertificate /a.pem\n}\n", 2,
		       "one `key` for each");
	assert_mistake("tls {\n\tcertificate /a/\n\tkey /a.key\n}\n", 1, "one `key` for each");
	assert_mistake("tls {\n\tpolicy old\n}\n", 1, "expected a `certificate`");
	assert_mistake("tls {\n\tcertificate /a/\n\tpolicy new\n}\n", 3, "`modern`");
	assert_mistake("tls {\n\tcertificate a.pem\n\tkey /b\n}\n", 2, "begins with `/`");
	assert_mistake("listen [::]:465 mx\n", 1, "from the first byte");
	assert_mistake("certificate /a/\n", 1, "the block of `tls`");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_block_there_is_no_tls),
		cmocka_unit_test(
			keys_belong_to_the_files_in_their_order_and_a_directory_has_its_own),
		cmocka_unit_test(the_block_of_an_address_wins_whole),
		cmocka_unit_test(a_pair_that_stands_twice_is_one),
		cmocka_unit_test(port_465_begins_with_tls_unless_told_otherwise),
		cmocka_unit_test(the_general_block_asks_clients_of_submission_alone),
		cmocka_unit_test(mistakes_about_clients_are_told),
		cmocka_unit_test(mistakes_are_told_where_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
