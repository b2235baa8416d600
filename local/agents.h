/*
 * agents - the parent: root, or the ordinary user who runs the whole; forks an agent for each WANT of queue-manager and does nothing else
 *
 * It reads no mail and holds no message's descriptor.  Whose mailbox it is, it finds out itself: the uid is NSS's word for the name at
 * this moment, never a number that somebody sent.  Called by main.c.
 */
#ifndef LOCAL_AGENTS_H
#define LOCAL_AGENTS_H

#include "common/config/config.h"
#include "common/system/passwd.h"
#include "common/system/start.h"

#define AGENTS_ROOT_USER "root" /* his mailbox is config->root_mail */
#define AGENTS_DESCRIPTORS 64	/* of one agent */
#define AGENTS_MEMORY (512u << 20)

/* agents_serve - until a signal has ended it and the last agent is gone; `own`: the ordinary user, NULL as root */
void agents_serve(const struct start *s, const struct config *c, const struct passwd_user *own);

#endif
