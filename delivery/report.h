/*
 * report - the outcome of each recipient, told to queue-manager as soon as it is known
 *
 * Each recipient is told exactly once.  The last one is held back until the transaction is over, since its result also says that the
 * agent is free.
 */
#ifndef DELIVERY_REPORT_H
#define DELIVERY_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mail/reply.h"
#include "common/protocol/jobs-agent.h"

struct report {
	struct jobs_agent_end *end;
	size_t open;		   /* recipients that were not told yet */
	enum jobs_relayed relayed; /* of what the connection at hand delivers */
	const char *tls;	   /* of the connection at hand, as in jobs_result */
	bool lost; /* queue-manager is gone: nothing can be told, nothing more must be delivered */
	/* the last recipient's result, until report_finish */
	bool holds;
	uint32_t number;
	struct verdict verdict;
	char host[JOBS_HOST_MAX + 1];
	char held_tls[JOBS_TLS_MAX + 1];
	enum reply_meaning meaning;
};

void report_start(struct report *r, struct jobs_agent_end *end, size_t recipients);
/*
 * report_tell - `host`: who said so, "" if nobody did
 *
 * `meaning` is what is known of a refusal by when it came: REPLY_CONNECTING, REPLY_BUSY, REPLY_BROKEN, else REPLY_ORDINARY; its words may say more.
 */
void report_tell(struct report *r, uint32_t number, const struct verdict *v, const char *host,
		 enum reply_meaning meaning);
/* after the last one: the agent is free */
void report_finish(struct report *r);

#endif
