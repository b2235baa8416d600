/*
 * exec - one program, with exactly the descriptors that its row names
 *
 * Called by programs.c.  Promises: a program that was execed shares nothing with master but what it was handed, and inherits no signal mask,
 * no ignored signal but SIGPIPE, no environment but PATH and TZ.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/system/fatal.h"
#include "common/system/start.h"
#include "master/master.h"

#define ENVIRONMENT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

int
exec_memfd(const char *name, struct span bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	for (size_t done = 0; done < bytes.len;) {
		ssize_t n = write(fd, bytes.at + done, bytes.len - done);
		if (n < 0)
			goto failed;
		done += (size_t)n;
	}
	if (lseek(fd, 0, SEEK_SET) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
		goto failed;
	return fd;
failed:;
	int kept = errno;
	close(fd);
	errno = kept;
	return -1;
}

int
exec_path(const struct master_options *o, const char *program, char *path, size_t size)
{
	int len = o->build_tree ? snprintf(path, size, "%s/%s/%s", o->programs, program, program)
				: snprintf(path, size, "%s/%s", o->programs, program);
	return len < (int)size ? 0 : -1;
}

/* what the child does; the descriptors in `from` go to 3, 4, 5 ... */
static _Noreturn void
become(const char *path, const char *program, const int *from, size_t count,
       char *const environment[])
{
	char *const arguments[] = {(char *)(uintptr_t)program, NULL};
	int high[START_DESCRIPTORS_MAX + 2];
	int first = START_CONFIG_FD;
	sigset_t none;
	sigemptyset(&none);
	int null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		goto failed;
	/* first all out of the way of their places, then each to its own */
	for (size_t i = 0; i < count; i++) {
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, first + (int)count);
		if (high[i] < 0)
			goto failed;
	}
	for (size_t i = 0; i < count; i++) {
		if (dup2(high[i], first + (int)i) < 0)
			goto failed;
	}
	if (syscall(SYS_close_range, first + (unsigned)count, ~0U, 0) != 0)
		goto failed;
	setsid();
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(path, arguments, environment);
failed:
	dprintf(STDERR_FILENO, "master: start %s: %s\n", path, strerror(errno));
	_exit(EXIT_OS);
}

size_t
exec_place(struct start *s, int descriptors[START_DESCRIPTORS_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < s->listen_count; i++) {
		descriptors[count] = s->listens[i].fd;
		s->listens[i].fd = START_FIRST_SOCKET_FD + (int)count++;
	}
	for (size_t i = 0; i < s->file_count; i++) {
		descriptors[count] = s->files[i].fd;
		s->files[i].fd = START_FIRST_SOCKET_FD + (int)count++;
	}
	return count;
}

pid_t
exec_program(const struct master_options *o, const struct trust_row *program, int config_fd,
	     struct span row, const int *descriptors, size_t count)
{
	char path[START_PATH_MAX * 2];
	char zone[256];
	char *environment[8];
	size_t n = 0;
	int from[START_DESCRIPTORS_MAX + 2];
	const char *binary = program->binary != NULL ? program->binary : program->program;
	if (exec_path(o, binary, path, sizeof(path)) != 0 || count > START_DESCRIPTORS_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	environment[n++] = (char *)(uintptr_t)ENVIRONMENT_PATH;
	const char *tz = getenv("TZ");
	if (tz != NULL && snprintf(zone, sizeof(zone), "TZ=%s", tz) < (int)sizeof(zone))
		environment[n++] = zone;
#ifdef CULVER_SANITIZE
	static const char *const names[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
	static char options[3][512];
	for (size_t i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);
		if (value != NULL && snprintf(options[i], sizeof(options[i]), "%s=%s", names[i],
					      value) < (int)sizeof(options[i]))
			environment[n++] = options[i];
	}
#endif
	environment[n] = NULL;
	int row_fd = exec_memfd("row", row);
	if (row_fd < 0)
		return -1;
	from[0] = config_fd;
	from[1] = row_fd;
	for (size_t i = 0; i < count; i++)
		from[2 + i] = descriptors[i];
	pid_t pid = fork();
	if (pid == 0)
		become(path, program->program, from, count + 2, environment);
	int kept = errno;
	close(row_fd);
	errno = kept;
	return pid;
}
