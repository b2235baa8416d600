/*
 * parameters - the words behind the path of MAIL and RCPT
 */
#ifndef SMTPD_PARAMETERS_H
#define SMTPD_PARAMETERS_H

#include <stdbool.h>

#include "common/protocol/intake.h"
#include "common/text/span.h"

struct session;

/* of MAIL, into the transaction; false: it was answered */
bool parameters_mail(struct session *s, struct span text);
/* of RCPT: `notify` and `orcpt` of *to, the texts in the transaction's arena; false: it was answered, behind those that waited */
bool parameters_rcpt(struct session *s, struct span text, struct intake_recipient *to);

#endif
