/*
 * trace - the verb `trace`: the story of a message, or of an address; culver-trace(1)
 */
#ifndef CULVER_TRACE_H
#define CULVER_TRACE_H

#include "culver/options.h"

int verb_trace(const struct culver_options *o, int argc, char **argv);

#endif
