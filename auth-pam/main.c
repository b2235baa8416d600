/*
 * auth-pam - asks PAM whether a password is right, for auth; started where the configuration says `pam SERVICE` alone
 *
 * As root, and without a filter, for one reason: PAM's modules are code of the administrator's choice that reads /etc/shadow, asks a network, runs
 * programs.  In exchange it does next to nothing: serve.c waits for connections of auth, reads nothing, and forks; the child reads one
 * question, asks PAM and ends (question.c).  That is all of it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth-pam/serve.h"
#include "common/config/config.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/start.h"

static void
make_private(void)
{
	const struct rlimit none = {0, 0};
	pid_t parent = getppid();

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fatal(EXIT_OS, errno, "becoming private");
	if (getppid() != parent)
		_exit(EXIT_UNAVAILABLE); /* it went before we asked */
}

int
main(void)
{
	const struct start *s = start_take("auth-pam");
	const struct config *c = config_take();

	events_start("auth-pam", start_path(s, "log"));
	make_private();
	if (s->probe) {
		dprintf(STDERR_FILENO,
			"auth-pam: nothing is forbidden to it: PAM's modules do what they do\n");
		return 0;
	}
	start_serving(s);
	serve(start_listen(s, "pam"), c->auth.pam);
	events_end();
	return 0;
}
