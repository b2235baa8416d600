/*
 * delegation - see delegation.h
 */
#include "master/delegation.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/system/cgroup.h"

#define FIRST_PROCESS 1

/*
 * is_delegated - systemd marks what it leaves to a service; in a container the group of its first process is the container's
 *
 * The root of the whole hierarchy, which has no cgroup.kill, is nobody's.
 */
static bool
is_delegated(int group)
{
	static const char *const marks[] = {"user.delegate", "trusted.delegate"};
	char value = '\0';

	if (faccessat(group, "cgroup.kill", W_OK, AT_EACCESS) != 0)
		return false;
	if (getpid() == FIRST_PROCESS)
		return true;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (fgetxattr(group, marks[i], &value, 1) == 1 && value == '1')
			return true;
	return false;
}

/* move - master is the only process of its group as yet; what another has put there stays, and then nothing can be shared */
static void
move(int group)
{
	int programs;

	if (mkdirat(group, CGROUP_PROGRAMS, 0755) != 0 ||
	    mkdirat(group, CGROUP_COMMANDS, 0755) != 0)
		return;
	programs = openat(group, CGROUP_PROGRAMS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (programs < 0)
		return;
	if (cgroup_write(programs, "cgroup.procs", "0") == 0)
		cgroup_share(group);
	close(programs);
}

void
delegation_enter(const struct config *c)
{
	char path[PATH_MAX];
	int group;

	if (strcmp(c->command_cgroup, CONFIG_CGROUP_AUTO) != 0 ||
	    cgroup_own(path, sizeof(path)) != 0)
		return;
	group = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group < 0)
		return;
	if (is_delegated(group))
		move(group);
	close(group);
}
