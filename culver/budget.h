/*
 * budget - who has used how much of what he may send
 *
 * Called by culver/main.c; culver/query.c hands over each sender as he comes.  Exit status as of queue.
 */
#ifndef CULVER_BUDGET_H
#define CULVER_BUDGET_H

#include "common/protocol/control.h"
#include "common/text/buffer.h"
#include "culver/options.h"

int verb_budget(const struct culver_options *o, int argc, char **argv);

/* budget_print - one sender, as a line; `is_first`: under a head */
void budget_print(const struct control_use *u, bool json, bool is_first, struct buffer *out);

#endif
