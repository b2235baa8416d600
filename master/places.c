/*
 * places - directories made and checked before any program runs
 *
 * Called by main.c and, for what a new configuration names, by reload.c.  Promises: nothing that exists changes its owner; rooms are
 * emptied before they are filled, so that an old link never stays.
 */
#include "master/places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/protocol/drop.h"

#define ROOMS "rooms"

struct place {
	const char *path;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

static int
refuse(struct buffer *why, const char *path, const char *text)
{
	buffer_format(why, "%s: %s", path, text);
	return -1;
}

static int
check_component(int fd, const char *path, struct buffer *why)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return refuse(why, path, strerror(errno));
	if (st.st_uid != 0)
		return refuse(why, path,
			      "is not owned by root, so its owner could exchange what is in it");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0)
		return refuse(why, path, "is writable by others, who could exchange what is in it");
	return 0;
}

/*
 * walk - calls check_component for each component of `path` but the last (when `whole`: that too); makes those that are missing
 *
 * Symbolic links on the way are followed: their owner is root's, as everything above them was found to be.
 */
static int
walk(const char *path, bool check, bool make, bool whole, struct buffer *why)
{
	char part[START_PATH_MAX];
	if (path[0] != '/')
		return refuse(why, path, "is not an absolute path");
	size_t len = strlen(path);
	if (len >= sizeof(part))
		return refuse(why, path, "is too long");
	for (size_t at = 0; at <= len; at++) {
		if (path[at] != '/' && path[at] != '\0')
			continue;
		if (path[at] == '\0' && !whole)
			break;
		if (at > 0 && path[at - 1] == '/')
			continue;
		size_t part_len = at == 0 ? 1 : at;
		memcpy(part, path, part_len);
		part[part_len] = '\0';
		int fd = open(part, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && make) {
			if (mkdir(part, 0755) != 0 || chmod(part, 0755) != 0)
				return refuse(why, part, strerror(errno));
			fd = open(part, O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
		if (fd < 0)
			return refuse(why, part, strerror(errno));
		int result = check ? check_component(fd, part, why) : 0;
		close(fd);
		if (result != 0)
			return -1;
	}
	return 0;
}

int
places_path_is_safe(const char *path, struct buffer *why)
{
	return walk(path, true, false, true, why);
}

static int
make_place(const struct place *p, bool as_root, struct buffer *why)
{
	if (walk(p->path, as_root, true, false, why) != 0)
		return -1;
	bool made = mkdir(p->path, 0700) == 0;
	if (!made && errno != EEXIST)
		return refuse(why, p->path, strerror(errno));
	int result = -1;
	struct stat st;
	int fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (as_root ? O_NOFOLLOW : 0));
	if (fd < 0)
		return refuse(why, p->path, strerror(errno));
	if (made && as_root && fchown(fd, p->uid, p->gid) != 0) {
		refuse(why, p->path, strerror(errno));
		goto out;
	}
	if (fstat(fd, &st) != 0) {
		refuse(why, p->path, strerror(errno));
		goto out;
	}
	if (st.st_uid != p->uid) {
		buffer_format(why, "%s: belongs to uid %lld, and not to %lld, whose it must be",
			      p->path, (long long)st.st_uid, (long long)p->uid);
		goto out;
	}
	/* bits too many are taken away; bits that an administrator took away stay away, but for the owner's */
	mode_t mode =
		(made ? p->mode : st.st_mode & p->mode) | (p->mode & (S_IRWXU | S_ISGID | S_ISVTX));
	if (fchmod(fd, mode) != 0) {
		refuse(why, p->path, strerror(errno));
		goto out;
	}
	result = 0;
out:
	close(fd);
	return result;
}

/* the directory of `log FILE`, where it is not there yet; one that is there stays as it is: its owner's */
static int
make_log_directory(const struct config *c, const struct trust_people *people, struct buffer *why)
{
	char path[START_PATH_MAX];
	struct stat st;
	if (c->log_sink != CONFIG_LOG_FILE)
		return 0;
	const char *slash = strrchr(c->log_file, '/');
	if (slash == NULL || slash == c->log_file)
		return 0;
	if (span_copy(span_from(c->log_file, (size_t)(slash - c->log_file)), path, sizeof(path)) !=
	    0)
		return refuse(why, c->log_file, "is too long");
	if (stat(path, &st) == 0)
		return 0;
	const struct place p = {path, 0750, trust_uid(people, "log"), trust_gid(people, "log")};
	return make_place(&p, people->as_root, why);
}

/* RUNTIME/drop: who has RUNTIME finds the directory, without any configuration */
static int
link_drop(const struct config *c, struct buffer *why)
{
	char path[START_PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/" DROP_LINK, c->runtime) >= (int)sizeof(path))
		return refuse(why, c->runtime, "is too long");
	if (unlink(path) != 0 && errno != ENOENT)
		return refuse(why, path, strerror(errno));
	return symlink(c->drop, path) == 0 ? 0 : refuse(why, path, strerror(errno));
}

int
places_close_drop(const struct config *c, const struct trust_people *people, struct buffer *why)
{
	const struct place p = {c->drop, DROP_CLOSED, trust_uid(people, "submit"),
				people->drop_group};
	if (make_place(&p, people->as_root, why) != 0)
		return -1;
	return link_drop(c, why);
}

int
places_open_drop(const struct config *c, struct buffer *why)
{
	int fd = open(c->drop, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int result = fd >= 0 && fchmod(fd, DROP_OPEN) == 0 ? 0 : -1;
	if (result != 0)
		refuse(why, c->drop, strerror(errno));
	if (fd >= 0)
		close(fd);
	return result;
}

int
places_make(const struct config *c, const struct trust_people *people, struct buffer *why)
{
	uid_t master = geteuid();
	const struct place places[] = {
		{c->runtime, 0755, master, getegid()},
		{c->spool, 0700, trust_uid(people, "queue-manager"),
		 trust_gid(people, "queue-manager")},
		{c->trace, 0700, trust_uid(people, "log"), trust_gid(people, "log")},
		{c->sts_cache, 0700, trust_uid(people, "fetch"), trust_gid(people, "fetch")},
		/* written by who runs this (`culver user`), read by auth */
		{c->auth.accounts, 0750, master, trust_gid(people, "auth")},
		{c->verify.cache, 0700, trust_uid(people, "verify"), trust_gid(people, "verify")},
	};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (make_place(&places[i], people->as_root, why) != 0)
			return -1;
	}
	return make_log_directory(c, people, why);
}

/* ---- rooms ---- */

static void
empty_directory(const char *path)
{
	DIR *d = opendir(path);
	if (d == NULL)
		return;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
}

static int
make_room(const struct trust_row *row, const struct config *c, const struct trust_people *people,
	  struct buffer *why)
{
	char room[START_PATH_MAX], from[START_PATH_MAX], to[START_PATH_MAX];
	int len = snprintf(room, sizeof(room), "%s/" ROOMS "/%s", c->runtime, row->program);
	if (len >= (int)sizeof(room))
		return refuse(why, c->runtime, "is too long");
	empty_directory(room);
	const struct place p = {room, 0755, 0, 0};
	if (make_place(&p, people->as_root, why) != 0)
		return -1;
	for (size_t i = 0; i < TRUST_REACHES_MAX && row->reaches[i] != NULL; i++) {
		if (snprintf(from, sizeof(from), "%s/%s", c->runtime, row->reaches[i]) >=
			    (int)sizeof(from) ||
		    snprintf(to, sizeof(to), "%s/%s", room, row->reaches[i]) >= (int)sizeof(to))
			return refuse(why, c->runtime, "is too long");
		if (link(from, to) != 0)
			return refuse(why, to, strerror(errno));
	}
	return 0;
}

int
places_rooms(const struct config *c, const struct trust_people *people, struct buffer *why)
{
	if (!people->as_root)
		return 0;
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		/* a reload may turn a row without a room into one with: it is there already */
		if (trust_map[i].room != TRUST_NO_ROOM &&
		    make_room(&trust_map[i], c, people, why) != 0)
			return -1;
	}
	return 0;
}

void
places_rooms_remove(const char *runtime)
{
	char path[START_PATH_MAX];
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		if (snprintf(path, sizeof(path), "%s/" ROOMS "/%s", runtime,
			     trust_map[i].program) >= (int)sizeof(path))
			continue;
		empty_directory(path);
		rmdir(path);
	}
	if (snprintf(path, sizeof(path), "%s/" ROOMS, runtime) < (int)sizeof(path))
		rmdir(path);
}
