/*
 * copies - see copies.h
 */
#include "master/copies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

/* the kernel's copy of an open file in a sealed memfd; -1 and errno */
static int
copy(int from, off_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t at = 0;

	while (fd >= 0 && at < size) {
		ssize_t n = sendfile(fd, from, &at, (size_t)(size - at));
		if (n > 0)
			continue;
		int kept = n == 0 ? EIO : errno; /* it became shorter: it is being written */
		close(fd);
		errno = kept;
		return -1;
	}
	if (fd >= 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
		int kept = errno;
		close(fd);
		errno = kept;
		return -1;
	}
	return fd;
}

static struct copy
identity(const struct stat *st)
{
	return (struct copy){.fd = -1,
			     .device = st->st_dev,
			     .inode = st->st_ino,
			     .size = st->st_size,
			     .changed = st->st_ctim};
}

bool
copies_are_same(const struct copy *a, const struct copy *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

int
copies_load(const char *path, size_t max, const char *(*wrong)(const struct stat *st),
	    struct copy *to, struct buffer *why)
{
	const char *sentence = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	to->fd = -1;
	if (fd < 0 || fstat(fd, &st) != 0) {
		buffer_format(why, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*to = identity(&st);
	if (wrong != NULL)
		sentence = wrong(&st);
	if (sentence != NULL)
		buffer_format(why, "%s: %s", path, sentence);
	else if (!S_ISREG(st.st_mode) || st.st_size > (off_t)max)
		buffer_format(why, "%s: expected a file of at most %zu bytes", path, max);
	else if ((to->fd = copy(fd, st.st_size)) < 0)
		buffer_format(why, "%s: %s", path, strerror(errno));
	close(fd);
	return to->fd < 0 ? -1 : 0;
}

void
copies_free(struct copy *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

struct copy
copies_identity(const char *path)
{
	static const struct stat none;
	struct stat st;

	return identity(stat(path, &st) == 0 ? &st : &none);
}

void
copies_add(struct start *s, const char *kind, size_t number, const struct copy *c)
{
	struct start_file *f = &s->files[s->file_count++];

	snprintf(f->name, sizeof(f->name), "%s.%u", kind, (unsigned)number);
	f->fd = c->fd;
}
