/*
 * mistakes - every mistake in a text is told, with its file, line and column, what was expected, and the word that was meant
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/config/config.h"
#include "common/config/mistakes.h"

static const struct config_defaults root = {
	.as_root = true,
	.hostname = "machine.example",
	.runtime = "/run/culver",
	.spool = "/var/spool/culver",
	.state = "/var/lib/culver",
};

static struct buffer told;

/* parses, and leaves in `told` what config_errors_print writes */
static size_t
mistakes_of(const char *text)
{
	struct config_errors errors;
	struct config *c;
	size_t count;

	config_errors_init(&errors);
	c = config_parse(span_of(text), &root, &errors);
	buffer_clear(&told);
	config_errors_print(&errors, &told);
	count = errors.count;
	assert_true((c == NULL) == (count > 0));
	buffer_char(&told, '\0');
	assert_false(told.failed);
	config_free(c);
	config_errors_free(&errors);
	return count;
}

/* one mistake in the text, at `where` (LINE:COLUMN), whose sentence has `part` */
static void
assert_mistake(const char *text, const char *where, const char *part)
{
	char start[64];
	size_t count = mistakes_of(text);

	snprintf(start, sizeof(start), "configuration:%s: ", where);
	if (count != 1 || strncmp(told.at, start, strlen(start)) != 0 ||
	    strstr(told.at, part) == NULL)
		fail_msg("%s\ntold: %sexpected alone: %s%s", text, told.at, start, part);
}

static void
every_mistake_is_told_and_not_only_the_first(void **state)
{
	static const char *const expected[] = {
		"configuration:1:1: unknown directive `hostnam`; did you mean `hostname`?",
		"configuration:3:2: unknown directive `alias`; did you mean `aliases`?",
		"configuration:4:18: `Maildir`: expected a path that begins with `~/`",
		"configuration:6:8: `25`: expected ADDRESS:PORT",
		"configuration:8:3: unknown limit `recipient`; did you mean `recipients`?",
		"configuration:11:1: unknown directive `bloc`",
		"configuration:16:9: `x`: expected a number from 0 to",
	};
	size_t count = mistakes_of("hostnam mail.example.org\n"
				   "domain example.org {\n"
				   "\talias /etc/aliases\n"
				   "\tdeliver maildir Maildir\n"
				   "}\n"
				   "listen 25 mx {\n"
				   "\tlimit {\n"
				   "\t\trecipient 5\n"
				   "\t}\n"
				   "}\n"
				   "bloc of another system {\n"
				   "\tword \"'\n"
				   "\tinner {\n"
				   "\t}\n"
				   "}\n"
				   "min-uid x\n");
	char *line = told.at;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		if (strncmp(line, expected[i], strlen(expected[i])) != 0)
			fail_msg("told: %s\nexpected: %s", line, expected[i]);
		line = strchr(line, '\n') + 1;
	}
	assert_int_equal(count, sizeof(expected) / sizeof(expected[0]));
}

static void
arguments_too_few_or_too_many_are_told_where_they_are(void **state)
{
	(void)state;
	assert_mistake("hostname\n", "1:9", "expected more behind `hostname`: NAME");
	assert_mistake("hostname # x\n", "1:9", "expected more");
	assert_mistake("hostname a.example b.example\n", "1:20", "`b.example` is too much");
	assert_mistake("listen [::]:25\n", "1:15", "ADDRESS:PORT mx");
	assert_mistake("hostname = a.example\n", "1:10", "no `=`");
	assert_mistake("hostname=a.example\n", "1:1", "did you mean `hostname`?");
	assert_mistake("Hostname a.example\n", "1:1", "did you mean `hostname`?");
	assert_mistake("\"hostname\" a.example\n", "1:1", "not a quoted word");
	assert_mistake("limit\n", "1:6", "expected `{`");
	assert_mistake("spool /x {\n}\n", "1:10", "takes no block");
}

static void
a_directive_in_the_wrong_place_is_told_its_place(void **state)
{
	(void)state;
	assert_mistake("aliases /etc/aliases\n", "1:1", "expected it in the block of `domain`");
	assert_mistake("domain a.example {\n\thostname b.example\n}\n", "2:2",
		       "expected it in the file itself");
	assert_mistake("listen [::]:25 mx {\n\tlimit {\n\t\tsessions 5\n\t}\n}\n", "3:3",
		       "expected it in the general `limit`");
	/* and is skipped whole */
	assert_mistake("domain a.example {\n\toutbound {\n\t\tretry x\n\t}\n}\n", "2:2",
		       "`outbound` does not stand in");
}

static void
words_of_later_versions_are_named_plainly(void **state)
{
	(void)state;
	assert_mistake("listen [::]:25 filter-return\n", "1:16",
		       "does not know it yet; expected `mx` or `submission`");
}

static void
who_submits_must_log_in(void **state)
{
	(void)state;
	assert_mistake("auth {\n\tclear yes\n}\nlisten [::]:587 submission {\n\tauth no\n}\n",
		       "5:7", "who submits must log in");
	assert_mistake("listen [::]:587 submission\n", "1:8",
		       "has no TLS; expected a `tls` with a `certificate`, or `clear yes`");
	assert_mistake(
		"tls {\n\tcertificate /a/\n}\nlisten [::]:587 submission {\n\ttls {\n\t}\n}\n",
		"4:8", "nobody could log in");
	assert_mistake("listen [::]:465 submission\n", "1:8", "from the first byte");
	assert_mistake("auth {\n\tclear maybe\n}\n", "2:8", "expected `no` or `yes`");
	assert_mistake("auth {\n\tsenders there\n}\n", "2:10", "`there`");
	assert_mistake("auth {\n\taccounts here\n}\n", "2:11", "path");
	assert_mistake("auth\n", "1:5", "expected `{`");
	assert_mistake("auth {\n\tdovecot here\n}\n", "2:10", "expected the path of a socket");
	assert_mistake("auth {\n\tdovecot mail.example.org:12345\n}\n", "2:10", "ADDRESS:PORT");
	assert_mistake("auth {\n\tpam /etc/pam.d/x\n}\n", "2:6", "name of a service of PAM");
	assert_mistake("auth {\n\tpam culver\n\tdovecot /x\n}\n", "3:2",
		       "expected only one of `dovecot` and `pam`");
	assert_mistake("auth {\n\tdovecot /run/../x\n}\n", "2:10", "without `.` and `..`");
	assert_mistake("auth {\n\tcertificates yes\n}\nlisten [::]:587 submission\n"
		       "tls {\n\tcertificate /a/\n}\n",
		       "2:15", "expected `client-certificate ask` in `tls`");
}

static void
a_route_says_one_thing_about_one_domain(void **state)
{
	(void)state;
	assert_mistake("route example.net {\n\tsmtp a\n}\n", "2:7", "expected HOST:PORT");
	assert_mistake("route example.net {\n\tsmtp mx:192.0.2.1\n}\n", "2:7", "mx:DOMAIN");
	assert_mistake("route example.net {\n\tlmtp run/lmtp\n}\n", "2:7", "path of a socket");
	assert_mistake("route example.net {\n}\n", "1:1", "expected `smtp`, `lmtp`");
	assert_mistake("route example.net {\n\thold\n\tdiscard\n}\n", "3:2", "only one of");
	assert_mistake("route example.net {\n\tsmtp a:1\n\tlmtp b:1\n}\n", "3:2", "only one of");
	assert_mistake("route ..net {\n\thold\n}\n", "1:7", "the name of a domain");
	assert_mistake("route a.net {\n\thold\n}\nroute A.net {\n\thold\n}\n", "4:1",
		       "stands in line 1");
	assert_mistake("route a.net\n", "1:12", "expected `{`");
	assert_mistake("route a.net {\n\trefuse \"\"\n}\n", "2:9", "1 to");
}

static void
a_name_server_is_an_address(void **state)
{
	(void)state;
	assert_mistake("resolver dns.example.net\n", "1:10", "addresses of name servers");
	assert_mistake("resolver 192.0.2.1 system\n", "1:20", "addresses of name servers");
	assert_mistake("resolver 192.0.2.1:53\n", "1:10", "addresses of name servers");
	assert_mistake("resolver 192.0.2.1@0\n", "1:10", "addresses of name servers");
	assert_mistake("trust-anchor keys\n", "1:14", "begins with `/`");
	assert_mistake("hosts /etc/hosts\n", "1:7", "expected `no` or `yes`");
	assert_mistake("outbound {\n\tsmarthost mx:example.net:\n}\n", "2:12", "mx:DOMAIN");
}

static void
twice_is_a_mistake_that_names_the_first(void **state)
{
	(void)state;
	assert_mistake("spool /a\n\nspool /b\n", "3:1", "the first is in line 1");
	assert_mistake("domain a.example B.example\ndomain b.example\n", "2:8",
		       "`b.example` is here twice; it stands in line 1");
	assert_mistake("listen [::]:25 mx\nlisten [::0]:25 mx\n", "2:8", "in line 1");
	/* a place's block is known by its name */
	assert_mistake("route outbound {\n\tdefer\n}\n", "1:1", "`outbound` is the block");
	assert_mistake("domain a.example\nroute a.example {\n\tdefer\n}\n", "2:1",
		       "there is a `domain` of that name");
	assert_mistake("limit {\n\terrors 1\n\terrors 2\n}\n", "3:2", "the first is in line 2");
	/* but not in two blocks */
	assert_int_equal(mistakes_of("domain a.example {\n\taliases /a\n}\n"
				     "domain b.example {\n\taliases /a\n}\n"),
			 0);
}

static void
blocks_that_do_not_close_are_told_where_they_open(void **state)
{
	(void)state;
	assert_mistake("domain a.example {\n", "1:1", "`domain` opens is not closed");
	assert_mistake("}\n", "1:1", "none is open");
	assert_int_equal(mistakes_of("x {\n\ty {\n"), 2); /* unknown, and open */
	assert_int_equal(mistakes_of("#@ /a 1\ndomain a.example {\n#@ /b 1\n}\n#@ /a 3\n}\n"), 1);
	assert_non_null(strstr(told.at, "/b:1:1: `}` ends a block"));
	assert_int_equal(mistakes_of("#@ /a 1\n#@ /b 1\ndomain a.example {\n#@ /a 2\nmin-uid 5\n"),
			 1);
	assert_non_null(strstr(told.at, "/b:1:1: the block"));
}

static void
places_are_right_within_included_files(void **state)
{
	(void)state;
	assert_int_equal(mistakes_of("#@ /etc/main 1\n"
				     "# comment\n"
				     "#@ /etc/a file 1\n"
				     "\n"
				     "  min-uid x\n"
				     "#@ /etc/main 3\n"
				     "extension ab\n"),
			 2);
	assert_string_equal(told.at,
			    "/etc/a file:2:11: `x`: expected a number from 0 to 4294967294\n"
			    "/etc/main:3:11: `ab`: expected one of the characters + - _ = . % & or "
			    "\"#\", or `none`\n");
}

static void
values_that_are_none_are_told(void **state)
{
	static const struct {
		const char *line, *where, *part;
	} all[] = {
		{"hostname mail_.-x..org", "1:10", "name of a host"},
		{"hostname ''", "1:10", "name of a host"},
		{"origin user@example.org", "1:8", "name of a host"},
		{"spool spool", "1:7", "begins with `/`"},
		{"spool /", "1:7", "expected a path"},
		{"spool /a/../b", "1:7", "without `.` and `..`"},
		{"runtime /a23456789a23456789a23456789a23456789a23456789a23456789"
		 "a23456789a23456789a23456789a234567a23456789",
		 "1:9", "at most 96 bytes"},
		{"log sysslog", "1:5", "did you mean `syslog`?"},
		{"relay-from 192.0.2.1/24", "1:12", "network"},
		{"relay-from 192.0.2.0/33", "1:12", "network"},
		{"relay-from ::1 192.0.2", "1:16", "network"},
		{"relay-from ::/0 none", "1:17", "network"},
		{"route a.example {\n smtp b.example:25\n etrn-from 192.0.2.1/24\n}", "3:12",
		 "network"},
		{"relay-from 10.0.0.0/", "1:12", "network"},
		{"relay-from [::1", "1:12", "network"},
		{"extension x", "1:11", "characters"},
		{"extension ''", "1:11", "characters"},
		{"private-headers yes", "1:17", "expected `keep` or `remove`"},
		{"private-headers romove", "1:17", "did you mean `remove`?"},
		{"from-alignment rewrite", "1:16", "expected `off` or `reject`"},
		{"expn-logins ann none", "1:17", "`none`: expected to stand alone"},
		{"expn-logins all ann", "1:13", "`all`: expected to stand alone"},
		{"outbound {\n from-alignment off\n}", "2:2", "from-alignment"},
		{"repair-line-ends maybe", "1:18", "expected `no` or `yes`"},
		{"min-uid +5", "1:9", "expected a number"},
		{"min-uid 4294967295", "1:9", "expected a number"},
		{"listen [::]:0 mx", "1:8", "port 1 to 65535"},
		{"listen 127.0.0.1:65536 mx", "1:8", "port 1 to 65535"},
		{"listen ::1:25 mx", "1:8", "ADDRESS:PORT"},
		{"listen localhost:25 mx", "1:8", "ADDRESS:PORT"},
		{"listen [127.0.0.1]:25 mx", "1:8", "ADDRESS:PORT"},
		{"listen :25 mx", "1:8", "ADDRESS:PORT"},
		{"listen [::]:25 mail", "1:16", "expected `mx`"},
		{"domain bücher.example", "1:8", "xn--"},
	};
	static const struct {
		const char *line, *where, *part;
	} inner[] = {
		{"domain a.example {\n\tusers all\n}\n", "2:8", "expected `system`"},
		{"domain a.example {\n\taliases a\n}\n", "2:10", "begins with `/`"},
		{"domain a.example {\n\tdeliver maildir ~joe/x\n}\n", "2:18", "begins with `~/`"},
		{"domain a.example {\n\tdeliver maildir /m/{usr}\n}\n", "2:21", "`{user}`"},
		{"domain a.example {\n\tdeliver maildir \"/m/{home}\"\n}\n", "2:22", "beginning"},
		{"domain a.example {\n\tdeliver maildir ~/a/../b\n}\n", "2:18", "`..`"},
		{"domain a.example {\n\tdeliver maildir ~/x/\n}\n", "2:18", "behind the last `/`"},
		{"domain a.example {\n\tdelivery a.b mbox\n}\n", "2:11", "expected a name"},
		{"domain a.example {\n\tdelivery a file /x\n}\n", "2:13", "expected `maildir`"},
		{"domain a.example {\n\tdelivery a pipe cat\n}\n", "2:18", "begins with `/`"},
		{"domain a.example {\n\tdelivery a pipe\n}\n", "2:17", "path of a command"},
		{"domain a.example {\n\tdelivery a lmtp\n}\n", "2:17", "behind `lmtp`"},
		{"domain a.example {\n\tdelivery a mbox ~/x y\n}\n", "2:22", "too much"},
		{"domain a.example {\n\tdelivery a mbox\n\tdelivery a mbox\n}\n", "3:11",
		 "here twice"},
		{"domain a.example {\n\thome /v/{user}\n}\n", "1:1", "beside `users TABLE` only"},
		{"domain a.example {\n\tusers /u\n\tas x\n\thome ~/{user}\n}\n", "4:7",
		 "whose last part has `{user}`"},
		{"domain a.example {\n\tusers /u\n\tas x\n\thome /v/{user}/x\n}\n", "4:7",
		 "whose last part has `{user}`"},
		{"domain a.example {\n\tusers /u\n\tas x\n\tdeliver pipe /bin/cat\n}\n", "1:1",
		 "expected `home PATH`"},
		{"domain a.example {\n\tusers /u\n\tas x\n\tdeliver mbox\n}\n", "1:1",
		 "beside `users TABLE` expected"},
		{"domain a.example {\n\tusers /u\n\tas x\n\thome /v/{user}\n"
		 "\tdelivery a maildir /v/{user}/x\n}\n",
		 "1:1", "begins with `~/`"},
		{"domain a.example {\n\tusers /u\n\tdeliver lmtp a.example:24\n"
		 "\tdelivery a maildir ~/x\n}\n",
		 "1:1", "expected `as USER`"},
		{"domain a.example {\n\trelay b.example:25\n\tdelivery a mbox\n}\n", "1:1",
		 "`relay` excludes"},
		{"outbound {\n\tsmarthost mail.example.org\n}\n", "2:12", "HOST:PORT"},
		{"outbound {\n\tsmarthost 300.1.1.1:25\n}\n", "2:12", "HOST:PORT"},
		{"outbound {\n\tsmarthost a.example:25 ::1:25\n}\n", "2:25", "HOST:PORT"},
		{"outbound {\n\treply later rate\n}\n", "2:8", "a pattern was expected"},
		{"outbound {\n\treply /later/ soon\n}\n", "2:8", "greylist, rate"},
		{"outbound {\n\treply /later/ content 5m\n}\n", "2:8", "rate and greylist alone"},
		{"outbound {\n\treply /later/ rate 8d\n}\n", "2:8", "up to 7d"},
		{"site mx..example {\n\trate 1/s\n}\n", "1:6", "mail host"},
		{"site mx.example {\n\trate 0/s\n}\n", "2:7", "100/m"},
		{"site mx.example {\n\trate 5\n}\n", "2:7", "100/m"},
		{"site mx.example {\n\trate 1/8d\n}\n", "2:7", "100/m"},
		{"budget {\n\tmessages 0/hour\n}\n", "2:11", "100/hour"},
		{"budget {\n\tmessages 5\n}\n", "2:11", "100/hour"},
		{"budget {\n\tmessages 5/week\n}\n", "2:11", "1000/day"},
		{"budget {\n\tbytes 5M/hour 6M/hour\n}\n", "2:16", "second amount"},
		{"budget {\n\tbytes -5M/hour\n}\n", "2:8", "100M/hour"},
		{"limit {\n\trate 0.0001/s\n}\n", "2:7", "100/m"},
		{"outbound {\n\tretry 5\n}\n", "2:8", "a time"},
		{"outbound {\n\tretry 4h 5m\n}\n", "2:11", "not shorter"},
		{"outbound {\n\tlifetime 366d\n}\n", "2:11", "to 365d"},
		{"limit {\n\tmessage-size 1X\n}\n", "2:15", "from 1K to 4G"},
		{"limit {\n\trecipients 1000001\n}\n", "2:13", "to 1000000"},
		{"log stderr {\n\tformat xml\n}\n", "2:9", "expected `text`, `json` or `postfix`"},
		{"log stderr {\n\tformat jso\n}\n", "2:9", "did you mean `json`?"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		assert_mistake(all[i].line, all[i].where, all[i].part);
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		assert_mistake(inner[i].line, inner[i].where, inner[i].part);
}

static void
a_runtime_beside_a_long_spool_is_told(void **state)
{
	struct config_defaults d = root;
	struct config_errors errors;
	char text[200];

	(void)state;
	d.runtime = NULL;
	snprintf(text, sizeof(text), "spool /%0100d/spool\n", 0);
	config_errors_init(&errors);
	assert_null(config_parse(span_of(text), &d, &errors));
	assert_int_equal(errors.count, 1);
	assert_non_null(strstr(errors.list[0].text, "runtime PATH"));
	config_errors_free(&errors);
}

static void
a_text_without_its_defaults_is_refused(void **state)
{
	struct config_errors errors;

	(void)state;
	config_errors_init(&errors);
	assert_null(config_parse(SPAN("min-uid 5\n"), NULL, &errors));
	assert_int_equal(errors.count, 1);
	config_errors_free(&errors);
}

static void
more_mistakes_than_are_kept_are_counted(void **state)
{
	struct buffer text;

	(void)state;
	buffer_init(&text, 1 << 20);
	for (int i = 0; i < 1000; i++)
		buffer_string(&text, "zzzzzz\n");
	buffer_char(&text, '\0');
	assert_int_equal(mistakes_of(text.at), 1000);
	assert_non_null(strstr(told.at, "and 800 mistakes more\n"));
	buffer_free(&text);
}

static const char *
nearest_of(const char *word)
{
	static const char *const known[] = {"hostname", "origin", "spool", "runtime",
					    "log",	"limit",  "listen"};
	struct nearest n;

	nearest_start(&n, span_of(word));
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		nearest_offer(&n, known[i]);
	return n.best != NULL ? n.best : "";
}

static void
the_nearest_word_is_the_one_that_was_meant(void **state)
{
	(void)state;
	assert_string_equal(nearest_of("hostnmae"), "hostname");
	assert_string_equal(nearest_of("HOSTNAME"), "hostname");
	assert_string_equal(nearest_of("host-name"), "hostname");
	assert_string_equal(nearest_of("lsiten"), "listen");
	assert_string_equal(nearest_of("limits"), "limit");
	assert_string_equal(nearest_of("spoool"), "spool");
	assert_string_equal(nearest_of("lgo"), "log");
	assert_string_equal(nearest_of("certificate"), "");
	assert_string_equal(nearest_of("x"), "");
	assert_string_equal(nearest_of(""), "");
	assert_string_equal(nearest_of("hostnamehostnamehostnamehostnamehostnamehostname"), "");
}

static void
what_is_verified_needs_a_next_hop(void **state)
{
	(void)state;
	assert_mistake("domain a.test {\n\trecipients verify\n}\n", "1:1", "next hop");
	assert_mistake("domain a.test {\n\trelay h.test:25\n\trecipients verify /t\n}\n", "3:13",
		       "expected `verify` alone");
	assert_mistake("domain a.test {\n\tusers /u\n\tdeliver lmtp 192.0.2.1:24\n"
		       "\trecipients verify\n}\n",
		       "1:1", "the next hop knows");
	assert_mistake("verify {\n\tpositive 1h 2h\n}\n", "2:14", "not longer than");
	assert_mistake("verify {\n\tnegative soon\n}\n", "2:11", "expected a time");
	assert_mistake("verify {\n\tunknown maybe\n}\n", "2:10", "`accept` or `defer`");
	assert_mistake("verify {\n\tsender nobody\n}\n", "2:9", "expected an address, or <>");
	assert_mistake("verify {\n\tprobes 0\n}\n", "2:9", "1 to 100");
	assert_mistake("verify {\n\twait 2m\n}\n", "2:7", "to 1m");
	assert_mistake("positive 1h\n", "1:1", "the block of `verify`");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_is_told_and_not_only_the_first),
		cmocka_unit_test(arguments_too_few_or_too_many_are_told_where_they_are),
		cmocka_unit_test(a_directive_in_the_wrong_place_is_told_its_place),
		cmocka_unit_test(words_of_later_versions_are_named_plainly),
		cmocka_unit_test(who_submits_must_log_in),
		cmocka_unit_test(a_route_says_one_thing_about_one_domain),
		cmocka_unit_test(a_name_server_is_an_address),
		cmocka_unit_test(twice_is_a_mistake_that_names_the_first),
		cmocka_unit_test(blocks_that_do_not_close_are_told_where_they_open),
		cmocka_unit_test(places_are_right_within_included_files),
		cmocka_unit_test(values_that_are_none_are_told),
		cmocka_unit_test(a_runtime_beside_a_long_spool_is_told),
		cmocka_unit_test(a_text_without_its_defaults_is_refused),
		cmocka_unit_test(more_mistakes_than_are_kept_are_counted),
		cmocka_unit_test(what_is_verified_needs_a_next_hop),
		cmocka_unit_test(the_nearest_word_is_the_one_that_was_meant),
	};
	int failed;

	buffer_init(&told, 1 << 20);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buffer_free(&told);
	return failed;
}
