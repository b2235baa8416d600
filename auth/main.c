/*
 * auth - checks who submits mail: passwords, by SASL, against the accounts of this host, or by asking Dovecot
 *
 * Answers the sessions of smtpd (common/protocol/auth.h).  Reads verifiers from which no password comes back, and slows those who guess.  Each step
 * is done by a process of its own (check.c).  The directory of the accounts is opened before it enters its room.  See auth(8).
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "auth/files.h"
#include "auth/outside.h"
#include "auth/serve.h"
#include "auth/syscalls.h"
#include "common/accounts/verifier.h"
#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/start.h"

#define DESCRIPTORS_SPARE 64

/* what is not asked is not kept */
static struct check_source
take_source(const struct start *s, const struct config *c, int accounts)
{
	struct check_source source = {
		.kind = c->auth.source, .fd = -1, .pam = start_path(s, "pam")};

	if (source.kind == CONFIG_AUTH_ACCOUNTS || s->probe) {
		source.fd = accounts;
		files_hold(accounts);
		verifier_open();
		return source;
	}
	if (source.kind == CONFIG_AUTH_DOVECOT)
		source.fd = outside_start(s, c->auth.dovecot);
	close(accounts);
	return source;
}

int
main(void)
{
	const struct start *s = start_take("auth");
	const struct config *config = config_take();
	const char *path = start_directory(s, "accounts");
	size_t clients_max = (size_t)config->limits.sessions + SERVE_CLIENTS_SPARE;
	struct confine_limits limits = {
		.descriptors = clients_max + SERVE_CHECKS_MAX + DESCRIPTORS_SPARE,
		.memory = UINT64_C(1) << 30,
		.may_fork = true,
	};

	events_start("auth", start_path(s, "log"));
	int accounts = path != NULL ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (accounts < 0)
		fatal(EXIT_OS, errno, "the directory of the accounts");
	struct check_source source = take_source(s, config, accounts);
	confine(s, auth_syscalls, &limits);
	start_serving(s);
	serve(start_listen(s, "auth"), start_listen(s, "master")->fd, &source, clients_max);
	events_end();
	return 0;
}
