/*
 * drop - see smtpd/drop.h
 *
 * Nothing in the directory is trusted: any user may have put there whatever he can make, under any name.  A file is opened without following a
 * link and without waiting, and is a letter only as a regular file with one name, with the directory's group and the mode that sendmail(1)
 * gives (so nobody has linked or moved another one's file here), held by nobody, with its last line.  Whose it is says the inode.
 */
#include "smtpd/drop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/text/checksum.h"
#include "smtpd/feed.h"

/* what a user has left, so far */
struct share {
	uid_t uid;
	unsigned files;
	uint64_t bytes;
};

struct drop {
	struct drop_start *start;
	gid_t group;
	struct share shares[DROP_UIDS_MAX];
	size_t share_count;
	bool is_left; /* something waits */
};

static volatile sig_atomic_t must_stop;

static void
on_stop(int signal)
{
	(void)signal;
	must_stop = 1;
}

/* what is in hand is ended first */
static void
catch_signals(void)
{
	struct sigaction stop = {.sa_handler = on_stop}; /* no SA_RESTART: waiting ends */
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t none;
	sigemptyset(&none);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGUSR1, &ignore, NULL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- what is no letter ---- */

/* the name goes; what it was a name of stays what it is */
static void
refuse(struct drop *d, const char *name, const struct stat *st, const char *reason)
{
	bool is_gone = unlinkat(d->start->directory, name, 0) == 0 ||
		       unlinkat(d->start->directory, name, AT_REMOVEDIR) == 0;
	EVENT("drop-refused", event_string("file", name),
	      event_number("uid", st != NULL ? (int64_t)st->st_uid : -1),
	      event_string("reason", reason), event_string("left", is_gone ? "no" : "yes"));
}

/* NULL, or why this can be no letter of sendmail(1) */
static const char *
complaint(const struct drop *d, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "no regular file";
	if (st->st_nlink != 1)
		return "has another name";
	if (st->st_gid != d->group)
		return "is not of the directory's group";
	if ((st->st_mode & 07777) != DROP_FILE_MODE)
		return "has another mode";
	if (st->st_size > (off_t)(DROP_BYTES_MAX + DROP_HEAD_MAX))
		return "is too large";
	return NULL;
}

/* ---- the share of a user ---- */

static struct share *
share_of(struct drop *d, uid_t uid)
{
	for (size_t i = 0; i < d->share_count; i++) {
		if (d->shares[i].uid == uid)
			return &d->shares[i];
	}
	if (d->share_count == DROP_UIDS_MAX)
		return NULL;
	d->shares[d->share_count] = (struct share){.uid = uid};
	return &d->shares[d->share_count++];
}

static bool
is_over_share(struct share *s, const struct stat *st)
{
	s->files++;
	s->bytes += (uint64_t)st->st_size;
	return s->files > DROP_FILES_MAX || s->bytes > DROP_BYTES_MAX + DROP_HEAD_MAX;
}

/* ---- one file ---- */

/* the head, which the caller frees; NULL: it cannot be read, errno 0: it is none */
static char *
read_head(int fd, uint64_t length, struct drop_head *head)
{
	errno = 0;
	char *text = length <= DROP_HEAD_MAX ? malloc(length + 1) : NULL;
	if (text == NULL)
		return NULL;
	if (pread(fd, text, length, 0) == (ssize_t)length &&
	    drop_head_read(span_from(text, length), head) == 0)
		return text;
	free(text);
	return NULL;
}

/*
 * what no other letter has: the file, and when it was last changed in any way
 *
 * Its owner can change the file and with it the key: then it is another letter, of his own.
 */
static void
write_key(const char *name, const struct stat *st, char key[FEED_ONCE_MAX + 1])
{
	snprintf(key, FEED_ONCE_MAX + 1, "%u.%" PRIu64 ".%" PRId64 ".%09ld.%" PRId64 ".%016" PRIX64,
		 (unsigned)st->st_uid, (uint64_t)st->st_ino, (int64_t)st->st_ctim.tv_sec,
		 st->st_ctim.tv_nsec, (int64_t)st->st_size, checksum_of(name, strlen(name)));
}

/* a file that is what it should be, held by us */
static void
take_letter(struct drop *d, const char *name, int fd, const struct stat *st)
{
	char tail[DROP_END_MAX], key[FEED_ONCE_MAX + 1];
	struct feed f = {.start = &d->start->session,
			 .program = d->start->program,
			 .log = d->start->log,
			 .last_us = &d->start->last_us,
			 .directory = d->start->directory,
			 .fd = fd,
			 .uid = st->st_uid,
			 .file = name,
			 .once = key};
	write_key(name, st, key);
	off_t from = st->st_size > DROP_END_MAX ? st->st_size - DROP_END_MAX : 0;
	ssize_t n = pread(fd, tail, sizeof(tail), from);
	if (n <= 0 || drop_end(span_from(tail, (size_t)n), (uint64_t)st->st_size, &f.content_at,
			       &f.length) != 0) {
		refuse(d, name, st, "has no end: its writer died, and has promised nothing");
		return;
	}
	char *text = read_head(fd, f.content_at, &f.head);
	if (text == NULL && errno == ENOMEM) {
		d->is_left = true;
		return;
	}
	if (text == NULL) {
		refuse(d, name, st, "is no letter");
		return;
	}
	if (feed_letter(&f) == FEED_LATER)
		d->is_left = true;
	else if (unlinkat(d->start->directory, name, 0) != 0)
		EVENT("trouble", event_string("file", name),
		      event_string("errno", strerror(errno)));
	free(text);
}

static void
look_at(struct drop *d, const char *name)
{
	struct stat st;
	struct share *share;
	const char *wrong = NULL;
	int fd = openat(d->start->directory, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && (errno == ENFILE || errno == EMFILE || errno == ENOMEM)) {
		d->is_left = true;
		return;
	}
	if (fd < 0) {
		refuse(d, name, NULL, strerror(errno));
		return;
	}
	if (fstat(fd, &st) != 0 || (share = share_of(d, st.st_uid)) == NULL) {
		d->is_left = true;
		goto out;
	}
	wrong = complaint(d, &st);
	if (wrong == NULL && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		/* it is being written, or somebody pretends so */
		if (clock_wall_us() / 1000000 - st.st_mtim.tv_sec < DROP_PATIENCE_S)
			d->is_left = true;
		else
			wrong = "is held, and does not grow";
		if (wrong == NULL)
			goto out;
	}
	/* as it is now that nobody writes */
	if (wrong == NULL && fstat(fd, &st) != 0)
		wrong = strerror(errno);
	if (wrong == NULL && is_over_share(share, &st))
		wrong = "is more than one user may leave";
	if (wrong != NULL)
		refuse(d, name, &st, wrong);
	else
		take_letter(d, name, fd, &st);
out:
	close(fd);
}

/* ---- the directory ---- */

bool
drop_feed(struct drop_start *start)
{
	static struct drop d;
	struct stat st;
	d = (struct drop){.start = start};
	catch_signals();
	/* the feeder of an older generation may still be at it */
	if (flock(start->directory, LOCK_EX | LOCK_NB) != 0 || fstat(start->directory, &st) != 0)
		return true;
	d.group = st.st_gid;
	int again = openat(start->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *entries = again >= 0 ? fdopendir(again) : NULL;
	if (entries == NULL)
		return true;
	for (const struct dirent *e = readdir(entries); e != NULL && !must_stop;
	     e = readdir(entries)) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			look_at(&d, e->d_name);
	}
	closedir(entries);
	return d.is_left;
}
