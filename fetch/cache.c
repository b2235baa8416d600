/*
 * cache - see the header; called by policies.c, in the child of a download by https.c
 */
#include "fetch/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mail/domain.h"
#include "common/system/events.h"
#include "common/text/number.h"

#define MAGIC "culver-sts"
#define VERSION "1"
#define FILE_MODE 0600
#define DAY 86400

bool
cache_is_name(struct span domain)
{
	for (size_t i = 0; i < domain.len; i++)
		if (domain.at[i] == '/' || ascii_lower(domain.at[i]) != domain.at[i])
			return false;
	return domain.len <= FETCH_DOMAIN_MAX && domain_is_valid(domain);
}

static void
tell(const char *what, const char *name)
{
	EVENT("cache-trouble", event_string("what", what), event_string("file", name),
	      event_string("errno", strerror(errno)));
}

/* ---- reading ---- */

/* e->text has `len` bytes */
static int
parse(struct cache_entry *e, size_t len, const char **wrong)
{
	struct span text = span_from(e->text, len), line = span_cut(&text, '\n');
	uint64_t fetched_s;

	*wrong = "the file of the policy is not whole";
	if (!span_equal(span_cut(&line, ' '), SPAN(MAGIC)) ||
	    !span_equal(span_cut(&line, ' '), SPAN(VERSION)) ||
	    number_parse(span_cut(&line, ' '), 0, INT64_MAX / 2, &fetched_s) < 0 ||
	    span_copy(line, e->id, sizeof(e->id)) < 0)
		return -1;
	if (sts_policy(text, &e->policy, wrong) < 0)
		return -1;
	e->fetched_s = (int64_t)fetched_s;
	e->ends_s = e->fetched_s + (int64_t)(e->policy.max_age > CACHE_AGE_MIN ? e->policy.max_age
									       : CACHE_AGE_MIN);
	return 0;
}

static int
read_whole(int fd, struct cache_entry *e, const char **wrong)
{
	size_t len = 0;

	while (len < sizeof(e->text)) {
		ssize_t n = pread(fd, e->text + len, sizeof(e->text) - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return parse(e, len, wrong);
}

bool
cache_read(int directory, const char *domain, int64_t now_s, struct cache_entry *e)
{
	int fd = openat(directory, domain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const char *wrong;

	if (fd < 0) {
		if (errno != ENOENT)
			tell("open", domain);
		return false;
	}
	int outcome = read_whole(fd, e, &wrong);
	close(fd);
	if (outcome == 0 && now_s < e->ends_s)
		return true;
	if (outcome != 0)
		EVENT("policy-unread", event_string("domain", domain),
		      event_string("reason", wrong));
	cache_remove(directory, domain);
	return false;
}

void
cache_remove(int directory, const char *domain)
{
	if (unlinkat(directory, domain, 0) < 0 && errno != ENOENT)
		tell("remove", domain);
}

int64_t
cache_used_s(int directory, const char *domain)
{
	struct stat st;

	return fstatat(directory, domain, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mtim.tv_sec : -1;
}

void
cache_used(int directory, const char *domain, int64_t now_s)
{
	const struct timespec times[2] = {{.tv_sec = now_s}, {.tv_sec = now_s}};
	int64_t used_s = cache_used_s(directory, domain);

	if (used_s < 0 || now_s - used_s < DAY)
		return;
	if (utimensat(directory, domain, times, AT_SYMLINK_NOFOLLOW) < 0)
		tell("mark", domain);
}

/* ---- a new one ---- */

int
cache_draft(int directory, struct cache_draft *d)
{
	static uint64_t number;

	/* a generation that retires may have some, too */
	snprintf(d->name, sizeof(d->name), ".%lld.%llu", (long long)getpid(),
		 (unsigned long long)++number);
	d->fd = openat(directory, d->name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		       FILE_MODE);
	return d->fd < 0 ? -1 : 0;
}

int
cache_write(int fd, int64_t fetched_s, struct span id, struct span policy)
{
	char header[CACHE_HEADER_MAX];
	int len = snprintf(header, sizeof(header), MAGIC " " VERSION " %lld %.*s\n",
			   (long long)fetched_s, SPAN_ARG(id));
	struct span parts[] = {span_from(header, (size_t)len), policy};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		while (parts[i].len > 0) {
			ssize_t n = write(fd, parts[i].at, parts[i].len);

			if (n < 0 && errno != EINTR)
				return -1;
			parts[i] = span_skip(parts[i], n > 0 ? (size_t)n : 0);
		}
	}
	return fsync(fd);
}

void
cache_drop(int directory, struct cache_draft *d)
{
	if (d->fd < 0)
		return;
	close(d->fd);
	d->fd = -1;
	cache_remove(directory, d->name);
}

int
cache_keep(int directory, struct cache_draft *d, const char *domain, int64_t used_s,
	   struct cache_entry *e, const char **wrong)
{
	const struct timespec times[2] = {{.tv_sec = used_s}, {.tv_sec = used_s}};

	if (read_whole(d->fd, e, wrong) == 0) {
		*wrong = NULL;
		if (futimens(d->fd, times) < 0)
			tell("mark", domain);
		if (renameat(directory, d->name, directory, domain) < 0) {
			tell("rename", domain);
			*wrong = "it cannot be kept";
		}
	}
	if (*wrong != NULL) {
		cache_drop(directory, d);
		return -1;
	}
	close(d->fd);
	d->fd = -1;
	return 0;
}

/* ---- all ---- */

DIR *
cache_list(int directory)
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

	if (list != NULL)
		return list;
	tell("list", ".");
	if (fd >= 0)
		close(fd);
	return NULL;
}

const char *
cache_next(DIR *list, bool drafts)
{
	const struct dirent *entry;

	while ((entry = readdir(list)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && (name[0] == '.') == drafts)
			return name;
	}
	return NULL;
}

void
cache_sweep_drafts(int directory, int64_t now_s)
{
	DIR *list = cache_list(directory);
	const char *name;

	if (list == NULL)
		return;
	while ((name = cache_next(list, true)) != NULL)
		if (now_s - cache_used_s(directory, name) > CACHE_DRAFT_S)
			cache_remove(directory, name);
	closedir(list);
}
