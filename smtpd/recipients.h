/*
 * recipients - those of one transaction, each once
 */
#ifndef SMTPD_RECIPIENTS_H
#define SMTPD_RECIPIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/protocol/intake.h"
#include "common/text/arena.h"
#include "common/text/span.h"

struct recipients {
	struct intake_recipient
		*list; /* in the order they came; owned, the texts lie in the arena */
	size_t count, room;
	uint32_t *slots; /* owned: hash table of indices + 1 */
	size_t slot_count;
	uint64_t seed; /* secret, so that nobody can make addresses that collide */
};

enum recipients_outcome { RECIPIENTS_ADDED, RECIPIENTS_KNOWN, RECIPIENTS_NO_MEMORY };

/* `seed` is kept over recipients_clear */
void recipients_init(struct recipients *r, uint64_t seed);
/* recipients_reserve - room for the first ones; -1: no memory */
int recipients_reserve(struct recipients *r) __attribute__((warn_unused_result));
void recipients_clear(struct recipients *r);
void recipients_free(struct recipients *r);
/*
 * recipients_add - its texts must live as long as the transaction; the address is canonical
 *
 * Of one that is KNOWN already what is asked for is joined: who is to hear of success by one RCPT and of failure by another hears of both.
 */
enum recipients_outcome recipients_add(struct recipients *r, const struct intake_recipient *added)
	__attribute__((warn_unused_result));

#endif
