/*
 * local - mail into the mailboxes of the system's users
 *
 * As root a parent that reads no mail (agents.c) and, for each mailbox in work, a child that becomes its user for good (become.c),
 * confines itself and delivers (agent.c).  As an ordinary user there is one mailbox, his.
 */
#include <string.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/passwd.h"
#include "common/system/start.h"
#include "local/agents.h"
#include "local/mailbox-path.h"
#include "local/syscalls.h"

#define DESCRIPTORS_MAX 64 /* the parent has a handful, and one more while it forks */

/* own_row - an ordinary user's row: the bases of his mailboxes, for what Landlock forbids the parent its agents cannot have */
static struct start
own_row(const struct start *s, const struct config *c, const struct passwd_user *own)
{
	struct start row = *s;

	for (size_t i = 0; i < c->domain_count; i++) {
		struct start_directory d = {.rights = START_READ | START_WRITE};
		size_t known = 0;

		if (mailbox_path_base(c->domains[i].deliver_path, own->home, d.path,
				      sizeof(d.path)) < 0)
			continue; /* his agent says so for each letter */
		while (known < row.directory_count &&
		       strcmp(row.directories[known].path, d.path) != 0)
			known++;
		if (known < row.directory_count) {
			row.directories[known].rights |= d.rights;
		} else if (known < START_DIRECTORIES_MAX) {
			row.directories[known] = d;
			row.directory_count++;
		} else {
			fatal(EXIT_CONFIGURATION, 0, "`deliver` names more than %d folders",
			      START_DIRECTORIES_MAX);
		}
	}
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
		row = own_row(s, c, &own);
	}
	confine(&row, local_syscalls, &limits);
	start_serving(s);
	agents_serve(s, c, s->as_root ? NULL : &own);
	events_end();
	return 0;
}
