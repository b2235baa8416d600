/*
 * sink - see sink.h; RFC 3164 for syslog
 */
#include "log/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FILE_FLAGS (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
#define FILE_MODE 0640

void
sink_init(struct sink *s)
{
	*s = (struct sink){.kind = CONFIG_LOG_STDERR, .fd = STDERR_FILENO, .directory = -1};
	buffer_init(&s->waiting, SINK_WAITING_MAX);
}

static void
close_output(struct sink *s)
{
	if (s->fd >= 0 && s->fd != STDERR_FILENO)
		close(s->fd);
	s->fd = -1;
}

static void
become_stderr(struct sink *s)
{
	close_output(s);
	s->kind = CONFIG_LOG_STDERR;
	s->fd = STDERR_FILENO;
}

/* the file by its name in the open directory; -1 and errno, and what was open stays open */
static int
open_file(struct sink *s)
{
	struct stat st;
	int fd = openat(s->directory, s->name, FILE_FLAGS, FILE_MODE);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	close_output(s);
	s->fd = fd;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return 0;
}

static int
open_directory(struct sink *s, const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	if (slash == NULL || slash[1] == '\0' || strlen(path) >= sizeof(s->path)) {
		errno = EINVAL;
		return -1;
	}
	snprintf(directory, sizeof(directory), "%.*s", slash == path ? 1 : (int)(slash - path),
		 path);
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (s->directory >= 0)
		close(s->directory);
	s->directory = fd;
	snprintf(s->path, sizeof(s->path), "%s", path);
	s->name = strrchr(s->path, '/') + 1;
	return 0;
}

static int
open_syslog(struct sink *s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SINK_SYSLOG_PATH};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	close_output(s);
	s->fd = fd;
	return 0;
}

int
sink_open(struct sink *s, enum config_log_sink kind, const char *path, uid_t owner, gid_t group)
{
	switch (kind) {
	case CONFIG_LOG_STDERR:
		become_stderr(s);
		return 0;
	case CONFIG_LOG_SYSLOG:
		close_output(s);
		s->kind = kind;
		return open_syslog(s);
	case CONFIG_LOG_FILE:
		if (open_directory(s, path) < 0)
			return -1;
		close_output(s);
		s->kind = kind;
		if (open_file(s) < 0)
			return -1;
		/* opened as root: we must be able to open it again as who we will be */
		return geteuid() == 0 && owner != 0 ? fchown(s->fd, owner, group) : 0;
	}
	return -1;
}

bool
sink_reopen(struct sink *s, enum config_log_sink kind, const char *path)
{
	switch (kind) {
	case CONFIG_LOG_STDERR:
		become_stderr(s);
		return true;
	case CONFIG_LOG_SYSLOG: /* from a chroot there is no way to it */
		return s->kind == CONFIG_LOG_SYSLOG;
	case CONFIG_LOG_FILE: {
		size_t directory = s->name != NULL ? (size_t)(s->name - s->path) : 0;
		if (s->directory < 0 || strlen(path) >= sizeof(s->path) ||
		    strncmp(path, s->path, directory) != 0 ||
		    strchr(path + directory, '/') != NULL || path[directory] == '\0')
			return false;
		if (s->kind == CONFIG_LOG_FILE && strcmp(path, s->path) == 0)
			return true;
		snprintf(s->path, sizeof(s->path), "%s", path);
		if (open_file(s) < 0)
			return false;
		s->kind = kind;
		return true;
	}
	}
	return false;
}

void
sink_close(struct sink *s)
{
	close_output(s);
	if (s->directory >= 0)
		close(s->directory);
	buffer_free(&s->waiting);
	sink_init(s);
}

void
sink_add(struct sink *s, struct span line)
{
	size_t need = line.len + (s->kind == CONFIG_LOG_SYSLOG ? 1 : 0);
	if (need > s->waiting.max - s->waiting.len || buffer_reserve(&s->waiting, need) == NULL) {
		s->waiting.failed = false;
		s->lost++;
		return;
	}
	buffer_span(&s->waiting, line);
	if (s->kind == CONFIG_LOG_SYSLOG)
		buffer_char(&s->waiting, '\n');
}

uint64_t
sink_take_lost(struct sink *s)
{
	uint64_t lost = s->lost;
	s->lost = 0;
	return lost;
}

/* ---- writing ---- */

/* does the name of the file still name what is open? */
static bool
is_in_place(const struct sink *s)
{
	struct stat st;
	return s->fd >= 0 && fstatat(s->directory, s->name, &st, 0) == 0 &&
	       st.st_dev == s->device && st.st_ino == s->inode;
}

/* opens what went away or was rotated; what cannot be opened now is tried again at the next check */
static void
follow(struct sink *s, int64_t now_ms)
{
	if (s->kind == CONFIG_LOG_STDERR ||
	    (s->checked_ms != 0 && now_ms - s->checked_ms < SINK_CHECK_MS))
		return;
	s->checked_ms = now_ms;
	if (s->kind == CONFIG_LOG_SYSLOG ? s->fd < 0 && open_syslog(s) < 0
					 : !is_in_place(s) && open_file(s) < 0)
		s->error = errno;
}

/* a pipe that nobody reads must not stop us, and its O_NONBLOCK is not ours to set: others write there too */
static ssize_t
write_stderr(int fd, struct span s)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISSOCK(st.st_mode))
		return send(fd, s.at, s.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!S_ISFIFO(st.st_mode))
		return write(fd, s.at, s.len);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	if (poll(&p, 1, 0) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	/* PIPE_BUF bytes fit when poll says so (pipe(7)) */
	return write(fd, s.at, s.len < PIPE_BUF ? s.len : PIPE_BUF);
}

static bool
flush_bytes(struct sink *s)
{
	size_t done = 0;
	s->error = 0;
	while (done < s->waiting.len) {
		struct span rest = span_from(s->waiting.at + done, s->waiting.len - done);
		ssize_t n = s->kind == CONFIG_LOG_STDERR ? write_stderr(s->fd, rest)
							 : write(s->fd, rest.at, rest.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->error = n < 0 ? errno : EIO;
			break;
		}
		done += (size_t)n;
	}
	buffer_consume(&s->waiting, done);
	return s->waiting.len == 0;
}

static bool
flush_datagrams(struct sink *s)
{
	struct span rest = buffer_get(&s->waiting);
	s->error = 0;
	while (rest.len > 0) {
		struct span left = rest;
		struct span one = span_cut(&left, '\n');
		ssize_t n = send(s->fd, one.at, one.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EMSGSIZE) {
			s->lost++; /* too long for this syslog, now and always */
		} else if (n < 0) {
			s->error = errno;
			if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM)
				close_output(s); /* it has gone, or was started anew */
			break;
		}
		rest = left;
	}
	buffer_consume(&s->waiting, s->waiting.len - rest.len);
	return s->waiting.len == 0;
}

bool
sink_flush(struct sink *s, int64_t now_ms)
{
	if (s->waiting.len == 0)
		return true;
	follow(s, now_ms);
	if (s->fd < 0)
		return false;
	return s->kind == CONFIG_LOG_SYSLOG ? flush_datagrams(s) : flush_bytes(s);
}
