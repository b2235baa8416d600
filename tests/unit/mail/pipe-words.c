/* pipe-words: what strangers write fills arguments, and makes none */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/mail/pipe-words.h"

static const struct pipe_facts facts = {
	.user = SPAN("ann"),
	.ext = SPAN("-rf"),
	.domain = SPAN("y.example"),
	.home = SPAN("/home/ann"),
	.sender = SPAN("a b;`c`@{user}"),
	.recipient = SPAN("ann+-rf@y.example"),
	.original = SPAN("list@y.example"),
	.id = 0x66101D47CF6B1,
	.size = 4096,
};

static const char *
put(const char *word, const struct pipe_facts *f)
{
	static struct buffer b;

	if (b.max == 0)
		buffer_init(&b, 1024);
	buffer_clear(&b);
	pipe_word_put(span_of(word), f, &b);
	buffer_char(&b, '\0');
	assert_false(b.failed);
	return b.at;
}

static void
each_name_stands_for_its_fact(void **state)
{
	(void)state;
	assert_string_equal(put("{user}/{domain}{home}", &facts), "ann/y.example/home/ann");
	assert_string_equal(put("{recipient} {original} {id} {size}", &facts),
			    "ann+-rf@y.example list@y.example 66101D47CF6B1 4096");
	assert_string_equal(put("plain", &facts), "plain");
	assert_string_equal(put("", &facts), "");
}

static void
what_is_put_in_is_not_looked_at_again(void **state)
{
	(void)state;
	assert_string_equal(put("{sender}", &facts), "a b;`c`@{user}");
}

static void
no_argument_becomes_an_option(void **state)
{
	(void)state;
	assert_string_equal(put("{ext}", &facts), "_rf");
	assert_string_equal(put("x{ext}", &facts), "x-rf");
	assert_string_equal(put("--ext={ext}", &facts), "--ext=-rf");
}

static void
the_null_sender_has_a_name(void **state)
{
	struct pipe_facts f = facts;

	(void)state;
	f.sender = SPAN_NONE;
	assert_string_equal(put("{sender}", &f), "MAILER-DAEMON");
}

static void
a_word_with_another_name_is_none(void **state)
{
	(void)state;
	assert_null(pipe_word_check(SPAN("-d{user}@{domain}")));
	assert_null(pipe_word_check(SPAN("}")));
	assert_non_null(pipe_word_check(SPAN("{usr}")));
	assert_non_null(pipe_word_check(SPAN("{")));
	assert_non_null(pipe_word_check(SPAN("a\0b")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_stands_for_its_fact),
		cmocka_unit_test(what_is_put_in_is_not_looked_at_again),
		cmocka_unit_test(no_argument_becomes_an_option),
		cmocka_unit_test(the_null_sender_has_a_name),
		cmocka_unit_test(a_word_with_another_name_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
