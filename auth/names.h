/*
 * names - which login a client's response names, before anybody has looked whether it is right
 *
 * For sources that read the responses themselves (dovecot.c): guesses are counted for the login they are about, whoever judges them.
 */
#ifndef AUTH_NAMES_H
#define AUTH_NAMES_H

#include "auth/sasl.h"

/* names_take - the first response fills x->login, prepared; empty where it names nobody, or nobody who can be; the others change nothing */
void names_take(struct sasl_exchange *x, struct span response);

#endif
