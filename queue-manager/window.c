/*
 * window - how many agents a place may have, and when it is dead
 *
 * See window.h.  Begins small, grows by one with each job that went well, halves with one that met trouble; trouble at one is death, and
 * a dead place that answers its probe begins again at one.
 */
#include "queue-manager/window.h"

uint32_t
window_allowed(struct place *p, uint32_t max)
{
	uint32_t allowed = p->window < max ? p->window : max;
	if (p->is_dead)
		p->is_probing = true;
	return allowed > 0 ? allowed : 1;
}

void
window_well(struct place *p, uint32_t max, int64_t now_ms)
{
	if (p->is_dead && !p->is_probing && p->verdict.fate == FATE_DEFERRED)
		p->dead_until_ms = now_ms; /* it lives after all */
	if (p->is_dead && p->is_probing) {
		p->is_dead = p->is_probing = false;
		p->window = 1;
	}
	p->back_off_ms = 0;
	if (p->window < max)
		p->window++;
}

void
window_back_off(struct place *p, const struct config_outbound *o)
{
	int64_t first = (int64_t)o->retry_first / 4;
	int64_t most = (int64_t)o->retry_max / 8;
	if (first < WINDOW_BACK_OFF_MIN_MS)
		first = WINDOW_BACK_OFF_MIN_MS;
	if (most < first)
		most = first;
	int64_t next = p->back_off_ms == 0 ? first : p->back_off_ms * 2;
	p->back_off_ms = next < most ? next : most;
}

static void
remember(struct place *p, const struct answer *a)
{
	char status[STATUS_MAX];
	if (span_copy(a->status, status, sizeof(status)) != 0)
		status[0] = '\0';
	verdict_set(&p->verdict, FATE_DEFERRED, (int)a->code, status, "%.*s", SPAN_ARG(a->reply));
	if (span_copy(a->host, p->host, sizeof(p->host)) != 0)
		p->host[0] = '\0';
}

bool
window_trouble(struct place *p, const struct config_outbound *o, const struct answer *a)
{
	bool was_at_one = p->window == 1;
	p->window = p->window > 1 ? p->window / 2 : 1;
	remember(p, a);
	/* those that were under way when it died tell nothing new */
	if ((p->is_dead && !p->is_probing) || (!was_at_one && !p->is_dead))
		return false;
	p->window = 1;
	window_back_off(p, o);
	return true;
}
