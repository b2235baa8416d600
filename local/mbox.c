/*
 * mbox - see mbox.h
 */
#include "local/mbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "local/maildir.h"

#define MARK "From "
#define MARK_LEN (sizeof(MARK) - 1)

void
mbox_from_line(struct buffer *to, struct span sender, int64_t at_us)
{
	time_t seconds = (time_t)(at_us / 1000000);
	struct tm when;
	char text[64] = "Thu Jan  1 00:00:00 1970";

	if (gmtime_r(&seconds, &when) != NULL)
		strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &when);
	buffer_string(to, MARK);
	if (sender.len == 0)
		buffer_string(to, "MAILER-DAEMON");
	for (size_t i = 0; i < sender.len; i++) {
		unsigned char c = (unsigned char)sender.at[i];

		if (c <= ' ' || c == 0x7f)
			buffer_char(to, '-');
		else
			buffer_char(to, sender.at[i]);
	}
	buffer_format(to, " %s\n", text);
}

/* ---- quoting ---- */

size_t
mbox_quote(struct mbox_quote *q, struct span piece, char *to)
{
	size_t len = 0;

	for (size_t i = 0; i < piece.len; i++) {
		char c = piece.at[i];

		q->last = c;
		if (!q->in_line && c == MARK[q->matched]) {
			if (++q->matched < MARK_LEN)
				continue;
			if (q->is_begun)
				to[len++] = '>';
			memcpy(to + len, MARK, MARK_LEN);
			len += MARK_LEN;
		} else {
			memcpy(to + len, MARK, q->matched);
			len += q->matched;
			to[len++] = c;
		}
		q->matched = 0;
		q->is_begun = true;
		q->in_line = c != '\n';
	}
	return len;
}

size_t
mbox_quote_end(struct mbox_quote *q, char *to)
{
	size_t len = q->matched;

	memcpy(to, MARK, len);
	if (q->last != '\n')
		to[len++] = '\n';
	to[len++] = '\n';
	return len;
}

/* ---- locks ---- */

static bool
may_go_without(int error)
{
	return error == EACCES || error == EPERM || error == EROFS || error == ENOENT;
}

/* dot_lock - 1: it is ours, 0: none can be made there, -1 and errno */
static int
dot_lock(const char *lock, int64_t deadline_ms)
{
	for (;;) {
		struct stat st;
		int fd = openat(AT_FDCWD, lock,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd >= 0) {
			close(fd);
			return 1;
		}
		if (errno != EEXIST)
			return may_go_without(errno) ? 0 : -1;
		if (fstatat(AT_FDCWD, lock, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < clock_wall_us() / 1000000 - MBOX_LOCK_STALE_S &&
		    unlinkat(AT_FDCWD, lock, 0) == 0)
			continue;
		if (clock_monotonic_ms() >= deadline_ms) {
			errno = EAGAIN;
			return -1;
		}
		/* of a lock of this kind nobody is told when it goes */
		(void)poll(NULL, 0, MBOX_LOOK_MS);
	}
}

static int
lock_file(int fd, int64_t deadline_ms)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	/* waiting in the kernel would have no end */
	while (fcntl(fd, F_SETLK, &whole) < 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -1;
		if (clock_monotonic_ms() >= deadline_ms) {
			errno = EAGAIN;
			return -1;
		}
		(void)poll(NULL, 0, MBOX_LOOK_MS);
	}
	return 0;
}

/* ---- the letter ---- */

/* begin - an empty line behind the letter before, if it has none */
static int
begin(int fd, off_t size)
{
	char last[2] = {'\n', '\n'};

	if (size == 0)
		return 0;
	if (pread(fd, size > 1 ? last : last + 1, size > 1 ? 2 : 1, size > 1 ? size - 2 : 0) < 0)
		return -1;
	if (last[1] != '\n')
		return letter_write(fd, "\n\n", 2);
	return last[0] != '\n' ? letter_write(fd, "\n", 1) : 0;
}

/* append - NULL, or what could not be done (errno; 0: the spool's file is too short) */
static const char *
append(int fd, off_t size, const struct letter *letter, char *room)
{
	char *quoted = room + LETTER_PIECE_MAX;
	struct mbox_quote q = {.matched = 0};
	struct letter_reader r;
	ssize_t n;

	if (begin(fd, size) < 0)
		return "write";
	letter_start(&r, letter);
	while ((n = letter_next(&r, room)) > 0)
		if (letter_write(fd, quoted, mbox_quote(&q, span_from(room, (size_t)n), quoted)) <
		    0)
			return "write";
	if (n < 0)
		return "read from the spool";
	if (letter_write(fd, quoted, mbox_quote_end(&q, quoted)) < 0)
		return "write";
	return fsync(fd) < 0 ? "fsync" : NULL;
}

static const char *
is_unusable(const struct stat *st, uid_t owner)
{
	if (!S_ISREG(st->st_mode))
		return "is no regular file";
	if (st->st_nlink != 1)
		return "has more than one name, or none";
	if ((st->st_mode & 0111) != 0)
		return "is executable";
	if (owner != (uid_t)-1 && st->st_uid != owner)
		return "belongs to somebody else";
	return NULL;
}

/* deliver_to - the file is open and locked by its dot-lock */
static void
deliver_to(int fd, const char *path, uid_t owner, const struct letter *letter, char *room,
	   int64_t deadline_ms, struct verdict *v)
{
	const char *what = "lock";
	struct stat st;
	int error;

	if (fstat(fd, &st) < 0) {
		maildir_trouble(v, path, "look at it", errno);
		return;
	}
	what = is_unusable(&st, owner);
	if (what != NULL) {
		verdict_set(v, FATE_FAILED, 550, "5.7.0", "%s %s: no mail is written there", path,
			    what);
		return;
	}
	if (lock_file(fd, deadline_ms) < 0 || fstat(fd, &st) < 0) {
		maildir_trouble(v, path, "lock", errno);
		return;
	}
	what = append(fd, st.st_size, letter, room);
	error = errno;
	if (what == NULL) {
		verdict_set(v, FATE_DELIVERED, 250, "2.0.0", "delivered to the file");
		return;
	}
	if (ftruncate(fd, st.st_size) < 0 || fsync(fd) < 0)
		what = "and then the removal of what was written"; /* a retry may double a part */
	maildir_trouble(v, path, what, error);
}

void
mbox_deliver(const char *path, uid_t owner, const struct letter *letter, char *room,
	     struct verdict *v)
{
	int64_t deadline_ms = clock_monotonic_ms() + MBOX_LOCK_MS;
	char lock[PATH_MAX];
	int fd, locked;

	if (snprintf(lock, sizeof(lock), "%s.lock", path) >= (int)sizeof(lock)) {
		maildir_trouble(v, path, "lock", ENAMETOOLONG);
		return;
	}
	locked = dot_lock(lock, deadline_ms);
	if (locked < 0) {
		maildir_trouble(v, lock, "create", errno);
		return;
	}
	fd = openat(AT_FDCWD, path,
		    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		    0600);
	if (fd < 0) {
		maildir_trouble(v, path, "open", errno);
	} else {
		deliver_to(fd, path, owner, letter, room, deadline_ms, v);
		close(fd); /* and with it the lock; what was to be synced is */
	}
	if (locked > 0)
		(void)unlinkat(AT_FDCWD, lock, 0);
}
