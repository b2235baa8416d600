/*
 * serve - the socket `runner`: who may ask, and for whom
 *
 * Called by main.c.  A connection that was bound is left alone until something is asked on it; then a child is forked that becomes the
 * user and keeps it.  So root reads BIND alone, which root has sent.
 */
#ifndef LOCAL_RUNNER_SERVE_H
#define LOCAL_RUNNER_SERVE_H

#include "common/config/config.h"
#include "common/system/start.h"

#define SERVE_BOUND_MAX 4096 /* connections that wait; more are closed, and their mail waits */
#define SERVE_SWEEP_MS 200   /* until groups are looked at again whose processes die still */

/* serve - until SIGTERM, or after SIGUSR1 until the last connection and the last child are gone */
void serve(const struct start *s, const struct config *c);

#endif
