/*
 * listener - accepts, counts and limits clients, forks a session for each
 */
#ifndef SMTPD_LISTENER_H
#define SMTPD_LISTENER_H

#include "common/config/config.h"
#include "common/system/start.h"

struct listener;

/* listener_new - of the sockets tcp.0, tcp.1 ... of the row; fatal() when one is missing */
struct listener *listener_new(const struct start *s, const struct config *config);
/* listener_serve - until SIGTERM (soon) or SIGUSR1 (with the last session) */
void listener_serve(struct listener *l);

#endif
