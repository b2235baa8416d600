/*
 * aliases, routes, recipients - what an address is, with real tables and the users of this system (root, nobody)
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup/aliases.h"
#include "lookup/recipients.h"

static char folder[] = "/tmp/culver-aliases-XXXXXX";
static char table[128];
static struct config *config;
static struct routes routes;
static struct arena arena;
static int64_t now_ms;

static void
write_table(const char *text)
{
	FILE *f;

	/* a new file each time, and later than the last look */
	unlink(table);
	f = fopen(table, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	now_ms += 10 * TABLES_LOOK_MS;
}

static void
open_all(bool as_root, const char *extra)
{
	static const struct config_defaults defaults = {.as_root = true,
							.hostname = "mx.example.org",
							.runtime = "/run/culver",
							.spool = "/var/spool/culver",
							.state = "/var/lib/culver"};
	struct config_errors errors;
	char text[1024];

	snprintf(text, sizeof(text),
		 "domain example.org example.net {\n\taliases %s\n}\nextension +\n%s", table,
		 extra);
	config_errors_init(&errors);
	config = config_parse(span_of(text), &defaults, &errors);
	if (config == NULL)
		fail_msg("%s", errors.list[0].text);
	config_errors_free(&errors);
	routes_init(&routes, config, tables_new(config), users_new(), as_root);
	arena_init(&arena, ALIASES_MEMORY_MAX);
}

static void
close_all(void)
{
	arena_free(&arena);
	tables_free(routes.tables);
	users_free(routes.users);
	config_free(config);
}

/* the leaves as one text: "mailbox USER ADDRESS[!]; smtp HOSTS ADDRESS; refuse STATUS ADDRESS; defer STATUS ADDRESS"; ! is direct */
static const char *
leaves_direct(const char *address, bool direct)
{
	static char text[65536];
	struct expansion e;
	size_t len = 0;

	arena_reset(&arena);
	aliases_expand(&routes, span_of(address), direct, false, now_ms, &arena, &e);
	text[0] = '\0';
	for (size_t i = 0; i < e.count && len < sizeof(text) - 2000; i++) {
		const struct lookup_leaf *l = &e.leaves[i];
		static const char *const kinds[] = {"",	       "mailbox", "smtp", "refuse", "defer",
						    "discard", "hold",	  "line", "alias"};
		struct span what = l->kind == LOOKUP_MAILBOX || l->kind == LOOKUP_LINE ||
						   l->kind == LOOKUP_ALIAS
					   ? l->user
				   : l->kind == LOOKUP_SMTP ? l->hosts
							    : l->status;

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %.*s %.*s%s",
					i > 0 ? "; " : "", kinds[l->kind], SPAN_ARG(what),
					SPAN_ARG(l->address), l->direct ? "!" : "");
	}
	return text;
}

static const char *
leaves(const char *address)
{
	return leaves_direct(address, false);
}

static const char *
verdict(const char *address)
{
	static const char *const classes[] = {"", "local", "relay", "refused", "trouble"};
	static char text[100];
	struct lookup_verdict v;

	arena_reset(&arena);
	recipients_verdict(&routes, span_of(address), now_ms, &arena, &v);
	snprintf(text, sizeof(text), "%s %d %.*s", classes[v.class], (int)v.code,
		 SPAN_ARG(v.status));
	return text;
}

static void
a_user_of_the_system_has_a_mailbox(void **state)
{
	(void)state;
	write_table("");
	open_all(true, "");
	assert_string_equal(leaves("nobody@example.org"), "mailbox nobody nobody@example.org");
	assert_string_equal(leaves("NoBody@example.net"), "mailbox nobody NoBody@example.net");
	assert_string_equal(leaves("nobody+x@mx.example.org"),
			    "mailbox nobody nobody+x@mx.example.org");
	assert_string_equal(leaves("nobody@localhost"), "mailbox nobody nobody@localhost");
	assert_string_equal(leaves("nobody"), "mailbox nobody nobody");
	assert_string_equal(verdict("nobody@example.org"), "local 0 ");
	close_all();
}

static void
nobody_else_is_there(void **state)
{
	(void)state;
	write_table("");
	open_all(true, "");
	assert_string_equal(leaves("no-such-user@example.org"),
			    "refuse 5.1.1 no-such-user@example.org");
	assert_string_equal(verdict("no-such-user@example.org"), "refused 550 5.1.1");
	assert_string_equal(verdict("+x@example.org"), "refused 550 5.1.1");
	assert_string_equal(verdict("@example.org"), "refused 550 5.1.3");
	close_all();
}

static void
root_and_his_like_share_a_mailbox(void **state)
{
	static const char *const names[] = {"root",	     "postmaster", "abuse+x",
					    "MAILER-DAEMON", "daemon",	   "bin"};

	(void)state;
	write_table("");
	open_all(true, "");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char address[64], expected[128];

		snprintf(address, sizeof(address), "%s@example.org", names[i]);
		snprintf(expected, sizeof(expected), "mailbox root %s", address);
		assert_string_equal(leaves(address), expected);
	}
	assert_string_equal(verdict("postmaster"), "local 0 ");
	close_all();
}

static void
an_ordinary_user_is_the_only_one(void **state)
{
	char text[1024], address[300];
	struct passwd_user own;

	(void)state;
	if (passwd_find_uid(getuid(), &own) != PASSWD_FOUND)
		skip();
	write_table("");
	open_all(false, "");
	snprintf(address, sizeof(address), "%s@example.org", own.name);
	snprintf(text, sizeof(text), "mailbox %s %s", own.name, address);
	assert_string_equal(leaves(address), text);
	snprintf(text, sizeof(text), "mailbox %s postmaster@example.org", own.name);
	assert_string_equal(leaves("postmaster@example.org"), text);
	assert_string_equal(leaves("nobody@example.org"),
			    getuid() == 65534 ? text : "refuse 5.1.1 nobody@example.org");
	close_all();
}

static void
other_domains_go_to_the_smarthosts_or_their_mx(void **state)
{
	(void)state;
	write_table("out: a@other.test\n");
	open_all(true,
		 "outbound {\n\tsmarthost relay.test:2525 192.0.2.1:25 [2001:db8::1]:25\n}\n");
	assert_string_equal(leaves("a@other.test"),
			    "smtp relay.test:2525 192.0.2.1:25 [2001:db8::1]:25 a@other.test");
	assert_string_equal(verdict("a@other.test"), "relay 0 ");
	assert_string_equal(verdict("out@example.org"), "local 0 ");
	close_all();
	open_all(true, "");
	assert_string_equal(leaves("a@other.test"), "smtp mx:other.test:25 a@other.test");
	assert_string_equal(verdict("a@other.test"), "relay 0 ");
	close_all();
}

static void
an_alias_takes_the_place_of_its_name(void **state)
{
	(void)state;
	write_table("list: nobody, root@example.net, x@other.test, nobody\nroot+spam: nobody\n"
		    "nested: list, list\nUp: NOBODY\n");
	open_all(true, "outbound {\n\tsmarthost r.test:25\n}\n");
	assert_string_equal(leaves("List@example.org"),
			    "mailbox nobody nobody@example.org; mailbox root root@example.net; "
			    "smtp r.test:25 x@other.test");
	assert_string_equal(leaves("list+ext@example.org"), leaves("list@example.org"));
	assert_string_equal(leaves("nested@example.org"), leaves("list@example.org"));
	assert_string_equal(leaves("root+spam@example.org"), "mailbox nobody nobody@example.org");
	assert_string_equal(leaves("root@example.org"), "mailbox root root@example.org");
	assert_string_equal(leaves("up@example.org"), "mailbox nobody NOBODY@example.org");
	close_all();
}

static void
a_name_that_comes_back_is_itself(void **state)
{
	(void)state;
	write_table("nobody: nobody, root\nroot: \\root, nobody\nself: \\nobody\n");
	open_all(true, "");
	assert_string_equal(leaves("nobody@example.org"),
			    "mailbox nobody nobody@example.org!; mailbox root root@example.org!");
	assert_string_equal(leaves("self@example.org"), "mailbox nobody nobody@example.org!");
	/* and asked for again so, no alias is applied */
	assert_string_equal(leaves_direct("nobody@example.org", true),
			    "mailbox nobody nobody@example.org!");
	close_all();
}

static void
a_circle_without_a_user_is_refused(void **state)
{
	(void)state;
	write_table("a: b\nb: c\nc: a\n");
	open_all(true, "");
	assert_string_equal(leaves("a@example.org"), "refuse 5.4.6 a@example.org!");
	assert_string_equal(verdict("b@example.net"), "refused 550 5.4.6");
	close_all();
}

static void
a_command_a_file_and_a_list_are_leaves_of_their_own(void **state)
{
	struct alias_value value = {.kind = ALIAS_COMMAND, .text = SPAN("/bin/true")};
	struct expansion e;

	(void)state;
	write_table("cmd: nobody, |/bin/true\nfile: /tmp/x\nlist: :include:/etc/l\nboth: cmd, "
		    "nobody\ntwice: |/bin/true, |/bin/true\n");
	open_all(true, "");
	assert_string_equal(leaves("cmd@example.org"),
			    "mailbox nobody nobody@example.org; alias cmd cmd@example.org");
	assert_string_equal(leaves("file@example.org"), "alias file file@example.org");
	assert_string_equal(verdict("list@example.org"), "local 0 ");
	assert_string_equal(leaves("both@example.org"),
			    "mailbox nobody nobody@example.org; alias cmd cmd@example.org");
	assert_string_equal(leaves("twice@example.org"), "alias twice twice@example.org");
	/* by its hash it is found again, and says in which table; another hash is no line */
	arena_reset(&arena);
	aliases_line(&routes, SPAN("cmd@example.org"), 0, alias_value_hash(&value), now_ms, &arena,
		     &e);
	assert_int_equal(e.count, 1);
	assert_int_equal(e.leaves[0].kind, LOOKUP_ALIAS);
	assert_int_equal(e.leaves[0].line, alias_value_hash(&value));
	assert_true(span_equal(e.leaves[0].home, span_of(table)));
	aliases_line(&routes, SPAN("cmd@example.org"), 0, alias_value_hash(&value) + 1, now_ms,
		     &arena, &e);
	assert_int_equal(e.count, 1);
	assert_int_equal(e.leaves[0].kind, LOOKUP_DEFER);
	/* a line of a user's .forward is the user's */
	aliases_line(&routes, SPAN("nobody@example.org"), LOOKUP_DIRECT_USER, 7, now_ms, &arena,
		     &e);
	assert_int_equal(e.leaves[0].kind, LOOKUP_LINE);
	assert_true(span_equal(e.leaves[0].user, SPAN("nobody")));
	close_all();
}

static void
a_table_that_cannot_be_read_is_trouble(void **state)
{
	(void)state;
	write_table("a: nobody\n");
	open_all(true, "");
	assert_string_equal(verdict("a@example.org"), "local 0 ");
	unlink(table);
	now_ms += 10 * TABLES_LOOK_MS;
	assert_string_equal(verdict("a@example.org"), "trouble 451 4.3.0");
	assert_string_equal(verdict("no-such-user@example.org"), "trouble 451 4.3.0");
	assert_string_equal(leaves("nobody@example.org"), "defer 4.3.0 nobody@example.org");
	write_table("a: nobody\n");
	assert_string_equal(verdict("a@example.org"), "local 0 ");
	close_all();
}

static void
a_line_that_is_not_understood_defers_its_name_only(void **state)
{
	(void)state;
	write_table("bad: two words\nnobody: root\n");
	open_all(true, "");
	assert_string_equal(leaves("bad@example.org"), "defer 4.3.5 bad@example.org");
	assert_string_equal(verdict("bad@example.org"), "trouble 451 4.3.5");
	assert_string_equal(leaves("nobody@example.org"), "mailbox root root@example.org");
	close_all();
}

static void
depth_and_number_have_bounds(void **state)
{
	size_t size = (size_t)ALIASES_LEAVES_MAX * 40 + 1000, len = 0;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < ALIASES_DEPTH_MAX + 1; i++)
		len += (size_t)snprintf(text + len, size - len, "d%d: d%d\n", i, i + 1);
	len += (size_t)snprintf(text + len, size - len,
				"d%d: nobody\nhalf: ", ALIASES_DEPTH_MAX + 1);
	for (int i = 0; i < 9000; i++)
		len += (size_t)snprintf(text + len, size - len, "u%d@other.test,", i);
	len += (size_t)snprintf(text + len, size - len, "\nhalf2: ");
	for (int i = 0; i < 9000; i++)
		len += (size_t)snprintf(text + len, size - len, "v%d@other.test,", i);
	snprintf(text + len, size - len, "\nall: half, half2\n");
	write_table(text);
	free(text);
	open_all(true, "");
	assert_string_equal(leaves("d2@example.org"), "mailbox nobody nobody@example.org");
	assert_string_equal(leaves("d0@example.org"), "defer 4.3.5 d0@example.org");
	struct expansion e;
	arena_reset(&arena);
	aliases_expand(&routes, SPAN("half@example.org"), false, false, now_ms, &arena, &e);
	assert_int_equal(e.count, 9000);
	assert_string_equal(leaves("all@example.org"), "defer 4.3.5 all@example.org");
	close_all();
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(table, sizeof(table), "%s/aliases", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(table);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_of_the_system_has_a_mailbox),
		cmocka_unit_test(nobody_else_is_there),
		cmocka_unit_test(root_and_his_like_share_a_mailbox),
		cmocka_unit_test(an_ordinary_user_is_the_only_one),
		cmocka_unit_test(other_domains_go_to_the_smarthosts_or_their_mx),
		cmocka_unit_test(an_alias_takes_the_place_of_its_name),
		cmocka_unit_test(a_name_that_comes_back_is_itself),
		cmocka_unit_test(a_circle_without_a_user_is_refused),
		cmocka_unit_test(a_command_a_file_and_a_list_are_leaves_of_their_own),
		cmocka_unit_test(a_table_that_cannot_be_read_is_trouble),
		cmocka_unit_test(a_line_that_is_not_understood_defers_its_name_only),
		cmocka_unit_test(depth_and_number_have_bounds),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
