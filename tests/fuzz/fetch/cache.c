/*
 * Files of policies, as a child has written them, or a disk has kept them.
 *
 * Whatever lies there: it is a policy with an id and times that follow from it, or it is as if there were none, and the file goes.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "fetch/cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DOMAIN "fuzz.example"
#define NOW 1800000000

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static char folder[] = "/tmp/culver-fuzz-fetch-XXXXXX";

static void
remove_folder(void)
{
	(void)rmdir(folder);
}

static int
open_folder(void)
{
	require(mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
	return open(folder, O_RDONLY | O_DIRECTORY);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int directory = -1;
	static struct cache_entry e;
	int fd;

	if (directory < 0)
		directory = open_folder();
	fd = openat(directory, DOMAIN, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
	if (cache_read(directory, DOMAIN, NOW, &e)) {
		require(e.ends_s > NOW && e.ends_s - e.fetched_s >= CACHE_AGE_MIN);
		require(e.ends_s - e.fetched_s <= (int64_t)STS_AGE_MAX);
		require(e.policy.mx_count <= STS_MX_MAX && size <= CACHE_FILE_MAX);
		for (size_t i = 0; i < e.policy.mx_count; i++)
			require(e.policy.mx[i].at >= e.text &&
				e.policy.mx[i].at + e.policy.mx[i].len <= e.text + size);
		cache_remove(directory, DOMAIN);
	}
	require(cache_used_s(directory, DOMAIN) == -1);
	return 0;
}
