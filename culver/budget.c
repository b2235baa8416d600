/*
 * budget - see culver/budget.h
 *
 * The queue-manager tells root and culver-admin of all, everybody else of himself alone.
 */
#include "culver/budget.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "common/text/escape.h"
#include "common/text/number.h"
#include "culver/human.h"
#include "culver/query.h"

#define UID_WORD "uid:"
#define CELL_MAX 48
#define NAME_WIDTH 24
#define CELL_WIDTH 17

/* the name of a local user, for those who know no numbers; else NULL */
static const char *
user_name(struct span sender)
{
	uint64_t uid;
	if (!span_starts(sender, SPAN(UID_WORD)) ||
	    number_parse(span_skip(sender, strlen(UID_WORD)), 0, UINT32_MAX - 1, &uid) != 0)
		return NULL;
	const struct passwd *user = getpwuid((uid_t)uid);
	return user != NULL ? user->pw_name : NULL;
}

/* ---- for programs ---- */

static void
put_json_kind(struct buffer *out, const char *kind, const uint64_t used[2], const uint64_t max[2])
{
	buffer_format(out,
		      ",\"%s\":{\"hour\":%" PRIu64 ",\"day\":%" PRIu64 ",\"hour_max\":%" PRIu64
		      ",\"day_max\":%" PRIu64 "}",
		      kind, used[0], used[1], max[0], max[1]);
}

static void
put_json(struct buffer *out, const struct control_use *u)
{
	const char *user = user_name(u->sender);
	buffer_string(out, "{\"sender\":\"");
	escape_json(out, u->sender);
	buffer_char(out, '"');
	if (user != NULL) {
		buffer_string(out, ",\"user\":\"");
		escape_json(out, span_of(user));
		buffer_char(out, '"');
	}
	put_json_kind(out, "messages", u->messages, u->messages_max);
	put_json_kind(out, "recipients", u->recipients, u->recipients_max);
	put_json_kind(out, "bytes", u->bytes, u->bytes_max);
	buffer_format(out, ",\"held\":%" PRIu64 "}\n", u->held);
}

/* ---- for people ---- */

static void
put_cell(struct buffer *out, uint64_t used, uint64_t max, bool is_size)
{
	char text[CELL_MAX], cell[2 * CELL_MAX];
	if (is_size)
		human_size(used, text);
	else
		snprintf(text, sizeof(text), "%" PRIu64, used);
	if (max == 0)
		snprintf(cell, sizeof(cell), "%s", text);
	else if (is_size) {
		char most[CELL_MAX];
		human_size(max, most);
		snprintf(cell, sizeof(cell), "%s/%s", text, most);
	} else {
		snprintf(cell, sizeof(cell), "%s/%" PRIu64, text, max);
	}
	buffer_format(out, " %*s", CELL_WIDTH, cell);
}

static void
put_line(struct buffer *out, const struct control_use *u)
{
	const char *user = user_name(u->sender);
	size_t begin = out->len;
	human_text(out, user != NULL ? span_of(user) : u->sender);
	size_t len = out->len - begin;
	buffer_format(out, "%*s", len < NAME_WIDTH ? (int)(NAME_WIDTH - len) : 0, "");
	for (int i = 0; i < 2; i++) {
		put_cell(out, u->messages[i], u->messages_max[i], false);
		put_cell(out, u->recipients[i], u->recipients_max[i], false);
		put_cell(out, u->bytes[i], u->bytes_max[i], true);
	}
	buffer_format(out, " %7" PRIu64 "\n", u->held);
}

static void
put_head(struct buffer *out)
{
	const char *const words[] = {"MESSAGES", "RECIPIENTS", "BYTES"};
	buffer_format(out, "%-*s", NAME_WIDTH, "SENDER");
	for (int i = 0; i < 2; i++)
		for (int w = 0; w < 3; w++)
			buffer_format(out, " %*s%s", CELL_WIDTH - 2, words[w],
				      i == 0 ? "/h" : "/d");
	buffer_format(out, " %7s\n", "HELD");
}

void
budget_print(const struct control_use *u, bool json, bool is_first, struct buffer *out)
{
	if (json) {
		put_json(out, u);
		return;
	}
	if (is_first)
		put_head(out);
	put_line(out, u);
}

int
verb_budget(const struct culver_options *o, int argc, char **argv)
{
	static struct query q;
	(void)argv;
	if (argc != 1)
		return options_usage(o, "it takes no words");
	int status = query_open(&q, o);
	if (status != 0)
		return status;
	int wrong = query_ask(&q, CONTROL_BUDGET, NULL);
	if (wrong == 0 && q.senders == 0 && !o->json)
		buffer_string(&q.out, "nobody has sent anything within a day\n");
	return query_end(&q, wrong);
}
