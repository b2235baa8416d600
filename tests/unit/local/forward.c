/* forward, list: what a user's file says, and when it is not believed */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local/forward.h"

static struct arena arena;
static struct list list;
static const struct forward_owner owner = {.home = "/home/ann", .uid = 1000, .gid = 1000};

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, 64u << 20);
	list = (struct list){.count = 0};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static void
assert_value(size_t i, enum alias_value_kind kind, const char *text, bool direct)
{
	assert_true(i < list.count);
	assert_int_equal(list.values[i].kind, kind);
	assert_true(span_equal(list.values[i].text, span_of(text)));
	assert_int_equal(list.values[i].direct, direct);
}

static void
values_stand_on_lines_or_between_commas(void **state)
{
	static const char text[] = "# mine\n\n\\ann, bob@x.example,\n"
				   "\"|IFS=' '&&exec /usr/bin/procmail -f-||exit 75 #ann\"\n"
				   "|/usr/bin/vacation ann\r\n"
				   "/home/ann/box\n  :include:/home/ann/list  \n , \n"
				   "\"/home/ann/with blank\"";

	(void)state;
	assert_int_equal(list_parse(span_of(text), &arena, &list), LIST_OK);
	assert_int_equal(list.count, 7);
	assert_value(0, ALIAS_ADDRESS, "ann", true);
	assert_value(1, ALIAS_ADDRESS, "bob@x.example", false);
	assert_value(2, ALIAS_COMMAND, "IFS=' '&&exec /usr/bin/procmail -f-||exit 75 #ann", false);
	assert_value(3, ALIAS_COMMAND, "/usr/bin/vacation ann", false);
	assert_value(4, ALIAS_FILE, "/home/ann/box", false);
	assert_value(5, ALIAS_INCLUDE, "/home/ann/list", false);
	assert_value(6, ALIAS_FILE, "/home/ann/with blank", false);
}

static void
a_line_that_is_not_understood_is_named(void **state)
{
	(void)state;
	assert_int_equal(list_parse(SPAN("ok@x.example\nno address\n"), &arena, &list), LIST_WRONG);
	assert_non_null(strstr(list.wrong, "line 2, column 1"));
	assert_int_equal(list_parse(SPAN("\"|open\n"), &arena, &list), LIST_WRONG);
	assert_int_equal(list_parse(SPAN("@x.example\n"), &arena, &list), LIST_WRONG);
	assert_int_equal(list_parse(SPAN("a\0b\n"), &arena, &list), LIST_WRONG);
}

static void
a_list_has_an_end(void **state)
{
	char *text = malloc(4 * (LIST_VALUES_MAX + 1));

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i <= LIST_VALUES_MAX; i++)
		memcpy(text + 2 * i, "a\n", 2);
	assert_int_equal(list_parse(span_from(text, 2 * LIST_VALUES_MAX), &arena, &list), LIST_OK);
	assert_int_equal(list.count, LIST_VALUES_MAX);
	list = (struct list){.count = 0};
	assert_int_equal(list_parse(span_from(text, 2 * (LIST_VALUES_MAX + 1)), &arena, &list),
			 LIST_TOO_LONG);
	free(text);
}

static void
hashes_tell_lines_apart(void **state)
{
	const struct alias_value command = {.kind = ALIAS_COMMAND, .text = SPAN("/x")},
				 file = {.kind = ALIAS_FILE, .text = SPAN("/x")},
				 again = {.kind = ALIAS_COMMAND, .text = SPAN("/x")};

	(void)state;
	assert_true(alias_value_hash(&command) == alias_value_hash(&again));
	assert_false(alias_value_hash(&command) == alias_value_hash(&file));
	assert_true(alias_value_hash(&command) != 0);
}

static const char *
unsafe(mode_t mode, uid_t uid, gid_t gid)
{
	const struct stat st = {.st_mode = mode, .st_uid = uid, .st_gid = gid};

	return forward_is_unsafe(&owner, &st);
}

static void
only_what_its_owner_alone_could_write_is_believed(void **state)
{
	(void)state;
	assert_null(unsafe(S_IFREG | 0644, 1000, 1000));
	assert_null(unsafe(S_IFREG | 0600, 0, 0));
	/* a group of his own is he */
	assert_null(unsafe(S_IFREG | 0664, 1000, 1000));
	assert_non_null(unsafe(S_IFREG | 0664, 1000, 100));
	assert_non_null(unsafe(S_IFREG | 0666, 1000, 1000));
	assert_non_null(unsafe(S_IFREG | 0646, 0, 0));
	assert_non_null(unsafe(S_IFREG | 0644, 1001, 1000));
	assert_non_null(unsafe(S_IFDIR | 0777, 1000, 1000));
	assert_null(unsafe(S_IFDIR | 01777, 0, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_stand_on_lines_or_between_commas, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_line_that_is_not_understood_is_named, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_list_has_an_end, setup, teardown),
		cmocka_unit_test(hashes_tell_lines_apart),
		cmocka_unit_test(only_what_its_owner_alone_could_write_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
