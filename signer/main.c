/*
 * signer - the private keys of TLS, in a process that has nothing else
 *
 * Answers smtpd (is this key here? sign this text).  Opens no file and no network: the keys come as descriptors that master has opened, are
 * parsed before it confines itself, and never leave.  With `check` in its row it says whether certificates and keys are pairs,
 * and ends: so master, which runs as root, parses none of them.  See signer(8).
 */
#include <openssl/crypto.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/start.h"
#include "signer/keys.h"
#include "signer/serve.h"
#include "signer/syscalls.h"

#define GENERATIONS 2 /* sessions of two generations of smtpd may be here */
#define SPARE 64      /* descriptors besides those of clients */
#define WHY_MAX 1024

/* the answer to master: a sentence on the socket `master`, and the exit status */
static int
check(const struct start *s)
{
	struct buffer why;
	int wrong;

	buffer_init(&why, WHY_MAX);
	wrong = keys_check(s, &why);
	if (wrong != 0 && write(start_listen(s, "master")->fd, why.at, why.len) < 0)
		return EXIT_OS;
	buffer_free(&why);
	return wrong != 0 ? EXIT_CONFIGURATION : 0;
}

int
main(void)
{
	const struct start *s = start_take("signer");

	/* no file of configuration, engines or modules is looked for */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
		fatal(EXIT_OS, 0, "OpenSSL does not start");
	if (s->check)
		return check(s);
	const struct config *config = config_take();
	size_t clients_max = GENERATIONS * (size_t)config->limits.sessions;
	struct confine_limits limits = {.descriptors = clients_max + SPARE,
					.memory = UINT64_C(1) << 30};

	events_start("signer", start_path(s, "log"));
	keys_take(s);
	keys_lock(s);
	confine(s, signer_syscalls, &limits);
	EVENT("keys", event_number("count", (int64_t)keys_count()));
	start_serving(s);
	serve(start_listen(s, "signer"), clients_max);
	events_end();
	return 0;
}
