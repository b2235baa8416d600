/*
 * authorities - the certificates by which web servers are believed
 */
#ifndef FETCH_AUTHORITIES_H
#define FETCH_AUTHORITIES_H

#include <openssl/types.h>

#include "common/config/config.h"

/*
 * authorities_read - the file of the configuration, parsed once, before confine(); its forks have it
 *
 * A file that the configuration names must be there (fatal()).  Where the system's own is missing the store is empty: every download fails
 * then, and says why.
 */
X509_STORE *authorities_read(const struct config *config);

#endif
