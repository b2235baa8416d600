/*
 * serve - the socket `verify` and its clients, the sessions of smtpd
 *
 * Answers from what is kept (common/verified/store.h) while that holds; asks next hops (places.h) for the rest, and, behind the back of the one who is answered,
 * for what will not hold much longer.
 */
#ifndef DELIVERY_VERIFY_SERVE_H
#define DELIVERY_VERIFY_SERVE_H

#include <stddef.h>

#include "common/system/start.h"
#include "common/verified/store.h"
#include "delivery/verify/probe.h"

#define SERVE_CLIENTS_SPARE 64 /* besides one for each session: those of a generation that ends */
#define SERVE_STALLED_MS 30000
#define SERVE_STOP_MS 1000

/* serve - until SIGTERM, or until master is gone; `start`: what each probe is told, but its place */
void serve(const struct start_listen *listen, const struct probe_start *start,
	   struct verified_store *store, size_t clients_max);

#endif
