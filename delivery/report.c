/*
 * report - see the header
 */
#include "delivery/report.h"

#include <stdio.h>

void
report_start(struct report *r, struct jobs_agent_end *end, size_t recipients)
{
	r->end = end;
	r->open = recipients;
	r->lost = false;
	r->relayed = JOBS_RELAYED_FINAL;
	r->holds = false;
}

static void
send_result(struct report *r, uint32_t number, const struct verdict *v, const char *host,
	    bool connection, bool last)
{
	struct jobs_result m = {
		.number = number,
		.fate = v->fate,
		.code = v->code > 0 ? (uint64_t)v->code : 0,
		.status = span_of(v->status),
		.text = span_of(v->text),
		.host = span_of(host),
		.last = last,
		.connection = connection,
		.relayed = v->fate == FATE_DELIVERED ? r->relayed : JOBS_RELAYED_FINAL,
	};

	if (!r->lost && jobs_agent_result(r->end, &m) != JOBS_OK)
		r->lost = true;
}

void
report_tell(struct report *r, uint32_t number, const struct verdict *v, const char *host,
	    bool connection)
{
	r->open--;
	if (r->open > 0) {
		send_result(r, number, v, host, connection, false);
		return;
	}
	r->holds = true;
	r->number = number;
	r->verdict = *v;
	r->connection = connection;
	snprintf(r->host, sizeof(r->host), "%s", host);
}

void
report_finish(struct report *r)
{
	if (r->holds)
		send_result(r, r->number, &r->verdict, r->host, r->connection, true);
	r->holds = false;
}
