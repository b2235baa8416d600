/*
 * serve - the socket `pam`: who may ask, and a process for each question
 *
 * Called by main.c.  Reads nothing itself.  At most SERVE_QUESTIONS_MAX at a time; more wait in the socket's backlog.
 */
#ifndef AUTH_PAM_SERVE_H
#define AUTH_PAM_SERVE_H

#include "common/system/start.h"

#define SERVE_QUESTIONS_MAX 16

/* serve - until SIGTERM, or after SIGUSR1 until the last question is answered; `service`: of PAM */
void serve(const struct start_listen *listen, const char *service);

#endif
