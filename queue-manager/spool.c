/*
 * spool - the files of SPOOL
 *
 *     SPOOL/queue/XX/ID   one file a message, XX being the last two digits of ID (spool(5))
 *     SPOOL/damaged/ID    files that were set aside
 *     SPOOL/id            a bound above every id given
 *     SPOOL/running       the boot that this spool was last used in, and the first id given in it
 *     SPOOL/reserve       the ballast
 *     SPOOL/lock          held (flock) by the one queue-manager
 *
 * States of a message's file, what holds in each, and which function leaves it.  Each number has its test in
 * tests/unit/queue-manager/ or tests/crash/.
 *
 * S1  CREATED   (spool_create) The name is there, the header is a hole, content grows from offset 40.  The one writer is the
 *               session's.  Left by intake.c: to ENVELOPED, or removed when the peer leaves.
 * S2  ENVELOPED (intake.c) No writer is left but ours: the lease proved it, before we opened ours.  The header line is
 *               there, the journal has begun and has no `queued`.  Left by intake.c: to QUEUED, or removed.
 * S3  QUEUED    (intake.c) The head of the journal is whole and ends with `queued`.  Not yet fsynced: a power cut may
 *               leave any of S1, S2, S3 or S6 of it, and no 250 was given.  Left to KEPT or, on ABANDON, removed.  With early delivery (early.c)
 *               also removed once everybody has the message (then 250 is given), or its client was told that all refuse it.
 * S4  KEPT      The session has fsynced it and said 250.  From here on nothing but message.c's "done" (every recipient
 *               delivered, expanded or notified), the administrator's `remove`, or S6 takes the file away.
 * S5  UNQUEUED  (found at start) No `queued` line: never accepted.  Removed by replay.c.
 * S6  DAMAGED   (found by replay.c or verify.c) A `queued` line, but what stands before it, or the content, is not what was
 *               written.  Renamed into damaged/, told as an event; never removed by us.
 * S7  A file is never renamed but into damaged/, never rewritten but for the header line at ENVELOPE, and
 *     only cut by spool_append (what was written by half) and replay.c (a torn tail).
 * S8  An id is given once: O_EXCL, the bound of SPOOL/id, and the clock each forbid a second time.
 * S9  Nothing here calls fsync: what must be on disk before a promise is fsynced by those who promise.
 */
#include "queue-manager/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/protocol/intake.h"
#include "common/system/fatal.h"
#include "common/text/number.h"

#define ID_FILE "id"
#define ID_DIGITS 16
#define LOCK_FILE "lock"
#define RESERVE_FILE "reserve"
#define RUNNING_FILE "running"
#define DAMAGED "damaged"
#define QUEUE "queue"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

int (*spool_fault)(enum spool_change change);

static bool
is_faulty(enum spool_change change)
{
	int error = spool_fault != NULL ? spool_fault(change) : 0;
	if (error != 0)
		errno = error;
	return error != 0;
}

/* ---- before confinement ---- */

void
spool_use(struct spool *s, int dir, const char *boot)
{
	*s = (struct spool){.dir = dir, .lock = -1, .id_file = -1, .reserve = -1};
	snprintf(s->boot, sizeof(s->boot), "%s", boot);
}

void
spool_take(struct spool *s, const char *path)
{
	char boot[SPOOL_BOOT_MAX] = "";
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		fatal(EXIT_OS, errno, "open the spool %s", path);
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, boot, sizeof(boot) - 1);
	if (n <= 1)
		fatal(EXIT_OS, errno, "read " BOOT_ID);
	close(fd);
	boot[strcspn(boot, " \n")] = '\0';
	spool_use(s, dir, boot);
}

/* ---- start ---- */

static void
on_alarm(int signal)
{
	(void)signal;
}

/* flock(2) waits in the kernel; the alarm ends the wait */
static void
take_lock(struct spool *s)
{
	struct sigaction ring = {.sa_handler = on_alarm}, before;
	struct itimerval wait = {.it_value = {.tv_sec = SPOOL_LOCK_WAIT_S}}, none = {0};
	s->lock = openat(s->dir, LOCK_FILE, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0)
		fatal(EXIT_OS, errno, "create the lock of the spool");
	sigaction(SIGALRM, &ring, &before);
	setitimer(ITIMER_REAL, &wait, NULL);
	int result = flock(s->lock, LOCK_EX);
	int error = errno;
	setitimer(ITIMER_REAL, &none, NULL);
	sigaction(SIGALRM, &before, NULL);
	if (result != 0 && error == EINTR)
		fatal(EXIT_TRY_LATER, 0, "another queue-manager holds the lock of the spool");
	if (result != 0)
		fatal(EXIT_OS, error, "lock the spool");
}

static void
make_folder(const struct spool *s, const char *name)
{
	if (mkdirat(s->dir, name, 0700) != 0 && errno != EEXIST)
		fatal(EXIT_OS, errno, "create the folder %s of the spool", name);
}

static void
make_folders(const struct spool *s)
{
	char name[SPOOL_NAME_MAX];
	make_folder(s, QUEUE);
	make_folder(s, DAMAGED);
	for (unsigned i = 0; i < SPOOL_FOLDERS; i++) {
		snprintf(name, sizeof(name), QUEUE "/%02X", i);
		/* asked first: the folders are nearly always there, and a full disk must not keep us from starting */
		if (faccessat(s->dir, name, F_OK, 0) != 0)
			make_folder(s, name);
	}
}

static int
write_bound(struct spool *s, uint64_t bound)
{
	char text[ID_DIGITS + 2];
	snprintf(text, sizeof(text), "%0*" PRIX64 "\n", ID_DIGITS, bound);
	if (pwrite(s->id_file, text, ID_DIGITS + 1, 0) != ID_DIGITS + 1)
		return -1;
	s->id_bound = bound;
	return 0;
}

static void
start_ids(struct spool *s, int64_t wall_us)
{
	char text[ID_DIGITS];
	uint64_t bound = 0;
	s->id_file = openat(s->dir, ID_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->id_file < 0)
		fatal(EXIT_OS, errno, "open the bound of ids of the spool");
	/* a file that makes no sense is none: the clock and O_EXCL still keep ids apart */
	if (pread(s->id_file, text, sizeof(text), 0) != (ssize_t)sizeof(text) ||
	    number_parse_hex(span_from(text, sizeof(text)), &bound) != 0)
		bound = 0;
	s->first_id = wall_us > 0 && (uint64_t)wall_us > bound ? (uint64_t)wall_us : bound;
	if (s->first_id == 0)
		s->first_id = 1;
	s->last_id = s->first_id - 1;
	s->id_bound = bound;
}

/* the spool was used in another boot: what is in it may never have reached the disk */
static void
start_running(struct spool *s)
{
	char text[SPOOL_BOOT_MAX + ID_DIGITS + 2] = "";
	int fd = openat(s->dir, RUNNING_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		fatal(EXIT_OS, errno, "open %s of the spool", RUNNING_FILE);
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	struct span rest = span_from(text, n > 0 ? (size_t)n : 0);
	struct span boot = span_cut(&rest, ' ');
	bool same = span_equal(boot, span_of(s->boot)) &&
		    number_parse_hex(span_cut(&rest, '\n'), &s->older) == 0;
	if (!same) {
		s->older = s->first_id;
		int len = snprintf(text, sizeof(text), "%s %0*" PRIX64 "\n", s->boot, ID_DIGITS,
				   s->older);
		/* not written (a full disk): then the next start verifies more than it must */
		if (pwrite(fd, text, (size_t)len, 0) != len || ftruncate(fd, len) != 0)
			s->older = s->first_id;
	}
	close(fd);
}

/*
 * a lease is granted without a writer and refused with one, or the spool cannot keep its promise
 *
 * Tried with the lock, which nobody opens for writing: a full disk must not keep us from starting.
 */
static void
probe_leases(const struct spool *s)
{
	int writer = openat(s->dir, LOCK_FILE, O_WRONLY | O_CLOEXEC);
	if (writer < 0)
		fatal(EXIT_OS, errno, "open the lock of the spool for writing");
	int with = spool_has_writer(s->lock);
	close(writer);
	int without = spool_has_writer(s->lock);
	int error = errno;
	if (without < 0)
		fatal(EXIT_OS, error,
		      "leases do not work on the file system of the spool, so that it cannot be "
		      "known whether "
		      "somebody still writes to a message");
	if (with != 1 || without != 0)
		fatal(EXIT_OS, 0,
		      "leases on the file system of the spool do not tell whether a file has a "
		      "writer "
		      "(with one: %d, without: %d)",
		      with, without);
}

void
spool_start(struct spool *s, int64_t wall_us)
{
	/* a lease that is broken must not kill us; none is ever held while another opens the file, but see intake.c */
	sigset_t io;
	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	sigprocmask(SIG_BLOCK, &io, NULL);
	take_lock(s);
	make_folders(s);
	start_ids(s, wall_us);
	start_running(s);
	probe_leases(s);
	s->reserve = openat(s->dir, RESERVE_FILE, O_RDWR | O_CLOEXEC);
}

void
spool_end(struct spool *s)
{
	if (s->id_file >= 0 && s->id_bound > s->last_id + 1)
		(void)write_bound(s, s->last_id + 1); /* the higher bound is right as well */
	const int fds[] = {s->dir, s->lock, s->id_file, s->reserve};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	spool_use(s, -1, "");
}

/* ---- messages ---- */

uint64_t
spool_next_id(struct spool *s, int64_t wall_us)
{
	uint64_t id = s->last_id + 1;
	if (wall_us > 0 && (uint64_t)wall_us > id)
		id = (uint64_t)wall_us;
	if (id >= s->id_bound && write_bound(s, id + SPOOL_ID_AHEAD_US) != 0)
		return 0;
	s->last_id = id;
	return id;
}

void
spool_name(uint64_t id, char name[SPOOL_NAME_MAX])
{
	snprintf(name, SPOOL_NAME_MAX, QUEUE "/%02X/%013" PRIX64, (unsigned)(id & 255), id);
}

int
spool_create(struct spool *s, uint64_t id, int *writer, int *reader)
{
	char name[SPOOL_NAME_MAX];
	spool_name(id, name);
	if (is_faulty(SPOOL_CREATE))
		return -1;
	*writer = openat(s->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*writer < 0)
		return -1;
	*reader = openat(s->dir, name, O_RDONLY | O_CLOEXEC);
	if (*reader >= 0 && lseek(*writer, INTAKE_CONTENT_AT, SEEK_SET) == INTAKE_CONTENT_AT)
		return 0;
	int error = errno;
	close(*writer);
	if (*reader >= 0)
		close(*reader);
	(void)unlinkat(s->dir, name, 0); /* a leftover is S5 */
	errno = error;
	return -1;
}

int
spool_open(const struct spool *s, uint64_t id, int flags)
{
	char name[SPOOL_NAME_MAX];
	spool_name(id, name);
	return openat(s->dir, name, flags | O_CLOEXEC | O_NOFOLLOW);
}

int
spool_remove(const struct spool *s, uint64_t id)
{
	char name[SPOOL_NAME_MAX];
	spool_name(id, name);
	if (is_faulty(SPOOL_REMOVE))
		return -1;
	return unlinkat(s->dir, name, 0);
}

int
spool_set_aside(const struct spool *s, uint64_t id)
{
	char name[SPOOL_NAME_MAX], to[SPOOL_NAME_MAX];
	spool_name(id, name);
	snprintf(to, sizeof(to), DAMAGED "/%013" PRIX64, id);
	if (is_faulty(SPOOL_SET_ASIDE))
		return -1;
	return renameat(s->dir, name, s->dir, to);
}

int
spool_has_writer(int reader)
{
	if (fcntl(reader, F_SETLEASE, F_RDLCK) != 0)
		return errno == EAGAIN ? 1 : -1;
	return fcntl(reader, F_SETLEASE, F_UNLCK);
}

int
spool_append(int fd, struct span bytes, uint64_t at)
{
	size_t done = 0;
	int error = 0;
	while (done < bytes.len && error == 0) {
		ssize_t n = -1;
		if (!is_faulty(SPOOL_APPEND))
			n = pwrite(fd, bytes.at + done, bytes.len - done, (off_t)(at + done));
		if (n > 0)
			done += (size_t)n;
		else if (n == 0)
			error = ENOSPC;
		else if (errno != EINTR)
			error = errno;
	}
	if (error == 0)
		return 0;
	/* cutting takes no room; should it fail, the half line is a torn tail, over which the next append is written */
	if (done > 0)
		(void)!ftruncate(fd, (off_t)at);
	errno = error;
	return -1;
}

/* ---- room ---- */

int
spool_free(const struct spool *s, uint64_t *bytes, uint64_t *inodes)
{
	struct statvfs v;
	if (fstatvfs(s->dir, &v) != 0)
		return -1;
	*bytes = (uint64_t)v.f_bavail * v.f_frsize;
	/* file systems that make inodes as they go say 0 of 0 */
	*inodes = v.f_files == 0 ? UINT64_MAX : v.f_favail;
	return 0;
}

int
spool_reserve_make(struct spool *s, uint64_t size)
{
	if (is_faulty(SPOOL_RESERVE))
		return -1;
	if (s->reserve < 0)
		s->reserve = openat(s->dir, RESERVE_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->reserve < 0)
		return -1;
	if (size > 0 && fallocate(s->reserve, 0, 0, (off_t)size) != 0)
		return -1;
	return ftruncate(s->reserve, (off_t)size);
}

void
spool_reserve_free(struct spool *s)
{
	if (s->reserve < 0)
		return;
	(void)!ftruncate(
		s->reserve,
		0); /* what is not freed is asked for again by the next append that fails */
}

bool
spool_reserve_whole(const struct spool *s, uint64_t size)
{
	struct stat st;
	return size == 0 || (s->reserve >= 0 && fstat(s->reserve, &st) == 0 &&
			     (uint64_t)st.st_size >= size && (uint64_t)st.st_blocks * 512 >= size);
}
