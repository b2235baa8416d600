/*
 * store - see store.h
 */
#include "log/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text/number.h"

#define NUMBER_DIGITS 8

void
store_name(uint64_t number, char name[STORE_NAME_MAX])
{
	snprintf(name, STORE_NAME_MAX, "%08u.json", (unsigned)(number % (STORE_NUMBER_MAX + 1)));
}

/* the number that a file's name bears; 0: none of ours */
static uint64_t
number_of(const char *name)
{
	struct span s = span_of(name);
	uint64_t number;
	if (s.len != NUMBER_DIGITS + 5 || !span_ends(s, SPAN(".json")))
		return 0;
	s.len = NUMBER_DIGITS;
	return number_parse(s, 1, STORE_NUMBER_MAX, &number) == 0 ? number : 0;
}

static int
find_numbers(struct store *s)
{
	int fd = openat(s->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return -1;
	}
	const struct dirent *e;
	errno = 0;
	while ((e = readdir(d)) != NULL) {
		uint64_t number = number_of(e->d_name);
		if (number == 0)
			continue;
		if (s->last == 0 || number < s->first)
			s->first = number;
		if (number > s->last)
			s->last = number;
	}
	int error = errno;
	closedir(d);
	errno = error;
	return error == 0 ? 0 : -1;
}

void
store_limit(struct store *s, uint64_t max)
{
	s->part_max = max / STORE_PARTS;
	if (s->part_max < STORE_PART_MIN)
		s->part_max = STORE_PART_MIN;
}

int
store_find(struct store *s, int directory, uint64_t max)
{
	*s = (struct store){.directory = directory, .fd = -1};
	buffer_init(&s->waiting, STORE_WAITING_MAX);
	store_limit(s, max);
	return find_numbers(s);
}

void
store_close(struct store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->directory >= 0)
		close(s->directory);
	buffer_free(&s->waiting);
	s->fd = s->directory = -1;
}

void
store_add(struct store *s, struct span line)
{
	if (line.len > s->waiting.max - s->waiting.len ||
	    buffer_reserve(&s->waiting, line.len) == NULL) {
		s->waiting.failed = false;
		s->lost++;
		return;
	}
	buffer_span(&s->waiting, line);
}

uint64_t
store_take_lost(struct store *s)
{
	uint64_t lost = s->lost;
	s->lost = 0;
	return lost;
}

/* ---- files ---- */

/* a line that a crash has torn ends here, so that the next one begins at a line of its own */
static int
mend_end(struct store *s, int fd)
{
	char end;
	if (s->size == 0)
		return 0;
	if (pread(fd, &end, 1, (off_t)s->size - 1) != 1)
		return -1;
	if (end == '\n')
		return 0;
	if (write(fd, "\n", 1) != 1)
		return -1;
	s->size++;
	return 0;
}

static int
open_part(struct store *s, uint64_t number)
{
	char name[STORE_NAME_MAX];
	struct stat st;
	store_name(number, name);
	int fd = openat(s->directory, name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			0600);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		goto fail;
	s->size = (uint64_t)st.st_size;
	if (mend_end(s, fd) < 0)
		goto fail;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = fd;
	s->last = number;
	if (s->first == 0)
		s->first = number;
	return 0;
fail:;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void
remove_oldest(struct store *s)
{
	char name[STORE_NAME_MAX];
	while (s->last - s->first + 1 > STORE_PARTS) {
		store_name(s->first, name);
		if (unlinkat(s->directory, name, 0) < 0 && errno != ENOENT) {
			s->error = errno;
			return;
		}
		s->first++;
	}
}

/* the file that takes the next line; -1 and errno */
static int
ready_part(struct store *s, size_t line)
{
	if (s->fd < 0 && open_part(s, s->last == 0 ? 1 : s->last) < 0)
		return -1;
	if (s->size > 0 && s->size + line > s->part_max && open_part(s, s->last + 1) < 0)
		return -1;
	remove_oldest(s);
	return 0;
}

/* as many whole lines at the front of `rest` as the open file has room for; one at least */
static size_t
fitting(const struct store *s, struct span rest)
{
	uint64_t room = s->part_max > s->size ? s->part_max - s->size : 0;
	if (rest.len <= room)
		return rest.len;
	const char *end = room > 0 ? memrchr(rest.at, '\n', room) : NULL;
	if (end == NULL)
		end = memchr(rest.at, '\n', rest.len);
	return (size_t)(end - rest.at) + 1;
}

static size_t
first_line(struct span rest)
{
	const char *end = memchr(rest.at, '\n', rest.len);
	return (size_t)(end - rest.at) + 1;
}

bool
store_flush(struct store *s)
{
	struct span rest = buffer_get(&s->waiting);
	s->error = 0;
	while (rest.len > 0) {
		if (ready_part(s, first_line(rest)) < 0) {
			s->error = errno;
			break;
		}
		size_t want = fitting(s, rest);
		ssize_t n = write(s->fd, rest.at, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			s->error = errno;
			break;
		}
		s->size += (uint64_t)n;
		rest = span_skip(rest, (size_t)n);
		if ((size_t)n < want) {
			s->error =
				ENOSPC; /* what is left of the torn line goes behind it, in the same file */
			break;
		}
	}
	buffer_consume(&s->waiting, s->waiting.len - rest.len);
	return s->waiting.len == 0;
}
