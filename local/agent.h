/*
 * agent - serves the jobs of one mailbox, or of the lines of a user or an alias, as its user, confined
 *
 * Called by agents.c in the child, after it has become the user.  Serves until queue-manager closes the connection; idle for
 * AGENT_IDLE_MS, or told so by a signal, it says LEAVE and waits for the close.
 */
#ifndef LOCAL_AGENT_H
#define LOCAL_AGENT_H

#include <limits.h>
#include <stdbool.h>

#include "common/config/config.h"
#include "common/protocol/jobs.h"
#include "common/text/span.h"
#include "local/forward.h"
#include "local/list.h"

#define AGENT_IDLE_MS 60000
#define AGENT_TROUBLE_MAX 300

/* whose mailbox this agent serves; made by agents.c */
struct agent_place {
	const struct config *config;
	const struct config_domain *domain;
	const struct config_delivery *delivery; /* which of the domain's */
	bool is_virtual;			/* a user of `users TABLE`: has no lines */
	enum jobs_kind kind;			/* MAILBOX, LINE or ALIAS */
	struct span user;			/* of an alias its name */
	struct forward_owner owner;		/* whose .forward is believed */
	bool reads_forward;
	int runner,
		domain_runner; /* for his lines, and for the command of `deliver pipe`; -1: none */
	struct list alias;     /* of an alias: its lines */
	char home[PATH_MAX];   /* of the user */
	char template
		[PATH_MAX]; /* where his mailbox is: as `deliver` says, of a virtual user within his home */
	char base
		[PATH_MAX]; /* what the agent is confined to: mailboxes lie below; of root: his Maildir itself */
	char maildir
		[PATH_MAX]; /* fixed, whatever the address (of root); empty: `deliver` of the domain says where */
	uint64_t quota; /* of a virtual user, bytes; 0: that of the Maildir itself, if it has one */
	bool is_root;	/* config->root_mail: the group reads it */
	char trouble
		[AGENT_TROUBLE_MAX]; /* why there is no way to the mailbox now; empty: there is */
};

/* agent_serve - takes the channel; returns the exit status */
int agent_serve(const struct agent_place *place, int channel);

#endif
