/*
 * check-replies - do the patterns of `reply` compile?  For check.c.
 */
#ifndef CULVER_CHECK_REPLIES_H
#define CULVER_CHECK_REPLIES_H

#include <stddef.h>

#include "common/config/config.h"
#include "common/text/buffer.h"

/* check_replies - a line for each mistake; how many there are */
size_t check_replies(const struct config *c, struct buffer *output);

#endif
