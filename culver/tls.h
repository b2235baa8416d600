/*
 * tls - culver tls DOMAIN [--try]: what is demanded of the hosts that take mail for a domain
 *
 * The system must run: its resolver and its fetch are asked.  A delivery of its own is started beside it, with all that confines the others, and says what it
 * would do (delivery/explain.h); it decides as they do, being the same program.  Root's system answers root alone.
 */
#ifndef CULVER_TLS_H
#define CULVER_TLS_H

#include "culver/options.h"

int verb_tls(const struct culver_options *o, int argc, char **argv);

#endif
