/*
 * queue-manager - owns the spool
 *
 * Takes messages in (intake), keeps each in one file (spool, journal, message), finds them again at start (replay, verify),
 * asks lookup where they go (route), lets places take turns (queue, schedule, retry), gives them to those who deliver (jobs), and
 * answers the administrator (control).  One process, one event loop, no fsync: docs/architecture.md.
 */
#include <signal.h>

#include "common/config/reload.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/start.h"
#include "queue-manager/manager.h"
#include "queue-manager/syscalls.h"

#define FILE_SIZE_MAX (UINT64_C(1) << 50)
#define DESCRIPTORS_SPARE 1024

/* a session: its connection and its message, twice while one generation follows another; an agent: its connection */
static uint64_t
descriptors(const struct config *c)
{
	const struct config_limits *l = &c->limits;
	return 4 * l->sessions + 2 * (l->agents + l->mailbox_agents) + MESSAGE_OPEN_MAX +
	       DESCRIPTORS_SPARE;
}

int
main(void)
{
	const struct start *s = start_take("queue-manager");
	const struct config *c = config_take();
	struct confine_limits limits = {.descriptors = descriptors(c), .file_size = FILE_SIZE_MAX};
	struct reload reload;
	events_start("queue-manager", start_path(s, "log"));
	const char *path = start_directory(s, "spool");
	struct manager *q = manager_new(c, s);
	early_addresses(&q->early);
	spool_take(&q->spool, path != NULL ? path : c->spool);
	start_batched();
	confine(s, queue_manager_syscalls, &limits);
	spool_start(&q->spool, clock_wall_us());
	manager_begin(q, start_path(s, "lookup"));
	intake_start(q, start_listen(s, "intake"));
	jobs_start(q, start_listen(s, "jobs"));
	control_start(q, start_listen(s, "control"));
	reload_watch(&reload, q->loop, start_listen(s, "master")->fd, manager_reload, q);
	loop_signal(q->loop, SIGTERM, manager_stop, q);
	start_serving(s);
	loop_run(q->loop);
	reload_end(&reload);
	manager_free(q);
	events_end();
	return 0;
}
