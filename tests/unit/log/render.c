/* render: the shapes of a line that people, programs and syslog read */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "common/protocol/trace.h"
#include "common/text/escape.h"
#include "common/text/json.h"
#include "log/render.h"

static const struct origin origin = {.program = "smtpd", .pid = 412};
static struct line line;
static struct buffer room, out;

static void
parse(const char *text)
{
	assert_int_equal(line_parse(span_of(text), &line, &room), LINE_OK);
	buffer_clear(&out);
}

static void
expect(const char *text)
{
	buffer_char(&out, '\0');
	assert_string_equal(out.at, text);
}

static void
text_is_time_program_pid_name_and_words(void **state)
{
	(void)state;
	parse("1795507351123456 accepted id=0644C2F1B5F3A2 from=\"\" reply=\"\\x1b[2J\"");
	render_text(&out, &origin, &line);
	expect("2026-11-24T08:02:31.123456Z smtpd[412] accepted id=0644C2F1B5F3A2 from=\"\" "
	       "reply=\"\\x1b[2J\"\n");
}

static void
json_has_numbers_for_known_keys_only(void **state)
{
	(void)state;
	parse("1795507351123456 x size=12 code=250 status=250 delay_ms=7 count=007 pid=1 from=5");
	render_json(&out, &origin, &line);
	expect("{\"time\":\"2026-11-24T08:02:31.123456Z\",\"program\":\"smtpd\",\"pid\":412,"
	       "\"event\":\"x\","
	       "\"size\":12,\"code\":250,\"status\":\"250\",\"delay_ms\":7,\"count\":\"007\","
	       "\"about_pid\":1,"
	       "\"from\":\"5\"}\n");
}

static void
a_sender_cannot_say_who_it_is(void **state)
{
	struct json_member m;
	int programs = 0;
	(void)state;
	parse("1 x program=master time=never event=y");
	render_json(&out, &origin, &line);
	struct span rest = span_from(out.at, out.len - 1);
	while (json_next(&rest, &m) == JSON_MEMBER) {
		if (span_equal(m.key, SPAN("program"))) {
			programs++;
			assert_true(span_equal(m.value, SPAN("smtpd")));
		}
		if (span_equal(m.key, SPAN("about_program")))
			assert_true(span_equal(m.value, SPAN("master")));
	}
	assert_int_equal(programs, 1);
}

static void
a_line_of_json_never_passes_the_protocols_maximum(void **state)
{
	(void)state;
	struct buffer text;
	buffer_init(&text, LINE_MAX_BYTES);
	buffer_string(&text, "1 x");
	char *value = malloc(1000);
	memset(value, 0x80, 1000);
	for (int i = 0; i < 7; i++) {
		buffer_format(&text, " k%d=", i);
		escape_word(&text, span_from(value, 1000));
	}
	assert_int_equal(line_parse(buffer_get(&text), &line, &room), LINE_OK);
	buffer_clear(&out);
	render_json(&out, &origin, &line);
	assert_true(out.len <= TRACE_LINE_MAX);
	struct span rest = span_from(out.at, out.len - 1);
	struct json_member m;
	enum json_outcome o;
	while ((o = json_next(&rest, &m)) == JSON_MEMBER)
		if (m.key.at[0] == 'k')
			assert_true(span_ends(m.value, SPAN("...")));
	assert_int_equal(o, JSON_END);
	free(value);
	buffer_free(&text);
}

static void
syslog_gets_facility_mail_and_local_time(void **state)
{
	(void)state;
	setenv("TZ", "UTC0", 1);
	tzset();
	parse("1795507351123456 done id=0644C2F1B5F3A2");
	render_syslog(&out, &origin, &line, false);
	expect("<22>Nov 24 08:02:31 culver/smtpd[412]: done id=0644C2F1B5F3A2");
	buffer_clear(&out);
	render_syslog(&out, &origin, &line, true);
	assert_true(span_starts(buffer_get(&out),
				SPAN("<22>Nov 24 08:02:31 culver/smtpd[412]: {\"time\":")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_time_program_pid_name_and_words),
		cmocka_unit_test(json_has_numbers_for_known_keys_only),
		cmocka_unit_test(a_sender_cannot_say_who_it_is),
		cmocka_unit_test(a_line_of_json_never_passes_the_protocols_maximum),
		cmocka_unit_test(syslog_gets_facility_mail_and_local_time),
	};
	buffer_init(&room, LINE_MAX_BYTES);
	buffer_init(&out, LINE_MAX_BYTES * 4);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	buffer_free(&room);
	buffer_free(&out);
	return failed;
}
