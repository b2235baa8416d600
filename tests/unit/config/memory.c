/*
 * memory - the k-th allocation fails, for each k until none does: a mistake is told, nothing leaks, nothing half done is given out
 *
 * malloc, calloc and realloc of the whole program are these here; not with sanitizers, which have their own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "common/config/config.h"

static long left = -1; /* allocations until one fails; below 0: none does */
static long made;

#ifndef CULVER_SANITIZE
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *at, size_t size);

static bool
may_allocate(void)
{
	made++;
	if (left < 0 || left-- > 0)
		return true;
	left = -1;
	errno = ENOMEM;
	return false;
}

void *
malloc(size_t size)
{
	return may_allocate() ? __libc_malloc(size) : NULL;
}

void *
calloc(size_t count, size_t size)
{
	return may_allocate() ? __libc_calloc(count, size) : NULL;
}

void *
realloc(void *at, size_t size)
{
	return may_allocate() ? __libc_realloc(at, size) : NULL;
}
#endif

static const struct config_defaults root = {
	.as_root = true,
	.hostname = "machine.example",
	.spool = "/var/spool/culver",
	.state = "/var/lib/culver",
};

/* is a configuration made, when the k-th allocation fails?  Either that or a mistake. */
static bool
parse_failing(const char *text, long k)
{
	struct config_errors errors;
	struct config *c;
	bool is_made;

	config_errors_init(&errors);
	left = k;
	c = config_parse(span_of(text), &root, &errors);
	left = -1;
	is_made = c != NULL;
	assert_int_equal(is_made, errors.count == 0);
	for (size_t i = 0; i < errors.count; i++)
		assert_true(errors.list[i].text != NULL && errors.list[i].file != NULL);
	config_free(c);
	config_errors_free(&errors);
	return is_made;
}

static void
each_allocation_may_fail(void **state)
{
	static const char text[] = "hostname \"a.example\"\n"
				   "listen [::]:25 mx {\n\tlimit {\n\t\thops 5\n\t}\n}\n"
				   "relay-from 10.0.0.0/8 ::1\n"
				   "domain b.example c.example d.example e.example f.example {\n"
				   "\taliases /etc/aliases\n\tdeliver maildir \"~/a\\\"b\"\n}\n"
				   "outbound {\n\tsmarthost a.example:25\n}\n";
	long k, succeeded = 0;

	(void)state;
#ifdef CULVER_SANITIZE
	skip();
#endif
	made = 0;
	assert_true(parse_failing(text, -1));
	assert_true(made > 5);
	for (k = 0; succeeded == 0; k++) {
		assert_true(k < 1000);
		succeeded = parse_failing(text, k);
	}
	/* all that were made were tried */
	assert_true(k > 5);
	for (k = 0; k < 30; k++)
		assert_false(parse_failing("hostnam x\nspool {\n", k));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
