/*
 * log - takes the events of all programs and writes them down; answers `culver trace`
 *
 * Started first by master, stopped last.  Files: events (the socket `log`), line (its grammar), output, render, sink, store (where events go),
 * trace and scan (the socket `trace`).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config/reload.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/start.h"
#include "log/events.h"
#include "log/output.h"
#include "log/syscalls.h"
#include "log/trace.h"

static const struct confine_limits limits = {
	.descriptors = EVENTS_PEERS_MAX + 256,
	.memory = 512u << 20,
	.file_size = INT64_MAX,
	.may_fork = true, /* answers to culver trace */
};

/* what a new configuration changes; what only a new process can do is done by ending well: master starts the next one */
struct restartable {
	struct loop *loop;
	struct output *output;
	const char *trace;    /* directory of the store */
	struct config *owned; /* the last one that came by a reload */
};

static void
take_config(void *owner, struct config *c)
{
	struct restartable *r = owner;
	if (strcmp(c->trace, r->trace) != 0 || !output_reload(r->output, c)) {
		EVENT("restarting",
		      event_string("reason", "the new configuration needs a new process"));
		config_free(c);
		loop_stop(r->loop);
		return;
	}
	config_free(r->owned);
	r->owned = c;
	r->trace = c->trace;
	EVENT("logging", event_string("sink", output_sink_name(r->output)),
	      event_string("format", output_format_name(c->log_format)));
}

static void
stop(void *owner)
{
	loop_stop(owner);
}

int
main(void)
{
	int own[2];
	struct output output;
	struct reload reload;
	struct restartable restartable;
	const struct start *s = start_take("log");
	const struct config *c = config_take();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, own) < 0)
		fatal(EXIT_OS, errno, "socketpair");
	events_start_on("log", own[0]);
	umask(027); /* the log file is 0640: group adm may read it; the store asks for 0600 */
	struct loop *l = loop_new();
	const char *path = start_directory(s, "trace");
	int directory = open(path != NULL ? path : c->trace, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		fatal(EXIT_OS, errno, "directory of the trace store %s", c->trace);
	output_open(&output, l, c, directory, s->uid, s->gid);
	start_batched();
	confine(s, log_syscalls, &limits);
	struct events *events = events_serve(l, start_listen(s, "log"), &output, own[1]);
	struct trace *trace = trace_serve(l, s, &output.store);
	restartable = (struct restartable){.loop = l, .output = &output, .trace = c->trace};
	reload_watch(&reload, l, start_listen(s, "master")->fd, take_config, &restartable);
	loop_signal(l, SIGTERM, stop, l);
	EVENT("logging", event_string("sink", output_sink_name(&output)),
	      event_string("format", output_format_name(c->log_format)));
	start_serving(s);
	loop_run(l);
	events_flush(); /* the last of our own */
	events_drain(events);
	trace_free(trace);
	events_free(events);
	output_end(&output);
	reload_end(&reload);
	config_free(restartable.owned);
	loop_free(l);
	return 0;
}
