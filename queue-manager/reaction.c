/*
 * reaction - see reaction.h
 *
 *     delivered     the host is well
 *     connecting    the window halves, at one the site is dead; the recipient goes again as soon as it answers
 *     broken, blocked   the same, but the recipient has its own next attempt: perhaps it was this message
 *     busy          the window is what is connected, and the recipient goes back to the queue without an attempt; where nothing is
 *                   connected that is trouble as `connecting`
 *     rate          the site pauses; the recipient goes again after that
 *     greylist      the recipient is tried again sooner (retry.h)
 *     others        the recipient is tried again as retries go
 */
#include "queue-manager/reaction.h"

#include "common/system/events.h"
#include "queue-manager/manager.h"
#include "queue-manager/window.h"

static void
set_connected(struct agent *a, bool is_connected)
{
	if (a->is_connected != is_connected)
		site_count_connected(a->place, is_connected ? 1 : -1);
	a->is_connected = is_connected;
}

/* once a job, however many recipients it has */
static void
trouble(struct manager *q, struct agent *a, const struct answer *answer)
{
	struct site *s = a->place->site;
	if (a->had_trouble)
		return;
	a->had_trouble = true;
	if (!window_trouble(s, &q->config->outbound, answer, manager_now_ms(q)))
		return;
	s->meaning = answer->meaning;
	schedule_site_dies(q, s, s->back_off_ms);
	EVENT("site-dead", event_string("site", s->name != NULL ? s->name : ""),
	      event_text("host", answer->host), event_text("reply", answer->reply),
	      event_number("for_ms", s->back_off_ms));
}

static void
pause_site(struct manager *q, struct agent *a, const struct answer *answer)
{
	struct site *s = a->place->site;
	if (a->had_trouble)
		return;
	a->had_trouble = true;
	window_remember(s, answer);
	/* those that were under way when it was said tell nothing new */
	if (s->is_dead && !s->is_probing)
		return;
	s->window = 1;
	s->meaning = REPLY_RATE;
	window_back_off(s, &q->config->outbound);
	int64_t for_ms = answer->pause_ms > 0 ? (int64_t)answer->pause_ms : s->back_off_ms;
	schedule_site_dies(q, s, for_ms);
	EVENT("site-paused", event_string("site", s->name != NULL ? s->name : ""),
	      event_text("host", answer->host), event_text("reply", answer->reply),
	      event_number("for_ms", for_ms));
}

static void
defer_and_park(struct manager *q, struct agent *a, uint32_t number, const struct answer *answer)
{
	struct site *s = a->place->site;
	struct message *m = a->message;
	message_deferred(q, m, number, answer, 0);
	if (s->is_dead)
		parked_add(q, &s->parked, m, number);
}

/* back to its place, as if it had not been given to anybody */
static void
give_back(struct manager *q, struct agent *a, uint32_t number, const struct answer *answer)
{
	struct site *s = a->place->site;
	struct message *m = a->message;
	if (!a->had_trouble)
		EVENT("turned-away", event_string("site", s->name != NULL ? s->name : ""),
		      event_text("host", answer->host), event_text("reply", answer->reply),
		      event_number("connections", s->connected));
	a->had_trouble = true; /* nothing went well */
	if (m->is_held || a->place->is_stale)
		message_again(q, m, number);
	else if (!m->is_gone)
		queue_add(q, a->place, m, number);
}

static void
deferred(struct manager *q, struct agent *a, uint32_t number, const struct answer *answer)
{
	struct message *m = a->message;
	switch (answer->meaning) {
	case REPLY_BUSY:
		set_connected(a, false);
		if (window_busy(a->place->site, manager_now_ms(q))) {
			give_back(q, a, number, answer);
			return;
		}
		trouble(q, a, answer);
		defer_and_park(q, a, number, answer);
		return;
	case REPLY_CONNECTING:
		set_connected(a, false);
		trouble(q, a, answer);
		defer_and_park(q, a, number, answer);
		return;
	case REPLY_RATE:
		pause_site(q, a, answer);
		defer_and_park(q, a, number, answer);
		return;
	case REPLY_BROKEN:
	case REPLY_BLOCKED:
		trouble(q, a, answer);
		message_deferred(q, m, number, answer, 0);
		return;
	case REPLY_ORDINARY:
		/* no reply: it may be this message, but nothing went well */
		if (answer->code == 0)
			a->had_trouble = true;
		message_deferred(q, m, number, answer, 0);
		return;
	case REPLY_GREYLIST:
	case REPLY_RECIPIENT:
	case REPLY_CONTENT:
	case REPLY_MEANINGS:
		message_deferred(q, m, number, answer, 0);
		return;
	}
}

void
reaction_to(struct manager *q, struct agent *a, uint32_t number, enum fate fate,
	    const struct answer *answer)
{
	struct message *m = a->message;
	a->since_ms = manager_now_ms(q);
	/* a reply: whoever gave it is there */
	if (answer->code > 0 && answer->meaning != REPLY_BUSY &&
	    answer->meaning != REPLY_CONNECTING) {
		set_connected(a, true);
		host_up(&q->schedule.sites.hosts, answer->host);
	}
	switch (fate) {
	case FATE_DELIVERED:
		message_delivered(q, m, number, answer);
		return;
	case FATE_FAILED:
		/* what was refused for good stays so, but what comes next may be spared it */
		if (answer->meaning == REPLY_RATE)
			pause_site(q, a, answer);
		message_failed(q, m, number, answer);
		return;
	case FATE_DEFERRED:
		deferred(q, a, number, answer);
		return;
	}
}
