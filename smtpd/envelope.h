/*
 * envelope - MAIL, RCPT, RSET
 */
#ifndef SMTPD_ENVELOPE_H
#define SMTPD_ENVELOPE_H

#include "smtpd/session.h"

void envelope_mail(struct session *s, struct span argument);
void envelope_rcpt(struct session *s, struct span argument);
void envelope_rset(struct session *s, struct span argument);

/*
 * envelope_settle - answers the RCPT commands that wait for it, in their order; nothing to do when none waits
 *
 * Called before anything else is answered, and before waiting for the client.
 */
void envelope_settle(struct session *s);

#endif
