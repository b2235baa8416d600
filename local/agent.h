/*
 * agent - serves the jobs of one mailbox, as its user, confined
 *
 * Called by agents.c in the child, after it has become the user.  Serves until queue-manager closes the connection; idle for
 * AGENT_IDLE_MS, or told so by a signal, it says LEAVE and waits for the close.
 */
#ifndef LOCAL_AGENT_H
#define LOCAL_AGENT_H

#include <limits.h>
#include <stdbool.h>

#include "common/config/config.h"
#include "common/text/span.h"

#define AGENT_IDLE_MS 60000
#define AGENT_MEMORY_MAX (64u << 20) /* of one job: recipients, mostly */
#define AGENT_TROUBLE_MAX 300

/* whose mailbox this agent serves; made by agents.c */
struct agent_place {
	const struct config *config;
	const struct config_domain *domain;
	struct span user;
	char home[PATH_MAX]; /* of the user */
	char template
		[PATH_MAX]; /* where his mailbox is: as `deliver` says, of a virtual user within his home */
	char base
		[PATH_MAX]; /* what the agent is confined to: mailboxes lie below; of root: his Maildir itself */
	char maildir
		[PATH_MAX]; /* fixed, whatever the address (of root); empty: `deliver` of the domain says where */
	bool is_root; /* config->root_mail: the group reads it */
	char trouble
		[AGENT_TROUBLE_MAX]; /* why there is no way to the mailbox now; empty: there is */
};

/* agent_serve - takes the channel; returns the exit status */
int agent_serve(const struct agent_place *place, int channel);

#endif
