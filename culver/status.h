/*
 * status - culver status: what runs, how much is queued, what waits for the administrator
 */
#ifndef CULVER_STATUS_H
#define CULVER_STATUS_H

#include "culver/options.h"

/* 0: every program serves; 1: one does not, or a part could not be had; 69: nothing runs */
int verb_status(const struct culver_options *o, int argc, char **argv);

#endif
