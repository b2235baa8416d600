/*
 * quota - see quota.h
 */
#include "local/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/text/number.h"
#include "local/letter.h"

#define LINE_MAX_BYTES 64
#define TRASH ".Trash" /* is not counted */

/* ---- the text ---- */

/* a number that may be negative; false: it is none */
static bool
take_change(struct span word, int64_t *to)
{
	bool is_negative = span_starts(word, SPAN("-"));
	uint64_t n;

	if (number_parse(span_skip(word, is_negative ? 1 : 0), 0, INT64_MAX / 2, &n) < 0)
		return false;
	*to += is_negative ? -(int64_t)n : (int64_t)n;
	/* nothing that is true comes near; what is not cannot overflow */
	return *to < INT64_MAX / 2 && *to > -(INT64_MAX / 2);
}

static bool
take_bounds(struct span line, struct quota *q)
{
	while (line.len > 0) {
		struct span word = span_trim(span_cut(&line, ','));
		uint64_t n;

		if (word.len < 2 ||
		    number_parse(span_from(word.at, word.len - 1), 0, INT64_MAX / 2, &n) < 0)
			return false;
		char unit = word.at[word.len - 1];

		if (unit == 'S')
			q->bytes_max = n;
		else if (unit == 'C')
			q->letters_max = n;
	}
	return true;
}

bool
quota_parse(struct span text, struct quota *q)
{
	struct span first = span_cut(&text, '\n');

	*q = (struct quota){.changes = 0};
	if (!take_bounds(first, q))
		return false;
	while (text.len > 0) {
		struct span line = span_cut(&text, '\n');
		struct span bytes = span_word(&line), letters = span_word(&line);

		if (bytes.len == 0)
			continue;
		if (!take_change(bytes, &q->bytes) || !take_change(letters, &q->letters))
			return false;
		q->changes++;
	}
	return q->bytes_max > 0 || q->letters_max > 0;
}

bool
quota_takes(const struct quota *q, uint64_t size)
{
	uint64_t bytes = q->bytes > 0 ? (uint64_t)q->bytes : 0;
	uint64_t letters = q->letters > 0 ? (uint64_t)q->letters : 0;

	return (q->bytes_max == 0 || (bytes <= q->bytes_max && size <= q->bytes_max - bytes)) &&
	       (q->letters_max == 0 || letters < q->letters_max);
}

/* ---- counting ---- */

static void
count_folder(int parent, const char *name, struct quota *q)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	struct stat st;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.' ||
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		q->bytes += st.st_size;
		q->letters++;
	}
	closedir(dir);
}

static void
count_maildir(int parent, const char *name, struct quota *q)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	count_folder(fd, "cur", q);
	count_folder(fd, "new", q);
	close(fd);
}

/* count - the Maildir and its folders */
static void
count(int maildir, struct quota *q)
{
	int fd = openat(maildir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	q->bytes = q->letters = 0;
	q->changes = 1;
	count_maildir(maildir, ".", q);
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] == '.' && e->d_name[1] != '\0' && e->d_name[1] != '.' &&
		    strcmp(e->d_name, TRASH) != 0)
			count_maildir(maildir, e->d_name, q);
	closedir(dir);
}

/* write_count - a new file, by way of tmp; where that fails the old one stays */
static void
write_count(int maildir, const struct quota *q)
{
	char name[64], text[3 * LINE_MAX_BYTES];
	size_t len = 0;
	int fd;

	snprintf(name, sizeof(name), "tmp/" QUOTA_FILE ".%" PRId64 ".%ld", clock_wall_us(),
		 (long)getpid());
	if (q->bytes_max > 0)
		len += (size_t)snprintf(text, sizeof(text), "%" PRIu64 "S%s", q->bytes_max,
					q->letters_max > 0 ? "," : "");
	if (q->letters_max > 0)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%" PRIu64 "C",
					q->letters_max);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\n%" PRId64 " %" PRId64 "\n",
				q->bytes, q->letters);
	fd = openat(maildir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (letter_write(fd, text, len) < 0 || renameat(maildir, name, maildir, QUOTA_FILE) < 0)
		(void)unlinkat(maildir, name, 0);
	close(fd);
}

/* ---- a Maildir ---- */

/* open_root - the Maildir whose quota it is: of a folder `.Name` the one above, unless it has a file of its own; -1: there is none */
static int
open_root(const char *maildir)
{
	const char *slash = strrchr(maildir, '/');
	char above[PATH_MAX];
	struct stat st;
	int fd = open(maildir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstatat(fd, QUOTA_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 || slash == NULL ||
	    slash[1] != '.' || slash == maildir)
		return fd;
	close(fd);
	return span_copy(span_from(maildir, (size_t)(slash - maildir)), above, sizeof(above)) == 0
		       ? open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
		       : -1;
}

/* read_quota - false: there is none; *is_fresh: it was counted a moment ago, or cannot be counted better */
static bool
read_quota(int maildir, struct quota *q, bool *is_fresh)
{
	char text[QUOTA_FILE_MAX + 1];
	int fd = openat(maildir, QUOTA_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, text, sizeof(text));
	close(fd);
	if (n < 0 || !quota_parse(span_from(text, (size_t)n), q))
		return false;
	*is_fresh = n <= QUOTA_FILE_MAX && q->changes == 1 &&
		    st.st_mtime > clock_wall_us() / 1000000 - QUOTA_FRESH_S;
	return true;
}

bool
quota_may(const char *maildir, uint64_t bytes_max, uint64_t size)
{
	int root = open_root(maildir);
	bool may = true, is_fresh = false, is_there;
	struct quota q;

	if (root < 0) /* nothing is there yet */
		return bytes_max == 0 || size <= bytes_max;
	is_there = read_quota(root, &q, &is_fresh);
	if (bytes_max > 0 && (!is_there || q.bytes_max != bytes_max)) {
		/* the table has the last word about bytes; counted once, and again only when it changes */
		q = (struct quota){.bytes_max = bytes_max,
				   .letters_max = is_there ? q.letters_max : 0};
		is_there = true;
		is_fresh = false;
	}
	if (is_there) {
		/* a file that has just been made says nothing of what was there before */
		if (q.changes == 0 || (!quota_takes(&q, size) && !is_fresh)) {
			count(root, &q);
			write_count(root, &q);
		}
		may = quota_takes(&q, size);
	}
	close(root);
	return may;
}

void
quota_add(const char *maildir, uint64_t size)
{
	char line[LINE_MAX_BYTES];
	int root = open_root(maildir);
	int fd = root >= 0 ? openat(root, QUOTA_FILE,
				    O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
			   : -1;
	int len = snprintf(line, sizeof(line), "%" PRIu64 " 1\n", size);

	/* what is not noted is found when it is counted anew */
	if (fd >= 0) {
		(void)!letter_write(fd, line, (size_t)len);
		close(fd);
	}
	if (root >= 0)
		close(root);
}
