/*
 * verified - culver verified: what next hops have said of recipients, and forgetting it
 */
#ifndef CULVER_VERIFIED_H
#define CULVER_VERIFIED_H

#include "culver/options.h"

int verb_verified(const struct culver_options *o, int argc, char **argv);

#endif
