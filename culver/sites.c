/*
 * sites - see culver/sites.h
 */
#include "culver/sites.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/clock.h"
#include "common/text/escape.h"
#include "culver/human.h"

#define ROOM_FIRST 64
#define TEXT_MAX (256u << 20)
#define OTHERS "(all others)"

/* what is not there is empty */
static struct span
keep(struct sites *s, struct span text)
{
	return arena_span(&s->text, text.len > 0 ? text : SPAN(""));
}

int
sites_add(struct sites *s, const struct control_site *m)
{
	if (s->count == s->room) {
		size_t room = s->room == 0 ? ROOM_FIRST : s->room * 2;
		struct control_site *rows = realloc(s->rows, room * sizeof(*rows));
		if (rows == NULL)
			return -1;
		if (s->room == 0)
			arena_init(&s->text, TEXT_MAX);
		s->rows = rows;
		s->room = room;
	}
	struct control_site *row = &s->rows[s->count];
	*row = *m;
	row->name = keep(s, m->name);
	row->limit = keep(s, m->limit);
	row->reply = keep(s, m->reply);
	if (row->name.at == NULL || row->limit.at == NULL || row->reply.at == NULL)
		return -1;
	s->count++;
	return 0;
}

static int
fullest_first(const void *a, const void *b)
{
	const struct control_site *x = a, *y = b;
	if (x->recipients != y->recipients)
		return x->recipients > y->recipients ? -1 : 1;
	return strcmp(x->name.at, y->name.at); /* arena_span ends them with a NUL */
}

static void
put_json(struct buffer *out, const struct control_site *m)
{
	char oldest[CLOCK_TEXT_MAX];
	clock_iso((int64_t)m->oldest_us, oldest);
	buffer_string(out, "{\"site\":\"");
	escape_json(out, m->name);
	buffer_format(out,
		      "\",\"recipients\":%" PRIu64 ",\"active\":%" PRIu64
		      ",\"oldest\":\"%s\",\"ages\":[",
		      m->recipients, m->active, oldest);
	for (size_t i = 0; i < CONTROL_AGES; i++)
		buffer_format(out, "%s%" PRIu64, i > 0 ? "," : "", m->age[i]);
	buffer_format(out,
		      "],\"known\":%s,\"connections\":%" PRIu64 ",\"window\":%" PRIu64
		      ",\"window_max\":%" PRIu64 ",\"back_off_ms\":%" PRIu64
		      ",\"probe_ms\":%" PRIu64 ",\"limit\":\"",
		      m->known != 0 ? "true" : "false", m->agents, m->window, m->window_max,
		      m->back_off_ms, m->probe_ms);
	escape_json(out, m->limit);
	buffer_string(out, "\",\"reply\":\"");
	escape_json(out, m->reply);
	buffer_string(out, "\"}\n");
}

static void
put_sentence(struct buffer *out, struct span text)
{
	if (text.len == 0)
		return;
	buffer_string(out, "    ");
	human_text(out, text);
	buffer_char(out, '\n');
}

static void
put_row(struct buffer *out, const struct control_site *m)
{
	size_t begin = out->len;
	human_text(out, m->name.len > 0 ? m->name : SPAN(OTHERS));
	size_t len = out->len - begin;
	buffer_format(out, "%*s %8" PRIu64, len < 30 ? (int)(30 - len) : 0, "", m->recipients);
	for (size_t i = 0; i < CONTROL_AGES; i++)
		buffer_format(out, " %7" PRIu64, m->age[i]);
	if (m->known != 0)
		buffer_format(out, " %5" PRIu64 " %3" PRIu64 "/%" PRIu64, m->agents, m->window,
			      m->window_max);
	buffer_char(out, '\n');
	put_sentence(out, m->limit);
	put_sentence(out, m->reply);
}

void
sites_print(struct sites *s, size_t most, bool json, int64_t now_us, struct buffer *out)
{
	uint64_t recipients = 0, oldest_us = (uint64_t)now_us;
	char age[HUMAN_MAX];
	if (s->count > 0)
		qsort(s->rows, s->count, sizeof(s->rows[0]), fullest_first);
	if (!json && s->count > 0)
		buffer_format(out, "%-30s %8s %7s %7s %7s %7s %7s %7s %5s %s\n", "SITE", "WAITING",
			      "<5m", "<1h", "<6h", "<1d", "<3d", "older", "CONN", "WINDOW");
	for (size_t i = 0; i < s->count; i++) {
		const struct control_site *m = &s->rows[i];
		recipients += m->recipients;
		if (m->oldest_us < oldest_us)
			oldest_us = m->oldest_us;
		if (json)
			put_json(out, m);
		else if (i < most)
			put_row(out, m);
		if (out->len >= SITES_PRINT_AT && human_print(out) < 0)
			return;
	}
	if (json || s->count == 0)
		return;
	human_age((now_us - (int64_t)oldest_us) / 1000, age);
	buffer_format(out, "%zu site%s, %" PRIu64 " recipient%s, the oldest for %s\n", s->count,
		      s->count == 1 ? "" : "s", recipients, recipients == 1 ? "" : "s", age);
}

void
sites_free(struct sites *s)
{
	free(s->rows);
	if (s->room > 0)
		arena_free(&s->text);
	*s = (struct sites){0};
}
