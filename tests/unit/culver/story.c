/* story: an event of the store as a person reads it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "culver/story.h"

static struct buffer out;

static void
expect(struct story *s, const char *json, const char *text)
{
	buffer_clear(&out);
	assert_int_equal(story_line(s, span_of(json), &out), 0);
	buffer_char(&out, '\0');
	assert_string_equal(out.at, text);
}

static void
times_are_relative_after_the_first_line(void **state)
{
	struct story s = {.with_ids = false};
	(void)state;
	expect(&s,
	       "{\"time\":\"2026-11-24T08:02:31.123456Z\",\"program\":\"smtpd\",\"pid\":1,"
	       "\"event\":\"connected\","
	       "\"session\":\"S0644C2F1B5F3A2\",\"client\":\"192.0.2.1\"}",
	       "2026-11-24 08:02:31.123  smtpd: 192.0.2.1 connected\n");
	expect(&s,
	       "{\"time\":\"2026-11-24T08:02:31.133456Z\",\"program\":\"queue-manager\",\"pid\":2,"
	       "\"event\":\"done\","
	       "\"id\":\"0644C2F1B5F3A2\"}",
	       "                +0.010s  queue-manager: done, nothing is left to do\n");
}

static void
what_a_sentence_does_not_say_follows(void **state)
{
	struct story s = {.with_ids = true};
	(void)state;
	expect(&s,
	       "{\"time\":\"2026-11-24T08:02:31.123456Z\",\"program\":\"queue-manager\",\"pid\":2,"
	       "\"event\":\"delivered\","
	       "\"id\":\"0644C2F1B5F3A2\",\"to\":\"a@b\",\"host\":\"h\",\"code\":250,\"status\":"
	       "\"2.0.0\","
	       "\"reply\":\"\\u001b ok\",\"delay_ms\":7}",
	       "2026-11-24 08:02:31.123  0644C2F1B5F3A2    queue-manager: delivered to <a@b> by h: "
	       "250 2.0.0 \\x1b ok "
	       "(delay_ms=7)\n");
	expect(&s,
	       "{\"time\":\"2026-11-24T08:02:32.123456Z\",\"program\":\"x\",\"pid\":2,\"event\":"
	       "\"unheard-of\","
	       "\"id\":\"0644C2F1B5F3A2\",\"k\":\"v w\"}",
	       "                +1.000s  0644C2F1B5F3A2    x: unheard-of (k=\"v w\")\n");
}

/* who, and how safe the way was; that there was nothing of it is not said */
static void
logins_and_tls_are_part_of_the_sentence(void **state)
{
	struct story s = {.with_ids = false};
	(void)state;
	expect(&s,
	       "{\"time\":\"2026-11-24T08:02:31.123456Z\",\"program\":\"queue-manager\",\"pid\":2,"
	       "\"event\":\"queued\",\"from\":\"a@b\",\"size\":\"10\",\"recipients\":\"1\","
	       "\"client\":\"192.0.2.1\",\"login\":\"ann\"}",
	       "2026-11-24 08:02:31.123  queue-manager: queued from 192.0.2.1 as ann, sender "
	       "<a@b>, 10 "
	       "bytes, recipients: 1\n");
	expect(&s,
	       "{\"time\":\"2026-11-24T08:02:31.123456Z\",\"program\":\"queue-manager\",\"pid\":2,"
	       "\"event\":\"delivered\",\"to\":\"a@b\",\"host\":\"h\",\"code\":250,"
	       "\"tls\":\"TLSv1.3 X dane\"}",
	       "                +0.000s  queue-manager: delivered to <a@b> by h under TLSv1.3 X "
	       "dane: "
	       "250\n");
	expect(&s,
	       "{\"time\":\"2026-11-24T08:02:31.123456Z\",\"program\":\"queue-manager\",\"pid\":2,"
	       "\"event\":\"delivered\",\"to\":\"a@b\",\"host\":\"h\",\"code\":250,\"tls\":\"\"}",
	       "                +0.000s  queue-manager: delivered to <a@b> by h: 250\n");
}

static void
what_is_missing_is_a_dash(void **state)
{
	struct story s = {.with_ids = false};
	(void)state;
	expect(&s,
	       "{\"time\":\"2026-11-24T08:02:31.123456Z\",\"program\":\"smtpd\",\"pid\":1,"
	       "\"event\":\"notified\"}",
	       "2026-11-24 08:02:31.123  smtpd: the sender is notified by message -\n");
}

static void
what_is_no_event_puts_nothing(void **state)
{
	static const char *const wrong[] = {
		"",
		"{}",
		"{\"time\":\"yesterday\",\"event\":\"x\"}",
		"{\"time\":\"2026-11-24T08:02:31.123456Z\"}",
		"{\"time\":\"2026-11-24T08:02:31.123456Z\",\"event\":\"\\q\"}",
	};
	struct story s = {.with_ids = false};
	(void)state;
	buffer_clear(&out);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(story_line(&s, span_of(wrong[i]), &out), -1);
	assert_int_equal(out.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_relative_after_the_first_line),
		cmocka_unit_test(what_a_sentence_does_not_say_follows),
		cmocka_unit_test(logins_and_tls_are_part_of_the_sentence),
		cmocka_unit_test(what_is_missing_is_a_dash),
		cmocka_unit_test(what_is_no_event_puts_nothing),
	};
	buffer_init(&out, 65536);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buffer_free(&out);
	return failed;
}
