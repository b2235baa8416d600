/*
 * senders - whose an address is: a login's by the tables, a user's of this host by his name or by them
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lookup/aliases.h"
#include "lookup/senders.h"

#define UID_ROOT 0

static char table[] = "/tmp/culver-senders-XXXXXX";
static struct config *config;
static struct routes routes;
static struct arena arena;

static void
open_all(void)
{
	static const struct config_defaults defaults = {.as_root = true,
							.hostname = "mx.example.org",
							.mailname = "mail.example",
							.runtime = "/run/culver",
							.spool = "/var/spool/culver",
							.state = "/var/lib/culver"};
	struct config_errors errors;
	char text[1000];
	int fd = mkstemp(table);

	assert_true(fd >= 0);
	dprintf(fd, "sales@x.example Ann, uid:0\nweb@x.example uid:1\n@y.example ann\n"
		    "me@y.example bob\nuid@x.example login:uid:0\n");
	close(fd);
	snprintf(text, sizeof(text),
		 "auth {\n senders %s\n}\ndomain ours.example\n"
		 "domain virtual.example {\n users %s\n as nobody\n deliver maildir "
		 "/srv/{user}\n}\n",
		 table, table);
	config_errors_init(&errors);
	config = config_parse(span_of(text), &defaults, &errors);
	if (config == NULL)
		fail_msg("%s", errors.list[0].text);
	config_errors_free(&errors);
	routes_init(&routes, config, tables_new(config), users_new(), true);
	arena_init(&arena, ALIASES_MEMORY_MAX);
}

static void
close_all(void)
{
	arena_free(&arena);
	tables_free(routes.tables);
	users_free(routes.users);
	config_free(config);
	unlink(table);
}

static bool
owns(const char *address, const char *login, uint64_t uid)
{
	const struct lookup_sender question = {
		.address = span_of(address), .login = span_of(login), .uid = uid};
	struct lookup_verdict v;

	arena_reset(&arena);
	senders_verdict(&routes, &question, 1000, &arena, &v);
	assert_true(v.class == LOOKUP_LOCAL || (v.class == LOOKUP_REFUSED && v.code == 553));
	return v.class == LOOKUP_LOCAL;
}

static void
a_login_owns_what_the_table_says(void **state)
{
	(void)state;
	assert_true(owns("sales@x.example", "ann", 0));
	assert_true(owns("sales+a@x.example", "ann", 0));
	assert_true(owns("any@y.example", "ann", 0));
	assert_false(owns("me@y.example", "ann", 0));
	assert_true(owns("me@y.example", "bob", 0));
	assert_false(owns("sales@x.example", "bob", 0));
	assert_false(owns("other@x.example", "ann", 0));
}

static void
a_login_is_no_user_of_this_host(void **state)
{
	(void)state;
	assert_false(owns("sales@x.example", "uid:0", 0));
	assert_false(owns("web@x.example", "uid:1", 0));
	assert_false(owns("root@ours.example", "root", 0));
	/* nor is nobody anybody */
	assert_false(owns("sales@x.example", "", 0));
}

static void
a_user_owns_his_name_where_users_are_the_systems(void **state)
{
	static const char *const his[] = {"root@ours.example",	 "Root+x@ours.example",
					  "root@mx.example.org", "root@mail.example",
					  "root@localhost",	 "sales@x.example"};
	static const char *const others[] = {"root@virtual.example",
					     "root@elsewhere.example",
					     "root@x.example",
					     "any@y.example",
					     "web@x.example",
					     "daemon@ours.example",
					     "no-such-user@ours.example"};

	(void)state;
	for (size_t i = 0; i < sizeof(his) / sizeof(his[0]); i++)
		assert_true(owns(his[i], "", UID_ROOT + 1));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(owns(others[i], "", UID_ROOT + 1));
	assert_true(owns("web@x.example", "", 1 + 1));
	assert_false(owns("root@ours.example", "", 1 + 1));
	/* one whom no list of users has owns what the table gives him */
	assert_false(owns("root@ours.example", "", UINT32_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_owns_what_the_table_says),
		cmocka_unit_test(a_login_is_no_user_of_this_host),
		cmocka_unit_test(a_user_owns_his_name_where_users_are_the_systems),
	};
	int failed;

	open_all();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	close_all();
	return failed;
}
