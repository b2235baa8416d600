/*
 * checks - who may send what to whom
 *
 * Called by envelope.c for RCPT and by queries.c for VRFY.  lookup says what an address is, the configuration what is none of ours; here is
 * decided what that means for this client: what is ours is taken from everybody, what is not only from relay-from.  Everything that goes wrong
 * on the way is 451: no trouble falls through to acceptance.
 */
#include "smtpd/checks.h"

#include <stdio.h>
#include <unistd.h>

#include "common/config/outside.h"
#include "common/protocol/wire.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "smtpd/session.h"

#define CHECKS_CONNECT_MS 5000
#define CHECKS_WAIT_MS 30000
#define CHECKS_ATTEMPTS_MAX \
	2 /* to have questions answered that were taken: lookup may have died of them */

/* one wire for the list, one room for answers: this process asks one thing at a time */
static struct wire questions;
static char answer[CHANNEL_MAX];

void
checks_init(struct checks *c, const char *path)
{
	*c = (struct checks){.path = path, .fd = -1};
}

static void
set(struct check *to, int code, const char *status, const char *text)
{
	/* not the whole of it: what is behind is as long, and mostly unused */
	to->code = code;
	to->is_relayed = false;
	to->ask[0] = to->block[0] = '\0';
	snprintf(to->status, sizeof(to->status), "%s", status);
	snprintf(to->text, sizeof(to->text), "%s", text);
}

void
checks_release(struct checks *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static int
connect_once(struct checks *c)
{
	if (c->fd >= 0)
		return 0;
	if (c->path != NULL)
		c->fd = channel_connect(c->path, clock_monotonic_ms() + CHECKS_CONNECT_MS);
	if (c->fd >= 0 && channel_block(c->fd) != 0)
		checks_release(c);
	return c->fd < 0 ? -1 : 0;
}

/* what was found, for this client */
static void
judge(const struct session *s, const struct lookup_verdict *v, struct check *to)
{
	switch ((enum lookup_class)v->class) {
	case LOOKUP_LOCAL:
		set(to, 250, "2.1.5", "ok");
		if (span_copy(v->ask, to->ask, sizeof(to->ask)) < 0 ||
		    span_copy(v->block, to->block, sizeof(to->block)) < 0)
			to->ask[0] = '\0';
		return;
	case LOOKUP_RELAY:
		if (!s->may_relay) {
			set(to, 550, "5.7.1", "this host does not relay for you");
			return;
		}
		set(to, 250, "2.1.5", "ok");
		to->is_relayed = true;
		return;
	case LOOKUP_REFUSED:
	case LOOKUP_TROUBLE:
		break;
	}
	/* a code that does not fit its class is lookup's mistake, and no permission */
	bool refused = v->class == LOOKUP_REFUSED && v->code >= 500;
	set(to, refused ? (int)v->code : 451, refused ? "5.1.1" : "4.3.0", "");
	if (v->class == LOOKUP_TROUBLE && v->code >= 400 && v->code < 500)
		to->code = (int)v->code;
	if (status_is_valid(v->status) && v->status.at[0] == (refused ? '5' : '4'))
		snprintf(to->status, sizeof(to->status), "%.*s", SPAN_ARG(v->status));
	snprintf(to->text, sizeof(to->text), "%.*s", SPAN_ARG(v->text));
	if (to->text[0] == '\0')
		snprintf(to->text, sizeof(to->text),
			 refused ? "no such recipient" : "try again later");
}

/* settled - does the configuration alone say what `address` is? */
static bool
settled(const struct session *s, struct span address, struct check *to)
{
	const struct lookup_verdict relay = {.class = LOOKUP_RELAY};
	struct outside o;

	if (!outside_address(s->config, address, &o))
		return false;
	judge(s, &relay, to);
	return true;
}

/*
 * sends the questions of `open` from `first` on, as many as fit, and says how many; CHANNEL_CLOSED: they were not taken, since a new
 * generation of lookup is there to be asked
 */
static enum channel_outcome
ask(struct checks *c, const struct span *addresses, const size_t *open, size_t first, size_t count,
    size_t *asked)
{
	size_t n = first;

	wire_list_start(&questions);
	for (; n < count; n++) {
		struct lookup_question q = {
			.number = n, .address = addresses[open[n]], .sender = SPAN_NONE};
		if (wire_list_add(&questions, WIRE_LIST_ROOM, &lookup_question_shape, &q) == -1)
			break;
	}
	*asked = n - first;
	if (n == first)
		return CHANNEL_BROKEN;
	struct lookup_questions m = {.questions = wire_list_get(&questions)};
	return wire_send_wait(c->fd, wire_find(lookup_calls, LOOKUP_RECIPIENTS), 0, ++c->request,
			      &m, NULL, clock_monotonic_ms() + CHECKS_WAIT_MS);
}

/* the parts of one answer, number N of which is about checks[open[N]]; false: none, or not all of it, came */
static bool
hear(struct session *s, const size_t *open, size_t first, size_t asked, struct check *checks)
{
	struct checks *c = &s->checks;
	const struct wire_shape *shape = wire_find(lookup_answers, LOOKUP_VERDICTS);
	int64_t deadline_ms = clock_monotonic_ms() + CHECKS_WAIT_MS;
	struct wire_header h;

	do {
		struct lookup_verdicts m;
		struct lookup_verdict v;
		size_t len;
		if (channel_await(c->fd, answer, &len, NULL, deadline_ms) != CHANNEL_OK)
			return false;
		struct span datagram = span_from(answer, len);
		if (wire_peek(datagram, &h) == -1 || h.type != LOOKUP_VERDICTS ||
		    h.request != c->request || wire_decode(datagram, shape, &m) == -1) {
			EVENT("peer-malformed", event_string("session", s->id),
			      event_string("peer", "lookup"));
			return false;
		}
		while (wire_list_next(&m.verdicts, &lookup_verdict_shape, &v)) {
			if (v.number >= first && v.number - first < asked)
				judge(s, &v, &checks[open[v.number]]);
		}
	} while (h.flags & WIRE_MORE);
	return true;
}

void
checks_recipients(struct session *s, const struct span *addresses, size_t count,
		  struct check *checks)
{
	int64_t deadline_ms;
	size_t open[CHECKS_MAX], open_count = 0, done = 0, asked;
	int attempts = 0;

	for (size_t i = 0; i < count; i++) {
		if (settled(s, addresses[i], &checks[i]))
			continue;
		set(&checks[i], 451, "4.3.0", "addresses cannot be looked up now, try again later");
		open[open_count++] = i;
	}
	if (open_count == 0)
		return;
	deadline_ms = clock_monotonic_ms() + CHECKS_WAIT_MS;
	while (done < open_count) {
		enum channel_outcome outcome =
			connect_once(&s->checks) == 0
				? ask(&s->checks, addresses, open, done, open_count, &asked)
				: CHANNEL_BROKEN;
		if (outcome == CHANNEL_OK && hear(s, open, done, asked, checks)) {
			done += asked;
			attempts = 0;
			continue;
		}
		checks_release(&s->checks);
		if (outcome == CHANNEL_CLOSED && clock_monotonic_ms() < deadline_ms)
			continue;
		if (++attempts == CHECKS_ATTEMPTS_MAX) {
			EVENT("lookup-gone", event_string("session", s->id));
			return;
		}
	}
}

void
checks_sender(struct session *s, struct span address, struct check *check)
{
	const struct lookup_sender m = {.address = address,
					.login = span_of(s->login),
					.uid = s->is_local ? (uint64_t)s->uid + 1 : 0};
	int64_t deadline_ms = clock_monotonic_ms() + CHECKS_WAIT_MS;
	struct checks *c = &s->checks;
	const size_t it = 0;

	set(check, 451, "4.3.0", "addresses cannot be looked up now, try again later");
	for (int attempts = 0; attempts < CHECKS_ATTEMPTS_MAX;) {
		enum channel_outcome outcome = CHANNEL_BROKEN;

		if (connect_once(c) == 0)
			outcome = wire_send_wait(c->fd, wire_find(lookup_calls, LOOKUP_SENDER), 0,
						 ++c->request, &m, NULL, deadline_ms);
		if (outcome == CHANNEL_OK && hear(s, &it, 0, 1, check))
			return;
		checks_release(c);
		if (outcome != CHANNEL_CLOSED || clock_monotonic_ms() >= deadline_ms)
			attempts++;
	}
	EVENT("lookup-gone", event_string("session", s->id));
}
