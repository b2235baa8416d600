/*
 * confine - see confine.h
 */
#include "common/system/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/probe.h"

/* rights that Debian 12's <linux/landlock.h> does not know yet; the kernel's documentation, Landlock ABI 2 to 6 */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#define ACCESS_FS_IOCTL_DEV (1ULL << 15)
#define ACCESS_NET_BIND_TCP (1ULL << 0)
#define ACCESS_NET_CONNECT_TCP (1ULL << 1)
#define RULE_NET_PORT 2
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

struct ruleset {
	uint64_t access_fs;
	uint64_t access_net;
	uint64_t scoped;
};

struct port_rule {
	uint64_t allowed, port;
};

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE)

/* ---- uid, groups, room ---- */

static void
become_nobody(const struct start *s)
{
	if (s->room[0] != '\0' && (chroot(s->room) < 0 || chdir("/") < 0))
		fatal(EXIT_OS, errno, "chroot into %s", s->room);
	if (s->uid == 0)
		return; /* local: it must become its recipients */
	if (setgroups(s->group_count, s->groups) < 0 || setresgid(s->gid, s->gid, s->gid) < 0 ||
	    setresuid(s->uid, s->uid, s->uid) < 0)
		fatal(EXIT_OS, errno, "becoming uid %u", (unsigned)s->uid);
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		fatal(EXIT_SOFTWARE, 0, "uid 0 can be had back");
}

static void
set_limit(int resource, uint64_t value, const char *name)
{
	struct rlimit l = {.rlim_cur = value, .rlim_max = value};
	struct rlimit now;
	/* an ordinary user cannot raise what he was given */
	if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && geteuid() != 0 &&
	    now.rlim_max < value)
		l.rlim_cur = l.rlim_max = now.rlim_max;
	if (setrlimit((__rlimit_resource_t)resource, &l) < 0)
		fatal(EXIT_OS, errno, "limit of %s", name);
}

static void
set_limits(const struct confine_limits *limits, bool stays_root)
{
	set_limit(RLIMIT_CORE, 0, "core dumps");
	if (limits->descriptors > 0)
		set_limit(RLIMIT_NOFILE, limits->descriptors, "descriptors");
	if (limits->file_size > 0)
		set_limit(RLIMIT_FSIZE, limits->file_size, "file size");
	if (!limits->may_fork && !stays_root)
		set_limit(RLIMIT_NPROC, 0, "processes");
#ifndef CULVER_SANITIZE /* the sanitizers map terabytes */
	if (limits->memory > 0)
		set_limit(RLIMIT_AS, limits->memory, "memory");
#endif
}

static void
make_private(void)
{
	/* with it no process of the same uid may trace this one or read its memory */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		fatal(EXIT_OS, errno, "non-dumpable");
}

static void
end_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fatal(EXIT_OS, errno, "end with the parent");
	if (getppid() != parent)
		_exit(EXIT_UNAVAILABLE); /* it went before we asked */
}

/* ---- Landlock ---- */

static int
landlock_abi(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static uint64_t
known_fs(int abi)
{
	uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
	if (abi >= 2)
		all |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		all |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= 5)
		all |= ACCESS_FS_IOCTL_DEV;
	return all;
}

static uint64_t
directory_access(unsigned rights)
{
	uint64_t access = 0;
	if ((rights & START_READ) != 0)
		access |= ACCESS_READ;
	if ((rights & START_WRITE) != 0)
		access |= ACCESS_WRITE;
	if ((rights & START_EXECUTE) != 0)
		access |= LANDLOCK_ACCESS_FS_EXECUTE;
	return access;
}

static void
allow_directory(int ruleset, const struct start_directory *d, uint64_t known)
{
	int fd = open(d->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT) /* e.g. no /lib64 here: nothing to allow */
			return;
		fatal(EXIT_OS, errno, "directory %s", d->path);
	}
	struct landlock_path_beneath_attr rule = {
		.allowed_access = directory_access(d->rights) & known, .parent_fd = fd};
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		fatal(EXIT_OS, errno, "Landlock rule for %s", d->path);
	close(fd);
}

/*
 * made before the chroot, since the directories are named from outside; -1: the kernel has no Landlock
 *
 * `port`: the one that may be connected to by TCP, where `network_out` allows that; 0: any.  `all_files`: only network, signals and abstract sockets are restricted (local, whose children open their users' files)
 */
static int
make_ruleset(int abi, const struct start_directory *directories, size_t count, bool all_files,
	     bool network_out, uint16_t port)
{
	/* a domain that does not name REFER forbids moves between folders, in all that are nested in it too */
	const struct start_directory everything = {.path = "/", .rights = START_WRITE};
	struct ruleset r = {.access_fs = all_files ? LANDLOCK_ACCESS_FS_REFER : known_fs(abi)};
	size_t size = abi >= 6 ? sizeof(r) : abi >= 4 ? sizeof(uint64_t) * 2 : sizeof(uint64_t);
	if (abi < 1 || (all_files && abi < 4))
		return -1;
	if (abi >= 4)
		r.access_net = ACCESS_NET_BIND_TCP |
			       (network_out && port == 0 ? 0 : ACCESS_NET_CONNECT_TCP);
	if (abi >= 6)
		r.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (ruleset < 0)
		fatal(EXIT_OS, errno, "Landlock rules");
	const struct port_rule out = {.allowed = ACCESS_NET_CONNECT_TCP, .port = port};
	if (network_out && port != 0 && abi >= 4 &&
	    syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &out, 0) < 0)
		fatal(EXIT_OS, errno, "Landlock rule for port %u", (unsigned)port);
	for (size_t i = 0; i < count; i++)
		allow_directory(ruleset, &directories[i], r.access_fs);
	if (all_files)
		allow_directory(ruleset, &everything, r.access_fs);
	return ruleset;
}

static void
enforce_ruleset(int ruleset)
{
	if (ruleset < 0)
		return;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		fatal(EXIT_OS, errno, "Landlock");
	close(ruleset);
}

/* ---- seccomp ---- */

/* what every program needs, whatever it does */
static const struct syscall_group base_groups[] = {
	SYSCALL_GROUP("memory of malloc and stacks, never executable", SYSCALL(brk),
		      SYSCALL_MASKED(mmap, 3, PROT_EXEC, 0), SYSCALL(munmap), SYSCALL(mremap),
		      SYSCALL(madvise), SYSCALL_MASKED(mprotect, 3, PROT_EXEC, 0)),
	SYSCALL_GROUP("reading, writing and closing what is open", SYSCALL(read), SYSCALL(write),
		      SYSCALL(readv), SYSCALL(writev), SYSCALL(pread64), SYSCALL(pwrite64),
		      SYSCALL(close), SYSCALL(fstat), SYSCALL(newfstatat), SYSCALL(lseek),
		      SYSCALL(fcntl)),
	SYSCALL_GROUP("messages on open sockets", SYSCALL(sendmsg), SYSCALL(recvmsg),
		      SYSCALL(sendto), SYSCALL(recvfrom)),
	SYSCALL_GROUP("a new connection to log, or another of the row's sockets",
		      SYSCALL_IF(socket, 1, AF_UNIX), SYSCALL(connect)),
	SYSCALL_GROUP("waiting", SYSCALL(poll), SYSCALL(ppoll), SYSCALL(epoll_wait),
		      SYSCALL(epoll_pwait), SYSCALL(epoll_ctl), SYSCALL(epoll_create1),
		      SYSCALL(signalfd4), SYSCALL(restart_syscall), SYSCALL(futex),
		      SYSCALL(sched_yield)),
	SYSCALL_GROUP("time, where the vDSO cannot say it", SYSCALL(clock_gettime),
		      SYSCALL(gettimeofday)),
	SYSCALL_GROUP("signals of its own", SYSCALL(rt_sigprocmask), SYSCALL(rt_sigaction),
		      SYSCALL(rt_sigreturn)),
	SYSCALL_GROUP("who am I", SYSCALL(getpid), SYSCALL(gettid), SYSCALL(getppid),
		      SYSCALL(getuid), SYSCALL(geteuid)),
	SYSCALL_GROUP("random bytes of malloc and hash tables", SYSCALL(getrandom)),
	SYSCALL_GROUP("the end", SYSCALL(exit), SYSCALL(exit_group)),
	SYSCALL_GROUP("abort() of libc, to itself", SYSCALL(tgkill)),
	SYSCALL_GROUPS_END,
};

#ifdef CULVER_SANITIZE
/* what the sanitizers ask for besides: the one list of extra calls, only in a build with SANITIZE=1 */
static const struct syscall_group sanitizer_groups[] = {
	SYSCALL_GROUP("reports: their own stack, maps and symbols", SYSCALL(openat),
		      SYSCALL(readlink), SYSCALL(readlinkat), SYSCALL(sigaltstack),
		      SYSCALL(sched_getaffinity), SYSCALL(getrlimit), SYSCALL(prlimit64),
		      SYSCALL(dup), SYSCALL(dup2), SYSCALL(pipe2), SYSCALL(stat), SYSCALL(access),
		      SYSCALL(getcwd), SYSCALL(uname), SYSCALL(ioctl), SYSCALL(open),
		      SYSCALL(getdents64), SYSCALL(set_robust_list)),
	SYSCALL_GROUPS_END,
};

/* looking for leaks at the end needs ptrace and /proc: no confined process has them; the unit tests look */
static bool is_confined;
int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return is_confined;
}
#endif

/* asked for by nobody who is well: the process dies, strict or not */
static const int deadly[] = {
	SYS_ptrace,	     SYS_process_vm_readv, SYS_process_vm_writev, SYS_bpf,
	SYS_perf_event_open, SYS_init_module,	   SYS_finit_module,	  SYS_kexec_load,
	SYS_mount,	     SYS_umount2,	   SYS_pivot_root,	  SYS_setns,
	SYS_unshare,	     SYS_keyctl,	   SYS_add_key,		  SYS_request_key,
	SYS_userfaultfd,     SYS_io_uring_setup,   SYS_execveat};

static bool
is_listed(const struct syscall_group *groups, int number)
{
	for (; groups->why != NULL; groups++)
		for (size_t i = 0; i < groups->count; i++)
			if (groups->rules[i].number == number)
				return true;
	return false;
}

static void
allow_groups(scmp_filter_ctx filter, const struct syscall_group *groups)
{
	for (; groups->why != NULL; groups++)
		for (size_t i = 0; i < groups->count; i++) {
			const struct syscall_rule *r = &groups->rules[i];
			int wrong;
			if (r->argument > 0) {
				struct scmp_arg_cmp only =
					SCMP_CMP64((unsigned)(r->argument - 1), SCMP_CMP_MASKED_EQ,
						   r->mask, r->value);
				wrong = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->number, 1,
							       &only);
			} else {
				wrong = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, r->number, 0,
							       NULL);
			}
			if (wrong < 0)
				fatal(EXIT_OS, -wrong, "seccomp rule for system call %d (%s)",
				      r->number, groups->why);
		}
}

/* made early, enforced last: libseccomp itself allocates and asks */
static scmp_filter_ctx
make_filter(const struct syscall_group *groups, bool strict)
{
	scmp_filter_ctx filter =
		seccomp_init(strict ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));
	if (filter == NULL)
		fatal(EXIT_OS, 0, "seccomp filter");
	/* a filter that looks a number up in a tree instead of a list */
	int wrong = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (wrong == 0)
		wrong = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	if (wrong < 0)
		fatal(EXIT_OS, -wrong, "seccomp filter");
	allow_groups(filter, base_groups);
	allow_groups(filter, groups);
#ifdef CULVER_SANITIZE
	allow_groups(filter, sanitizer_groups);
#endif
	for (size_t i = 0; !strict && i < sizeof(deadly) / sizeof(deadly[0]); i++) {
		if (is_listed(groups, deadly[i]))
			continue;
		wrong = seccomp_rule_add_array(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0, NULL);
		if (wrong < 0)
			fatal(EXIT_OS, -wrong, "seccomp rule for system call %d", deadly[i]);
	}
	return filter;
}

static void
enforce_filter(scmp_filter_ctx filter)
{
#ifdef CULVER_SANITIZE
	is_confined = true;
#endif
	int wrong = seccomp_load(filter);
	if (wrong < 0)
		fatal(EXIT_OS, -wrong, "seccomp filter (this program does not run without it)");
	/* not released: that would free memory, and every page written is a page copied at each fork */
}

/* ---- the whole ---- */

static void
no_new_privileges(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fatal(EXIT_OS, errno, "no_new_privs");
}

/* what confine_child enforces; made once, since a child lives for a few milliseconds; -1: none */
static int child_ruleset = -1;

static int
make_child_ruleset(int abi)
{
	struct ruleset r = {.scoped = SCOPE_SIGNAL};
	if (abi < 6)
		return -1; /* an older kernel: seccomp has no kill and no ptrace in any list */
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof(r), 0);
	if (ruleset < 0)
		fatal(EXIT_OS, errno, "Landlock rules of a child");
	return ruleset;
}

void
confine(const struct start *s, const struct syscall_group *groups,
	const struct confine_limits *limits)
{
	int attempt = s->probe ? probe_fork(s) : -1;
	pid_t parent = getppid();
	int abi = landlock_abi();
	bool stays_root = s->as_root && s->uid == 0;
	tzset(); /* the zone's file cannot be reached later */
	scmp_filter_ctx filter = make_filter(groups, s->strict);
	int ruleset = make_ruleset(abi, s->directories, s->directory_count, stays_root,
				   s->network_out, s->network_port);
	if (limits->may_fork)
		child_ruleset = make_child_ruleset(abi);
	EVENT("confined", event_string("program", s->program),
	      event_number("uid", s->as_root ? s->uid : geteuid()), event_string("room", s->room),
	      event_number("landlock", ruleset < 0 ? 0 : abi),
	      event_string("seccomp", s->strict ? "strict" : "on"));
	if (s->as_root)
		become_nobody(s);
	make_private();
	end_with_parent(parent);
	set_limits(limits, stays_root);
	no_new_privileges();
	enforce_ruleset(ruleset);
	enforce_filter(filter);
	if (attempt >= 0)
		probe_attempt(s, (size_t)attempt);
}

void
confine_private(const struct start *s, const char *why)
{
	pid_t parent = getppid();

	set_limit(RLIMIT_CORE, 0, "core dumps");
	make_private();
	end_with_parent(parent);
	if (!s->probe)
		return;
	dprintf(STDERR_FILENO, "%s: nothing is forbidden to it: %s\n", s->program, why);
	exit(0);
}

void
confine_child(void)
{
	/* non-dumpable it is already, as its parent was; the rules stay open, for a child of its own (and say nothing to anybody else) */
	if (child_ruleset >= 0 && syscall(SYS_landlock_restrict_self, child_ruleset, 0) < 0)
		fatal(EXIT_OS, errno, "Landlock of a child");
}

void
confine_user(const struct start_directory *directories, size_t count,
	     const struct syscall_group *groups, const struct confine_limits *limits, bool strict)
{
	scmp_filter_ctx filter = make_filter(groups, strict);
	int ruleset = make_ruleset(landlock_abi(), directories, count, false, false, 0);
	make_private();
	set_limits(limits, false);
	no_new_privileges();
	enforce_ruleset(ruleset);
	enforce_filter(filter);
}
