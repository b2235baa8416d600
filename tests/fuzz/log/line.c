/*
 * line: what is taken is printable and bounded, renders to one line of text, to JSON that is read again with the same values, and to as many
 * lines of Postfix as it may
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/protocol/trace.h"
#include "common/text/json.h"
#include "log/line.h"
#include "log/postfix.h"
#include "log/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(int holds)
{
	if (!holds)
		abort();
}

static void
check_text(const struct buffer *out)
{
	for (size_t i = 0; i + 1 < out->len; i++)
		check(out->at[i] >= 0x20 && out->at[i] < 0x7f);
	check(out->len > 0 && out->at[out->len - 1] == '\n');
}

static void
check_json(const struct buffer *out, size_t fields)
{
	struct json_member m;
	struct span rest = span_from(out->at, out->len - 1);
	enum json_outcome o;
	struct buffer value;
	size_t members = 0;
	buffer_init(&value, TRACE_LINE_MAX);
	while ((o = json_next(&rest, &m)) == JSON_MEMBER) {
		members++;
		buffer_clear(&value);
		check(!m.is_string || json_unescape(&value, m.value) == 0);
	}
	buffer_free(&value);
	check(o == JSON_END && members == fields + 4);
	check(out->len <= TRACE_LINE_MAX);
}

static void
check_postfix(const struct buffer *out)
{
	size_t lines = 0;
	for (size_t i = 0; i < out->len; i++) {
		lines += out->at[i] == '\n';
		check(out->at[i] == '\n' || (out->at[i] >= 0x20 && out->at[i] < 0x7f));
	}
	check(lines <= POSTFIX_LINES_MAX && (out->len == 0 || out->at[out->len - 1] == '\n'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct origin origin = {.program = "smtpd", .pid = 1};
	static struct line line;
	struct buffer room, out;
	buffer_init(&room, LINE_MAX_BYTES);
	buffer_init(&out, LINE_MAX_BYTES * 4);
	if (line_parse(span_from((const char *)data, size), &line, &room) == LINE_OK) {
		render_text(&out, &origin, &line);
		check_text(&out);
		buffer_clear(&out);
		render_json(&out, &origin, &line);
		check_json(&out, line.field_count);
		buffer_clear(&out);
		render_syslog(&out, &origin, &line, false);
		buffer_char(&out, '\n');
		check_text(&out);
		buffer_clear(&out);
		render_postfix(&out, &origin, &line);
		check_postfix(&out);
	}
	buffer_free(&room);
	buffer_free(&out);
	return 0;
}
