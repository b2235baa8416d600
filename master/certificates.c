/*
 * certificates - see certificates.h; called by main.c at start, by reload.c, and by the timer of renew.c
 */
#include "master/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"
#include "master/master.h"

#define ROW_TEXT_MAX (256u << 10)
#define WHY_MAX 4096

/* ---- one file ---- */

/* the kernel's copy of an open file in a sealed memfd; -1 and errno */
static int
copy(int from, off_t size)
{
	int fd = memfd_create("tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t at = 0;

	while (fd >= 0 && at < size) {
		ssize_t n = sendfile(fd, from, &at, (size_t)(size - at));
		if (n > 0)
			continue;
		int kept = n == 0 ? EIO : errno; /* it became shorter: it is being written */
		close(fd);
		errno = kept;
		return -1;
	}
	if (fd >= 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
		int kept = errno;
		close(fd);
		errno = kept;
		return -1;
	}
	return fd;
}

static struct certificates_file
identity(const struct stat *st)
{
	return (struct certificates_file){.fd = -1,
					  .device = st->st_dev,
					  .inode = st->st_ino,
					  .size = st->st_size,
					  .changed = st->st_ctim};
}

static bool
is_same(const struct certificates_file *a, const struct certificates_file *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static int
load_file(const char *path, struct certificates_file *to, struct buffer *why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	to->fd = -1;
	if (fd < 0 || fstat(fd, &st) != 0) {
		buffer_format(why, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*to = identity(&st);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)CERTIFICATES_FILE_MAX)
		buffer_format(why, "%s: expected a file of at most %u bytes", path,
			      CERTIFICATES_FILE_MAX);
	else if ((to->fd = copy(fd, st.st_size)) < 0)
		buffer_format(why, "%s: %s", path, strerror(errno));
	close(fd);
	return to->fd < 0 ? -1 : 0;
}

/* ---- are they pairs? ---- */

static void
add_file(struct start *s, const char *kind, size_t number, int fd)
{
	struct start_file *f = &s->files[s->file_count++];

	snprintf(f->name, sizeof(f->name), "%s.%u", kind, (unsigned)number);
	f->fd = fd;
}

static void
add_authorities(struct start *s, const struct certificates_set *set)
{
	for (size_t i = 0; i < set->authority_count; i++)
		add_file(s, "client-ca", i, set->authorities[i].fd);
}

/* the end of a process that must end soon; its status, or -1: it did not */
static int
await_end(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int status = -1, n;

	do
		n = fd >= 0 ? poll(&p, 1, CERTIFICATES_CHECK_MS) : 0;
	while (n < 0 && errno == EINTR);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || n <= 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* `said`: CERTIFICATE|KEY|CLIENT-CA NUMBER SENTENCE, with the name of the file in the place of the first two words */
static void
tell(const struct config *c, struct span said, struct buffer *why)
{
	struct span kind = span_word(&said), number = span_word(&said);
	size_t n = number.len > 0 ? (size_t)(number.at[0] - '0') : 0;

	if (number.len == 2)
		n = n * 10 + (size_t)(number.at[1] - '0');
	bool is_authority = span_equal(kind, SPAN("client-ca"));
	if (kind.len == 0 || n >= (is_authority ? c->authority_count : c->pair_count)) {
		buffer_string(why, "the files of `tls` could not be looked at: see the log");
		return;
	}
	bool is_certificate = span_equal(kind, SPAN("certificate"));
	const char *path = is_authority	    ? c->authorities[n]
			   : is_certificate ? c->pairs[n].certificate
					    : c->pairs[n].key;
	buffer_format(why, "%s: %.*s", path, SPAN_ARG(span_trim(said)));
	if (is_certificate)
		buffer_format(why, " (the key is %s)", c->pairs[n].key);
}

static int
check(const struct master *m, const struct config *c, const struct certificates_set *set,
      struct buffer *why)
{
	static struct start s;
	const struct trust_row *row = trust_find("signer");
	int pair[2], descriptors[START_DESCRIPTORS_MAX], status = -1;
	char said[512];
	struct buffer text;

	if (row == NULL || trust_fill(row, &m->people, c, &s, why) != 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
		buffer_format(why, "socketpair: %s", strerror(errno));
		return -1;
	}
	s.check = true;
	s.listen_count = 1;
	snprintf(s.listens[0].name, sizeof(s.listens[0].name), "master");
	s.listens[0].fd = pair[1];
	for (size_t i = 0; i < set->count; i++) {
		add_file(&s, "certificate", i, set->certificates[i].fd);
		add_file(&s, "key", i, set->keys[i].fd);
	}
	add_authorities(&s, set);
	buffer_init(&text, ROW_TEXT_MAX);
	size_t count = exec_place(&s, descriptors);
	start_encode(&s, &text);
	pid_t pid =
		exec_program(&m->options, row, m->config_fd, buffer_get(&text), descriptors, count);
	if (pid > 0)
		status = await_end(pid);
	ssize_t n = status == EXIT_CONFIGURATION ? read(pair[0], said, sizeof(said)) : 0;
	if (status != 0)
		tell(c, span_from(said, n > 0 ? (size_t)n : 0), why);
	buffer_free(&text);
	close(pair[0]);
	close(pair[1]);
	return status == 0 ? 0 : -1;
}

/* ---- sets ---- */

void
certificates_free(struct certificates_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->certificates[i].fd >= 0)
			close(set->certificates[i].fd);
		if (set->keys[i].fd >= 0)
			close(set->keys[i].fd);
	}
	for (size_t i = 0; i < set->authority_count; i++)
		if (set->authorities[i].fd >= 0)
			close(set->authorities[i].fd);
	set->count = set->authority_count = 0;
}

int
certificates_load(const struct master *m, const struct config *c, struct certificates_set *to,
		  struct buffer *why)
{
	to->count = to->authority_count = 0;
	while (to->count < c->pair_count) {
		size_t i = to->count++;
		to->keys[i].fd = -1;
		if (load_file(c->pairs[i].certificate, &to->certificates[i], why) != 0 ||
		    load_file(c->pairs[i].key, &to->keys[i], why) != 0)
			goto failed;
	}
	while (to->authority_count < c->authority_count) {
		size_t i = to->authority_count++;
		if (load_file(c->authorities[i], &to->authorities[i], why) != 0)
			goto failed;
	}
	if (to->count == 0 || check(m, c, to, why) == 0)
		return 0;
failed:
	certificates_free(to);
	return -1;
}

static bool
sets_are_same(const struct certificates_set *a, const struct certificates_set *b)
{
	if (a->count != b->count || a->authority_count != b->authority_count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!is_same(&a->certificates[i], &b->certificates[i]) ||
		    !is_same(&a->keys[i], &b->keys[i]))
			return false;
	for (size_t i = 0; i < a->authority_count; i++)
		if (!is_same(&a->authorities[i], &b->authorities[i]))
			return false;
	return true;
}

void
certificates_put(struct certificates *c, struct certificates_set *set)
{
	if (sets_are_same(&c->now, set)) {
		certificates_free(set);
		return;
	}
	certificates_free(&c->before);
	c->before = c->now;
	c->now = *set;
	set->count = set->authority_count = 0;
}

static struct certificates_file
identity_of(const char *path)
{
	static const struct stat none;
	struct stat st;

	return identity(stat(path, &st) == 0 ? &st : &none);
}

/* the identities of the files as they are now; what is not there has none */
static void
find_identities(const struct config *c, struct certificates_set *to)
{
	to->count = c->pair_count;
	to->authority_count = c->authority_count;
	for (size_t i = 0; i < c->pair_count; i++) {
		to->certificates[i] = identity_of(c->pairs[i].certificate);
		to->keys[i] = identity_of(c->pairs[i].key);
	}
	for (size_t i = 0; i < c->authority_count; i++)
		to->authorities[i] = identity_of(c->authorities[i]);
}

bool
certificates_look(struct master *m)
{
	struct certificates *c = &m->certificates;
	struct certificates_set next;
	struct buffer why;
	bool is_new = false;

	find_identities(m->config, &next);
	if (sets_are_same(&c->now, &next) || sets_are_same(&c->found, &next))
		return false;
	c->found = next; /* has no descriptors */
	buffer_init(&why, WHY_MAX);
	if (certificates_load(m, m->config, &next, &why) == 0) {
		certificates_put(c, &next);
		is_new = true;
		EVENT("certificates-renewed", event_number("count", (int64_t)c->now.count));
	} else {
		EVENT("certificates-refused", event_text("reason", buffer_get(&why)));
	}
	buffer_free(&why);
	return is_new;
}

void
certificates_fill(const struct certificates *c, const struct trust_row *row, struct start *s)
{
	switch (row->files) {
	case TRUST_NO_FILES:
		return;
	case TRUST_CERTIFICATES:
		for (size_t i = 0; i < c->now.count; i++)
			add_file(s, "certificate", i, c->now.certificates[i].fd);
		add_authorities(s, &c->now);
		return;
	case TRUST_KEYS:
		for (size_t i = 0; i < c->now.count; i++)
			add_file(s, "key", i, c->now.keys[i].fd);
		for (size_t i = 0; i < c->before.count; i++)
			add_file(s, "key-before", i, c->before.keys[i].fd);
		return;
	}
}
