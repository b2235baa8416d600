/*
 * logins - which login a leaf gets by its block and its sender, and that none is ever another's
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lookup/logins.h"

static char table[] = "/tmp/culver-logins-XXXXXX";
static struct config *config;
static struct routes routes;
static struct tables *tables;
static struct arena arena;

static void
open_all(const char *path)
{
	static const struct config_defaults defaults = {.as_root = true,
							.hostname = "mx.example.org",
							.runtime = "/run/culver",
							.spool = "/var/spool/culver",
							.state = "/var/lib/culver"};
	struct config_errors errors;
	char text[1024];

	snprintf(text, sizeof(text),
		 "login a {\n user u\n password /p\n}\nlogin b {\n user u\n password /p\n}\n"
		 "outbound {\n smarthost h:25\n login a\n sender-logins %s\n}\n"
		 "route x.test {\n smtp h:25\n login b\n}\nroute y.test {\n smtp h:25\n}\n",
		 path);
	config_errors_init(&errors);
	config = config_parse(span_of(text), &defaults, &errors);
	if (config == NULL)
		fail_msg("%s", errors.list[0].text);
	config_errors_free(&errors);
	tables = tables_new(config);
	routes_init(&routes, config, tables, NULL, true);
	arena_init(&arena, 1 << 20);
}

static void
close_all(void)
{
	arena_free(&arena);
	tables_free(tables);
	config_free(config);
}

/* the login, or the code and the text of the deferral */
static const char *
login_of(const char *to, const char *sender)
{
	static char text[512];
	struct routes_name n;
	struct lookup_leaf l;

	assert_int_equal(routes_name(&routes, span_of(to), &n), 0);
	routes_leaf(&routes, &n, span_of(to), 1000000, &arena, &l);
	logins_choose(&routes, span_of(sender), 1000000, &arena, &l);
	assert_true(span_equal(l.address, span_of(to)));
	if (l.kind == LOOKUP_SMTP)
		snprintf(text, sizeof(text), "%.*s", SPAN_ARG(l.user));
	else
		snprintf(text, sizeof(text), "%d %.*s", (int)l.code, SPAN_ARG(l.text));
	return text;
}

static void
the_block_and_the_sender_say_by_which_login(void **state)
{
	(void)state;
	open_all(table);
	assert_string_equal(login_of("r@other.test", "ann@s.test"), "b");
	assert_string_equal(login_of("r@other.test", "Ann+Tag@s.test"), "b");
	assert_string_equal(login_of("r@other.test", "ann+own@s.test"), "a");
	assert_string_equal(login_of("r@other.test", "anybody@domain.test"), "b");
	assert_string_equal(login_of("r@other.test", "nobody@s.test"), "");
	assert_string_equal(login_of("r@other.test", "else@s.test"), "a");
	assert_string_equal(login_of("r@other.test", ""), "a");
	/* the table is of outbound alone */
	assert_string_equal(login_of("r@x.test", "ann@s.test"), "b");
	assert_string_equal(login_of("r@x.test", "nobody@s.test"), "b");
	assert_string_equal(login_of("r@y.test", "ann@s.test"), "");
	close_all();
}

static void
what_cannot_be_said_waits(void **state)
{
	(void)state;
	open_all(table);
	assert_string_equal(login_of("r@other.test", "lost@s.test"),
			    "451 the login of its sender is not in the configuration");
	close_all();
	open_all("/nonexistent/table");
	assert_string_equal(login_of("r@other.test", "ann@s.test"),
			    "451 the login of its sender cannot be looked up now");
	/* who is in no table asks none */
	assert_string_equal(login_of("r@other.test", ""), "a");
	assert_string_equal(login_of("r@x.test", "ann@s.test"), "b");
	close_all();
}

static int
write_table(void **state)
{
	static const char text[] = "ann@s.test b\nann+own@s.test a\n@domain.test b\n"
				   "nobody@s.test none\nlost@s.test gone\n";
	int fd = mkstemp(table);

	(void)state;
	if (fd < 0 || write(fd, text, sizeof(text) - 1) != (ssize_t)sizeof(text) - 1)
		return -1;
	return close(fd);
}

static int
remove_table(void **state)
{
	(void)state;
	return unlink(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_block_and_the_sender_say_by_which_login),
		cmocka_unit_test(what_cannot_be_said_waits),
	};
	return cmocka_run_group_tests(tests, write_table, remove_table);
}
