/*
 * verify - asks next hops for recipients, where the configuration says `recipients verify`, and keeps their answers
 *
 * The second program of this folder.  Answers the sessions of smtpd (common/protocol/verify.h); connects, in processes of their own, to resolver, fetch and the
 * hosts that the configuration names.  The database is opened before it enters its room.  See verify(8).
 */
#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/start.h"
#include "delivery/hosts.h"
#include "delivery/sockets.h"
#include "delivery/tls.h"
#include "delivery/verify/serve.h"
#include "delivery/verify/syscalls.h"

#define DESCRIPTORS_SPARE 256 /* probes among them */

/* what is damaged is begun anew */
static struct verified_store *
open_store(const char *directory)
{
	char reason[VERIFIED_REASON_MAX] = "";
	bool was_damaged = false;
	struct verified_store *store =
		directory != NULL ? verified_open(directory, VERIFIED_OWNER, &was_damaged, reason)
				  : NULL;

	if (was_damaged)
		EVENT("verified-damaged", event_string("file", VERIFIED_DAMAGED));
	if (store == NULL)
		fatal(EXIT_OS, 0, "what next hops have answered: %s", reason);
	return store;
}

int
main(void)
{
	const struct start *s = start_take("verify");
	const struct config *config = config_take();
	size_t clients_max = (size_t)config->limits.sessions + SERVE_CLIENTS_SPARE;
	struct confine_limits limits = {
		.descriptors = clients_max + DESCRIPTORS_SPARE,
		.memory = UINT64_C(1) << 30,
		.file_size = UINT64_C(1) << 30,
		.may_fork = true,
	};
	struct probe_start start = {.config = config,
				    .resolver = start_path(s, "resolver"),
				    .fetch = start_path(s, "fetch"),
				    .log = start_path(s, "log")};

	events_start("verify", start.log);
	hosts_load_local();
	sockets_start(s, config);
	tls_start(config);
	struct verified_store *store = open_store(start_directory(s, "verified"));
	confine(s, verify_syscalls, &limits);
	start_serving(s);
	serve(start_listen(s, "verify"), &start, store, clients_max);
	verified_close(store);
	events_end();
	return 0;
}
