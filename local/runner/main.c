/*
 * runner - runs the commands of users: `|command` in a .forward or an alias, and `deliver pipe`
 *
 * A program of its own, as root, for one reason: what a program has given up, its children cannot have, and a user's command may
 * need it.  no_new_privs and system call filters are inherited and would break the set-gid programs that users call; so this one has
 * neither, and in exchange does next to nothing: serve.c waits for connections of local, and forks; the child becomes the user and
 * runs what he asked for (run.c).  As root it reads one datagram a connection, from root.
 *
 * As an ordinary user all is the same under one uid.
 */

#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/passwd.h"
#include "common/system/start.h"
#include "local/runner/serve.h"

int
main(void)
{
	const struct start *s = start_take("runner");
	const struct config *c = config_take();

	events_start("runner", start_path(s, "log"));
	passwd_preload();
	/* its commands are their users': the kernel keeps those apart as it does at a login */
	confine_private(s, "it becomes the user first");
	start_serving(s);
	serve(s, c);
	events_end();
	return 0;
}
