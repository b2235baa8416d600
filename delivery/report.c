/*
 * report - see the header
 */
#include "delivery/report.h"

#include <stdio.h>

#include "delivery/replies.h"

void
report_start(struct report *r, struct jobs_agent_end *end, size_t recipients)
{
	r->end = end;
	r->open = recipients;
	r->lost = false;
	r->relayed = JOBS_RELAYED_FINAL;
	r->tls = "";
	r->holds = false;
}

static void
send_result(struct report *r, uint32_t number, const struct verdict *v, const char *host,
	    const char *tls, enum reply_meaning meaning, bool last)
{
	struct replies_meaning said = replies_mean(v);

	/* whatever was asked: the peer closes (RFC 5321, section 3.8) */
	if (meaning == REPLY_ORDINARY && v->code == 421)
		meaning = REPLY_BROKEN;
	struct jobs_result m = {
		.number = number,
		.fate = v->fate,
		.code = v->code > 0 ? (uint64_t)v->code : 0,
		.status = span_of(v->status),
		.text = span_of(v->text),
		.host = span_of(host),
		.tls = span_of(tls),
		.last = last,
		.relayed = v->fate == FATE_DELIVERED ? r->relayed : JOBS_RELAYED_FINAL,
		.meaning = said.meaning != REPLY_ORDINARY ? said.meaning : meaning,
		.pause_ms = said.pause_ms,
	};

	if (!r->lost && jobs_agent_result(r->end, &m) != JOBS_OK)
		r->lost = true;
}

void
report_tell(struct report *r, uint32_t number, const struct verdict *v, const char *host,
	    enum reply_meaning meaning)
{
	r->open--;
	if (r->open > 0) {
		send_result(r, number, v, host, r->tls, meaning, false);
		return;
	}
	r->holds = true;
	r->number = number;
	r->verdict = *v;
	r->meaning = meaning;
	snprintf(r->host, sizeof(r->host), "%s", host);
	snprintf(r->held_tls, sizeof(r->held_tls), "%s", r->tls);
}

void
report_finish(struct report *r)
{
	if (r->holds)
		send_result(r, r->number, &r->verdict, r->host, r->held_tls, r->meaning, true);
	r->holds = false;
}
