/*
 * local - mail into the mailboxes of the system's users
 *
 * As root a parent that reads no mail (agents.c) and, for each mailbox in work, a child that becomes its user for good (become.c),
 * confines itself and delivers (agent.c).  As an ordinary user there is one mailbox, his.
 */
#include <errno.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/passwd.h"
#include "common/system/start.h"
#include "local/agents.h"
#include "local/syscalls.h"

#define DESCRIPTORS_MAX 64 /* the parent has a handful, and one more while it forks */

/* own_row - an ordinary user's row: his home is his agents', and what Landlock forbids the parent they cannot have */
static struct start
own_row(const struct start *s, const struct passwd_user *own)
{
	struct start row = *s;
	struct start_directory *home = &row.directories[row.directory_count];

	if (row.directory_count == START_DIRECTORIES_MAX ||
	    span_copy(span_of(own->home), home->path, sizeof(home->path)) < 0)
		fatal(EXIT_CONFIGURATION, 0, "the home of %s has too long a path", own->name);
	home->rights = START_READ | START_WRITE;
	row.directory_count++;
	return row;
}

int
main(void)
{
	const struct start *s = start_take("local");
	const struct config *c = config_take();
	const struct confine_limits limits = {.descriptors = DESCRIPTORS_MAX, .may_fork = true};
	struct passwd_user own;
	struct start row = *s;

	events_start("local", start_path(s, "log"));
	passwd_preload();
	if (!s->as_root) {
		if (passwd_find_uid(getuid(), &own) != PASSWD_FOUND)
			fatal(EXIT_CONFIGURATION, 0, "uid %u has no name, so it has no mailbox",
			      (unsigned)getuid());
		row = own_row(s, &own);
	}
	confine(&row, local_syscalls, &limits);
	start_serving(s);
	agents_serve(s, c, s->as_root ? NULL : &own);
	events_end();
	return 0;
}
