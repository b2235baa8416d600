/*
 * listing - see culver/listing.h
 */
#include "culver/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/system/clock.h"
#include "common/text/escape.h"
#include "culver/human.h"
#include "culver/listing-postfix.h"

void
listing_start(struct listing *l, enum listing_form form, int64_t now_us, struct buffer *out)
{
	*l = (struct listing){.form = form, .now_us = now_us, .out = out};
}

/* ---- for people ---- */

/* "next attempt in 4m, 2 so far"; nothing when there is nothing to say */
static void
put_attempts(struct listing *l, const struct control_message *m, const char *lead)
{
	char age[HUMAN_MAX];
	if (m->next_us == 0 && m->attempts == 0)
		return;
	buffer_string(l->out, lead);
	if (m->next_us != 0 && (int64_t)m->next_us > l->now_us) {
		human_age(((int64_t)m->next_us - l->now_us) / 1000, age);
		buffer_format(l->out, "next attempt in %s", age);
	} else if (m->next_us != 0) {
		buffer_string(l->out, "next attempt now");
	}
	if (m->attempts > 0 && m->next_us != 0)
		buffer_format(l->out, ", %" PRIu64 " so far", m->attempts);
	else if (m->attempts > 0)
		buffer_format(l->out, "attempts: %" PRIu64, m->attempts);
}

static void
put_line(struct listing *l, const struct control_message *m)
{
	char id[HUMAN_MAX], size[HUMAN_MAX], age[HUMAN_MAX];
	if (l->messages == 0)
		buffer_format(l->out, "%-16s %5s %6s  %-9s %s\n", "ID", "AGE", "SIZE", "STATE",
			      "FROM");
	human_size(m->size, size);
	human_age((l->now_us - (int64_t)m->arrived_us) / 1000, age);
	snprintf(id, sizeof(id), "%013" PRIX64, m->id);
	buffer_format(l->out, "%-16s %5s %6s  %-9.*s ", id, age, size, SPAN_ARG(m->state));
	human_path(l->out, m->sender);
	buffer_char(l->out, '\n');
	put_attempts(l, m, "    ");
	if (m->next_us != 0 || m->attempts != 0)
		buffer_char(l->out, '\n');
}

static void
put_whole(struct listing *l, const struct control_message *m)
{
	char text[CLOCK_TEXT_MAX], age[HUMAN_MAX], size[HUMAN_MAX];
	human_age((l->now_us - (int64_t)m->arrived_us) / 1000, age);
	human_size(m->size, size);
	clock_iso((int64_t)m->arrived_us, text);
	buffer_format(l->out, "message     %013" PRIX64 "\nstate       %.*s", m->id,
		      SPAN_ARG(m->state));
	put_attempts(l, m, "; ");
	buffer_format(l->out,
		      "\narrived     %s, %s ago\nsize        %s (%" PRIu64 " bytes)\nfrom        ",
		      text, age, size, m->size);
	human_path(l->out, m->sender);
	buffer_format(l->out, "\nrecipients  %" PRIu64 ", %" PRIu64 " still to be served\n",
		      m->recipients, m->open);
}

bool
listing_is_open(const struct control_recipient *r)
{
	return !span_equal(r->state, SPAN("delivered")) && !span_equal(r->state, SPAN("failed")) &&
	       !span_equal(r->state, SPAN("expanded"));
}

static void
put_short_recipient(struct listing *l, const struct control_recipient *r)
{
	if (!listing_is_open(r))
		return;
	if (l->shown == LISTING_RECIPIENTS_MAX) {
		l->hidden++;
		return;
	}
	l->shown++;
	buffer_string(l->out, "    to ");
	human_path(l->out, r->address);
	if (r->reply.len > 0) {
		buffer_string(l->out, "  ");
		human_text(l->out, r->reply);
	}
	buffer_char(l->out, '\n');
}

static void
put_whole_recipient(struct listing *l, const struct control_recipient *r)
{
	buffer_format(l->out, "%4" PRIu64 "  %-9.*s ", r->number, SPAN_ARG(r->state));
	human_path(l->out, r->address);
	buffer_char(l->out, '\n');
	if (r->reply.len == 0)
		return;
	buffer_string(l->out, "                ");
	human_text(l->out, r->reply);
	buffer_char(l->out, '\n');
}

/* ---- for programs ---- */

static void
put_string(struct buffer *out, const char *key, struct span value)
{
	buffer_format(out, "\"%s\":\"", key);
	escape_json(out, value);
	buffer_char(out, '"');
}

static void
put_object(struct listing *l, const struct control_message *m)
{
	char text[CLOCK_TEXT_MAX];
	clock_iso((int64_t)m->arrived_us, text);
	buffer_format(l->out, "{\"id\":\"%013" PRIX64 "\",", m->id);
	put_string(l->out, "state", m->state);
	buffer_format(l->out, ",\"size\":%" PRIu64 ",\"arrived\":\"%s\",\"next\":", m->size, text);
	clock_iso((int64_t)m->next_us, text);
	if (m->next_us != 0)
		buffer_format(l->out, "\"%s\"", text);
	else
		buffer_string(l->out, "null");
	buffer_format(l->out, ",\"attempts\":%" PRIu64 ",", m->attempts);
	put_string(l->out, "from", m->sender);
	buffer_format(l->out, ",\"recipients\":%" PRIu64 ",\"open\":%" PRIu64 ",\"to\":[",
		      m->recipients, m->open);
}

static void
put_member(struct listing *l, const struct control_recipient *r)
{
	buffer_format(l->out, "%s{\"number\":%" PRIu64 ",", l->shown++ > 0 ? "," : "", r->number);
	put_string(l->out, "address", r->address);
	buffer_char(l->out, ',');
	put_string(l->out, "state", r->state);
	buffer_char(l->out, ',');
	put_string(l->out, "reply", r->reply);
	buffer_char(l->out, '}');
}

/* ---- for programs that know Postfix: its layout for long queue ids, which ours are ---- */

static void
put_mailq(struct listing *l, const struct control_message *m)
{
	char id[HUMAN_MAX], when[32] = "";
	time_t seconds = (time_t)(m->arrived_us / 1000000);
	struct tm local;
	bool is_active = span_equal(m->state, SPAN("active"));
	bool is_held = span_equal(m->state, SPAN("held"));
	if (l->messages == 0)
		buffer_format(l->out, "%-17s %8s %-19s %s\n", "----Queue ID-----", "--Size--",
			      "---Arrival Time----", "--Sender/Recipient------");
	else
		buffer_char(l->out, '\n');
	/* the names of days and months are the C locale's: nothing sets another one here */
	if (localtime_r(&seconds, &local) != NULL)
		strftime(when, sizeof(when), "%a %b %e %H:%M:%S", &local);
	snprintf(id, sizeof(id), "%013" PRIX64 "%s", m->id, is_active ? "*" : is_held ? "!" : "");
	buffer_format(l->out, "%-17s %8" PRIu64 " %19.19s ", id, m->size, when);
	if (m->sender.len == 0)
		buffer_string(l->out, "MAILER-DAEMON");
	else
		human_text(l->out, m->sender);
	buffer_char(l->out, '\n');
	l->reason[0] = '\0';
}

/* a reason stands above the recipients that have it */
static void
put_mailq_recipient(struct listing *l, const struct control_recipient *r)
{
	char reason[LISTING_REASON_MAX];
	if (!listing_is_open(r))
		return;
	snprintf(reason, sizeof(reason), "%.*s", SPAN_ARG(r->reply));
	if (strcmp(reason, l->reason) != 0) {
		memcpy(l->reason, reason, sizeof(reason));
		const char *shown = reason[0] != '\0' ? reason : "reason unavailable";
		int len = (int)strlen(shown);
		buffer_format(l->out, "%*s(", len < 76 ? 76 - len : 0, "");
		human_text(l->out, span_of(shown));
		buffer_string(l->out, ")\n");
	}
	buffer_format(l->out, "%-17s %8s %-19s ", "", "", "");
	human_text(l->out, r->address);
	buffer_char(l->out, '\n');
}

/* of a sender only the domain counts, which is at the end */
static void
keep_for_shape(struct listing *l, const struct control_message *m)
{
	size_t most = sizeof(l->sender) - 1;
	struct span end =
		m->sender.len > most ? span_skip(m->sender, m->sender.len - most) : m->sender;
	if (span_copy(end, l->sender, sizeof(l->sender)) != 0)
		l->sender[0] = '\0';
	l->arrived_us = m->arrived_us;
}

/* ---- the order of things ---- */

void
listing_close(struct listing *l)
{
	if (l->id == 0)
		return;
	switch (l->form) {
	case LISTING_JSON:
		buffer_string(l->out, "]}\n");
		break;
	case LISTING_LINES:
		if (l->hidden > 0)
			buffer_format(l->out, "    and %" PRIu64 " more\n", l->hidden);
		break;
	case LISTING_POSTQUEUE:
		buffer_string(l->out, "]}\n");
		break;
	case LISTING_WHOLE:
	case LISTING_MAILQ:
	case LISTING_POSTCAT:
	case LISTING_SHAPE:
		break;
	}
	l->id = 0;
}

void
listing_message(struct listing *l, const struct control_message *m)
{
	listing_close(l);
	switch (l->form) {
	case LISTING_LINES:
		put_line(l, m);
		break;
	case LISTING_WHOLE:
		put_whole(l, m);
		break;
	case LISTING_JSON:
		put_object(l, m);
		break;
	case LISTING_POSTQUEUE:
		listing_postqueue_message(l, m);
		break;
	case LISTING_POSTCAT:
		listing_postcat_message(l, m);
		break;
	case LISTING_SHAPE:
		keep_for_shape(l, m);
		break;
	case LISTING_MAILQ:
		put_mailq(l, m);
		break;
	}
	l->id = m->id;
	l->shown = l->hidden = 0;
	l->messages++;
	l->bytes += m->size;
}

void
listing_recipient(struct listing *l, const struct control_recipient *r)
{
	if (l->id != r->id)
		return; /* of no message that was shown */
	switch (l->form) {
	case LISTING_LINES:
		put_short_recipient(l, r);
		break;
	case LISTING_WHOLE:
		put_whole_recipient(l, r);
		break;
	case LISTING_JSON:
		put_member(l, r);
		break;
	case LISTING_POSTQUEUE:
		listing_postqueue_recipient(l, r);
		break;
	case LISTING_POSTCAT:
		listing_postcat_recipient(l, r);
		break;
	case LISTING_SHAPE:
		if (listing_is_open(r))
			shape_add(l->shape, span_of(l->sender), r->address, l->arrived_us,
				  l->now_us);
		break;
	case LISTING_MAILQ:
		put_mailq_recipient(l, r);
		break;
	}
}

void
listing_sum(struct listing *l)
{
	char size[HUMAN_MAX];
	if (l->form == LISTING_MAILQ && l->messages == 0)
		buffer_string(l->out, "Mail queue is empty\n");
	else if (l->form == LISTING_MAILQ)
		buffer_format(l->out, "\n-- %" PRIu64 " Kbytes in %" PRIu64 " Request%s.\n",
			      l->bytes / 1024, l->messages, l->messages == 1 ? "" : "s");
	if (l->form != LISTING_LINES || l->messages == 0)
		return;
	human_size(l->bytes, size);
	buffer_format(l->out, "%" PRIu64 " message%s, %s\n", l->messages,
		      l->messages == 1 ? "" : "s", size);
}
