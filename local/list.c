/*
 * list - see list.h
 */
#include "local/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the file ---- */

/* read_all - `size` bytes, or up to where the file ends by now; -1 and errno */
static ssize_t
read_all(int fd, char *to, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = read(fd, to + have, size - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

enum list_outcome
list_read(int directory, const char *path, struct arena *arena, struct span *text, struct stat *st)
{
	int fd = openat(directory, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	enum list_outcome outcome = LIST_OK;
	char *to = NULL;
	ssize_t n = 0;

	if (fd < 0)
		return errno == ENOENT ? LIST_ABSENT : LIST_UNUSABLE;
	if (fstat(fd, st) < 0) {
		outcome = LIST_UNUSABLE;
	} else if (!S_ISREG(st->st_mode)) {
		errno = 0;
		outcome = LIST_UNUSABLE;
	} else if (st->st_size > LIST_FILE_MAX) {
		outcome = LIST_TOO_LONG;
	} else if ((to = arena_alloc(arena, (size_t)st->st_size + 1)) == NULL) {
		outcome = LIST_NO_MEMORY;
	} else if ((n = read_all(fd, to, (size_t)st->st_size)) < 0) {
		outcome = LIST_UNUSABLE;
	}
	if (outcome == LIST_OK)
		*text = span_from(to, (size_t)n);
	int error = errno;
	close(fd);
	errno = error;
	return outcome;
}

/* ---- its lines ---- */

static void
on_wrong(void *owner, unsigned line, unsigned column, const char *text)
{
	struct list *l = owner;

	if (l->wrong[0] == '\0')
		snprintf(l->wrong, sizeof(l->wrong), "line %u, column %u: %s", line, column, text);
}

bool
list_add(struct list *l, struct arena *arena, const struct alias_value *v)
{
	if (l->count == LIST_VALUES_MAX)
		return false;
	if (l->count == l->room) {
		size_t room = l->room > 0 ? 2 * l->room : 8;
		struct alias_value *wider = arena_alloc(arena, room * sizeof(*wider));

		if (wider == NULL)
			return false;
		if (l->count > 0)
			memcpy(wider, l->values, l->count * sizeof(*wider));
		l->values = wider;
		l->room = room;
	}
	l->values[l->count++] = *v;
	return true;
}

/* says_nothing - blank, a comment, or commas alone */
static bool
says_nothing(struct span line)
{
	line = span_trim(line);
	for (size_t i = 0; i < line.len && line.at[0] != '#'; i++)
		if (line.at[i] != ',' && line.at[i] != ' ' && line.at[i] != '\t')
			return false;
	return true;
}

enum list_outcome
list_parse(struct span text, struct arena *arena, struct list *list)
{
	unsigned number = 0;

	list->wrong[0] = '\0';
	while (text.len > 0) {
		struct alias_entry e = {.line = 0};
		struct span line = span_cut(&text, '\n');

		number++;
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (says_nothing(line))
			continue;
		if (aliases_values(line, number, arena, &e, on_wrong, list) < 0)
			return LIST_NO_MEMORY;
		if (list->wrong[0] != '\0')
			return LIST_WRONG;
		for (size_t i = 0; i < e.value_count; i++) {
			if (e.values[i].kind == ALIAS_DOMAIN) {
				on_wrong(list, number, 1, "a whole domain is no address here");
				return LIST_WRONG;
			}
			if (!list_add(list, arena, &e.values[i]))
				return list->count == LIST_VALUES_MAX ? LIST_TOO_LONG
								      : LIST_NO_MEMORY;
		}
	}
	return LIST_OK;
}
