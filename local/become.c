/*
 * become - see become.h; setresuid(2), capabilities(7)
 */
#include "local/become.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/system/fatal.h"

#define GROUPS_MAX 256 /* of one user; the kernel's own bound is higher */
#define KEEPER_GROUP "adm"

static void
verify_user(const struct passwd_user *user)
{
	uid_t real, effective, saved;
	gid_t gid, effective_gid, saved_gid;

	if (getresuid(&real, &effective, &saved) < 0 || real != user->uid ||
	    effective != user->uid || saved != user->uid)
		fatal(EXIT_SOFTWARE, 0, "becoming %s: the uid is another", user->name);
	if (getresgid(&gid, &effective_gid, &saved_gid) < 0 || gid != user->gid ||
	    effective_gid != user->gid || saved_gid != user->gid)
		fatal(EXIT_SOFTWARE, 0, "becoming %s: the gid is another", user->name);
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || setresuid(0, 0, 0) == 0 ||
	    setgroups(0, NULL) == 0)
		fatal(EXIT_SOFTWARE, 0, "becoming %s: uid 0 can be had back", user->name);
}

static void
drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2];

	memset(none, 0, sizeof(none));
	if (syscall(SYS_capset, &header, none) < 0)
		fatal(EXIT_OS, errno, "dropping capabilities");
	memset(none, 0xff, sizeof(none));
	if (syscall(SYS_capget, &header, none) < 0 || none[0].effective != 0 ||
	    none[0].permitted != 0 || none[0].inheritable != 0 || none[1].effective != 0 ||
	    none[1].permitted != 0 || none[1].inheritable != 0)
		fatal(EXIT_SOFTWARE, 0, "dropping capabilities: some are left");
}

/* a change of uid has switched it off */
static void
end_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fatal(EXIT_OS, errno, "end with the parent");
	if (getppid() != parent)
		_exit(EXIT_UNAVAILABLE); /* it went before we asked */
}

static void
add_group(gid_t group)
{
	gid_t groups[GROUPS_MAX];
	int count = getgroups(GROUPS_MAX - 1, groups);

	if (count < 0)
		fatal(EXIT_OS, errno, "groups of the recipient");
	groups[count] = group;
	if (setgroups((size_t)count + 1, groups) < 0)
		fatal(EXIT_OS, errno, "group %u", (unsigned)group);
}

void
become_user(const struct passwd_user *user)
{
	become_user_with(user, (gid_t)-1);
}

void
become_user_with(const struct passwd_user *user, gid_t group)
{
	pid_t parent = getppid();

	if (user->uid == 0 || user->uid == (uid_t)-1 || user->gid == (gid_t)-1)
		fatal(EXIT_SOFTWARE, 0, "becoming %s: no uid to become", user->name);
	if (initgroups(user->name, user->gid) < 0)
		fatal(EXIT_OS, errno, "groups of %s", user->name);
	if (group != (gid_t)-1)
		add_group(group);
	if (setresgid(user->gid, user->gid, user->gid) < 0)
		fatal(EXIT_OS, errno, "gid %u of %s", (unsigned)user->gid, user->name);
	if (setresuid(user->uid, user->uid, user->uid) < 0)
		fatal(EXIT_OS, errno, "uid %u of %s", (unsigned)user->uid, user->name);
	verify_user(user);
	end_with_parent(parent);
}

void
become_keeper(void)
{
	pid_t parent = getppid();
	const struct group *group = getgrnam(KEEPER_GROUP);
	gid_t gid = group != NULL ? group->gr_gid : 0;

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0)
		fatal(EXIT_OS, errno, "group " KEEPER_GROUP);
	drop_capabilities();
	end_with_parent(parent);
}
