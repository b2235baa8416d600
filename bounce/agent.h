/*
 * agent - takes a message that failed, hands in the notice about it, reports
 *
 * A notice is reported only after it is on stable storage: the promise of the intake, as smtpd keeps it before its 250.
 */
#ifndef BOUNCE_AGENT_H
#define BOUNCE_AGENT_H

#include "common/config/config.h"

#define AGENT_IDLE_MS 10000   /* without a job: says LEAVE */
#define AGENT_INTAKE_MS 60000 /* for each answer of the intake */

/* agent_serve - until queue-manager closes the channel or the agent leaves; the exit status.  `intake`: path of the socket. */
int agent_serve(const struct config *config, const char *intake, int channel);

#endif
