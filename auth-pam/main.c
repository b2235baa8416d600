/*
 * auth-pam - asks PAM whether a password is right, for auth; started where the configuration says `pam SERVICE` alone
 *
 * As root, and without a filter, for one reason: PAM's modules are code of the administrator's choice that reads /etc/shadow, asks a network, runs
 * programs.  In exchange it does next to nothing: serve.c waits for connections of auth, reads nothing, and forks; the child reads one
 * question, asks PAM and ends (question.c).  That is all of it.
 */

#include "auth-pam/serve.h"
#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/start.h"

int
main(void)
{
	const struct start *s = start_take("auth-pam");
	const struct config *c = config_take();

	events_start("auth-pam", start_path(s, "log"));
	confine_private(s, "PAM's modules do what they do");
	start_serving(s);
	serve(start_listen(s, "pam"), c->auth.pam);
	events_end();
	return 0;
}
