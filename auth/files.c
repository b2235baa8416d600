/*
 * files - see files.h; called by main.c
 *
 * Reading alone: sqlite never makes, removes or locks out a file here.  A journal that a writer has left behind is seen (`access`), so that
 * sqlite refuses to read a database that is half changed.
 */
#include "auth/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/fatal.h"

static int below = -1;

/* "/accounts.db" as seen from the directory */
static const char *
name_of(const char *path)
{
	while (*path == '/')
		path++;
	return *path != '\0' ? path : ".";
}

static int
files_open(const char *path, int flags, int mode)
{
	(void)mode;
	if ((flags & (O_ACCMODE | O_CREAT)) != O_RDONLY) {
		errno = EACCES;
		return -1;
	}
	return openat(below, name_of(path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static int
files_access(const char *path, int mode)
{
	struct stat st;

	(void)mode;
	return fstatat(below, name_of(path), &st, AT_SYMLINK_NOFOLLOW);
}

static int
files_stat(const char *path, struct stat *st)
{
	return fstatat(below, name_of(path), st, AT_SYMLINK_NOFOLLOW);
}

static int
files_unlink(const char *path)
{
	(void)path;
	errno = EACCES;
	return -1;
}

static void
replace(sqlite3_vfs *vfs, const char *name, sqlite3_syscall_ptr call)
{
	if (vfs->xSetSystemCall(vfs, name, call) != SQLITE_OK ||
	    vfs->xGetSystemCall(vfs, name) != call)
		fatal(EXIT_SOFTWARE, 0, "this sqlite cannot be held to a directory: `%s`", name);
}

void
files_hold(int directory)
{
	sqlite3_vfs *vfs = sqlite3_initialize() == SQLITE_OK ? sqlite3_vfs_find("unix") : NULL;

	if (vfs == NULL || vfs->iVersion < 3 || vfs->xSetSystemCall == NULL ||
	    sqlite3_vfs_register(vfs, 1) != SQLITE_OK)
		fatal(EXIT_SOFTWARE, 0, "this sqlite cannot be held to a directory");
	below = directory;
	replace(vfs, "open", (sqlite3_syscall_ptr)files_open);
	replace(vfs, "access", (sqlite3_syscall_ptr)files_access);
	replace(vfs, "stat", (sqlite3_syscall_ptr)files_stat);
	replace(vfs, "lstat", (sqlite3_syscall_ptr)files_stat);
	replace(vfs, "unlink", (sqlite3_syscall_ptr)files_unlink);
}
