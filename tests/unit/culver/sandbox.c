/* sandbox: what the kernel says is read right, and whoever is not confined is named */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "culver/sandbox.h"

static const char status[] = "Name:\tsmtpd\n"
			     "Uid:\t105\t105\t105\t105\n"
			     "Gid:\t106\t107\t106\t106\n"
			     "Groups:\t200 201 \n"
			     "CapInh:\tffffffffffffffff\n"
			     "CapEff:\t00000000000000c1\n"
			     "NoNewPrivs:\t1\n"
			     "Seccomp:\t2\n"
			     "Seccomp_filters:\t3\n";

static struct sandbox_process process;

static void
the_lines_of_the_kernel_are_read(void **state)
{
	(void)state;
	assert_int_equal(sandbox_parse(SPAN(status), &process), 0);
	assert_int_equal(process.uid, 105);
	assert_string_equal(process.groups, "107 200 201");
	assert_int_equal(process.capabilities, 0xc1);
	assert_int_equal(process.no_new_privs, 1);
	assert_int_equal(process.seccomp, 2);
	assert_int_equal(process.filters, 3);
}

/* `status` without the line that begins with `key` */
static struct span
without(const char *key)
{
	static char text[sizeof(status)];
	const char *at = strstr(status, key);
	assert_non_null(at);
	const char *end = strchr(at, '\n') + 1;
	snprintf(text, sizeof(text), "%.*s%s", (int)(at - status), status, end);
	return span_of(text);
}

static void
a_line_that_is_missing_is_not_taken_for_confinement(void **state)
{
	(void)state;
	assert_int_equal(sandbox_parse(without("Uid:"), &process), -1);
	assert_int_equal(sandbox_parse(without("Gid:"), &process), -1);
	assert_int_equal(sandbox_parse(without("Groups:"), &process), -1);
	assert_int_equal(sandbox_parse(without("CapEff:"), &process), -1);
	assert_int_not_equal(
		sandbox_parse(without("Seccomp:"), &process) == 0 && process.seccomp == 2, 1);
	assert_int_not_equal(sandbox_parse(without("NoNewPrivs:"), &process) == 0 &&
				     process.no_new_privs == 1,
			     1);
	/* before Linux 5.9 */
	assert_int_equal(sandbox_parse(without("Seccomp_filters:"), &process), 0);
	assert_int_equal(process.filters, -1);
	assert_int_equal(process.seccomp, 2);
	assert_int_equal(sandbox_parse(SPAN_NONE, &process), -1);
}

static void
cut_text_never_reads_as_confined(void **state)
{
	(void)state;
	for (size_t len = 0; len < strlen("Uid:\t105") + strlen("Name:\tsmtpd\n"); len++)
		assert_int_equal(sandbox_parse(span_from(status, len), &process), -1);
}

static void
the_kernel_of_this_machine_is_understood(void **state)
{
	char text[16384];
	(void)state;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t len = read(fd, text, sizeof(text));
	close(fd);
	assert_true(len > 0);
	assert_int_equal(sandbox_parse(span_from(text, (size_t)len), &process), 0);
	assert_int_equal(process.uid, geteuid());
}

static struct sandbox_process
confined(const char *name)
{
	struct sandbox_process p = {.uid = 105,
				    .no_new_privs = 1,
				    .seccomp = 2,
				    .filters = 1,
				    .dumpable = 0,
				    .root = "/run/culver/rooms/smtpd"};
	snprintf(p.name, sizeof(p.name), "%s", name);
	return p;
}

static void
each_thing_that_is_not_as_it_must_be_is_a_complaint(void **state)
{
	struct sandbox_process p = confined("smtpd");
	(void)state;
	assert_null(sandbox_complaint(&p, true));
	p.seccomp = 0;
	assert_non_null(sandbox_complaint(&p, true));
	assert_non_null(sandbox_complaint(&p, false));
	p.seccomp = 1;
	assert_non_null(sandbox_complaint(&p, true));
	p = confined("smtpd");
	p.no_new_privs = 0;
	assert_non_null(sandbox_complaint(&p, false));
	p.no_new_privs = -1;
	assert_non_null(sandbox_complaint(&p, false));
	p = confined("smtpd");
	p.dumpable = 1;
	assert_non_null(sandbox_complaint(&p, false));
	p = confined("smtpd");
	p.capabilities = 1;
	assert_non_null(sandbox_complaint(&p, false));
	p = confined("smtpd");
	p.uid = 0;
	assert_non_null(sandbox_complaint(&p, true));
	p = confined("smtpd");
	strcpy(p.root, "/");
	assert_non_null(sandbox_complaint(&p, true));
	/* an ordinary user has no rooms */
	assert_null(sandbox_complaint(&p, false));
}

static void
what_the_map_allows_is_no_complaint(void **state)
{
	struct sandbox_process p = confined("lookup");
	(void)state;
	strcpy(p.root, "/");
	assert_null(sandbox_complaint(&p, true));
	p = confined("log");
	strcpy(p.root, "/");
	assert_null(sandbox_complaint(&p, true));
	/* becomes others; its filter holds all the same */
	p = confined("local");
	p.uid = 0;
	p.capabilities = 0xff;
	strcpy(p.root, "/");
	assert_null(sandbox_complaint(&p, true));
	p.seccomp = 0;
	assert_non_null(sandbox_complaint(&p, true));
	p = (struct sandbox_process){.name = "master", .root = "/"};
	assert_null(sandbox_complaint(&p, true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lines_of_the_kernel_are_read),
		cmocka_unit_test(a_line_that_is_missing_is_not_taken_for_confinement),
		cmocka_unit_test(cut_text_never_reads_as_confined),
		cmocka_unit_test(the_kernel_of_this_machine_is_understood),
		cmocka_unit_test(each_thing_that_is_not_as_it_must_be_is_a_complaint),
		cmocka_unit_test(what_the_map_allows_is_no_complaint),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
