/*
 * recipients - those of one transaction, each once
 *
 * Called by envelope.c.  A recipient that is named twice gets the message once: the second RCPT is answered like the first
 * and nothing is added (RFC 5321, section 4.1.1.3 leaves it open; Postfix does the same).  The domain is compared without case, since the
 * canonical text has it in lower case; the local part as it is.
 */
#include "smtpd/recipients.h"

#include <stdlib.h>

#include "common/text/checksum.h"

#define SLOTS_MIN 64
#define KEPT_MAX 4096 /* a list that grew beyond this is not kept for the next transaction */

void
recipients_init(struct recipients *r, uint64_t seed)
{
	*r = (struct recipients){.seed = seed};
}

void
recipients_clear(struct recipients *r)
{
	r->count = 0;
	if (r->room > KEPT_MAX)
		recipients_free(r);
	else if (r->slot_count > 0)
		memset(r->slots, 0, r->slot_count * sizeof(r->slots[0]));
}

void
recipients_free(struct recipients *r)
{
	free(r->list);
	free(r->slots);
	*r = (struct recipients){.seed = r->seed};
}

/* the slot of `address`, or the free one where it belongs */
static uint32_t *
find(const struct recipients *r, struct span address)
{
	size_t at = checksum_word(address, r->seed) & (r->slot_count - 1);

	while (r->slots[at] != 0 && !span_equal(r->list[r->slots[at] - 1].address, address))
		at = (at + 1) & (r->slot_count - 1);
	return &r->slots[at];
}

/* room for one more: the list doubles, and the table stays at most half full */
static int
grow(struct recipients *r)
{
	size_t room = r->room > 0 ? 2 * r->room : SLOTS_MIN / 2;
	struct intake_recipient *list = reallocarray(r->list, room, sizeof(list[0]));

	if (list == NULL)
		return -1;
	r->list = list;
	uint32_t *slots = calloc(2 * room, sizeof(slots[0]));
	if (slots == NULL)
		return -1;
	free(r->slots);
	r->slots = slots;
	r->slot_count = 2 * room;
	r->room = room;
	for (size_t i = 0; i < r->count; i++)
		*find(r, r->list[i].address) = (uint32_t)i + 1;
	return 0;
}

int
recipients_reserve(struct recipients *r)
{
	return r->room > 0 ? 0 : grow(r);
}

/* NOTIFY of two RCPT for one address; not given at all is the default, failures (RFC 3461, section 4.1) */
static uint64_t
join(uint64_t a, uint64_t b)
{
	if (a == b)
		return a;
	uint64_t joined = (a != 0 ? a : INTAKE_NOTIFY_FAILURE | INTAKE_NOTIFY_DELAY) |
			  (b != 0 ? b : INTAKE_NOTIFY_FAILURE | INTAKE_NOTIFY_DELAY);
	return joined & ~(uint64_t)INTAKE_NOTIFY_NEVER;
}

enum recipients_outcome
recipients_add(struct recipients *r, const struct intake_recipient *added)
{
	if (r->count == r->room && grow(r) == -1)
		return RECIPIENTS_NO_MEMORY;
	uint32_t *slot = find(r, added->address);
	if (*slot != 0) {
		struct intake_recipient *known = &r->list[*slot - 1];
		known->notify = join(known->notify, added->notify);
		if (known->orcpt.len == 0)
			known->orcpt = added->orcpt;
		return RECIPIENTS_KNOWN;
	}
	r->list[r->count++] = *added;
	*slot = (uint32_t)r->count;
	return RECIPIENTS_ADDED;
}
