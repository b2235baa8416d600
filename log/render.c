/*
 * render - see render.h
 */
#include "log/render.h"

#include <inttypes.h>
#include <time.h>

#include "common/protocol/trace.h"
#include "common/system/clock.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#define VALUE_CUT_FIRST 4096 /* bytes of a value in JSON; halved until the line fits */
#define VALUE_CUT_LEAST 8
#define NUMBER_DIGITS_MAX 15 /* what every reader of JSON keeps exact */

/* ---- text ---- */

static void
put_words(struct buffer *to, const struct line *l)
{
	buffer_span(to, l->name);
	for (size_t i = 0; i < l->field_count; i++) {
		buffer_char(to, ' ');
		buffer_span(to, l->fields[i].key);
		buffer_char(to, '=');
		buffer_span(to, l->fields[i].word);
	}
}

void
render_text(struct buffer *to, const struct origin *from, const struct line *l)
{
	char time[CLOCK_TEXT_MAX];
	clock_iso(l->time_us, time);
	buffer_format(to, "%s %s[%" PRId64 "] ", time, from->program, from->pid);
	put_words(to, l);
	buffer_char(to, '\n');
}

/* ---- JSON ---- */

static bool
is_numeric_key(struct span key)
{
	static const char *const keys[] = {
		"size", "code",	       "count",	   "pid",      "commands", "messages", "recipients",
		"free", "queued",      "unqueued", "damaged",  "signal",   "attempts", "bytes",
		"fd",	"descriptors", "number",   "landlock", "uid",
	};
	if (span_ends(key, SPAN("_ms")) || span_ends(key, SPAN("_us")))
		return true;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (span_equal(key, span_of(keys[i])))
			return true;
	return false;
}

static bool
is_number(struct span s)
{
	uint64_t value;
	return s.len <= NUMBER_DIGITS_MAX && (s.len == 1 || (s.len > 1 && s.at[0] != '0')) &&
	       number_parse(s, 0, UINT64_MAX, &value) == 0;
}

static bool
is_reserved(struct span key)
{
	return span_equal(key, SPAN("time")) || span_equal(key, SPAN("program")) ||
	       span_equal(key, SPAN("pid")) || span_equal(key, SPAN("event"));
}

static void
put_member(struct buffer *to, const struct line_field *f, size_t cut)
{
	buffer_format(to, ",\"%s%.*s\":", is_reserved(f->key) ? "about_" : "", SPAN_ARG(f->key));
	if (is_numeric_key(f->key) && is_number(f->value)) {
		buffer_span(to, f->value);
		return;
	}
	buffer_char(to, '"');
	if (f->value.len > cut) {
		escape_json(to, span_from(f->value.at, cut));
		buffer_string(to, "...");
	} else {
		escape_json(to, f->value);
	}
	buffer_char(to, '"');
}

static void
put_object(struct buffer *to, const struct origin *from, const struct line *l, size_t cut)
{
	char time[CLOCK_TEXT_MAX];
	clock_iso(l->time_us, time);
	buffer_format(to,
		      "{\"time\":\"%s\",\"program\":\"%s\",\"pid\":%" PRId64 ",\"event\":\"%.*s\"",
		      time, from->program, from->pid, SPAN_ARG(l->name));
	for (size_t i = 0; i < l->field_count; i++)
		put_member(to, &l->fields[i], cut);
	buffer_char(to, '}');
}

void
render_json(struct buffer *to, const struct origin *from, const struct line *l)
{
	size_t before = to->len;
	for (size_t cut = VALUE_CUT_FIRST; cut >= VALUE_CUT_LEAST; cut /= 2) {
		to->len = before;
		put_object(to, from, l, cut);
		if (to->failed || to->len - before < TRACE_LINE_MAX)
			break;
	}
	buffer_char(to, '\n');
}

/* ---- syslog ---- */

void
render_syslog_time(struct buffer *to, int64_t time_us)
{
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm;
	localtime_r(&seconds, &tm);
	buffer_format(to, "%s %2d %02d:%02d:%02d", months[tm.tm_mon], tm.tm_mday, tm.tm_hour,
		      tm.tm_min, tm.tm_sec);
}

void
render_syslog(struct buffer *to, const struct origin *from, const struct line *l, bool json)
{
	buffer_format(to, "<%d>", RENDER_SYSLOG_PRIORITY);
	render_syslog_time(to, l->time_us);
	buffer_format(to, " culver/%s[%" PRId64 "]: ", from->program, from->pid);
	if (json)
		put_object(to, from, l, VALUE_CUT_FIRST);
	else
		put_words(to, l);
}
