/*
 * user - culver user: the accounts for submission
 */
#ifndef CULVER_USER_H
#define CULVER_USER_H

#include "culver/options.h"

int verb_user(const struct culver_options *o, int argc, char **argv);

#endif
