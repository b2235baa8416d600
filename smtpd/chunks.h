/*
 * chunks - BDAT: the content in pieces that are counted
 */
#ifndef SMTPD_CHUNKS_H
#define SMTPD_CHUNKS_H

#include "common/text/span.h"

struct session;

/* the command BDAT, its chunk included */
void chunks_bdat(struct session *s, struct span argument);
/* the transaction is over or given up: what came so far is dropped */
void chunks_reset(struct session *s);

#endif
