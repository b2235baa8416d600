/*
 * master - starts the others, and starts them again
 *
 *     master --config FILE --programs DIR [--build-tree] [--strict] [--stderr] [--ready-fd N] [--probe | --after-kill | --explain DOMAIN [--try]]
 *
 * Execed by `culver run`, `start`, `sandbox --probe` and `tls`, and by `stop` after a kill.  Reads the configuration, binds every socket, makes the directories, execs the programs of
 * the trust map, reloads at SIGHUP, stops in order at SIGTERM or SIGINT.  It parses nothing from the network and reads no mail.
 * Exit status: 0 after an ordered stop, 78 for a configuration or machine that is not right, 71 when the kernel refused something.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/number.h"
#include "master/delegation.h"
#include "master/master.h"
#include "master/places.h"

static void
take_options(int argc, char **argv, struct master_options *o)
{
	enum {
		CONFIG = 1,
		PROGRAMS,
		BUILD_TREE,
		STRICT,
		STDERR,
		READY_FD,
		PROBE,
		AFTER_KILL,
		EXPLAIN,
		TRY
	};
	static const struct option options[] = {
		{"config", required_argument, NULL, CONFIG},
		{"programs", required_argument, NULL, PROGRAMS},
		{"build-tree", no_argument, NULL, BUILD_TREE},
		{"strict", no_argument, NULL, STRICT},
		{"stderr", no_argument, NULL, STDERR},
		{"ready-fd", required_argument, NULL, READY_FD},
		{"probe", no_argument, NULL, PROBE},
		{"after-kill", no_argument, NULL, AFTER_KILL},
		{"explain", required_argument, NULL, EXPLAIN},
		{"try", no_argument, NULL, TRY},
		{NULL, 0, NULL, 0},
	};
	uint64_t number;
	*o = (struct master_options){.ready_fd = -1};
	for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
	     c = getopt_long(argc, argv, "", options, NULL)) {
		switch (c) {
		case CONFIG:
			o->config = optarg;
			break;
		case PROGRAMS:
			o->programs = optarg;
			break;
		case BUILD_TREE:
			o->build_tree = true;
			break;
		case STRICT:
			o->strict = true;
			break;
		case STDERR:
			o->to_stderr = true;
			break;
		case READY_FD:
			if (number_parse(span_of(optarg), 3, 1000, &number) != 0)
				fatal(EXIT_CONFIGURATION, 0, "--ready-fd: not a descriptor");
			o->ready_fd = (int)number;
			break;
		case PROBE:
			o->probe = true;
			break;
		case AFTER_KILL:
			o->after_kill = true;
			break;
		case EXPLAIN:
			o->explain = optarg;
			break;
		case TRY:
			o->tries = true;
			break;
		default:
			fatal(EXIT_CONFIGURATION, 0,
			      "master is started by `culver run` or `culver start`");
		}
	}
	if (o->config == NULL || o->programs == NULL || optind != argc || o->config[0] != '/' ||
	    o->programs[0] != '/')
		fatal(EXIT_CONFIGURATION, 0, "master is started by `culver run` or `culver start`");
}

/* nothing that was inherited stays: not a descriptor, not a handler, not a mask */
static void
tidy(const struct master_options *o)
{
	sigset_t later;
	sigemptyset(&later);
	if (!o->probe && o->explain == NULL) {
		/* what comes before the loop waits for it: a SIGHUP now must not end us */
		const int signals[] = {SIGHUP, SIGTERM, SIGINT, SIGCHLD};
		for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
			sigaddset(&later, signals[i]);
	}
	sigprocmask(SIG_SETMASK, &later, NULL);
	/* what is ignored (nohup) would stay so in every program; fails for the two that cannot be caught */
	for (int s = 1; s < NSIG; s++)
		signal(s, s == SIGPIPE ? SIG_IGN : SIG_DFL);
	umask(077);
	if (o->ready_fd >= 0 && dup3(o->ready_fd, 3, O_CLOEXEC) < 0 && errno != EINVAL)
		fatal(EXIT_OS, errno, "--ready-fd");
	if (o->ready_fd == 3 && fcntl(3, F_SETFD, FD_CLOEXEC) != 0)
		fatal(EXIT_OS, errno, "--ready-fd");
	closefrom(o->ready_fd >= 0 ? 4 : 3);
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			fatal(EXIT_OS, errno, "/dev/null");
	}
	if (chdir("/") != 0)
		fatal(EXIT_OS, errno, "chdir /");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		fatal(EXIT_OS, errno, "PR_SET_CHILD_SUBREAPER");
#ifndef CULVER_SANITIZE
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		fatal(EXIT_OS, errno, "PR_SET_DUMPABLE");
#endif
}

/* to the one who starts it: there is no log yet that could be told */
static _Noreturn void
refuse(const struct buffer *why)
{
	fprintf(stderr, "culver: %.*s\n", SPAN_ARG(buffer_get(why)));
	exit(EXIT_CONFIGURATION);
}

/* a RUNTIME of its own, so that a probe can be made beside a system that runs */
static void
make_probe_runtime(struct config *c)
{
	static char directory[] = "/tmp/culver-probe.XXXXXX";
	if (mkdtemp(directory) == NULL || chmod(directory, 0755) != 0)
		fatal(EXIT_OS, errno, "%s", directory);
	c->runtime = directory;
}

static struct config *
read_configuration(struct master *m, struct buffer *text)
{
	struct config *config;
	struct buffer why;
	buffer_init(&why, 8192);
	if (trust_people_find(geteuid() == 0, &m->people, &why) != 0)
		refuse(&why);
	if (m->people.as_root && places_path_is_safe(m->options.programs, &why) != 0)
		refuse(&why);
	config_defaults_find(&m->defaults, m->options.to_stderr);
	config = reload_text(m, text, &why);
	if (config == NULL)
		refuse(&why);
	buffer_free(&why);
	return config;
}

static struct config *
take_configuration(struct master *m)
{
	struct buffer why, text;
	buffer_init(&why, 8192);
	buffer_init(&text, CONFIG_TEXT_MAX);
	struct config *config = read_configuration(m, &text);
	m->config_fd = exec_memfd("culver.conf", buffer_get(&text));
	if (m->config_fd < 0)
		fatal(EXIT_OS, errno, "memfd");
	struct certificates_set certificates;
	if (certificates_load(m, config, &certificates, &why) != 0)
		refuse(&why);
	certificates_put(&m->certificates, &certificates);
	struct secrets_set secrets;
	if (secrets_load(config, &secrets, &why) != 0)
		refuse(&why);
	secrets_put(&m->secrets, &secrets);
	m->config = config;
	buffer_free(&text);
	buffer_free(&why);
	return config;
}

/* what needs the lock of RUNTIME: no other master uses any of it */
static int
make_locked(struct master *m, struct buffer *why)
{
	const struct config *c = m->config;
	if (!m->options.probe && places_close_drop(c, &m->people, why) != 0)
		return -1;
	if (sockets_open_inner(&m->sockets, c->runtime, &m->people, why) != 0 ||
	    places_rooms(c, &m->people, why) != 0)
		return -1;
	return m->options.probe ? 0 : sockets_listen(&m->sockets, c, NULL, why);
}

/* the door for letters while nothing runs; it stays shut where it cannot be opened, and they are refused */
static void
leave_drop_open(const struct master *m)
{
	struct buffer why;
	buffer_init(&why, 8192);
	if (!m->options.probe && places_open_drop(m->config, &why) != 0)
		fprintf(stderr, "culver: %.*s\n", SPAN_ARG(buffer_get(&why)));
	buffer_free(&why);
}

/*
 * after_kill - a master that was killed has left the drop directory shut, and nobody serves: letters could go nowhere until the next start
 *
 * Under the lock, so that no master which starts meanwhile finds it open again.
 */
static int
after_kill(struct master *m)
{
	struct buffer why, text;
	buffer_init(&why, 8192);
	buffer_init(&text, CONFIG_TEXT_MAX);
	m->config = read_configuration(m, &text);
	m->pid_fd = report_lock(m, &why);
	if (m->pid_fd < 0 || places_open_drop(m->config, &why) != 0)
		refuse(&why);
	report_end(m);
	buffer_free(&text);
	buffer_free(&why);
	return 0;
}

static void
make_all(struct master *m)
{
	struct buffer why;
	buffer_init(&why, 8192);
	if (places_make(m->config, &m->people, &why) != 0)
		refuse(&why);
	m->pid_fd = report_lock(m, &why);
	if (m->pid_fd < 0)
		refuse(&why);
	if (make_locked(m, &why) != 0) {
		leave_drop_open(m);
		refuse(&why);
	}
	buffer_free(&why);
}

static void
remove_all(struct master *m, const char *runtime)
{
	places_rooms_remove(runtime);
	sockets_close(&m->sockets, runtime);
	leave_drop_open(m);
	report_end(m);
	if (m->options.probe)
		rmdir(runtime);
}

static void
on_child(void *owner)
{
	programs_reap(owner);
}

static void
on_stop(void *owner)
{
	programs_stop(owner);
}

static void
on_reload(void *owner)
{
	reload_run(owner);
}

static void
serve(struct master *m, const char *runtime)
{
	char path[START_PATH_MAX + START_NAME_MAX];
	snprintf(path, sizeof(path), "%s/log", runtime);
	events_start("master", path);
	m->loop = loop_new();
	report_init(m);
	loop_signal(m->loop, SIGCHLD, on_child, m);
	loop_signal(m->loop, SIGTERM, on_stop, m);
	loop_signal(m->loop, SIGINT, on_stop, m);
	loop_signal(m->loop, SIGHUP, on_reload, m);
	programs_start(m);
	sockets_report(&m->sockets, m->config);
	programs_watch(m);
	loop_run(m->loop);
}

int
main(int argc, char **argv)
{
	static struct master m = {.generation = 1, .pid_fd = -1};
	take_options(argc, argv, &m.options);
	tidy(&m.options);
	if (m.options.ready_fd >= 0)
		m.options.ready_fd = 3;
	m.started_us = clock_wall_us();
	if (m.options.after_kill)
		return after_kill(&m);
	struct config *config = take_configuration(&m);
	/* all that it needs belongs to the system that runs, and stays as it is */
	if (m.options.explain != NULL)
		return programs_explain(&m);
	if (m.options.probe)
		make_probe_runtime(config);
	else
		delegation_enter(config);
	/* the same as long as we live: a reload refuses another */
	char runtime[START_PATH_MAX];
	snprintf(runtime, sizeof(runtime), "%s", config->runtime);
	make_all(&m);
	if (m.options.probe)
		m.exit_status = programs_probe(&m);
	else
		serve(&m, runtime);
	remove_all(&m, runtime);
	return m.exit_status;
}
