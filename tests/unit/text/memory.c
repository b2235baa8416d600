/* span, buffer, arena: bounds */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/text/arena.h"
#include "common/text/buffer.h"
#include "common/text/span.h"

static void
buffer_stops_at_its_maximum_and_says_so(void **state)
{
	struct buffer b;
	(void)state;
	buffer_init(&b, 10);
	buffer_string(&b, "12345");
	buffer_format(&b, "%d", 678);
	assert_false(b.failed);
	buffer_string(&b, "abc");
	assert_true(b.failed);
	buffer_char(&b, 'x');
	assert_int_equal(b.len, 8);
	buffer_clear(&b);
	buffer_string(&b, "again");
	assert_false(b.failed);
	buffer_consume(&b, 2);
	assert_true(span_equal(buffer_get(&b), SPAN("ain")));
	buffer_free(&b);
}

static void
arena_gives_no_more_than_its_maximum(void **state)
{
	struct arena a;
	(void)state;
	arena_init(&a, 10000);
	assert_non_null(arena_alloc(&a, 9000));
	assert_null(arena_alloc(&a, 2000));
	assert_non_null(arena_string(&a, SPAN("abc")));
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 9000));
	assert_null(arena_alloc(&a, SIZE_MAX));
	arena_free(&a);
}

static void
spans_are_cut_where_asked(void **state)
{
	struct span s = SPAN("a,b,,c");
	char copy[4];
	(void)state;
	assert_true(span_equal(span_cut(&s, ','), SPAN("a")));
	assert_true(span_equal(span_cut(&s, ','), SPAN("b")));
	assert_true(span_equal(span_cut(&s, ','), SPAN("")));
	assert_true(span_equal(span_cut(&s, ','), SPAN("c")));
	assert_int_equal(s.len, 0);
	struct span words = SPAN("  one\t two ");
	assert_true(span_equal(span_word(&words), SPAN("one")));
	assert_true(span_equal(span_word(&words), SPAN("two")));
	assert_int_equal(span_word(&words).len, 0);
	assert_int_equal(span_copy(SPAN("abcd"), copy, sizeof(copy)), -1);
	assert_int_equal(span_copy(span_from("a\0b", 3), copy, sizeof(copy)), -1);
	assert_int_equal(span_copy(SPAN("abc"), copy, sizeof(copy)), 0);
	assert_true(span_equal_nocase(SPAN("ABC"), SPAN("abc")));
	assert_false(span_equal_nocase(SPAN("ABCD"), SPAN("abc")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffer_stops_at_its_maximum_and_says_so),
		cmocka_unit_test(arena_gives_no_more_than_its_maximum),
		cmocka_unit_test(spans_are_cut_where_asked),
	};
	return cmocka_run_group_tests_name("text/memory", tests, NULL, NULL);
}
