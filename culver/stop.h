/*
 * stop - culver stop, culver reload: signals to a master that runs
 */
#ifndef CULVER_STOP_H
#define CULVER_STOP_H

#include "culver/options.h"

#define STOP_WAIT_MS 90000    /* every stage has its own, shorter grace in master */
#define RELOAD_WAIT_MS 30000  /* for master to take or refuse the configuration */
#define RELOAD_READY_MS 30000 /* for the new generation to serve */

/* stop - in order, and waits for the end */
int verb_stop(const struct culver_options *o, int argc, char **argv);
/* reload - checks the configuration here, then has it taken, and says what became of it */
int verb_reload(const struct culver_options *o, int argc, char **argv);

#endif
