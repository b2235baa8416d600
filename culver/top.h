/*
 * top - where queued mail goes, live
 */
#ifndef CULVER_TOP_H
#define CULVER_TOP_H

#include "culver/options.h"

int verb_top(const struct culver_options *o, int argc, char **argv);

#endif
