/*
 * groups - see groups.h
 */
#include "local/runner/groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/cgroup.h"
#include "common/system/events.h"
#include "common/text/number.h"

/* ---- the place ---- */

/* the group for commands beside that of our programs, which master made where it was given one; -1: it has not */
static int
find_delegated(char *path, size_t size)
{
	char own[PATH_MAX];
	char *slash;

	if (cgroup_own(own, sizeof(own)) < 0)
		return -1;
	slash = strrchr(own, '/');
	if (slash == NULL || strcmp(slash + 1, CGROUP_PROGRAMS) != 0)
		return -1;
	*slash = '\0';
	return snprintf(path, size, "%s/" CGROUP_COMMANDS, own) < (int)size ? 0 : -1;
}

static void
kill_and_remove(int base, const char *name)
{
	int group = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (group < 0)
		return;
	(void)!cgroup_write(group, "cgroup.kill", "1");
	close(group);
	(void)unlinkat(base, name, AT_REMOVEDIR); /* busy, as long as one dies still */
}

/* add - it is removed when its process has ended; NULL: no memory */
static struct group *
add(struct groups *g, const char *name, pid_t pid)
{
	struct group *made = calloc(1, sizeof(*made));

	if (made == NULL)
		return NULL;
	snprintf(made->name, sizeof(made->name), "%s", name);
	made->pid = pid;
	made->next = g->first;
	g->first = made;
	return made;
}

/* is_runner - does that process live, and is a runner?  A number may be another's by now, and a zombie is nobody. */
static bool
is_runner(uint64_t pid)
{
	char path[64], text[128] = "";
	const char *name, *end;
	int fd;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	name = strchr(text, '(');
	end = strrchr(text, ')');
	return name != NULL && end != NULL && strncmp(name, "(runner)", 8) == 0 && end[1] == ' ' &&
	       end[2] != 'Z';
}

/* take_stale - those of runners that are no more; of one that had our number, too, since none is ours yet */
static void
take_stale(struct groups *g)
{
	int fd = openat(g->base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		struct span name = span_of(e->d_name), pid = span_cut(&name, '.');
		uint64_t number;

		if (number_parse(pid, 1, INT_MAX, &number) == 0 && name.len > 0 &&
		    strlen(e->d_name) < GROUPS_NAME_ROOM &&
		    (number == (uint64_t)getpid() || !is_runner(number)))
			(void)add(g, e->d_name, 0);
	}
	closedir(d);
}

static void
tell(const struct groups *g, const char *path)
{
	bool has_memory = faccessat(g->base, "memory.max", F_OK, 0) == 0;
	bool has_pids = faccessat(g->base, "pids.max", F_OK, 0) == 0;

	EVENT("command-groups", event_string("path", path),
	      event_string("limits", has_memory && has_pids ? "memory processes"
				     : has_memory	    ? "memory"
				     : has_pids		    ? "processes"
							    : "none"));
}

void
groups_open(struct groups *g, const struct config *c)
{
	char path[PATH_MAX];

	*g = (struct groups){.base = -1, .limits = &c->limits};
	if (strcmp(c->command_cgroup, CONFIG_CGROUP_NONE) == 0)
		return;
	if (strcmp(c->command_cgroup, CONFIG_CGROUP_AUTO) == 0
		    ? find_delegated(path, sizeof(path)) < 0
		    : span_copy(span_of(c->command_cgroup), path, sizeof(path)) < 0)
		return;
	g->base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (g->base >= 0 && faccessat(g->base, "cgroup.kill", W_OK, AT_EACCESS) != 0) {
		close(g->base);
		g->base = -1;
	}
	if (g->base < 0) {
		EVENT("command-groups-unusable", event_string("path", path),
		      event_string("reason", strerror(errno)));
		return;
	}
	cgroup_share(g->base);
	take_stale(g);
	tell(g, path);
}

/* ---- one ---- */

/* a controller that is not there is no limit less: its file is not there either */
static int
set(int group, const char *name, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return cgroup_write(group, name, text) == 0 || errno == ENOENT ? 0 : -1;
}

static int
fill(const struct groups *g, int group, struct groups_files *files)
{
	if (set(group, "memory.max", g->limits->pipe_memory) < 0 ||
	    set(group, "pids.max", g->limits->pipe_processes) < 0)
		return -1;
	/* a command that has lost one of its processes for want of memory is not what its author wrote */
	(void)!set(group, "memory.oom.group", 1);
	files->procs = openat(group, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	files->kill = openat(group, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	return files->procs >= 0 && files->kill >= 0 ? 0 : -1;
}

struct groups_files
groups_make(struct groups *g)
{
	struct groups_files files = {-1, -1};
	char name[GROUPS_NAME_ROOM];
	int group = -1;

	if (g->base < 0)
		return files;
	snprintf(name, sizeof(name), "%lld.%" PRIu64, (long long)getpid(), ++g->last);
	errno = ENOMEM;
	if (add(g, name, -1) != NULL && mkdirat(g->base, name, 0755) == 0)
		group = openat(g->base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group < 0 || fill(g, group, &files) < 0) {
		EVENT("command-groups-unusable", event_string("path", name),
		      event_string("reason", strerror(errno)));
		if (files.procs >= 0)
			close(files.procs);
		if (files.kill >= 0)
			close(files.kill);
		files = (struct groups_files){-1, -1};
	}
	if (group >= 0)
		close(group);
	return files;
}

void
groups_forked(struct groups *g, pid_t pid)
{
	if (g->first != NULL && g->first->pid == -1)
		g->first->pid = pid > 0 ? pid : 0;
}

void
groups_ended(struct groups *g, pid_t pid)
{
	for (struct group *at = g->first; at != NULL; at = at->next)
		if (at->pid == pid)
			at->pid = 0;
}

bool
groups_sweep(struct groups *g)
{
	struct group **link = &g->first;
	bool is_done = true;
	struct stat st;

	while (*link != NULL) {
		struct group *at = *link;

		if (at->pid == 0)
			kill_and_remove(g->base, at->name);
		if (at->pid != 0 || fstatat(g->base, at->name, &st, 0) == 0) {
			is_done = is_done && at->pid != 0;
			link = &at->next;
			continue;
		}
		*link = at->next;
		free(at);
	}
	return is_done;
}

void
groups_close(struct groups *g)
{
	for (struct group *at = g->first; at != NULL; at = at->next)
		at->pid = 0;
	(void)groups_sweep(g);
	if (g->base >= 0)
		close(g->base);
	g->base = -1;
}
