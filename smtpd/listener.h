/*
 * listener - accepts, counts and limits clients, forks a session for each
 */
#ifndef SMTPD_LISTENER_H
#define SMTPD_LISTENER_H

#include "common/config/config.h"
#include "common/system/start.h"

/* its exit status after a session of it was ended by a signal, and it has made way for another listener */
#define LISTENER_SESSION_DIED 80

struct listener;

/*
 * listener_new - of the sockets tcp.0, tcp.1 ... of the row, or `submission` when it is submit's; fatal() when one is missing
 *
 * `drop`: the directory of letters left while the system was stopped, the listener's from now on; -1: none (not submit).
 */
struct listener *listener_new(const struct start *s, const struct config *config, int drop);
/* listener_serve - until SIGTERM (soon) or SIGUSR1 (with the last session); the exit status */
int listener_serve(struct listener *l);

#endif
