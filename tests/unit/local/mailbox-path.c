/*
 * mailbox-path - templates of `deliver`, and what strangers may put into them
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "local/mailbox-path.h"

static char path[PATH_MAX];

static const char *
make(const char *template, const char *ext)
{
	struct mailbox_path_values v = {.home = "/home/bob",
					.user = SPAN("bob"),
					.ext = span_of(ext),
					.domain = SPAN("x.test")};

	switch (mailbox_path(template, &v, path, sizeof(path))) {
	case MAILBOX_PATH_OK:
		return path;
	case MAILBOX_PATH_VALUE:
		return "value";
	case MAILBOX_PATH_TEMPLATE:
		return "template";
	}
	return "";
}

static void
words_are_filled_in(void **state)
{
	(void)state;
	assert_string_equal(make("~/Maildir", ""), "/home/bob/Maildir");
	assert_string_equal(make("{home}/Maildir/", ""), "/home/bob/Maildir");
	assert_string_equal(make("~/mail/{domain}/{user}/.{ext}", "news"),
			    "/home/bob/mail/x.test/bob/.news");
	assert_string_equal(make("/srv/mail/{domain}/{user}", ""), "/srv/mail/x.test/bob");
	assert_string_equal(make("/srv/mail/Maildir", ""), "/srv/mail/Maildir");
}

static void
a_value_is_one_component(void **state)
{
	(void)state;
	assert_string_equal(make("~/Maildir/{ext}", "../../etc"), "value");
	assert_string_equal(make("~/Maildir/{ext}", ".."), "value");
	assert_string_equal(make("~/Maildir/{ext}", "."), "value");
	assert_string_equal(make("~/Maildir/.{ext}", "."), "value");
	assert_string_equal(make("~/Maildir/{ext}/x", "a/b"), "value");
	assert_string_equal(make("~/Maildir/{ext}", "a\nb"), "value");
	assert_string_equal(make("~/Maildir/{ext}", "a..b"), "/home/bob/Maildir/a..b");
}

static void
a_template_that_leads_elsewhere_is_refused(void **state)
{
	(void)state;
	assert_string_equal(make("~", ""), "template");
	assert_string_equal(make("~/../x", ""), "template");
	assert_string_equal(make("/{user}", ""), "template");
	assert_string_equal(make("Maildir", ""), "template");
	assert_string_equal(make("~/{nonsense}", ""), "template");
	assert_string_equal(make("~/{user", ""), "template");
	assert_string_equal(make("", ""), "template");
}

static void
the_base_is_the_home_or_what_stands_before_the_first_word(void **state)
{
	(void)state;
	assert_int_equal(mailbox_path_base("~/Maildir", "/home/bob/", path, sizeof(path)), 0);
	assert_string_equal(path, "/home/bob");
	assert_int_equal(mailbox_path_base("/var/mail/x{user}/a", "/h", path, sizeof(path)), 0);
	assert_string_equal(path, "/var/mail");
	assert_int_equal(mailbox_path_base("~/Maildir", "/", path, sizeof(path)), -1);
	assert_int_equal(mailbox_path_base("~/Maildir", "", path, sizeof(path)), -1);
}

static void
check_extension(const char *address, const char *user, char separator, const char *expected)
{
	struct span ext = mailbox_path_extension(span_of(address), span_of(user), separator);

	assert_int_equal(ext.len, strlen(expected));
	assert_memory_equal(ext.at, expected, ext.len);
}

static void
the_extension_stands_behind_the_first_separator(void **state)
{
	(void)state;
	check_extension("bob+a+b@x.test", "bob", '+', "a+b");
	check_extension("bob@x.test", "bob", '+', "");
	check_extension("bob+a@x.test", "bob", '\0', "");
	check_extension("john-smith@x.test", "John-Smith", '-', "");
	check_extension("\"b ob+a\"@x.test", "b ob", '+', "");
	check_extension("postmaster", "root", '+', "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_filled_in),
		cmocka_unit_test(a_value_is_one_component),
		cmocka_unit_test(a_template_that_leads_elsewhere_is_refused),
		cmocka_unit_test(the_base_is_the_home_or_what_stands_before_the_first_word),
		cmocka_unit_test(the_extension_stands_behind_the_first_separator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
