/*
 * message-recipients - how a message holds its recipients
 *
 * See message.h; called by message.c.  Most messages have one recipient, and there may be a million of them: it lies in the message itself, and
 * recipients are counted in bytes as long as they fit.
 */
#include "queue-manager/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/fatal.h"
#include "queue-manager/manager.h"

/* with its only recipient, the allocator's word and a place in the table and in the heap: about 200 bytes, a million times */
_Static_assert(sizeof(struct message) <= 184, "a queued message takes more memory");

/* from bytes to words, when there is one more than bytes can count */
static void
count_many(struct message *m)
{
	uint32_t *many = calloc(RECIPIENT_STATES, sizeof(*many));
	if (many == NULL)
		fatal(EXIT_OS, ENOMEM, "counts of recipients");
	for (int s = 0; s < RECIPIENT_STATES; s++)
		many[s] = m->states.few[s];
	m->states.many = many;
}

/* the array doubles whenever it is full: it is then as long as there are recipients, a power of two */
static void
make_room(struct message *m)
{
	if (m->count == 0) {
		m->recipients = &m->only;
		return;
	}
	if ((m->count & (m->count - 1)) != 0)
		return;
	struct recipient *old = m->count > 1 ? m->recipients : NULL;
	struct recipient *r = realloc(old, (size_t)m->count * 2 * sizeof(*r));
	if (r == NULL)
		fatal(EXIT_OS, ENOMEM, "%u recipients", m->count * 2);
	if (m->count == 1)
		*r = m->only;
	m->recipients = r;
}

struct recipient *
message_recipient_new(struct message *m, enum recipient_state state)
{
	make_room(m);
	if (m->count == MESSAGE_FEW)
		count_many(m);
	struct recipient *r = &m->recipients[m->count++];
	*r = (struct recipient){.state = (uint8_t)state};
	if (m->count <= MESSAGE_FEW)
		m->states.few[state]++;
	else
		m->states.many[state]++;
	return r;
}

void
message_count(struct message *m, enum recipient_state from, enum recipient_state to)
{
	if (m->count <= MESSAGE_FEW) {
		m->states.few[from]--;
		m->states.few[to]++;
	} else {
		m->states.many[from]--;
		m->states.many[to]++;
	}
}

void
message_recipients_free(struct manager *q, struct message *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		destination_let(q, m->recipients[i].domain);
	if (m->count > 1)
		free(m->recipients);
	if (m->count > MESSAGE_FEW)
		free(m->states.many);
}
