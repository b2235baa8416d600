/*
 * expansion - the recipients that one recipient stands for, gathered until all are known
 *
 * Called by route (an alias, as lookup says) and jobs (a .forward or a list, as an agent of local says).  Each child is journaled as it
 * comes and counts from the `expanded` line on (J4), so what is given up in between leaves nothing behind but lines.
 *
 * A child that is one of its own ancestors again is dropped: that one has been expanded into all it stands for.  A recipient of which
 * nothing is left so fails, and so does one that stands for too many or comes from too deep.
 */
#ifndef QUEUE_MANAGER_EXPANSION_H
#define QUEUE_MANAGER_EXPANSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/jobs.h"

struct manager;
struct message;

struct expansion {
	uint32_t parent; /* 0: none is under way */
	uint32_t *children, count, room;
	bool has_looped;  /* a child was dropped */
	bool is_too_much; /* too many, too deep */
};

void expansion_start(struct expansion *e, uint32_t parent);
void expansion_add(struct manager *q, struct message *m, struct expansion *e,
		   const struct jobs_child *child);
/* expansion_end - the parent is expanded, or has failed */
void expansion_end(struct manager *q, struct message *m, struct expansion *e);
/* expansion_free - its memory; what was under way is given up */
void expansion_free(struct expansion *e);

#endif
