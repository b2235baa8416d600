/*
 * state - the spelling of RUNTIME/state, and who holds RUNTIME/master.pid
 *
 * master writes, culver reads.  Promises: what state_encode wrote state_decode reads back; a text that is cut, longer than STATE_TEXT_MAX or
 * holds a number out of range is refused whole.
 */
#include "common/protocol/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text/escape.h"
#include "common/text/number.h"

#define STATE_MAGIC "culver-state 1\n"
#define STATE_END "end"

static const char *const condition_names[] = {
	[STATE_STARTING] = "starting", [STATE_SERVING] = "serving", [STATE_WAITING] = "waiting",
	[STATE_STOPPING] = "stopping", [STATE_RETIRED] = "retired",
};

const char *
state_condition_name(enum state_condition c)
{
	return condition_names[c];
}

static void
put_word(struct buffer *to, const char *key, const char *value)
{
	buffer_format(to, "%s ", key);
	escape_word(to, span_of(value));
	buffer_char(to, '\n');
}

void
state_encode(const struct state *s, struct buffer *to)
{
	buffer_string(to, STATE_MAGIC);
	put_word(to, "version", s->version);
	buffer_format(to, "master %lld %lld\n", (long long)s->master, (long long)s->since_us);
	buffer_format(to, "as-root %d\nstrict %d\nready %d\n", s->as_root, s->strict, s->ready);
	buffer_format(to, "generation %llu\n", (unsigned long long)s->generation);
	put_word(to, "config", s->config);
	put_word(to, "root-mail", s->root_mail);
	if (s->reloads > 0) {
		buffer_format(to, "reload %llu %lld %d ", (unsigned long long)s->reloads,
			      (long long)s->reload_us, s->reload_refused);
		escape_word(to, span_of(s->reload_reason));
		buffer_char(to, '\n');
	}
	for (size_t i = 0; i < s->program_count; i++) {
		const struct state_program *p = &s->programs[i];
		buffer_format(to, "program %s %lld %s %llu %llu %lld\n", p->name, (long long)p->pid,
			      condition_names[p->condition], (unsigned long long)p->generation,
			      (unsigned long long)p->restarts, (long long)p->since_us);
	}
	buffer_string(to, STATE_END "\n");
}

/* ---- reading ---- */

static int
take_number(struct span *rest, uint64_t max, uint64_t *value)
{
	return number_parse(span_word(rest), 0, max, value);
}

static int
take_bool(struct span *rest, bool *value)
{
	uint64_t number;
	if (take_number(rest, 1, &number) != 0)
		return -1;
	*value = number == 1;
	return 0;
}

static int
take_pid(struct span *rest, pid_t *pid)
{
	uint64_t number;
	if (take_number(rest, INT_MAX, &number) != 0)
		return -1;
	*pid = (pid_t)number;
	return 0;
}

static int
take_time(struct span *rest, int64_t *us)
{
	uint64_t number;
	if (take_number(rest, INT64_MAX, &number) != 0)
		return -1;
	*us = (int64_t)number;
	return 0;
}

/* an escaped word as a C string */
static int
take_text(struct span *rest, char *to, size_t size)
{
	struct buffer b;
	buffer_init(&b, size);
	*rest = span_trim(
		*rest); /* span_word leaves the blank between two words; an escaped word begins at once */
	int result = unescape_word(rest, &b);
	if (result == 0)
		result = b.failed ? -1 : span_copy(buffer_get(&b), to, size);
	buffer_free(&b);
	return result;
}

static int
take_program(struct span *rest, struct state *s)
{
	if (s->program_count == STATE_PROGRAMS_MAX)
		return -1;
	struct state_program *p = &s->programs[s->program_count];
	if (span_copy(span_word(rest), p->name, sizeof(p->name)) != 0 ||
	    take_pid(rest, &p->pid) != 0)
		return -1;
	struct span condition = span_word(rest);
	size_t i = STATE_STARTING;
	while (i <= STATE_RETIRED && !span_equal(condition, span_of(condition_names[i])))
		i++;
	if (i > STATE_RETIRED)
		return -1;
	p->condition = (enum state_condition)i;
	if (take_number(rest, UINT64_MAX, &p->generation) != 0 ||
	    take_number(rest, UINT64_MAX, &p->restarts) != 0 || take_time(rest, &p->since_us) != 0)
		return -1;
	s->program_count++;
	return 0;
}

static int
take_reload(struct span *rest, struct state *s)
{
	if (take_number(rest, UINT64_MAX, &s->reloads) != 0 ||
	    take_time(rest, &s->reload_us) != 0 || take_bool(rest, &s->reload_refused) != 0)
		return -1;
	return take_text(rest, s->reload_reason, sizeof(s->reload_reason));
}

static int
take_line(struct span key, struct span *rest, struct state *s)
{
	if (span_equal(key, SPAN("version")))
		return take_text(rest, s->version, sizeof(s->version));
	if (span_equal(key, SPAN("master")))
		return take_pid(rest, &s->master) != 0 ? -1 : take_time(rest, &s->since_us);
	if (span_equal(key, SPAN("as-root")))
		return take_bool(rest, &s->as_root);
	if (span_equal(key, SPAN("strict")))
		return take_bool(rest, &s->strict);
	if (span_equal(key, SPAN("ready")))
		return take_bool(rest, &s->ready);
	if (span_equal(key, SPAN("generation")))
		return take_number(rest, UINT64_MAX, &s->generation);
	if (span_equal(key, SPAN("config")))
		return take_text(rest, s->config, sizeof(s->config));
	if (span_equal(key, SPAN("root-mail")))
		return take_text(rest, s->root_mail, sizeof(s->root_mail));
	if (span_equal(key, SPAN("reload")))
		return take_reload(rest, s);
	if (span_equal(key, SPAN("program")))
		return take_program(rest, s);
	return 0;
}

int
state_decode(struct span text, struct state *s)
{
	memset(s, 0, sizeof(*s));
	if (!span_starts(text, SPAN(STATE_MAGIC)))
		return -1;
	text = span_skip(text, sizeof(STATE_MAGIC) - 1);
	while (text.len > 0) {
		struct span line = span_cut(&text, '\n');
		struct span key = span_word(&line);
		if (span_equal(key, SPAN(STATE_END)))
			return s->master > 0 ? 0 : -1;
		if (take_line(key, &line, s) != 0)
			return -1;
	}
	return -1;
}

/* ---- files ---- */

/* the whole of a small file; -1 and errno */
static ssize_t
read_whole(int fd, char *into, size_t size)
{
	size_t len = 0;
	for (;;) {
		if (len == size) {
			errno = EFBIG;
			return -1;
		}
		ssize_t n = read(fd, into + len, size - len);
		if (n < 0)
			return -1;
		if (n == 0)
			return (ssize_t)len;
		len += (size_t)n;
	}
}

static int
open_in(const char *runtime, const char *name)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/%s", runtime, name) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

int
state_read(const char *runtime, struct state *s)
{
	int result = -1;
	char *text = malloc(STATE_TEXT_MAX);
	int fd = text == NULL ? -1 : open_in(runtime, STATE_FILE);
	if (fd < 0)
		goto out;
	ssize_t len = read_whole(fd, text, STATE_TEXT_MAX);
	if (len < 0)
		goto out;
	result = state_decode(span_from(text, (size_t)len), s);
	if (result != 0)
		errno = EBADMSG;
out:
	if (fd >= 0) {
		int kept = errno;
		close(fd);
		errno = kept;
	}
	free(text);
	return result;
}

pid_t
state_master(const char *runtime)
{
	pid_t result = -1;
	int fd = open_in(runtime, STATE_PID_FILE);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	/* asked for, not taken: a question must not keep a master from starting */
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	char text[32];
	ssize_t len;
	uint64_t pid;
	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		goto out;
	if (lock.l_type == F_UNLCK) {
		result = 0;
		goto out;
	}
	len = read_whole(fd, text, sizeof(text));
	if (len < 0)
		goto out;
	if (number_parse(span_trim(span_from(text, len > 0 ? (size_t)len - 1 : 0)), 1, INT_MAX,
			 &pid) == 0)
		result = (pid_t)pid;
	else
		errno = EBADMSG;
out:;
	int kept = errno;
	close(fd);
	errno = kept;
	return result;
}
