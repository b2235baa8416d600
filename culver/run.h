/*
 * run - culver run, culver start: the system begins
 */
#ifndef CULVER_RUN_H
#define CULVER_RUN_H

#include "culver/options.h"

#define RUN_READY_MS 60000 /* `start` waits so long for every program to serve */

/* run - becomes master, in the foreground; returns only when that is not possible */
int verb_run(const struct culver_options *o, int argc, char **argv);
/* start - in the background; 0 when every program serves */
int verb_start(const struct culver_options *o, int argc, char **argv);
/* run_probe - becomes master with --probe (culver sandbox --probe) */
int run_probe(const struct culver_options *o);
/* run_after_kill - becomes master with --after-kill (culver stop): letters may be left again */
int run_after_kill(const struct culver_options *o);
/* run_explain - becomes master with --explain (culver tls) */
int run_explain(const struct culver_options *o, const char *domain);

#endif
