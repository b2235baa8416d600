/*
 * delegation - a control group that was given to us: room for groups of commands in it
 *
 * Called by main.c before anything is started.  With `command-cgroup auto` master moves itself, and so all that it starts, into the group
 * `programs` below its own, if that was delegated: by systemd (Delegate=yes), or to the first process of a container.  Beside it is
 * `commands`, which runner uses (local/runner/groups.h).  What cannot be had is no trouble: commands have their other limits.
 */
#ifndef MASTER_DELEGATION_H
#define MASTER_DELEGATION_H

#include "common/config/config.h"

void delegation_enter(const struct config *c);

#endif
