/*
 * check-tls - culver check: the certificates and keys of `tls`
 */
#ifndef CULVER_CHECK_TLS_H
#define CULVER_CHECK_TLS_H

#include <stddef.h>

#include "common/config/config.h"
#include "common/text/buffer.h"

/* check_tls - a line in `output` for each mistake, and for what is none yet (`warning:`); the number of mistakes */
size_t check_tls(const struct config *c, struct buffer *output);

#endif
