/*
 * installed - see installed.h; called by run, start, sandbox
 *
 * Promises: root never runs a program that another user could have put there.
 */
#include "culver/installed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "/a/b/c" becomes "/a/b"; false at the root */
static bool
up(char *path)
{
	char *slash = strrchr(path, '/');
	if (slash == NULL || slash == path)
		return false;
	*slash = '\0';
	return true;
}

static const char *
last(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == NULL ? path : slash + 1;
}

int
installed_from(const char *self, struct installed *i)
{
	char path[START_PATH_MAX];
	if (snprintf(path, sizeof(path), "%s", self) >= (int)sizeof(path) || !up(path))
		return -1;
	int len;
	if (strcmp(last(path), "sbin") == 0 || strcmp(last(path), "bin") == 0) {
		if (!up(path))
			path[0] = '\0';
		i->build_tree = false;
		len = snprintf(i->programs, sizeof(i->programs), "%s/libexec/culver", path);
	} else if (strcmp(last(path), "culver") == 0 && up(path)) {
		i->build_tree = true;
		len = snprintf(i->programs, sizeof(i->programs), "%s", path);
	} else {
		return -1;
	}
	if (len >= (int)sizeof(i->programs))
		return -1;
	snprintf(i->master, sizeof(i->master), "%s/%s", i->programs,
		 i->build_tree ? "master/master" : "master");
	return 0;
}

/* every component is root's, and nobody else may write there (but into a sticky directory) */
static int
check_components(const char *path)
{
	char part[START_PATH_MAX + 16];
	struct stat st;
	snprintf(part, sizeof(part), "%s", path);
	do {
		if (stat(part, &st) != 0) {
			fprintf(stderr, "culver: %s: %s\n", part, strerror(errno));
			return -1;
		}
		bool is_open = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
		bool is_sticky = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0;
		if (st.st_uid != 0 || (is_open && !is_sticky)) {
			fprintf(stderr,
				"culver: root does not run programs from %s: %s is not root's "
				"alone; "
				"`make install` puts them where nobody else can write\n",
				path, part);
			return -1;
		}
	} while (up(part));
	return 0;
}

int
installed_find(struct installed *i)
{
	char self[START_PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0 || len == (ssize_t)sizeof(self) - 1) {
		fprintf(stderr, "culver: /proc/self/exe: %s\n",
			len < 0 ? strerror(errno) : "too long a path");
		return -1;
	}
	self[len] = '\0';
	if (installed_from(self, i) != 0) {
		fprintf(stderr,
			"culver: %s lies neither in an installation (PREFIX/sbin, "
			"PREFIX/libexec/culver) nor in a "
			"build tree\n",
			self);
		return -1;
	}
	if (geteuid() == 0 && i->build_tree) {
		fprintf(stderr,
			"culver: root does not run programs of a build tree (%s): `make install` "
			"first, or run "
			"it as an ordinary user\n",
			i->programs);
		return -1;
	}
	if (access(i->master, X_OK) != 0) {
		fprintf(stderr, "culver: %s: %s\n", i->master, strerror(errno));
		return -1;
	}
	return geteuid() == 0 ? check_components(i->master) : 0;
}
