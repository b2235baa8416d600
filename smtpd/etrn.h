/*
 * etrn - ETRN (RFC 1985): a listed client asks for the mail of its domain
 */
#ifndef SMTPD_ETRN_H
#define SMTPD_ETRN_H

#include "smtpd/session.h"

void etrn_etrn(struct session *s, struct span argument);

#endif
