/*
 * sandbox - looks at the processes that run, or has each program try what it must not do
 *
 * Called by main.c.  What is shown comes from the kernel (/proc), nothing from the programs themselves.  Landlock is not shown by any
 * kernel: the event `confined` of each program says how much of it there was, --probe whether it holds.
 */
#include "culver/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/protocol/state.h"
#include "common/system/fatal.h"
#include "common/text/escape.h"
#include "common/text/number.h"
#include "culver/run.h"

#define STATUS_MAX 16384
#define CHILDREN_MAX 65536 /* bytes of the list of a program's children */

/* ---- /proc ---- */

/* the value of `Key:<tab>value`; false: no such line */
static bool
find_line(struct span text, const char *key, struct span *value)
{
	while (text.len > 0) {
		struct span line = span_cut(&text, '\n');
		if (span_equal(span_cut(&line, ':'), span_of(key))) {
			*value = span_trim(line);
			return true;
		}
	}
	return false;
}

static int
take_int(struct span text, const char *key, int missing, int *value)
{
	uint64_t number;
	struct span field;
	*value = missing;
	if (!find_line(text, key, &field))
		return missing;
	if (number_parse(span_word(&field), 0, INT_MAX, &number) != 0)
		return -1;
	*value = (int)number;
	return 0;
}

int
sandbox_parse(struct span status, struct sandbox_process *p)
{
	struct span uids, gids, groups, capabilities;
	uint64_t number;
	char hex[17];
	if (!find_line(status, "Uid", &uids) || !find_line(status, "Gid", &gids) ||
	    !find_line(status, "Groups", &groups) || !find_line(status, "CapEff", &capabilities))
		return -1;
	span_word(&uids);
	if (number_parse(span_word(&uids), 0, UINT32_MAX, &number) != 0) /* effective */
		return -1;
	p->uid = (uid_t)number;
	span_word(&gids);
	struct span gid = span_word(&gids);
	snprintf(p->groups, sizeof(p->groups), "%.*s%s%.*s", SPAN_ARG(gid),
		 groups.len > 0 ? " " : "", SPAN_ARG(groups));
	/* the kernel writes lower case, our parser takes upper */
	if (span_copy(capabilities, hex, sizeof(hex)) != 0)
		return -1;
	p->capabilities = strtoull(hex, NULL, 16);
	if (take_int(status, "NoNewPrivs", -1, &p->no_new_privs) != 0 ||
	    take_int(status, "Seccomp", -1, &p->seccomp) != 0)
		return -1;
	if (take_int(status, "Seccomp_filters", -1, &p->filters) != 0)
		p->filters = -1;
	return 0;
}

static ssize_t
read_file(const char *path, char *into, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t len = read(fd, into, size);
	int kept = errno;
	close(fd);
	errno = kept;
	return len;
}

/* -1: gone meanwhile, or not to be seen */
static int
look_at(pid_t pid, const char *name, struct sandbox_process *p)
{
	char path[64], text[STATUS_MAX];
	struct stat st;
	*p = (struct sandbox_process){.pid = pid, .dumpable = -1};
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(path, sizeof(path), "/proc/%lld/status", (long long)pid);
	ssize_t len = read_file(path, text, sizeof(text));
	if (len <= 0 || sandbox_parse(span_from(text, (size_t)len), p) != 0)
		return -1;
	/* the files (not the folder) of what is not dumpable belong to root in /proc: proc(5) */
	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
	if (p->uid != 0 && stat(path, &st) == 0)
		p->dumpable = st.st_uid != 0;
	snprintf(path, sizeof(path), "/proc/%lld/root", (long long)pid);
	len = readlink(path, p->root, sizeof(p->root) - 1);
	if (len < 0)
		snprintf(p->root, sizeof(p->root), "?");
	else
		p->root[len] = '\0';
	return 0;
}

const char *
sandbox_complaint(const struct sandbox_process *p, bool as_root)
{
	if (strcmp(p->name, "master") == 0)
		return NULL;
	/* what they have not, users' commands and PAM's modules may need: they read one datagram a connection, of our own */
	if (strcmp(p->name, "runner") == 0 || strcmp(p->name, "auth-pam") == 0)
		return p->dumpable == 1 ? "may be traced and dumped" : NULL;
	if (p->seccomp != 2)
		return "no seccomp filter";
	if (p->no_new_privs != 1)
		return "no_new_privs is not set";
	if (p->dumpable == 1)
		return "may be traced and dumped";
	if (strcmp(p->name, "local") == 0)
		return NULL;
	if (as_root && p->uid == 0)
		return "runs as root";
	if (p->capabilities != 0)
		return "has capabilities";
	/* lookup needs name services, log perhaps syslog: they have no room */
	if (as_root && strcmp(p->root, "/") == 0 && strcmp(p->name, "lookup") != 0 &&
	    strcmp(p->name, "log") != 0)
		return "is not in its room";
	return NULL;
}

/* ---- showing ---- */

static void
show(const struct culver_options *o, const struct sandbox_process *p, const char *complaint,
     bool is_child)
{
	if (!o->json) {
		printf("%s%-*s %8lld %6u  %-16s %-9s %-3s %-10s %-8s %s%s%s\n",
		       is_child ? "  " : "", is_child ? 12 : 14, p->name, (long long)p->pid,
		       (unsigned)p->uid, p->groups, p->capabilities == 0 ? "none" : "SOME",
		       p->no_new_privs == 1 ? "yes" : "no", p->seccomp == 2 ? "filter" : "none",
		       p->dumpable < 0	  ? "?"
		       : p->dumpable == 0 ? "no"
					  : "yes",
		       p->root, complaint != NULL ? "  NOT CONFINED: " : "",
		       complaint != NULL ? complaint : "");
		return;
	}
	struct buffer line;
	buffer_init(&line, 65536);
	buffer_format(
		&line,
		"{\"kind\":\"process\",\"program\":\"%s\",\"child\":%s,\"pid\":%lld,\"uid\":%u,"
		"\"groups\":\"%s\",\"capabilities\":\"%016" PRIx64 "\",\"no_new_privs\":%s,"
		"\"seccomp\":%d,\"filters\":%d,",
		p->name, is_child ? "true" : "false", (long long)p->pid, (unsigned)p->uid,
		p->groups, p->capabilities, p->no_new_privs == 1 ? "true" : "false", p->seccomp,
		p->filters);
	buffer_format(&line, "\"dumpable\":%s,\"root\":\"",
		      p->dumpable < 0	 ? "null"
		      : p->dumpable == 0 ? "false"
					 : "true");
	escape_json(&line, span_of(p->root));
	buffer_format(&line, "\",\"complaint\":%s%s%s}\n", complaint != NULL ? "\"" : "",
		      complaint != NULL ? complaint : "null", complaint != NULL ? "\"" : "");
	fwrite(line.at, 1, line.len, stdout);
	buffer_free(&line);
}

/* what the program has forked: sessions, agents */
static int
show_children(const struct culver_options *o, pid_t pid, const char *name, bool as_root)
{
	static char text[CHILDREN_MAX];
	char path[64];
	uint64_t child;
	int result = 0;
	snprintf(path, sizeof(path), "/proc/%lld/task/%lld/children", (long long)pid,
		 (long long)pid);
	ssize_t len = read_file(path, text, sizeof(text));
	struct span rest = span_from(text, len > 0 ? (size_t)len : 0);
	for (struct span word = span_word(&rest); word.len > 0; word = span_word(&rest)) {
		struct sandbox_process p;
		if (number_parse(word, 1, INT_MAX, &child) != 0 ||
		    look_at((pid_t)child, name, &p) != 0)
			continue;
		/* a file agent is its user; what it was forked from says no more about it */
		const char *complaint = sandbox_complaint(&p, as_root);
		show(o, &p, complaint, true);
		result |= complaint != NULL;
	}
	return result;
}

static void
say_what_holds(const struct state *s)
{
	int abi =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	printf("\n");
	if (abi > 0)
		printf("Landlock: the kernel knows version %d; it is not visible from outside "
		       "(culver sandbox --probe)\n",
		       abi);
	else
		printf("Landlock: this kernel has none; seccomp and the uids hold alone\n");
	if (!s->as_root)
		printf("This system was started by an ordinary user: every program has his uid and "
		       "there are no rooms.\n"
		       "What is shown above holds against mistakes between programs, not against "
		       "an attacker who has\n"
		       "taken one over: for that it must be installed and started by root.\n");
}

static int
show_all(const struct culver_options *o, const struct state *s)
{
	struct sandbox_process p;
	int result = 0;
	if (!o->json)
		printf("%-14s %8s %6s  %-16s %-9s %-3s %-10s %-8s %s\n", "PROGRAM", "PID", "UID",
		       "GROUPS", "CAPS", "NNP", "SECCOMP", "DUMPABLE", "ROOT");
	if (look_at(s->master, "master", &p) == 0)
		show(o, &p, NULL, false);
	for (size_t i = 0; i < s->program_count; i++) {
		const struct state_program *program = &s->programs[i];
		if (program->pid == 0 || look_at(program->pid, program->name, &p) != 0)
			continue;
		/* before it serves it is not confined, and does nothing for anybody */
		bool must =
			program->condition == STATE_SERVING || program->condition == STATE_RETIRED;
		const char *complaint = must ? sandbox_complaint(&p, s->as_root) : NULL;
		show(o, &p, complaint, false);
		result |= complaint != NULL;
		result |= show_children(o, program->pid, program->name, s->as_root);
	}
	if (!o->json)
		say_what_holds(s);
	return result;
}

int
verb_sandbox(const struct culver_options *o, int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return options_usage(o, "no argument is expected here");
	if (o->probe)
		return run_probe(o);
	const char *runtime = options_runtime(o);
	if (runtime == NULL)
		return 1;
	if (state_master(runtime) <= 0) {
		fprintf(stderr, "culver: not running (no master holds %s/" STATE_PID_FILE ")\n",
			runtime);
		return EXIT_UNAVAILABLE;
	}
	struct state *s = calloc(1, sizeof(*s));
	int result = 1;
	if (s == NULL || state_read(runtime, s) != 0)
		fprintf(stderr, "culver: %s/" STATE_FILE ": %s\n", runtime, strerror(errno));
	else
		result = show_all(o, s);
	free(s);
	return result;
}
