/*
 * probe - see probe.h
 */
#include "common/system/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/fatal.h"

/* a child's exit status: 0 allowed, 255 does not apply to this row, else the errno of the refusal */
#define STATUS_ALLOWED 0
#define STATUS_NOT_ASKED 255

static int
answer(long result)
{
	return result >= 0 ? STATUS_ALLOWED : errno;
}

static bool
reads_below(const struct start *s, const char *path)
{
	for (size_t i = 0; i < s->directory_count; i++)
		if (strncmp(path, s->directories[i].path, strlen(s->directories[i].path)) == 0)
			return true;
	return s->as_root && s->uid == 0;
}

static int
try_open(const struct start *s, const char *path, int flags)
{
	return reads_below(s, path) ? STATUS_NOT_ASKED
				    : answer(open(path, flags | O_CLOEXEC, 0600));
}

static int
read_passwords(const struct start *s)
{
	/* also where /etc may be read: this file is root's alone */
	return s->as_root && s->uid == 0 ? STATUS_NOT_ASKED
					 : answer(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static int
read_users(const struct start *s)
{
	return try_open(s, "/etc/passwd", O_RDONLY);
}

static int
write_tmp(const struct start *s)
{
	return try_open(s, "/tmp/culver-probe", O_WRONLY | O_CREAT);
}

static int
read_spool(const struct start *s)
{
	return try_open(s, "/var/spool", O_RDONLY | O_DIRECTORY);
}

static int
read_processes(const struct start *s)
{
	return try_open(s, "/proc/1/environ", O_RDONLY);
}

static int
run_shell(const struct start *s)
{
	char *const arguments[] = {(char[]){"sh"}, NULL};
	(void)s;
	return answer(execve("/bin/sh", arguments, NULL));
}

static int
connect_network(const struct start *s)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	if (s->network_out && s->network_port == 0)
		return STATUS_NOT_ASKED;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	/* nobody listens there; the kernel's refusal comes before the network's */
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != ECONNREFUSED)
		return errno;
	return STATUS_ALLOWED;
}

static int
bind_network(const struct start *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	(void)s;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? errno : answer(bind(fd, (const struct sockaddr *)&at, sizeof(at)));
}

static int
raw_socket(const struct start *s)
{
	(void)s;
	return answer(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int
kill_parent(const struct start *s)
{
	(void)s;
	return answer(kill(getppid(), 0));
}

static int
trace_parent(const struct start *s)
{
	(void)s;
	return answer(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int
become_root(const struct start *s)
{
	return s->as_root && s->uid == 0 ? STATUS_NOT_ASKED : answer(setresuid(0, 0, 0));
}

static int
leave_room(const struct start *s)
{
	(void)s;
	return answer(chroot(".."));
}

static int
mount_something(const struct start *s)
{
	(void)s;
	return answer(mount("none", "/", "tmpfs", 0, NULL));
}

static int
connect_unix(const struct start *s)
{
	/* a socket that no row has: what the administrator's programs listen on */
	struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/private"};
	(void)s;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	return answer(connect(fd, (const struct sockaddr *)&to, sizeof(to)));
}

/* a room holds the sockets of its row and nothing else; without one the server looks at the uid, which cannot be seen from here */
static int
connect_inner(const struct start *s)
{
	static const char *const names[] = {"control",	"trace", "jobs",       "intake", "lookup",
					    "resolver", "log",	 "submission", "verify"};
	int result = STATUS_NOT_ASKED;
	for (size_t i = 0; s->room[0] != '\0' && i < sizeof(names) / sizeof(names[0]); i++) {
		struct sockaddr_un to = {.sun_family = AF_UNIX};
		if (start_path(s, names[i]) != NULL)
			continue;
		snprintf(to.sun_path, sizeof(to.sun_path), "/%s", names[i]);
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return errno;
		result = answer(connect(fd, (const struct sockaddr *)&to, sizeof(to)));
		close(fd);
		/* a socket of another type is a socket that is there */
		if (result == STATUS_ALLOWED || result == EPROTOTYPE)
			return STATUS_ALLOWED;
	}
	return result;
}

static const struct attempt {
	const char *name;
	int (*run)(const struct start *s);
} attempts[] = {
	{"read /etc/shadow", read_passwords},
	{"read /etc/passwd", read_users},
	{"write below /tmp", write_tmp},
	{"read /var/spool", read_spool},
	{"read another process's environment", read_processes},
	{"run a shell", run_shell},
	{"connect to the network", connect_network},
	{"listen on the network", bind_network},
	{"open a raw socket", raw_socket},
	{"signal its parent", kill_parent},
	{"trace its parent", trace_parent},
	{"become root", become_root},
	{"leave its room", leave_room},
	{"mount something", mount_something},
	{"connect to a socket of the system", connect_unix},
	{"connect to another program's socket", connect_inner},
};

#define ATTEMPT_COUNT (sizeof(attempts) / sizeof(attempts[0]))

/* false when what must be refused was allowed */
static bool
report(const struct start *s, const struct attempt *a, int status)
{
	const char *verdict = "refused";
	const char *why = "killed by the kernel";
	bool well = true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NOT_ASKED)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_ALLOWED) {
		verdict = "allowed";
		why = "";
		well = false;
	} else if (WIFEXITED(status)) {
		why = strerror(WEXITSTATUS(status));
	} else if (WTERMSIG(status) != SIGSYS) {
		why = strsignal(WTERMSIG(status));
		verdict = "died";
		well = false;
	}
	dprintf(STDERR_FILENO, "%s: %s: %s%s%s\n", s->program, a->name, verdict,
		why[0] != '\0' ? ": " : "", why);
	return well;
}

int
probe_fork(const struct start *s)
{
	bool well = true;
	for (size_t i = 0; i < ATTEMPT_COUNT; i++) {
		int status;
		pid_t child = fork();
		if (child < 0)
			fatal(EXIT_OS, errno, "fork");
		if (child == 0)
			return (int)i;
		while (waitpid(child, &status, 0) < 0)
			if (errno != EINTR)
				fatal(EXIT_OS, errno, "waitpid");
		well = report(s, &attempts[i], status) && well;
	}
	exit(well ? 0 : 1);
}

void
probe_attempt(const struct start *s, size_t attempt)
{
	_exit(attempts[attempt].run(s) & 255);
}
