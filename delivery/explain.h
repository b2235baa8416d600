/*
 * explain - what would be demanded of the hosts of a domain, in words, for `culver tls`
 *
 * Runs in a delivery of its own, confined as every one, beside those that deliver: it asks the same programs, decides by the same
 * call (demand.h), and connects, where it is told to try, as an agent does.
 */
#ifndef DELIVERY_EXPLAIN_H
#define DELIVERY_EXPLAIN_H

#include "common/config/config.h"
#include "common/system/start.h"
#include "delivery/agent.h"

#define EXPLAIN_HOSTS_MAX 40 /* addresses; more are counted */
#define EXPLAIN_TRY_MS INT64_C(20000)

/* explain - on stderr, where master's caller reads; the exit status: 0, or 1 where mail could not go now */
int explain(const struct start *s, const struct config *config, const struct agent_paths *paths);

#endif
