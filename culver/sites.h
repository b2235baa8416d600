/*
 * sites - where queued mail goes, for people and for programs
 *
 * Called by queue (the verb) and query (each site, as it comes).  The sites are kept until all are there and told with the most mail first: the
 * queue-manager bounds how many there are.
 */
#ifndef CULVER_SITES_H
#define CULVER_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/protocol/control.h"
#include "common/text/arena.h"
#include "common/text/buffer.h"

#define SITES_PRINT_AT 65536 /* bytes at which what is rendered is printed */

struct sites {
	struct control_site *rows;
	size_t count, room;
	struct arena text; /* of their names and sentences */
};

/* sites_add - copied; -1: memory is out */
int sites_add(struct sites *s, const struct control_site *m) __attribute__((warn_unused_result));
/* sites_print - the fullest first, `most` of them; `now_us`: wall clock, for ages */
void sites_print(struct sites *s, size_t most, bool json, int64_t now_us, struct buffer *out);
void sites_free(struct sites *s);

#endif
