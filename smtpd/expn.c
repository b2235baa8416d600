/*
 * expn - see expn.h
 *
 * To a client that is not in expn-from, nor has a login of expn-logins, it is a command that is not offered.  lookup counts how often a client asks, and answers with addresses
 * alone; what it expands, whom it hides and when it has enough is its to say (lookup/expn.c).
 */
#include "smtpd/expn.h"

#include <stdio.h>
#include <unistd.h>

#include "common/protocol/lookup.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "smtpd/queries.h"

#define EXPN_WAIT_MS 30000

/* one answer in the making: a line is sent when the next one is there, for the last is another */
struct shown {
	struct session *s;
	char last[ADDRESS_MAX + 1];
	size_t count;
};

static int
ask(int fd, const struct session *s, const struct address *a, int64_t deadline_ms)
{
	static struct wire list;
	const struct lookup_question q = {.address = span_from(a->text, a->len),
					  .sender = SPAN_NONE};
	struct lookup_expand m = {.client = span_of(s->client)};
	char login[LOOKUP_CLIENT_MAX + 1];

	/* counted wherever he comes from, and not together with those who come from there */
	if (config_may_expn_login(s->config, span_of(s->login))) {
		snprintf(login, sizeof(login), LOOKUP_CLIENT_LOGIN "%s", s->login);
		m.client = span_of(login);
	}

	wire_list_start(&list);
	if (wire_list_add(&list, WIRE_LIST_ROOM, &lookup_question_shape, &q) < 0)
		return -1;
	m.questions = wire_list_get(&list);
	return wire_send_wait(fd, wire_find(lookup_calls, LOOKUP_EXPAND), 0, 1, &m, NULL,
			      deadline_ms) == CHANNEL_OK
		       ? 0
		       : -1;
}

/* refuse - what lookup says of an address that stands for nobody, or not now */
static void
refuse(struct session *s, const struct lookup_leaf *l)
{
	bool is_later = l->kind == LOOKUP_DEFER;
	char status[STATUS_MAX];

	/* a class that does not fit the kind is lookup's mistake */
	if (!status_is_valid(l->status) || l->status.at[0] != (is_later ? '4' : '5') ||
	    span_copy(l->status, status, sizeof(status)) < 0)
		snprintf(status, sizeof(status), "%s", is_later ? "4.3.0" : "5.1.1");
	session_reply(s, is_later ? 450 : 550, status, "%.*s", SPAN_ARG(l->text));
}

/* show - false: it was an answer of its own, or enough was shown; the client has it */
static bool
show(struct shown *w, const struct lookup_leaf *l)
{
	switch ((enum lookup_leaf_kind)l->kind) {
	case LOOKUP_REFUSE:
	case LOOKUP_DEFER:
		refuse(w->s, l);
		return false;
	case LOOKUP_DISCARD:
		session_reply(w->s, 252, "2.1.5", "it stands for what is not shown");
		return false;
	case LOOKUP_MAILBOX:
	case LOOKUP_SMTP:
	case LOOKUP_HOLD:
	case LOOKUP_LINE:
	case LOOKUP_ALIAS:
		break;
	}
	if (w->count > 0)
		session_reply_more(w->s, 250, "2.1.5", "<%s>", w->last);
	if (w->count++ == EXPN_SHOWN_MAX || span_copy(l->address, w->last, sizeof(w->last)) < 0) {
		session_reply(w->s, 250, "2.1.5", "and others");
		return false;
	}
	return true;
}

/* hear - the parts of the answer, shown as they come; false: nothing, or not all of it, came and the client has no reply */
static bool
hear(int fd, struct shown *w, int64_t deadline_ms)
{
	static char in[CHANNEL_MAX];
	struct lookup_leaves m;
	struct lookup_leaf leaf;
	struct wire_header h;
	size_t len;

	do {
		if (channel_receive_wait(fd, in, &len, NULL, deadline_ms) != CHANNEL_OK ||
		    wire_peek(span_from(in, len), &h) < 0 || h.type != LOOKUP_LEAVES ||
		    wire_decode(span_from(in, len), wire_find(lookup_answers, LOOKUP_LEAVES), &m) <
			    0)
			return false;
		while (wire_list_next(&m.leaves, &lookup_leaf_shape, &leaf))
			if (!show(w, &leaf))
				return true;
	} while (h.flags & WIRE_MORE);
	if (w->count == 0)
		return false;
	session_reply(w->s, 250, "2.1.5", "<%s>", w->last);
	return true;
}

void
expn_expn(struct session *s, struct span argument)
{
	int64_t deadline_ms = clock_monotonic_ms() + EXPN_WAIT_MS;
	struct shown shown = {.s = s};
	struct address a;
	int fd;

	if (!s->may_expn) {
		queries_unsupported(s, argument);
		return;
	}
	if (argument.len == 0 || !queries_address(s, argument, &a)) {
		session_reply(s, 501, "5.1.3", "EXPN needs an address");
		return;
	}
	if (config_domain_find(s->config, address_domain_of(span_from(a.text, a.len))) == NULL) {
		session_reply(s, 550, "5.7.1", "<%s> is not of this host", a.text);
		return;
	}
	/* a connection of its own: an answer that is not read to its end is closed with it */
	fd = s->checks.path != NULL ? channel_connect(s->checks.path, deadline_ms) : -1;
	if (fd < 0 || ask(fd, s, &a, deadline_ms) < 0 || !hear(fd, &shown, deadline_ms)) {
		EVENT("lookup-gone", event_string("session", s->id));
		session_reply(s, 451, "4.3.0",
			      "addresses cannot be looked up now, try again later");
	}
	if (fd >= 0)
		close(fd);
}
