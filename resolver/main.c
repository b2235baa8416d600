/*
 * resolver - DNS for the others, with a cache and DNSSEC validation (libunbound)
 *
 * Answers delivery (where is this host, which are the MX of that domain?) and fetch.  Asks the network at port 53 and nothing else; sees no mail.
 * Configuration, hosts, keys and name servers are read before it confines itself.
 */
#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/start.h"
#include "resolver/context.h"
#include "resolver/serve.h"
#include "resolver/syscalls.h"

/* delivery's parent kills its agents without waiting for us: those of two generations may be here */
#define GENERATIONS 2

int
main(void)
{
	const struct start *s = start_take("resolver");
	const struct config *config = config_take();
	const struct start_listen *listen = start_listen(s, "resolver");
	size_t clients_max = GENERATIONS * (size_t)config->limits.agents + SERVE_CLIENTS_SPARE;
	struct confine_limits limits = {
		.descriptors = clients_max + CONTEXT_SOCKETS + SERVE_CLIENTS_SPARE,
		.memory = UINT64_C(2) << 30,
		.may_fork = true, /* a thread */
	};
	struct ub_ctx *ctx;

	events_start("resolver", start_path(s, "log"));
	ctx = context_make(config);
	start_batched();
	confine(s, resolver_syscalls, &limits);
	start_serving(s);
	serve(listen, ctx, clients_max);
	ub_ctx_delete(ctx);
	events_end();
	return 0;
}
