/*
 * cgroup - see cgroup.h
 */
#include "common/system/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text/span.h"

#define OURS "0::" /* the line of version 2 in /proc/self/cgroup */
#define TYPE " - cgroup2 "

/* group_name - as the hierarchy knows it, "/system.slice/culver.service"; -1 and errno */
static int
group_name(char *name, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t room = 0;
	int result = -1;

	if (f == NULL)
		return -1;
	while (result != 0 && getline(&line, &room, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, OURS, sizeof(OURS) - 1) == 0)
			result = span_copy(span_of(line + sizeof(OURS) - 1), name, size);
	}
	free(line);
	fclose(f);
	errno = ENOENT;
	return result;
}

/* join - where the group is below one mount of the hierarchy; -1: not there */
static int
join(char *mountinfo, const char *name, char *path, size_t size)
{
	struct span line = span_of(mountinfo), group = span_of(name), root, point;

	if (strstr(mountinfo, TYPE) == NULL)
		return -1;
	for (int i = 0; i < 3; i++)
		(void)span_word(&line);
	root = span_word(&line);
	point = span_word(&line);
	/* a blank in a path is \040: nobody mounts it there */
	if (span_has(point, '\\') || span_has(root, '\\'))
		return -1;
	if (root.len > 1) {
		if (!span_starts(group, root))
			return -1;
		group = span_skip(group, root.len);
	}
	if (span_equal(group, SPAN("/")))
		group = SPAN_NONE;
	return snprintf(path, size, "%.*s%.*s", SPAN_ARG(point), SPAN_ARG(group)) < (int)size ? 0
											      : -1;
}

int
cgroup_own(char *path, size_t size)
{
	char name[PATH_MAX];
	char *line = NULL;
	size_t room = 0;
	int result = -1;
	FILE *f;

	if (group_name(name, sizeof(name)) < 0)
		return -1;
	f = fopen("/proc/self/mountinfo", "re");
	if (f == NULL)
		return -1;
	while (result != 0 && getline(&line, &room, f) > 0)
		result = join(line, name, path, size);
	free(line);
	fclose(f);
	errno = ENOENT;
	return result;
}

int
cgroup_write(int group, const char *name, const char *value)
{
	int fd = openat(group, name, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);
	ssize_t n;
	int error;

	if (fd < 0)
		return -1;
	n = write(fd, value, len);
	error = n < 0 ? errno : EIO;
	close(fd);
	errno = error;
	return n == (ssize_t)len ? 0 : -1;
}

void
cgroup_share(int group)
{
	/* one that the group has not is EINVAL or ENOENT, and says nothing about the other */
	(void)!cgroup_write(group, "cgroup.subtree_control", "+memory");
	(void)!cgroup_write(group, "cgroup.subtree_control", "+pids");
}
