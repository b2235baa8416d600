/*
 * site-report - see site-report.h
 */
#include "queue-manager/site-report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/protocol/control.h"
#include "common/system/fatal.h"
#include "queue-manager/manager.h"
#include "queue-manager/select.h"

#define SECOND_MS 1000

/* "451 4.4.1 connection refused (host)" */
static char *
reply_of(const struct site *s)
{
	char text[CONTROL_TEXT_MAX + 1];
	const struct verdict *v = &s->verdict;
	const struct journal_entry e = {.code = (uint64_t)v->code,
					.status = span_of(v->status),
					.reply = span_of(v->text),
					.host = span_of(s->host)};
	select_reply(&e, text);
	char *copy = strdup(text);
	if (copy == NULL)
		fatal(EXIT_OS, ENOMEM, "a reply");
	return copy;
}

void
site_report_add(struct site_report *r, struct manager *q, const struct place *p)
{
	const struct site *s = p->site;
	bool is_worse = !r->is_known || (s->is_dead && !r->is_dead) ||
			(s->is_dead && s->dead_until_ms > r->dead_until_ms);
	if (p->is_stale)
		return;
	r->is_known = true;
	r->kind = p->kind;
	r->agents += p->agents;
	r->busy += p->busy;
	r->wants += p->wants;
	if (r->site != s)
		r->window += s->window; /* its places share it */
	r->site = s;
	r->bound = s->bound;
	r->concurrency = s->concurrency;
	r->is_paused = s->meaning == REPLY_RATE;
	r->ready += p->ready;
	r->is_hungry = r->is_hungry || schedule_is_hungry(schedule_service(q, p), p);
	if (!is_worse)
		return;
	r->is_dead = s->is_dead;
	r->dead_until_ms = s->dead_until_ms;
	r->back_off_ms = s->back_off_ms;
	if (s->verdict.text[0] == '\0' && s->verdict.code == 0)
		return;
	free(r->reply);
	r->reply = reply_of(s);
}

void
site_report_free(struct site_report *r)
{
	free(r->reply);
	r->reply = NULL;
}

uint32_t
site_report_window_max(const struct site_report *r)
{
	return r->concurrency < UINT32_MAX ? (uint32_t)r->concurrency : UINT32_MAX;
}

void
site_report_limit(struct manager *q, const struct site_report *r, uint64_t waiting, char *to,
		  size_t size)
{
	const struct service *s = &q->schedule.service[schedule_service_kind(r->kind)];
	int64_t probe_ms = r->dead_until_ms - manager_now_ms(q);
	uint32_t max = site_report_window_max(r);
	to[0] = '\0';
	if (!r->is_known) {
		snprintf(to, size, "nothing was sent there since the start");
		return;
	}
	if (r->is_dead && probe_ms > 0 && r->is_paused)
		snprintf(to, size, "a pause that the site asked for: %" PRId64 " s more",
			 probe_ms / SECOND_MS + 1);
	else if (r->is_dead && probe_ms > 0)
		snprintf(to, size, "the site is in trouble: tried again in %" PRId64 " s",
			 probe_ms / SECOND_MS + 1);
	else if (r->is_dead)
		snprintf(to, size, "the site is in trouble: one message tries it now");
	else if (r->ready == 0 && waiting > 0)
		snprintf(to, size, "each message waits for its own next attempt");
	else if (r->ready == 0)
		return;
	else if (!disk_may_deliver(q))
		snprintf(to, size, "the disk of the spool is full");
	else if (s->parent == NULL)
		snprintf(to, size, "the program that delivers is not there");
	else if (r->is_hungry)
		snprintf(to, size, "all agents are taken: limit %s",
			 r->kind == JOBS_MAILBOX		     ? "mailbox-agents"
			 : jobs_parent_kind(r->kind) == JOBS_MAILBOX ? "pipe-agents"
								     : "agents");
	else if (r->bound == SITE_BY_RATE)
		snprintf(to, size, "its rate: limit rate");
	else if (r->agents + r->wants >= max)
		snprintf(to, size, "its connections: limit %s",
			 jobs_parent_kind(r->kind) == JOBS_MAILBOX ? "mailbox-concurrency"
								   : "concurrency");
	else if (r->agents + r->wants >= r->window)
		snprintf(to, size, "its window, which grows while it answers well");
}
