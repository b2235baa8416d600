/*
 * delivery - SMTP client: a parent, and one agent process for each open connection
 *
 * Started by master.  Connects to jobs (queue-manager), resolver, fetch, log, and the hosts that queue-manager names; opens no file once it is confined.
 */
#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/start.h"
#include "delivery/agents.h"
#include "delivery/explain.h"
#include "delivery/hosts.h"
#include "delivery/replies.h"
#include "delivery/sockets.h"
#include "delivery/syscalls.h"
#include "delivery/tls.h"

static const struct confine_limits limits = {
	.descriptors = 64,
	.memory = 512u << 20,
	.may_fork = true,
};

int
main(void)
{
	const struct start *s = start_take("delivery");
	const struct config *config = config_take();

	events_start("delivery", start_path(s, "log"));
	hosts_load_local();
	sockets_start(s, config);
	(void)replies_load(config);
	tls_start(config);
	confine(s, delivery_syscalls, &limits);
	start_serving(s);
	const struct agent_paths paths = {start_path(s, "resolver"), start_path(s, "fetch")};
	int status = 0;
	if (s->explain[0] != '\0')
		status = explain(s, config, &paths);
	else
		agents_serve(config, start_path(s, "jobs"), &paths);
	events_end();
	return status;
}
