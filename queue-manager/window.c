/*
 * window - how many agents a site may have, and when it is dead
 *
 * See window.h.  Begins small, grows by one with each job that went well, halves with one that met trouble; trouble at one is death, and
 * a dead site that answers its probe begins again at one.  A connection too many sets a ceiling for a while: the receiver has said how many
 * it takes, and asking for more each second would cost both sides.
 */
#include "queue-manager/window.h"

#include "queue-manager/manager.h"

uint32_t
window_size(const struct site *s)
{
	if (s->is_dead || s->concurrency == 0)
		return 1;
	return s->window < s->concurrency ? s->window : (uint32_t)s->concurrency;
}

uint32_t
window_allowed(struct site *s, int64_t now_ms)
{
	if (s->is_dead && s->dead_until_ms <= now_ms)
		s->is_probing = true;
	return window_size(s);
}

bool
window_well(struct site *s, int64_t now_ms)
{
	bool was_dead = s->is_dead && s->is_probing;
	s->dead_since_ms = 0;
	if (s->is_dead && !s->is_probing && s->verdict.fate == FATE_DEFERRED &&
	    s->meaning != REPLY_RATE)
		s->dead_until_ms = now_ms; /* it lives after all */
	if (was_dead) {
		s->is_dead = s->is_probing = false;
		s->window = 1;
	}
	if (s->is_dead)
		return false;
	s->back_off_ms = 0;
	if (s->ceiling > 0 && now_ms >= s->ceiling_until_ms) {
		/* perhaps it takes one more by now */
		s->ceiling++;
		s->ceiling_until_ms = now_ms + SITE_CEILING_MS;
	}
	if (s->window < s->concurrency && (s->ceiling == 0 || s->window < s->ceiling))
		s->window++;
	return was_dead;
}

void
window_back_off(struct site *s, const struct config_outbound *o)
{
	int64_t first = (int64_t)o->retry_first / 4;
	int64_t most = (int64_t)o->retry_max / 8;
	if (first < WINDOW_BACK_OFF_MIN_MS)
		first = WINDOW_BACK_OFF_MIN_MS;
	if (most < first)
		most = first;
	int64_t next = s->back_off_ms == 0 ? first : s->back_off_ms * 2;
	s->back_off_ms = next < most ? next : most;
}

void
window_remember(struct site *s, const struct answer *a)
{
	char status[STATUS_MAX];
	if (span_copy(a->status, status, sizeof(status)) != 0)
		status[0] = '\0';
	verdict_set(&s->verdict, FATE_DEFERRED, (int)a->code, status, "%.*s", SPAN_ARG(a->reply));
	if (span_copy(a->host, s->host, sizeof(s->host)) != 0)
		s->host[0] = '\0';
}

bool
window_trouble(struct site *s, const struct config_outbound *o, const struct answer *a,
	       int64_t now_ms)
{
	bool was_at_one = s->window == 1;
	s->window = s->window > 1 ? s->window / 2 : 1;
	window_remember(s, a);
	/* those that were under way when it died tell nothing new */
	if ((s->is_dead && !s->is_probing) || (!was_at_one && !s->is_dead))
		return false;
	s->window = 1;
	if (s->dead_since_ms == 0)
		s->dead_since_ms = now_ms;
	window_back_off(s, o);
	return true;
}

bool
window_busy(struct site *s, int64_t now_ms)
{
	if (s->connected == 0 || s->is_dead)
		return false;
	if (s->window > s->connected)
		s->window = s->connected;
	s->ceiling = s->window;
	s->ceiling_until_ms = now_ms + SITE_CEILING_MS;
	return true;
}
