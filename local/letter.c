/*
 * letter - see letter.h
 */
#include "local/letter.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/*
 * line_ends - copies, each CRLF as LF; *held: the last byte was a CR and waits for what follows
 *
 * Never writes more bytes than `from` has, and one more if a CR was held.
 */
static size_t
line_ends(char *to, struct span from, bool *held)
{
	char *start = to;
	const char *at = from.at, *end = from.at + from.len;

	if (*held && at < end) {
		if (*at != '\n')
			*to++ = '\r';
		*held = false;
	}
	while (at < end) {
		const char *cr = memchr(at, '\r', (size_t)(end - at));
		size_t n = (size_t)((cr != NULL ? cr : end) - at);

		memcpy(to, at, n);
		to += n;
		at += n;
		if (cr == NULL)
			break;
		at++;
		if (at == end)
			*held = true;
		else if (*at != '\n')
			*to++ = '\r';
	}
	return (size_t)(to - start);
}

/* read_block - up to LETTER_BLOCK at `offset`; 0 bytes: the file ends before it should; -1 and errno */
static ssize_t
read_block(const struct letter *l, uint64_t offset)
{
	uint64_t left = l->content_length - offset;
	size_t want = left < LETTER_BLOCK ? (size_t)left : LETTER_BLOCK;
	ssize_t n;

	do
		n = pread(l->content, l->block, want, (off_t)(l->content_at + offset));
	while (n < 0 && errno == EINTR);
	return n;
}

void
letter_start(struct letter_reader *r, const struct letter *l)
{
	*r = (struct letter_reader){.letter = l};
}

ssize_t
letter_next(struct letter_reader *r, char *to)
{
	const struct letter *l = r->letter;
	struct span part = l->first;
	size_t len = 0;

	if (r->is_done)
		return 0;
	if (!r->is_begun) {
		len = line_ends(to, l->head, &r->held);
		r->is_begun = true;
	} else {
		ssize_t n = read_block(l, r->offset);

		if (n <= 0) {
			errno = n == 0 ? 0 : errno;
			return -1;
		}
		part = span_from(l->block, (size_t)n);
	}
	len += line_ends(to + len, part, &r->held);
	r->offset += part.len;
	r->is_done = r->offset == l->content_length;
	if (r->is_done && r->held)
		to[len++] = '\r';
	return (ssize_t)len;
}

int
letter_write(int fd, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = EIO;
			return -1;
		}
		at += n;
		len -= (size_t)n;
	}
	return 0;
}
