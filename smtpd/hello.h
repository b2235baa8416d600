/*
 * hello - EHLO and HELO
 */
#ifndef SMTPD_HELLO_H
#define SMTPD_HELLO_H

#include "smtpd/session.h"

void hello_ehlo(struct session *s, struct span argument);
void hello_helo(struct session *s, struct span argument);

#endif
