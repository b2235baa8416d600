/*
 * signing - the private keys of this program, which are in another: signer
 */
#ifndef SMTPD_SIGNING_H
#define SMTPD_SIGNING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/tls/remote-key.h"

/* signing_start - once, in the listener; the connection is made by each session that needs it */
void signing_start(const char *path);
/* for remote_key_start */
extern const struct remote_key_signer signing_signer;
/* signing_is_ready - does signer answer, and has it that key? */
bool signing_is_ready(uint64_t key);
/* signing_wrong - why it is not, or did not sign; NULL: all is well */
const char *signing_wrong(void);

#endif
