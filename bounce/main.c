/*
 * bounce - delivery status notifications: a parent, and agents that write them
 *
 * Started by master.  Connects to jobs and intake (queue-manager) and to log; opens no file: it reads and writes only what it is
 * handed as descriptors.
 */
#include "bounce/agents.h"
#include "bounce/syscalls.h"
#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/start.h"

static const struct confine_limits limits = {
	.descriptors = 64,
	.memory = 512u << 20,
	.may_fork = true,
};

int
main(void)
{
	const struct start *s = start_take("bounce");
	const struct config *config = config_take();

	events_start("bounce", start_path(s, "log"));
	confine(s, bounce_syscalls, &limits);
	start_serving(s);
	agents_serve(config, start_path(s, "jobs"), start_path(s, "intake"));
	events_end();
	return 0;
}
