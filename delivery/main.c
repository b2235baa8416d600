/*
 * delivery - SMTP client: a parent, and one agent process for each open connection
 *
 * Started by master.  Connects to jobs (queue-manager), resolver, fetch, log, and the hosts that queue-manager names; opens no file once it is confined.
 */
#include "common/accounts/verifier.h"
#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/start.h"
#include "delivery/agents.h"
#include "delivery/credentials.h"
#include "delivery/explain.h"
#include "delivery/hosts.h"
#include "delivery/replies.h"
#include "delivery/sockets.h"
#include "delivery/syscalls.h"
#include "delivery/tls.h"

#define SPARE 64 /* descriptors besides those of logins */

int
main(void)
{
	const struct start *s = start_take("delivery");
	const struct config *config = config_take();
	const struct confine_limits limits = {
		.descriptors = config->login_count + SPARE,
		.memory = 512u << 20,
		.may_fork = true,
	};

	events_start("delivery", start_path(s, "log"));
	hosts_load_local();
	credentials_hold(s, config);
	sockets_start(s, config);
	verifier_open();
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
