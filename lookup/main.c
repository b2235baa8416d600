/*
 * lookup - what is this address?
 *
 * Answers smtpd (may it stand at RCPT?) and queue-manager (where does it go?) from the configuration, its tables
 * and the system's users.  Reads only; knows no message and writes nothing.  It has no chroot, because of NSS: Landlock shows it the
 * directories of its row.
 */
#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/passwd.h"
#include "common/system/start.h"
#include "lookup/routes.h"
#include "lookup/serve.h"
#include "lookup/syscalls.h"
#include "lookup/tables.h"
#include "lookup/users.h"

int
main(void)
{
	const struct start *s = start_take("lookup");
	const struct config *c = config_take();
	const struct start_listen *listen = start_listen(s, "lookup");
	size_t clients_max = (size_t)c->limits.sessions + SERVE_CLIENTS_SPARE;
	struct confine_limits limits = {.descriptors = clients_max + SERVE_CLIENTS_SPARE};
	struct tables *tables = tables_new(c);
	struct users *users = users_new();
	struct routes routes;

	events_start("lookup", start_path(s, "log"));
	passwd_preload();
	routes_init(&routes, c, tables, users, s->as_root);
	start_batched();
	confine(s, lookup_syscalls, &limits);
	tables_preload(tables); /* as whom we serve: a table that he cannot read is told now */
	start_serving(s);
	serve(listen, &routes, clients_max);
	users_free(users);
	tables_free(tables);
	events_end();
	return 0;
}
