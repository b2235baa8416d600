/*
 * recipients - may this address stand at RCPT?
 *
 * Called by serve.c for smtpd.  An address of ours is there if a part of what it stands for takes mail; what it does not know for
 * certain to be absent it does not refuse: then it is trouble, 4xx.
 */
#ifndef LOOKUP_RECIPIENTS_H
#define LOOKUP_RECIPIENTS_H

#include "lookup/routes.h"

/* recipients_verdict - all but `number`; spans live in `arena`, or as long as the program */
void recipients_verdict(const struct routes *r, struct span address, int64_t now_ms,
			struct arena *arena, struct lookup_verdict *v);

#endif
