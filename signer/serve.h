/*
 * serve - the socket `signer`
 */
#ifndef SIGNER_SERVE_H
#define SIGNER_SERVE_H

#include <stddef.h>

#include "common/system/start.h"

/* serve - until SIGTERM, or SIGUSR1 and the last client */
void serve(const struct start_listen *listen, size_t clients_max);

#endif
