/*
 * message-redirect - what is left for a recipient goes to another address instead
 *
 * See message.h; called by the walk of the administrator's orders.  It is an expansion as any other: the journal says who became whom, a
 * notice names the recipient that the sender knew, and several of a message that are redirected to one address become one.
 */
#include "queue-manager/message.h"

#include "queue-manager/manager.h"
#include "queue-manager/queue.h"

bool
message_redirect(struct manager *q, struct message *m, uint32_t number, struct span address,
		 uint32_t *child)
{
	struct recipient *r = &m->recipients[number - 1];
	const struct jobs_child to = {.address = address, .owner = SPAN_NONE};
	struct journal_entry e;
	/* what an agent has is out of our hands */
	if (m->is_gone || !message_is_undelivered(r) || r->state == RECIPIENT_ACTIVE)
		return false;
	if (message_recipient(q, m, number, &e) != 0 || span_equal(e.text, address))
		return false;
	if (r->state == RECIPIENT_READY)
		queue_withdraw(q, m);
	if (*child == 0)
		*child = message_child(q, m, number, &to);
	if (*child == 0)
		return false;
	message_expanded(q, m, number, child, 1);
	return true;
}
