/*
 * drop - see culver/drop.h
 *
 * The file is created under a name of its own uid, held by flock(2) while it is written, and whole only with its last line
 * (common/protocol/drop.h): whatever kills us before leaves no letter, and whatever kills us after leaves exactly one.
 */
#include "culver/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/protocol/drop.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "common/system/start.h"
#include "culver/conversation.h"
#include "culver/options.h"
#include "culver/sendmail.h"

struct drop {
	int directory;
	int fd;
	char name[DROP_NAME_MAX];
	uint64_t left;	  /* bytes that this uid may still leave */
	uint64_t content; /* bytes that were written of it */
};

/* ---- the place ---- */

static int
open_directory(const char *runtime)
{
	char path[START_PATH_MAX + START_NAME_MAX];
	snprintf(path, sizeof(path), "%s/" DROP_LINK, runtime);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* RUNTIME goes with the machine's power, the drop directory does not */
	if (fd < 0 && errno == ENOENT && strcmp(runtime, OPTIONS_SYSTEM_RUNTIME) == 0)
		fd = open(DROP_SYSTEM, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

/* its owner could write there always, and would wait for a start that was long ago */
static bool
is_open(int directory)
{
	struct stat st;
	if (fstat(directory, &st) != 0)
		return false;
	errno = EACCES;
	return (st.st_mode & S_IWOTH) != 0;
}

/* a free name; what of ours is there already counts.  -1: after a sentence */
static int
choose_name(struct drop *d)
{
	struct stat st;
	unsigned files = 0;
	for (unsigned slot = 0; slot < DROP_SLOTS_MAX && files < DROP_FILES_MAX; slot++) {
		snprintf(d->name, sizeof(d->name), "%u.%u", (unsigned)getuid(), slot);
		if (fstatat(d->directory, d->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return 0;
		if (st.st_uid != getuid())
			continue;
		files++;
		d->left = (uint64_t)st.st_size < d->left ? d->left - (uint64_t)st.st_size : 0;
	}
	return order_say(-1,
			 "the mail system is stopped, and %u messages of yours wait for it already",
			 files);
}

/* 0; DROP_NOWHERE with errno; or the exit status after a sentence */
static int
create(struct drop *d)
{
	struct stat st;
	for (int attempt = 0; attempt < DROP_SLOTS_MAX; attempt++) {
		d->left = DROP_BYTES_MAX;
		if (choose_name(d) != 0)
			return EXIT_TRY_LATER;
		d->fd = openat(d->directory, d->name,
			       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			       DROP_FILE_MODE);
		if (d->fd < 0 && errno == EEXIST) /* another sendmail of ours was faster */
			continue;
		if (d->fd < 0)
			return DROP_NOWHERE;
		/* before it is held, submit may take it for a dead writer's, and remove it */
		if (fchmod(d->fd, DROP_FILE_MODE) != 0 || flock(d->fd, LOCK_EX | LOCK_NB) != 0 ||
		    fstat(d->fd, &st) != 0 || st.st_nlink != 1)
			return DROP_NOWHERE;
		return 0;
	}
	return DROP_NOWHERE;
}

/* ---- the letter ---- */

static int
put(struct drop *d, struct span bytes)
{
	if (bytes.len > d->left) {
		errno = EDQUOT;
		return -1;
	}
	d->left -= bytes.len;
	while (bytes.len > 0) {
		ssize_t n = write(d->fd, bytes.at, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes = span_skip(bytes, (size_t)n);
	}
	return 0;
}

static int
put_content(struct drop *d, struct span bytes)
{
	d->content += bytes.len;
	return put(d, bytes);
}

static int
put_head(struct drop *d, const struct order *o, const struct envelope *e)
{
	struct buffer head, mail;
	buffer_init(&head, DROP_HEAD_MAX);
	buffer_init(&mail, DROP_LINE_MAX);
	buffer_format(&mail, "<%.*s>", SPAN_ARG(e->sender));
	conversation_parameters(o, e, &mail);
	head.failed = mail.failed;
	drop_write_head(&head, span_of(e->full_name), buffer_get(&mail));
	for (size_t i = 0; i < e->count; i++) {
		buffer_clear(&mail);
		buffer_format(&mail, "<%.*s>%s%s", SPAN_ARG(e->recipients[i]),
			      o->notify != NULL ? " NOTIFY=" : "",
			      o->notify != NULL ? o->notify : "");
		head.failed = head.failed || mail.failed;
		drop_write_recipient(&head, buffer_get(&mail));
	}
	drop_write_data(&head);
	if (head.failed)
		errno = E2BIG;
	int wrong = head.failed ? -1 : put(d, buffer_get(&head));
	buffer_free(&mail);
	buffer_free(&head);
	return wrong;
}

/* the time is now's, and not that of the start */
static int
put_date(struct drop *d, const struct letter *l)
{
	static const char *const names[] = {"Date", NULL};
	char date[CLOCK_TEXT_MAX], line[CLOCK_TEXT_MAX + 16];
	if (envelope_has_field(l->header, names))
		return 0;
	clock_rfc5322(clock_wall_us(), date);
	int n = snprintf(line, sizeof(line), "Date: %s\r\n", date);
	return put_content(d, span_from(line, (size_t)n));
}

/* -1: errno; -2: it is that of the standard input */
static int
put_letter(struct drop *d, struct letter *l)
{
	struct span rest = l->header, field;
	struct buffer chunk;
	int more = 1, wrong = put_date(d, l);
	while (wrong == 0 && letter_field(&rest, &field))
		wrong = put_content(d, field);
	if (wrong == 0 && l->lacks_line)
		wrong = put_content(d, SPAN("\r\n"));
	if (wrong == 0)
		wrong = put_content(d, l->content);
	buffer_init(&chunk, (size_t)4 * LETTER_CHUNK);
	while (wrong == 0 && (more = letter_more(l, &chunk)) > 0)
		wrong = put_content(d, buffer_get(&chunk));
	int error = errno;
	buffer_free(&chunk);
	errno = error;
	return more < 0 ? -2 : wrong;
}

static int
put_end(struct drop *d)
{
	struct buffer line;
	buffer_init(&line, DROP_END_MAX);
	drop_write_end(&line, d->content);
	int wrong = put(d, buffer_get(&line));
	buffer_free(&line);
	return wrong != 0 ? -1 : fsync(d->fd);
}

static int
leave(struct drop *d, const struct order *o, const struct envelope *e, struct letter *l)
{
	int wrong = put_head(d, o, e);
	if (wrong == 0)
		wrong = put_letter(d, l);
	if (wrong == -2)
		return order_say(SENDMAIL_INPUT, "standard input: %s", strerror(errno));
	if (wrong == 0)
		wrong = put_end(d);
	if (wrong != 0)
		return order_say(
			EXIT_TRY_LATER,
			"the mail system is stopped, and the message cannot be left for it: %s",
			strerror(errno));
	return 0;
}

int
drop_leave(const char *runtime, const struct order *o, const struct envelope *e, struct letter *l)
{
	struct drop d = {.directory = open_directory(runtime), .fd = -1};
	int status = d.directory >= 0 && is_open(d.directory) ? create(&d) : DROP_NOWHERE;
	int error = errno;
	if (status == 0)
		status = leave(&d, o, e, l);
	/* fails where submit was faster: then it has removed the half file itself */
	if (status != 0 && d.fd >= 0)
		unlinkat(d.directory, d.name, 0);
	if (d.fd >= 0)
		close(d.fd);
	if (d.directory >= 0)
		close(d.directory);
	errno = error;
	return status;
}
