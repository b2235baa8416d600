/*
 * expansion - see expansion.h
 */
#include "queue-manager/expansion.h"

#include <errno.h>
#include <stdlib.h>

#include "common/protocol/lookup.h"
#include "common/system/fatal.h"
#include "queue-manager/manager.h"

void
expansion_start(struct expansion *e, uint32_t parent)
{
	e->parent = parent;
	e->count = 0;
	e->has_looped = e->is_too_much = false;
}

static void
keep(struct expansion *e, uint32_t child)
{
	if (e->count == e->room) {
		uint32_t room = e->room == 0 ? 16 : e->room * 2;
		uint32_t *children = realloc(e->children, room * sizeof(*children));
		if (children == NULL)
			fatal(EXIT_OS, ENOMEM, "%u recipients of an expansion", room);
		e->children = children;
		e->room = room;
	}
	e->children[e->count++] = child;
}

/* is_ancestor - what cannot be read is none: the depth ends that circle too */
static bool
is_ancestor(struct manager *q, struct message *m, uint32_t number, const struct jobs_child *child)
{
	struct journal_entry e;
	if (child->line != 0 || child->direct == LOOKUP_DIRECT_MAILBOX)
		return false; /* these lead nowhere else */
	for (; number != 0 && message_recipient(q, m, number, &e) == 0; number = (uint32_t)e.parent)
		if (span_equal(e.text, child->address) && e.direct == child->direct && e.line == 0)
			return true;
	return false;
}

void
expansion_add(struct manager *q, struct message *m, struct expansion *e,
	      const struct jobs_child *child)
{
	if (e->is_too_much)
		return;
	if (is_ancestor(q, m, e->parent, child)) {
		e->has_looped = true;
		return;
	}
	uint32_t number = message_child(q, m, e->parent, child);
	if (number != 0)
		keep(e, number);
	else
		e->is_too_much = true;
}

void
expansion_end(struct manager *q, struct message *m, struct expansion *e)
{
	struct answer a = {.status = SPAN("5.4.6"), .host = SPAN_NONE};
	if (e->is_too_much || (e->count == 0 && e->has_looped)) {
		a.reply = e->is_too_much
				  ? SPAN("this address is expanded without end")
				  : SPAN("mail loop: this address leads back to itself, and to "
					 "nobody else");
		message_failed(q, m, e->parent, &a);
	} else {
		message_expanded(q, m, e->parent, e->children, e->count);
	}
	e->parent = 0;
}

void
expansion_free(struct expansion *e)
{
	free(e->children);
	*e = (struct expansion){0};
}
