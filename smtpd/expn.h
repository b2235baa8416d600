/*
 * expn - EXPN (RFC 5321, section 3.5.2): a listed client asks whom an address stands for
 *
 * Called by the table of verbs.
 */
#ifndef SMTPD_EXPN_H
#define SMTPD_EXPN_H

#include "smtpd/session.h"

#define EXPN_SHOWN_MAX 1000 /* addresses of one answer; a last line says that there are more */

void expn_expn(struct session *s, struct span argument);

#endif
