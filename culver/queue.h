/*
 * queue - the verb `queue`: what is queued, and what shall become of it; culver-queue(1)
 */
#ifndef CULVER_QUEUE_H
#define CULVER_QUEUE_H

#include "culver/options.h"

int verb_queue(const struct culver_options *o, int argc, char **argv);

#endif
