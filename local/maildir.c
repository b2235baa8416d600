/*
 * maildir - see maildir.h
 *
 * The system calls of a letter of up to LETTER_BLOCK: openat, write, sync_file_range, renameat, fsync, close.
 */
#include "local/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/clock.h"

#define NAME_TRIES_MAX 10 /* names that are taken already: another host's clock, hardly ever */

/* one letter's two names */
struct names {
	char tmp[PATH_MAX];
	char new[PATH_MAX];
};

int
maildir_init(struct maildir *m, const char *host, bool for_group)
{
	size_t len = 0;

	*m = (struct maildir){.for_group = for_group, .pid = getpid()};
	for (const char *at = host; *at != '\0'; at++) {
		const char *as = *at == '/' ? "\\057" : *at == ':' ? "\\072" : NULL;
		size_t n = as != NULL ? 4 : 1;

		if (len + n > MAILDIR_HOST_MAX)
			break;
		memcpy(m->host + len, as != NULL ? as : at, n);
		len += n;
	}
	m->out = malloc(LETTER_PIECE_MAX);
	return m->out != NULL ? 0 : -1;
}

void
maildir_free(struct maildir *m)
{
	free(m->out);
	m->out = NULL;
}

/* ---- what went wrong ---- */

void
maildir_trouble(struct verdict *v, const char *path, const char *what, int errno_value)
{
	int code = 451;
	const char *status = "4.3.0";

	switch (errno_value) {
	case EDQUOT:
		code = 452;
		status = "4.2.2";
		break;
	case ENOSPC:
	case EFBIG:
		code = 452;
		status = "4.3.1";
		break;
	case EACCES:
	case EPERM:
	case EROFS:
	case ENOENT:
	case ENOTDIR:
	case ELOOP:
	case EEXIST:
		status = "4.2.0";
		break;
	}
	verdict_set(v, FATE_DEFERRED, code, status, "%s: %s: %s", path, what,
		    errno_value != 0 ? strerror(errno_value) : "the file ends early");
}

/* ---- folders ---- */

static int
make_folder(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode) < 0 && errno != EEXIST ? -1 : 0;
}

int
maildir_make(const struct maildir *m, const char *path, size_t home_len)
{
	static const char *const folders[] = {"cur", "new", "tmp"};
	/* of root's Maildir the group may not exchange the folders: who writes here is uid 0 */
	mode_t outer = m->for_group ? 0750 : 0700;
	char at[PATH_MAX];
	size_t len = strlen(path);

	if (len + sizeof("/cur") > sizeof(at)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(at, path, len + 1);
	for (size_t i = home_len + 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		at[i] = '\0';
		if (make_folder(at, outer) < 0)
			return -1;
		at[i] = path[i];
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		bool is_tmp = strcmp(folders[i], "tmp") == 0;

		snprintf(at + len, sizeof(at) - len, "/%s", folders[i]);
		if (make_folder(at, m->for_group && !is_tmp ? 0770 : 0700) < 0)
			return -1;
	}
	return 0;
}

/* ---- the letter ---- */

/* write_letter - NULL, or what could not be done (errno; 0: the spool's file is too short) */
static const char *
write_letter(struct maildir *m, int fd, const struct letter *l)
{
	struct letter_reader r;
	ssize_t n;

	m->written = 0;
	letter_start(&r, l);
	while ((n = letter_next(&r, m->out)) > 0) {
		if (letter_write(fd, m->out, (size_t)n) < 0)
			return "write";
		m->written += (uint64_t)n;
	}
	return n == 0 ? NULL : "read from the spool";
}

/* name_letter - -1: the path is too long */
static int
name_letter(struct maildir *m, const char *path, struct names *names)
{
	int64_t now_us = clock_wall_us();
	char name[MAILDIR_HOST_MAX + 80];
	int tmp, new;

	snprintf(name, sizeof(name), "%" PRId64 ".M%06" PRId64 "P%ldQ%" PRIu64 ".%s",
		 now_us / 1000000, now_us % 1000000, (long)m->pid, ++m->sequence, m->host);
	tmp = snprintf(names->tmp, sizeof(names->tmp), "%s/tmp/%s", path, name);
	new = snprintf(names->new, sizeof(names->new), "%s/new/%s", path, name);
	return tmp < (int)sizeof(names->tmp) && new < (int)sizeof(names->new) ? 0 : -1;
}

/* create - a new file in tmp, the folders made if need be; -1 and errno */
static int
create(struct maildir *m, const char *path, size_t home_len, struct names *names)
{
	bool made = false;
	int fd = -1;

	for (int i = 0; i < NAME_TRIES_MAX; i++) {
		if (name_letter(m, path, names) < 0) {
			errno = ENAMETOOLONG;
			return -1;
		}
		fd = openat(AT_FDCWD, names->tmp,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    m->for_group ? 0640 : 0600);
		if (fd >= 0 || (errno != ENOENT && errno != EEXIST))
			break;
		if (errno == ENOENT && (made || maildir_make(m, path, home_len) < 0))
			break;
		made = made || errno == ENOENT;
	}
	return fd;
}

void
maildir_deliver(struct maildir *m, const char *path, size_t home_len, const struct letter *letter,
		struct verdict *v)
{
	struct names names;
	const char *at = names.tmp, *what;
	int fd, error;

	names.tmp[0] = names.new[0] = '\0';
	fd = create(m, path, home_len, &names);
	if (fd < 0) {
		maildir_trouble(v, path, "create", errno);
		return;
	}
	what = write_letter(m, fd, letter);
	if (what == NULL) {
		/* a hint: fsync finds most of the pages written */
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		if (renameat(AT_FDCWD, names.tmp, AT_FDCWD, names.new) < 0)
			what = "rename into new";
		else
			at = names.new;
	}
	if (what == NULL && fsync(fd) < 0)
		what = "fsync";
	error = errno;
	if (what != NULL && unlinkat(AT_FDCWD, at, 0) < 0)
		what = "and then the removal of what was written"; /* a retry may double it */
	close(fd); /* after fsync there is nothing left that could fail */
	if (what != NULL)
		maildir_trouble(v, path, what, error);
	else
		verdict_set(v, FATE_DELIVERED, 250, "2.0.0", "delivered to the mailbox");
}
