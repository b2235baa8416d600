/*
 * rules - lines of text tables, patterns and networks; and the tables that come with Postfix
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/config/mailbox.h"
#include "common/config/rules.h"
#include "common/config/values.h"
#include "common/text/buffer.h"

static struct arena arena;
static char said[4096]; /* what was read and what was wrong, a line each */

__attribute__((format(printf, 1, 2))) static void
say(const char *format, ...)
{
	size_t len = strlen(said);
	va_list args;

	va_start(args, format);
	vsnprintf(said + len, sizeof(said) - len, format, args);
	va_end(args);
}

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	(void)owner;
	say("!%u:%u %s\n", line, column, text);
}

static void
on_line(void *owner, const struct rules_reader *r, unsigned line, struct span text)
{
	(void)owner;
	(void)r;
	say("%u[%.*s]\n", line, SPAN_ARG(text));
}

static void
on_pair(void *owner, const struct rules_reader *r, unsigned line, struct span text)
{
	struct span key, value;

	(void)owner;
	if (rules_pair(r, line, text, &arena, &key, &value))
		say("%.*s=%.*s\n", SPAN_ARG(key), SPAN_ARG(value));
}

static const char *
read_text(struct span text,
	  void (*each)(void *, const struct rules_reader *, unsigned, struct span))
{
	const struct rules_reader r = {NULL, on_wrong};

	arena_reset(&arena);
	said[0] = '\0';
	assert_int_equal(rules_each(text, &arena, &r, each, NULL), 0);
	return said;
}

static void
lines_are_joined_and_comments_skipped(void **state)
{
	(void)state;
	assert_string_equal(read_text(SPAN("# c\n\na b\n  c\n# between\n\td\n\ne\r\n"), on_line),
			    "3[a b  c\td]\n8[e]\n");
	assert_string_equal(read_text(SPAN("a"), on_line), "1[a]\n");
	assert_string_equal(read_text(SPAN(""), on_line), "");
	assert_string_equal(read_text(SPAN("a\n\n\nb"), on_line), "1[a]\n4[b]\n");
	assert_non_null(strstr(read_text(SPAN(" a\nb"), on_line), "!1:1 blank space"));
	assert_non_null(strstr(read_text(SPAN("x\0y\nb"), on_line), "!1:1 a NUL byte"));
	assert_non_null(strstr(said, "2[b]"));
}

static void
a_key_ends_at_a_blank_and_is_lower_case(void **state)
{
	(void)state;
	assert_string_equal(
		read_text(SPAN("Key\tValue of it \n\"two \\\"Words\" x\nalone"), on_pair),
		"key=Value of it\ntwo \"words=x\nalone=\n");
	assert_string_equal(read_text(SPAN("\"\" x"), on_pair), "!1:1 the key is empty\n");
	assert_non_null(strstr(read_text(SPAN("\"a\"b c"), on_pair), "!1:4 blank space"));
}

/* ---- the values of patterns ---- */

static struct span
group(void *owner, unsigned n)
{
	static const struct span groups[] = {SPAN("0"), SPAN("one"), SPAN("two")};

	(void)owner;
	return n < 3 ? groups[n] : SPAN_NONE;
}

static const char *
put(const char *value)
{
	static char text[100];
	struct buffer b;

	buffer_init(&b, 1000);
	rules_put(span_of(value), group, NULL, &b);
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(buffer_get(&b)));
	buffer_free(&b);
	return text;
}

static void
groups_are_put_into_values(void **state)
{
	(void)state;
	assert_string_equal(put("a$1b$2"), "aoneb"
					   "two");
	assert_string_equal(put("${1}1$(2)x$$1"), "one1twox$1");
	assert_string_equal(put("$3."), ".");
	assert_string_equal(put(""), "");
}

static const char *
pattern(const char *line)
{
	static const char *const kinds[] = {"match", "if", "endif"};
	const struct rules_reader r = {NULL, on_wrong};
	struct rules_pattern p;

	said[0] = '\0';
	if (rules_pattern(&r, 1, span_of(line), &p))
		say("%s %s%.*s|%.*s|%.*s %u", kinds[p.kind], p.is_negated ? "!" : "",
		    SPAN_ARG(p.pattern), SPAN_ARG(p.flags), SPAN_ARG(p.value), p.highest_group);
	return said;
}

static void
patterns_are_taken_apart(void **state)
{
	(void)state;
	assert_string_equal(pattern("/a\\/b/ix  $2 x"), "match a\\/b|ix|$2 x 2");
	assert_string_equal(pattern("!/a/ b"), "match !a||b 0");
	assert_string_equal(pattern("! #a# b"), "match !a||b 0");
	assert_string_equal(pattern("if !/a/"), "if !a|| 0");
	assert_string_equal(pattern("IF /a/m"), "if a|m| 0");
	assert_string_equal(pattern("endif"), "endif || 0");
	assert_string_equal(pattern("/a/"), "match a|| 0");
	assert_non_null(strstr(pattern("/a"), "not closed"));
	assert_non_null(strstr(pattern("//x y"), "empty"));
	assert_non_null(strstr(pattern("a b"), "a pattern was expected"));
	assert_non_null(strstr(pattern("/a/ $x"), "number of a group"));
	assert_non_null(strstr(pattern("/a/ ${1"), "number of a group"));
	assert_non_null(strstr(pattern("/a/ $100"), "number of a group"));
	assert_non_null(strstr(pattern("!/a/ $1"), "has no groups"));
}

static void
networks_hold_addresses(void **state)
{
	static const struct {
		const char *network, *address;
		bool has;
	} cases[] = {
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.128/25", "192.0.2.128", true},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "::1", false},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
		{"::1", "::1", true},
		{"[::1]/128", "::2", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config_network n;
		unsigned char address[16];
		int family;

		assert_int_equal(value_network(span_of(cases[i].network), &n), 0);
		assert_int_equal(value_ip(span_of(cases[i].address), &family, address), 0);
		assert_int_equal(rules_network_has(&n, family, address), cases[i].has);
	}
}

static void
a_user_is_nothing_or_words(void **state)
{
	static const struct {
		const char *value;
		bool is_right;
		const char *home;
	} cases[] = {
		{"", true, ""},
		{"quota=5G home=/v/x deliver=maildir", true, "/v/x"},
		{"home=v", false, ""},
		{"home=/v/../x", false, ""},
		{"home=/v/", false, ""},
		{"quota=x", false, ""},
		{"deliver=archive", true, ""},
		{"deliver=", false, ""},
		{"uid=0", false, ""},
		{"/v/x", false, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *wrong = NULL;
		struct rules_user u;

		if (rules_user(span_of(cases[i].value), &u, &wrong) != cases[i].is_right)
			fail_msg("%s", cases[i].value);
		assert_int_equal(wrong == NULL, cases[i].is_right);
		if (cases[i].is_right)
			assert_true(span_equal(u.home, span_of(cases[i].home)));
	}
}

static const char *
home_of(const char *path, const char *user, const char *domain)
{
	static char text[MAILBOX_HOME_MAX + 1];
	struct buffer b;

	buffer_init(&b, MAILBOX_HOME_MAX);
	if (!mailbox_home(path, span_of(user), span_of(domain), &b))
		snprintf(text, sizeof(text), "none");
	else
		snprintf(text, sizeof(text), "%.*s", SPAN_ARG(buffer_get(&b)));
	buffer_free(&b);
	return text;
}

static void
homes_stay_below_the_prefix(void **state)
{
	static const char path[] = "/var/vmail/{domain}/{user}/Maildir";
	static const char *const outside[] = {"/var/vmail",
					      "/var/vmail/",
					      "/var/vmailx/a",
					      "/var/vmail/../x",
					      "/var/vmail/a/..",
					      "/var/vmail//a",
					      "/var/vmail/a/",
					      "var/vmail/a",
					      "",
					      "/",
					      "/var/vmail/a\nb"};

	(void)state;
	assert_string_equal(home_of(path, "ann", "x.test"), "/var/vmail/x.test/ann");
	assert_string_equal(home_of(path, "..", "x.test"), "none");
	assert_string_equal(home_of(path, "a/b", "x.test"), "none");
	assert_string_equal(home_of(path, "", "x.test"), "none");
	assert_string_equal(home_of(path, "ann", ".."), "none");
	assert_string_equal(home_of("/v/m-{user}", "ann", "x.test"), "/v/m-ann");
	assert_string_equal(home_of("~/{user}", "ann", "x.test"), "none");
	assert_string_equal(mailbox_tail(path), "/Maildir");
	assert_string_equal(mailbox_tail("/v/{user}"), "");
	assert_null(mailbox_tail("/v/{domain}"));
	assert_null(mailbox_tail("/{user}")); /* no prefix but the root itself */
	assert_true(mailbox_home_ok(path, SPAN("/var/vmail/a")));
	assert_true(mailbox_home_ok(path, SPAN("/var/vmail/a/b c/.d")));
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		if (mailbox_home_ok(path, span_of(outside[i])))
			fail_msg("%s", outside[i]);
}

/* ---- a text table of Postfix: its verdicts on the right of each line ---- */

/*
 * dict_thash.in, as dict_thash.ref judges it.  We take two lines that Postfix warns of or leaves out: `xxx: yyy` (warned of by both)
 * and `xxx` without a value, which is how a table of users says "is there".
 */
static void
postfix_text_tables_are_read_alike(void **state)
{
	static const char *const verdicts[] = {"!1:1 the key that begins here has no closing",
					       "!2:4 the key ends in `:`", "xxx:=yyy\n", "xxx=\n",
					       "aaa=bbb\n"};
	const char *folder = getenv("CULVER_TEST_DATA");
	static char text[8192];
	char path[4096];
	FILE *f;
	size_t len, same = 0, lines = 0;

	(void)state;
	folder = folder != NULL ? folder : "../shared/data";
	snprintf(path, sizeof(path), "%s/postfix-tables/util/dict_thash.in", folder);
	f = fopen(path, "r");
	if (f == NULL)
		skip();
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	read_text(span_from(text, len), on_pair);
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (strstr(said, verdicts[i]) == NULL)
			fail_msg("%s: not in %s", verdicts[i], said);
		same++;
	}
	snprintf(path, sizeof(path), "%s/postfix-tables/util/dict_thash.map", folder);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	read_text(span_from(text, len), on_pair);
	assert_null(strchr(said, '!'));
	assert_non_null(strstr(said, "the answer is=42\nabcdef=012345\n"));
	assert_non_null(strstr(said, "\nthe=answer is 42\n"));
	for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 17);
	print_message("Postfix text tables: %zu judgements, %zu lines\n", same, lines);
}

static int
make_arena(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int
free_arena(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_joined_and_comments_skipped),
		cmocka_unit_test(a_key_ends_at_a_blank_and_is_lower_case),
		cmocka_unit_test(groups_are_put_into_values),
		cmocka_unit_test(patterns_are_taken_apart),
		cmocka_unit_test(networks_hold_addresses),
		cmocka_unit_test(a_user_is_nothing_or_words),
		cmocka_unit_test(homes_stay_below_the_prefix),
		cmocka_unit_test(postfix_text_tables_are_read_alike),
	};

	return cmocka_run_group_tests(tests, make_arena, free_arena);
}
