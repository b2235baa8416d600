/*
 * once - letters of the drop directory that were taken, so that a kill does not take them twice
 *
 * submit removes a file of the drop directory after its letter was accepted; killed in between, it brings the letter again.  It names each by a
 * key (common/protocol/intake.h), which intake.c records here, after `queued` is written, with the id that the message got.  What may be brought
 * again is the last one only, since letters are fed one after another: ONCE_MAX are remembered, far more than is needed.
 */
#ifndef QUEUE_MANAGER_ONCE_H
#define QUEUE_MANAGER_ONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/protocol/intake.h"
#include "common/text/span.h"

struct manager;

#define ONCE_MAX 256

struct once {
	int fd; /* SPOOL/once; -1: it cannot be had, and nothing is remembered */
	struct {
		uint64_t id; /* 0: free */
		char key[INTAKE_ONCE_MAX + 1];
	} record[ONCE_MAX];
	unsigned next; /* is written over next */
};

/* once_start - the spool has started; what another boot has recorded is forgotten (see once.c) */
void once_start(struct manager *q);
void once_end(struct manager *q);
/* a key is made of upper-case letters, digits and dots */
bool once_is_key(struct span key);
/* the message that was queued under this key; 0: none that is known of */
uint64_t once_find(const struct manager *q, const char *key);
void once_add(struct manager *q, const char *key, uint64_t id);
/* once_forget - before what was queued is dropped: it was not taken; false: that cannot be written, and it must not be dropped */
bool once_forget(struct manager *q, uint64_t id) __attribute__((warn_unused_result));

#endif
