/*
 * report - what master tells the outside: RUNTIME/master.pid, RUNTIME/state, "ready", the service manager
 *
 * Promises: two masters never share a RUNTIME (a write lock on master.pid, held by the living one alone); a reader of RUNTIME/state always finds a
 * whole one.  State that cannot be written is told as an event and harms nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/protocol/state.h"
#include "common/system/events.h"
#include "master/master.h"

#define STATE_NEW STATE_FILE ".new"

static int
runtime_path(const struct master *m, const char *name, char path[START_PATH_MAX])
{
	return snprintf(path, START_PATH_MAX, "%s/%s", m->config->runtime, name) < START_PATH_MAX
		       ? 0
		       : -1;
}

int
report_lock(const struct master *m, struct buffer *why)
{
	char path[START_PATH_MAX], text[32];
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (runtime_path(m, STATE_PID_FILE, path) != 0) {
		buffer_string(why, "the path of `runtime` is too long");
		return -1;
	}
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 || fchmod(fd, 0644) != 0)
		goto failed;
	if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		if (errno == EAGAIN || errno == EACCES) {
			buffer_format(why, "another master runs already in %s (pid %lld)",
				      m->config->runtime,
				      (long long)state_master(m->config->runtime));
			close(fd);
			return -1;
		}
		goto failed;
	}
	int len = snprintf(text, sizeof(text), "%lld\n", (long long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
		goto failed;
	return fd;
failed:
	buffer_format(why, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* ---- RUNTIME/state ---- */

static enum state_condition
condition_of(const struct process *p)
{
	switch (p->condition) {
	case PROCESS_STARTING:
		return STATE_STARTING;
	case PROCESS_SERVING:
		return STATE_SERVING;
	case PROCESS_STOPPING:
		return STATE_STOPPING;
	case PROCESS_RETIRED:
		return STATE_RETIRED;
	}
	return STATE_STARTING;
}

static void
add_program(struct state *s, const struct program *p, const struct process *now)
{
	if (s->program_count == STATE_PROGRAMS_MAX)
		return;
	struct state_program *to = &s->programs[s->program_count++];
	snprintf(to->name, sizeof(to->name), "%s", p->row->program);
	to->restarts = p->restarts;
	to->condition = now == NULL ? STATE_WAITING : condition_of(now);
	if (now == NULL)
		return;
	to->pid = now->pid;
	to->generation = now->generation;
	to->since_us = now->started_us;
}

static void
fill(const struct master *m, struct state *s)
{
	snprintf(s->version, sizeof(s->version), "%s", CULVER_VERSION);
	s->master = getpid();
	s->since_us = m->started_us;
	s->as_root = m->people.as_root;
	s->strict = m->options.strict;
	s->ready = m->is_ready;
	s->generation = m->generation;
	snprintf(s->config, sizeof(s->config), "%s", m->options.config);
	snprintf(s->root_mail, sizeof(s->root_mail), "%s", m->config->root_mail);
	s->reloads = m->reloads;
	s->reload_refused = m->reload_refused;
	s->reload_us = m->reload_us;
	snprintf(s->reload_reason, sizeof(s->reload_reason), "%s", m->reload_reason);
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		/* none yet: master is still at its start */
		if (m->programs[i].row != NULL && trust_is_wanted(m->programs[i].row, m->config))
			add_program(s, &m->programs[i], m->programs[i].process);
	}
	for (const struct process *p = m->processes; p != NULL; p = p->next) {
		if (p->program->process != p)
			add_program(s, p->program, p);
	}
}

static int
write_state(const struct master *m, struct span text)
{
	char path[START_PATH_MAX], new[START_PATH_MAX];
	if (runtime_path(m, STATE_FILE, path) != 0 || runtime_path(m, STATE_NEW, new) != 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -1;
	int result = -1;
	ssize_t n = write(fd, text.at, text.len);
	if (n >= 0 && (size_t)n != text.len)
		errno = ENOSPC;
	else if (n >= 0 && fchmod(fd, 0644) == 0)
		result = rename(new, path);
	int kept = errno;
	close(fd);
	errno = kept;
	return result;
}

static bool
write_report(struct loop_task *t)
{
	const struct master *m = t->owner;
	struct buffer text;
	struct state *s = calloc(1, sizeof(*s));
	buffer_init(&text, STATE_TEXT_MAX);
	if (s != NULL) {
		fill(m, s);
		state_encode(s, &text);
	}
	if (s == NULL || text.failed || write_state(m, buffer_get(&text)) != 0)
		EVENT("trouble", event_string("reason", "cannot write RUNTIME/" STATE_FILE),
		      event_string("errno", strerror(errno)));
	buffer_free(&text);
	free(s);
	return false;
}

void
report_init(struct master *m)
{
	m->report = (struct loop_task){.step = write_report, .owner = m};
}

void
report_changed(struct master *m)
{
	loop_task_wake(m->loop, &m->report);
}

void
report_end(struct master *m)
{
	char path[START_PATH_MAX];
	const char *const names[] = {STATE_NEW, STATE_FILE, STATE_PID_FILE};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (runtime_path(m, names[i], path) == 0)
			unlink(path);
	}
	if (m->pid_fd >= 0)
		close(m->pid_fd);
	m->pid_fd = -1;
}

/* ---- ready ---- */

/* sd_notify(3): one datagram to the socket that the service manager names */
static void
notify_manager(const char *text)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
			     (const struct sockaddr *)&address, len) < 0)
		EVENT("trouble", event_string("reason", "the service manager does not listen"),
		      event_string("errno", strerror(errno)));
	if (fd >= 0)
		close(fd);
}

void
report_ready(struct master *m)
{
	notify_manager("READY=1");
	report_changed(m);
	if (m->options.ready_fd < 0)
		return;
	/* nobody reads it any more: `culver start` was interrupted */
	if (write(m->options.ready_fd, "ready\n", 6) != 6)
		EVENT("trouble", event_string("reason", "who started me is gone"));
	close(m->options.ready_fd);
	m->options.ready_fd = -1;
}

void
report_trouble(struct master *m, const char *format, ...)
{
	char text[2048];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "culver: %s\n", text);
	EVENT("trouble", event_string("reason", text));
	if (m->options.ready_fd >= 0)
		close(m->options.ready_fd);
	m->options.ready_fd = -1;
}
