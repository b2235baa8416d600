/*
 * agents - see the header
 */
#include "bounce/agents.h"

#include "bounce/agent.h"
#include "common/protocol/jobs-parent.h"
#include "common/system/confine.h"

struct agents {
	const struct config *config;
	const char *intake;
};

static int
serve(void *owner, const struct jobs_want *want, int channel)
{
	const struct agents *a = owner;
	(void)want;

	confine_child();
	return agent_serve(a->config, a->intake, channel);
}

void
agents_serve(const struct config *config, const char *jobs, const char *intake)
{
	struct agents agents = {config, intake};
	struct jobs_parent_program program = {
		.kind = JOBS_NOTICE,
		.path = jobs,
		.agents_max = AGENTS_MAX,
		.serve = serve,
		.owner = &agents,
	};

	jobs_parent_run(&program);
}
