/* state: what master writes is what culver reads, after a reload too; half a file is none */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/protocol/state.h"

static void
fill(struct state *s)
{
	*s = (struct state){.version = "0.1",
			    .master = 77,
			    .since_us = 5,
			    .as_root = true,
			    .ready = true,
			    .generation = 2,
			    .config = "/etc/a path/culver.conf",
			    .root_mail = "/var/lib/culver/root",
			    .reloads = 2,
			    .reload_refused = true,
			    .reload_us = 6,
			    .reload_reason = "line 3: \"what\"?",
			    .program_count = 2};
	s->programs[0] = (struct state_program){"log", 78, STATE_SERVING, 2, 0, 9};
	s->programs[1] = (struct state_program){"smtpd", 0, STATE_WAITING, 1, 4, 10};
}

static void
expect_same(const struct state *s)
{
	static struct state back;
	struct buffer text;
	buffer_init(&text, STATE_TEXT_MAX);
	state_encode(s, &text);
	assert_int_equal(state_decode(buffer_get(&text), &back), 0);
	assert_string_equal(back.config, s->config);
	assert_string_equal(back.reload_reason, s->reload_reason);
	assert_int_equal(back.reloads, s->reloads);
	assert_int_equal(back.reload_refused, s->reload_refused);
	assert_int_equal(back.generation, s->generation);
	assert_int_equal(back.program_count, s->program_count);
	assert_memory_equal(back.programs, s->programs, s->program_count * sizeof(s->programs[0]));
	for (size_t len = 0; len + 1 < text.len; len++)
		assert_int_equal(state_decode(span_from(text.at, len), &back), -1);
	buffer_free(&text);
}

static void
state_comes_back_as_it_was(void **state)
{
	static struct state s;
	(void)state;
	fill(&s);
	expect_same(&s);
	s.reload_refused = false;
	s.reload_reason[0] = '\0';
	expect_same(&s);
	s.reloads = 0;
	s.reload_refused = false;
	s.reload_us = 0;
	expect_same(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(state_comes_back_as_it_was)};
	return cmocka_run_group_tests_name("protocol/state", tests, NULL, NULL);
}
