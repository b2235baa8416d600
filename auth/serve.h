/*
 * serve - the socket `auth` and its clients, the sessions of smtpd
 *
 * Keeps each client's exchange between its steps, has each step done by check.c, at most SERVE_CHECKS_MAX at a time (more wait their
 * turn), and holds answers back as guessers.h says.
 */
#ifndef AUTH_SERVE_H
#define AUTH_SERVE_H

#include <stddef.h>

#include "auth/check.h"
#include "common/system/start.h"

#define SERVE_CHECKS_MAX 16
#define SERVE_CLIENTS_SPARE 64 /* besides one for each session: those of a generation that ends */
#define SERVE_STALLED_MS 30000
#define SERVE_STOP_MS 1000 /* SIGTERM: what is in hand has that long */

/* serve - until SIGTERM, or until master is gone */
void serve(const struct start_listen *listen, int master, const struct check_source *source,
	   size_t clients_max);

#endif
