/*
 * agents - see the header
 *
 * The parent looks at the place before it forks: where no word of it is a hop the answer is CANNOT, at the cost of no process.
 */
#include "delivery/agents.h"

#include "common/protocol/jobs-parent.h"
#include "common/system/confine.h"
#include "delivery/agent.h"
#include "delivery/credentials.h"
#include "delivery/hosts.h"

/* agents that were told to end may still say QUIT while others are asked for in their place */
#define AGENTS_ENDING_MAX 64

struct agents {
	const struct config *config;
	struct agent_paths paths;
	struct verdict why;
};

static bool
may_serve(void *owner, const struct jobs_want *want, struct jobs_cannot *cannot)
{
	struct agents *a = owner;

	if (hosts_check(want->hosts, &a->why) == 0 &&
	    credentials_check(a->config, want->home, &a->why) == 0)
		return true;
	cannot->fate = a->why.fate;
	cannot->status = span_of(a->why.status);
	cannot->text = span_of(a->why.text);
	return false;
}

static int
serve(void *owner, const struct jobs_want *want, int channel)
{
	struct agents *a = owner;

	confine_child();
	return agent_serve(&a->paths, a->config,
			   &(struct agent_place){want->hosts, want->domain, want->home}, channel);
}

void
agents_serve(const struct config *config, const char *jobs, const struct agent_paths *paths)
{
	static struct agents agents;
	struct jobs_parent_program program = {
		.kind = JOBS_SMTP,
		.path = jobs,
		.agents_max = (size_t)config->limits.agents + AGENTS_ENDING_MAX,
		.may_serve = may_serve,
		.serve = serve,
		.owner = &agents,
	};

	agents.config = config;
	agents.paths = *paths;
	jobs_parent_run(&program);
}
