/*
 * programs - the processes: started, started again, renewed, stopped
 *
 * Called by main.c and reload.c; all in the one thread of the loop.  Promises: a program that ends is back after MASTER_RETRY_FIRST_MS, and no
 * other ends with it; every process that was started is reaped; after a stop none of ours is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "master/master.h"

#define ROW_TEXT_MAX (256u << 10)

static void start_program(struct program *p);

/* ---- the row ---- */

/* the row of `p` by what is in force now; `s` is big, and the caller's */
static int
make_row(const struct program *p, int master_end, bool probe, struct start *s, struct buffer *why)
{
	const struct master *m = p->master;
	if (trust_fill(p->row, &m->people, m->config, s, why) != 0)
		return -1;
	s->strict = m->options.strict;
	s->probe = probe;
	if (m->options.explain != NULL)
		snprintf(s->explain, sizeof(s->explain), "%s", m->options.explain);
	s->tries = m->options.tries;
	sockets_fill(&m->sockets, p->row, &m->people, s);
	certificates_fill(&m->certificates, p->row, s);
	secrets_fill(&m->secrets, m->config, p->row, s);
	struct start_listen *l = &s->listens[s->listen_count++];
	snprintf(l->name, sizeof(l->name), "master");
	l->fd = master_end;
	return 0;
}

/* row text and descriptors; `master_end` is the program's end of its `master` */
static pid_t
exec_row(const struct program *p, int master_end, bool probe, struct buffer *row)
{
	const struct master *m = p->master;
	int descriptors[START_DESCRIPTORS_MAX];
	struct buffer why;
	pid_t pid = -1;
	struct start *s = calloc(1, sizeof(*s));
	buffer_init(&why, 4096);
	if (s == NULL)
		goto out;
	if (make_row(p, master_end, probe, s, &why) != 0) {
		EVENT("trouble", event_string("program", p->row->program),
		      event_text("reason", buffer_get(&why)));
		errno = E2BIG;
		goto out;
	}
	size_t count = exec_place(s, descriptors);
	start_encode(s, row);
	if (row->failed) {
		errno = ENOMEM;
		goto out;
	}
	pid = exec_program(&m->options, p->row, m->config_fd, buffer_get(row), descriptors, count);
out:
	buffer_free(&why);
	free(s);
	return pid;
}

/* ---- one program ---- */

static void
check_ready(struct master *m)
{
	if (m->is_ready || m->is_stopping)
		return;
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		const struct process *now = m->programs[i].process;
		if (!trust_is_wanted(&trust_map[i], m->config))
			continue;
		if (now == NULL || now->condition != PROCESS_SERVING)
			return;
	}
	m->is_ready = true;
	EVENT("ready", event_number("generation", (int64_t)m->generation),
	      event_string("configuration", m->options.config));
	report_ready(m);
}

static void start_later(struct program *p);

/* what a predecessor has left goes to the process that is there now, if it is */
static void
pass_on(struct program *p)
{
	if (p->left < 0 || p->process == NULL)
		return;
	/* it ends, or does not listen: then it does without, as after a crash */
	if (channel_send(p->process->watch.fd, SPAN("T"), &p->left, 1) != CHANNEL_OK)
		EVENT("trouble", event_string("program", p->row->program),
		      event_string("reason", "does not take what its predecessor left"));
	close(p->left);
	p->left = -1;
}

/*
 * leaves - a process has left a descriptor for its successor
 *
 * One that was not told to go asks for a successor by that: it accepts nothing any more, and ends by itself when it can.  (smtpd, after a
 * session of it was ended by a signal.)
 */
static void
leaves(struct process *now, struct channel_fds *fds)
{
	struct program *p = now->program;
	if (fds->count > 1 || p->row->keeps_state || p->master->is_stopping)
		return;
	if (fds->count == 1) {
		if (p->left >= 0)
			close(p->left);
		p->left = fds->fd[0];
		fds->fd[0] = -1;
	}
	if (p->process == now) {
		if (clock_monotonic_ms() - now->started_ms >= MASTER_RETRY_FORGET_MS)
			p->delay_ms = 0;
		now->condition = PROCESS_RETIRED;
		p->process = NULL;
		start_later(p);
		report_changed(p->master);
	}
	pass_on(p);
}

/* one word on a program's `master`: "Y", it serves; "T", it leaves; nothing else is looked at.  False: none was there. */
static bool
hear(struct process *now)
{
	static char word[CHANNEL_MAX];
	struct master *m = now->program->master;
	struct channel_fds fds;
	size_t len;
	switch (channel_receive(now->watch.fd, word, &len, &fds)) {
	case CHANNEL_OK:
		break;
	case CHANNEL_AGAIN:
		return false;
	case CHANNEL_CLOSED:
	case CHANNEL_BROKEN:
		/* it is ending: SIGCHLD says how */
		loop_unwatch(m->loop, &now->watch);
		return false;
	}
	if (word[0] == 'Y' && now->condition == PROCESS_STARTING) {
		now->condition = PROCESS_SERVING;
		report_changed(m);
		check_ready(m);
	} else if (word[0] == 'T') {
		leaves(now, &fds);
	}
	channel_close_fds(&fds);
	return true;
}

static void
heard(struct loop_watch *w, uint32_t events)
{
	(void)events;
	(void)hear(w->owner);
}

static void
free_process(struct master *m, struct process *p)
{
	struct process **at = &m->processes;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	loop_unwatch(m->loop, &p->watch);
	close(p->watch.fd);
	buffer_free(&p->row);
	free(p);
}

static void
again(struct loop_timer *t)
{
	struct program *p = t->owner;
	p->is_waiting = false;
	start_program(p);
}

/* killed with all that it forked, which is its session's process group */
static void
kill_process(const struct process *p)
{
	EVENT("trouble", event_string("program", p->program->row->program),
	      event_number("pid", p->pid), event_string("reason", "does not end: killed"));
	if (kill(-p->pid, SIGKILL) != 0)
		kill(p->pid, SIGKILL);
}

static void
does_not_make_way(struct loop_timer *t)
{
	const struct program *p = t->owner;
	if (p->process != NULL)
		kill_process(p->process);
}

static void
start_later(struct program *p)
{
	struct master *m = p->master;
	p->restarts++;
	p->delay_ms = p->delay_ms == 0 ? MASTER_RETRY_FIRST_MS : p->delay_ms * 2;
	if (p->delay_ms > MASTER_RETRY_MAX_MS)
		p->delay_ms = MASTER_RETRY_MAX_MS;
	EVENT("restarting", event_string("program", p->row->program),
	      event_number("delay_ms", p->delay_ms));
	p->is_waiting = true;
	loop_timer_set(m->loop, &p->again, clock_monotonic_ms() + p->delay_ms);
	if (m->options.ready_fd >= 0 && !m->is_ready && p->restarts >= MASTER_START_ATTEMPTS) {
		report_trouble(m, "%s ended %d times before it served; see above, or the log",
			       p->row->program, MASTER_START_ATTEMPTS);
		m->exit_status = EXIT_OS;
		programs_stop(m);
	}
}

static void
start_program(struct program *p)
{
	struct master *m = p->master;
	int pair[2] = {-1, -1};
	struct process *now = calloc(1, sizeof(*now));
	if (now == NULL)
		goto failed;
	buffer_init(&now->row, ROW_TEXT_MAX);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		goto failed;
	now->pid = exec_row(p, pair[1], false, &now->row);
	if (now->pid < 0)
		goto failed;
	close(pair[1]);
	now->program = p;
	now->condition = PROCESS_STARTING;
	now->generation = m->generation;
	now->started_ms = clock_monotonic_ms();
	now->started_us = clock_wall_us();
	now->watch = (struct loop_watch){.fd = pair[0], .ready = heard, .owner = now};
	loop_watch(m->loop, &now->watch, EPOLLIN);
	now->next = m->processes;
	m->processes = now;
	p->process = now;
	pass_on(p);
	EVENT("started", event_string("program", p->row->program), event_number("pid", now->pid));
	report_changed(m);
	return;
failed:
	/* memory, processes, descriptors: the machine's trouble passes */
	EVENT("trouble", event_string("program", p->row->program),
	      event_string("reason", "cannot start"), event_string("errno", strerror(errno)));
	if (pair[0] >= 0) {
		close(pair[0]);
		close(pair[1]);
	}
	if (now != NULL)
		buffer_free(&now->row);
	free(now);
	start_later(p);
	report_changed(m);
}

void
programs_start(struct master *m)
{
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		struct program *p = &m->programs[i];
		*p = (struct program){.row = &trust_map[i], .master = m, .left = -1};
		p->again = (struct loop_timer){.fire = again, .owner = p};
		p->grace = (struct loop_timer){.fire = does_not_make_way, .owner = p};
		if (trust_is_wanted(p->row, m->config))
			start_program(p);
	}
}

/* ---- a new configuration ---- */

static void
retire(struct program *p)
{
	struct process *old = p->process;
	if (old == NULL)
		return;
	p->process = NULL;
	old->condition = PROCESS_RETIRED;
	if (kill(old->pid, SIGUSR1) != 0)
		EVENT("trouble", event_string("program", p->row->program),
		      event_number("pid", old->pid), event_string("errno", strerror(errno)));
}

/* would `p` get another row now than it has?  Then it must be started anew. */
static bool
row_is_same(const struct program *p)
{
	bool same = false;
	int descriptors[START_DESCRIPTORS_MAX];
	struct buffer why, row;
	struct start *s = calloc(1, sizeof(*s));
	buffer_init(&why, 4096);
	buffer_init(&row, ROW_TEXT_MAX);
	if (s != NULL && make_row(p, 0, false, s, &why) == 0) {
		(void)exec_place(s, descriptors);
		start_encode(s, &row);
		same = !row.failed && span_equal(buffer_get(&row), buffer_get(&p->process->row));
	}
	buffer_free(&row);
	buffer_free(&why);
	free(s);
	return same;
}

/* queue-manager and log: the new text by their `master`; where that does not do, they are started anew at once */
static void
hand_over(struct program *p)
{
	struct process *now = p->process;
	int fd = p->master->config_fd;
	bool is_handed =
		row_is_same(p) && channel_send(now->watch.fd, SPAN("R"), &fd, 1) == CHANNEL_OK;
	if (is_handed) {
		now->generation = p->master->generation;
		return;
	}
	p->at_once = true;
	now->condition = PROCESS_STOPPING;
	if (kill(now->pid, SIGTERM) != 0)
		EVENT("trouble", event_string("program", p->row->program),
		      event_number("pid", now->pid), event_string("errno", strerror(errno)));
	loop_timer_set(p->master->loop, &p->grace, clock_monotonic_ms() + MASTER_STOP_GRACE_MS);
}

/* a new generation, at once; the present one retires */
static void
replace(struct program *p)
{
	if (p->is_waiting)
		loop_timer_clear(p->master->loop, &p->again);
	p->is_waiting = false;
	p->delay_ms = 0;
	retire(p);
	start_program(p);
}

void
programs_renew(struct master *m)
{
	m->is_ready = false;
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		struct program *p = &m->programs[i];
		if (!trust_is_wanted(p->row, m->config))
			continue;
		if (p->process != NULL && p->row->keeps_state) {
			/* one that was told to end already starts with the new configuration */
			if (p->process->condition != PROCESS_STOPPING)
				hand_over(p);
			continue;
		}
		replace(p);
	}
	report_changed(m);
	check_ready(m);
}

static void
look(struct loop_timer *t)
{
	struct master *m = t->owner;
	if (m->is_stopping)
		return;
	bool has_certificates = certificates_look(m);
	bool has_logins = secrets_look(m);
	if (has_certificates || has_logins) {
		m->is_ready = false;
		/* in the order of the map: who signs is there before who asks */
		for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
			enum trust_files files = m->programs[i].row->files;
			bool is_of_login = files == TRUST_LOGINS || files == TRUST_REFRESH;
			if (is_of_login ? has_logins : files != TRUST_NO_FILES && has_certificates)
				replace(&m->programs[i]);
		}
		report_changed(m);
	}
	loop_timer_set(m->loop, t, clock_monotonic_ms() + CERTIFICATES_LOOK_MS);
}

void
programs_watch(struct master *m)
{
	m->look = (struct loop_timer){.fire = look, .owner = m};
	loop_timer_set(m->loop, &m->look, clock_monotonic_ms() + CERTIFICATES_LOOK_MS);
}

/* ---- the end of a process ---- */

static void
tell_end(const struct process *p, int status)
{
	const char *name = p->program->row->program;
	if (WIFSIGNALED(status))
		EVENT("ended", event_string("program", name), event_number("pid", p->pid),
		      event_number("signal", WTERMSIG(status)));
	else
		EVENT("ended", event_string("program", name), event_number("pid", p->pid),
		      event_number("status", WEXITSTATUS(status)));
}

static void go_on_stopping(struct master *m);

static void
reaped(struct master *m, struct process *now, int status)
{
	struct program *p = now->program;
	/* its last word may have come with its end */
	while (hear(now))
		continue;
	bool is_present = p->process == now;
	int64_t lived_ms = clock_monotonic_ms() - now->started_ms;
	tell_end(now, status);
	free_process(m, now);
	if (is_present) {
		p->process = NULL;
		loop_timer_clear(m->loop, &p->grace);
	}
	if (is_present && !m->is_stopping) {
		if (lived_ms >= MASTER_RETRY_FORGET_MS)
			p->delay_ms = 0;
		if (p->at_once) {
			p->at_once = false;
			start_program(p);
		} else {
			start_later(p);
		}
	}
	report_changed(m);
}

void
programs_reap(struct master *m)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (struct process *p = m->processes; p != NULL; p = p->next) {
			if (p->pid == pid) {
				reaped(m, p, status);
				break;
			}
		}
	}
	if (m->is_stopping)
		go_on_stopping(m);
}

/* ---- the stop ---- */

static bool
stage_is_empty(const struct master *m)
{
	for (const struct process *p = m->processes; p != NULL; p = p->next) {
		if (p->program->row->stage == m->stage)
			return false;
	}
	return true;
}

static void
tell_stage(struct master *m)
{
	for (struct process *p = m->processes; p != NULL; p = p->next) {
		if (p->program->row->stage != m->stage)
			continue;
		p->condition = PROCESS_STOPPING;
		if (kill(p->pid, SIGTERM) != 0)
			EVENT("trouble", event_string("program", p->program->row->program),
			      event_number("pid", p->pid), event_string("errno", strerror(errno)));
	}
	report_changed(m);
}

/* sessions whose listener was killed are our children by now: nobody else ends them */
static void
kill_orphans(void)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%lld/children", (long long)getpid());
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return;
	long long pid;
	while (fscanf(f, "%lld", &pid) == 1)
		kill((pid_t)pid, SIGKILL);
	fclose(f);
}

static void
grace_is_over(struct loop_timer *t)
{
	const struct master *m = t->owner;
	for (const struct process *p = m->processes; p != NULL; p = p->next) {
		if (p->program->row->stage == m->stage)
			kill_process(p);
	}
}

static void
begin_stage(struct master *m)
{
	if (m->stage == TRUST_STOP_LOG) {
		EVENT("stopped", event_number("pid", getpid()));
		events_flush();
	}
	tell_stage(m);
	loop_timer_set(m->loop, &m->grace, clock_monotonic_ms() + MASTER_STOP_GRACE_MS);
}

static void
go_on_stopping(struct master *m)
{
	while (m->stage < TRUST_STAGES && stage_is_empty(m)) {
		m->stage++;
		if (m->stage < TRUST_STAGES)
			begin_stage(m);
	}
	if (m->stage < TRUST_STAGES)
		return;
	loop_timer_clear(m->loop, &m->grace);
	kill_orphans();
	loop_stop(m->loop);
}

void
programs_stop(struct master *m)
{
	if (m->is_stopping)
		return;
	m->is_stopping = true;
	EVENT("stopping", event_number("pid", getpid()));
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		loop_timer_clear(m->loop, &m->programs[i].again);
		loop_timer_clear(m->loop, &m->programs[i].grace);
		m->programs[i].is_waiting = false;
	}
	m->grace = (struct loop_timer){.fire = grace_is_over, .owner = m};
	m->stage = TRUST_STOP_DOOR;
	begin_stage(m);
	go_on_stopping(m);
}

/* ---- culver tls ---- */

int
programs_explain(struct master *m)
{
	struct program p = {.row = trust_find("delivery"), .master = m, .left = -1};
	struct buffer row;
	int pair[2], status;
	buffer_init(&row, ROW_TEXT_MAX);
	/* programs have one descriptor to speak by */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0 ||
	    dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		fatal(EXIT_OS, errno, "descriptors");
	pid_t pid = exec_row(&p, pair[1], false, &row);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fatal(EXIT_OS, errno, "delivery");
	close(pair[0]);
	close(pair[1]);
	buffer_free(&row);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SOFTWARE;
}

/* ---- culver sandbox --probe ---- */

int
programs_probe(struct master *m)
{
	int result = 0;
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		struct program p = {.row = &trust_map[i], .master = m, .left = -1};
		struct buffer row;
		int pair[2], status;
		if (!trust_is_wanted(p.row, m->config))
			continue;
		buffer_init(&row, ROW_TEXT_MAX);
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) !=
		    0)
			fatal(EXIT_OS, errno, "socketpair");
		pid_t pid = exec_row(&p, pair[1], true, &row);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			fatal(EXIT_OS, errno, "probe of %s", p.row->program);
		if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
			fprintf(stderr, "%s could not be probed: it ended by %s %d\n",
				p.row->program, WIFEXITED(status) ? "status" : "signal",
				WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			result = 1;
		close(pair[0]);
		close(pair[1]);
		buffer_free(&row);
	}
	return result;
}
