/*
 * shape - how old what waits is, by domain: what qshape of Postfix prints
 *
 * shape_qshape is called by culver/names.c, shape_add by culver/listing.c.
 */
#ifndef CULVER_SHAPE_H
#define CULVER_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/control.h"

#define SHAPE_BUCKETS 10 /* minutes below 5, 10, 20 ... 1280, and older */
#define SHAPE_DOMAIN_MAX 256
#define SHAPE_DOMAINS_MAX 100000 /* those of more are counted together, as `others` */

struct shape;

/* one recipient that is still to be served; `sender` and `arrived_us` are its message's */
void shape_add(struct shape *s, struct span sender, struct span recipient, uint64_t arrived_us,
	       int64_t now_us);

/* the whole command; the exit status */
int shape_qshape(int argc, char **argv);

#endif
