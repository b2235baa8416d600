/*
 * story - see culver/story.h
 */
#include "culver/story.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "common/protocol/trace.h"
#include "common/text/escape.h"
#include "common/text/json.h"
#include "common/text/number.h"
#include "culver/human.h"

#define MEMBERS_MAX 40
#define STEP_WIDTH 23 /* of a whole time: 2026-11-24 08:02:31.123 */
#define ID_WIDTH 16

/* a member with its value unescaped */
struct member {
	struct span key;
	struct span value;
	bool said; /* stands in the sentence, or at the front of the line */
};

struct event {
	struct member members[MEMBERS_MAX];
	size_t count;
	struct buffer room; /* of the values */
};

/* {key} the value; {<key} as a path; {#key} bytes; [ ... ] only when the value in it is there and neither empty nor 0 */
static const struct sentence {
	const char *event;
	const char *text;
} sentences[] = {
	{"connected", "{client} connected"},
	{"disconnected", "{client} disconnected"},
	{"refused",
	 "refused {client}[ (HELO {helo})][ from {<from}][ to {<to}]: {code}[ {status}] {reason}"},
	{"accepted",
	 "accepted from {client}[ (HELO {helo})][ as {login}][ under {tls}], sender {<from}, "
	 "{#size}, recipients: {recipients}"},
	{"queued", "queued[ from {client}][ as {login}], sender {<from}, {#size}, recipients: "
		   "{recipients}"},
	{"delivered",
	 "delivered to {<to}[ by {host}][ under {tls}]:[ {code}][ {status}][ {reply}]"},
	{"deferred", "deferred for {<to}[ by {host}][ under {tls}]:[ {code}][ {status}][ {reply}]"},
	{"failed", "failed for {<to}[ by {host}]:[ {code}][ {status}][ {reply}]"},
	{"expanded", "{<to} expanded into {into}"},
	{"notified", "the sender is notified by message {notice}"},
	{"done", "done, nothing is left to do"},
	{"removed", "removed from the queue by {by}"},
	{"abandoned", "abandoned by its sender before it was accepted"},
	{"kept-writer", "dropped: process {about_pid} kept a writer of its file"},
	{"damaged", "damaged, its file is set aside: {reason}"},
};

/* ---- reading ---- */

static struct member *
find(struct event *e, struct span key)
{
	for (size_t i = 0; i < e->count; i++)
		if (span_equal(e->members[i].key, key))
			return &e->members[i];
	return NULL;
}

static struct span
take(struct event *e, const char *key)
{
	struct member *m = find(e, span_of(key));
	if (m == NULL)
		return SPAN_NONE;
	m->said = true;
	return m->value;
}

/* every value has its place in the room before any is looked at: the room must not move */
static int
read_event(struct event *e, struct span json)
{
	struct json_member m;
	enum json_outcome o;
	e->count = 0;
	buffer_init(&e->room, TRACE_LINE_MAX);
	if (json.len > TRACE_LINE_MAX || buffer_reserve(&e->room, TRACE_LINE_MAX) == NULL)
		return -1;
	while ((o = json_next(&json, &m)) == JSON_MEMBER) {
		size_t at = e->room.len;
		if (e->count == MEMBERS_MAX)
			return -1;
		if (!m.is_string)
			buffer_span(&e->room, m.value);
		else if (json_unescape(&e->room, m.value) < 0)
			return -1;
		e->members[e->count++] =
			(struct member){m.key, span_from(e->room.at + at, e->room.len - at), false};
	}
	return o == JSON_END ? 0 : -1;
}

static int
read_part(struct span text, size_t at, size_t len, uint64_t max, int *value)
{
	uint64_t number;
	if (number_parse(span_from(text.at + at, len), 0, max, &number) < 0)
		return -1;
	*value = (int)number;
	return 0;
}

/* 2026-11-24T08:02:31.123456Z; -1: no time */
static int64_t
read_time(struct span s)
{
	static const char shape[] = "0000-00-00T00:00:00.000000Z";
	struct tm tm = {.tm_isdst = 0};
	int us;
	if (s.len != sizeof(shape) - 1)
		return -1;
	for (size_t i = 0; i < s.len; i++)
		if (shape[i] != '0' && s.at[i] != shape[i])
			return -1;
	if (read_part(s, 0, 4, 9999, &tm.tm_year) < 0 || read_part(s, 5, 2, 12, &tm.tm_mon) < 0 ||
	    read_part(s, 8, 2, 31, &tm.tm_mday) < 0 || read_part(s, 11, 2, 23, &tm.tm_hour) < 0 ||
	    read_part(s, 14, 2, 59, &tm.tm_min) < 0 || read_part(s, 17, 2, 60, &tm.tm_sec) < 0 ||
	    read_part(s, 20, 6, 999999, &us) < 0)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * 1000000 + us;
}

/* ---- writing ---- */

static void
put_value(struct event *e, struct span key, struct buffer *to)
{
	char kind = key.at[0], size[HUMAN_MAX];
	uint64_t bytes;
	if (kind == '<' || kind == '#')
		key = span_skip(key, 1);
	struct member *m = find(e, key);
	if (m == NULL) {
		buffer_char(to, '-');
		return;
	}
	m->said = true;
	if (kind == '<') {
		human_path(to, m->value);
	} else if (kind == '#' && number_parse(m->value, 0, UINT64_MAX, &bytes) == 0) {
		human_size(bytes, size);
		buffer_format(to, "%s bytes", size);
	} else {
		human_text(to, m->value);
	}
}

/* a text with its values */
static void
put_text(struct event *e, struct span text, struct buffer *to)
{
	while (text.len > 0) {
		buffer_span(to, span_cut(&text, '{'));
		if (text.len > 0)
			put_value(e, span_cut(&text, '}'), to);
	}
}

/* has the one value of an optional part something to say? */
static bool
says_something(struct event *e, struct span part)
{
	span_cut(&part, '{');
	struct span key = span_cut(&part, '}');
	if (key.at[0] == '<' || key.at[0] == '#')
		key = span_skip(key, 1);
	struct member *m = find(e, key);
	if (m == NULL || (m->value.len > 0 && !span_equal(m->value, SPAN("0"))))
		return m != NULL;
	m->said = true; /* that there is nothing */
	return false;
}

static void
put_sentence(struct event *e, const char *text, struct buffer *to)
{
	struct span rest = span_of(text);
	while (rest.len > 0) {
		put_text(e, span_cut(&rest, '['), to);
		struct span part = span_cut(&rest, ']');
		if (part.len > 0 && says_something(e, part))
			put_text(e, part, to);
	}
}

static void
put_rest(const struct event *e, struct buffer *to)
{
	const char *lead = " (";
	for (size_t i = 0; i < e->count; i++) {
		const struct member *m = &e->members[i];
		if (m->said)
			continue;
		buffer_format(to, "%s%.*s=", lead, SPAN_ARG(m->key));
		escape_word(to, m->value);
		lead = " ";
	}
	if (lead[1] == '\0')
		buffer_char(to, ')');
}

static void
put_event(struct event *e, struct span name, struct buffer *to)
{
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
		if (span_equal(name, span_of(sentences[i].event))) {
			put_sentence(e, sentences[i].text, to);
			put_rest(e, to);
			return;
		}
	human_text(to, name);
	put_rest(e, to);
}

static void
put_front(struct story *s, struct event *e, struct span time, int64_t time_us, struct buffer *to)
{
	char step[HUMAN_MAX];
	if (s->begin_us == 0) {
		s->begin_us = time_us;
		buffer_format(to, "%.10s %.12s", time.at, time.at + 11);
	} else {
		human_step(time_us - s->begin_us, step);
		buffer_format(to, "%*s", STEP_WIDTH, step);
	}
	struct span id = take(e, "id"), session = take(e, "session");
	if (s->with_ids) {
		struct span which = id.len > 0 ? id : session;
		buffer_string(to, "  ");
		human_text(to, which);
		for (size_t i = which.len; i < ID_WIDTH; i++)
			buffer_char(to, ' ');
	}
	buffer_string(to, "  ");
}

int
story_line(struct story *s, struct span json, struct buffer *to)
{
	struct event e;
	if (read_event(&e, json) < 0) {
		buffer_free(&e.room);
		return -1;
	}
	struct span time = take(&e, "time"), name = take(&e, "event");
	int64_t time_us = read_time(time);
	if (time_us >= 0 && name.len > 0) {
		put_front(s, &e, time, time_us, to);
		struct span program = take(&e, "program");
		take(&e, "pid");
		human_text(to, program);
		buffer_string(to, ": ");
		put_event(&e, name, to);
		buffer_char(to, '\n');
	}
	buffer_free(&e.room);
	return time_us >= 0 && name.len > 0 ? 0 : -1;
}
