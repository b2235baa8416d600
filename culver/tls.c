/*
 * tls - see the header
 */
#include "culver/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/mail/domain.h"
#include "common/protocol/state.h"
#include "common/system/fatal.h"
#include "common/system/start.h"
#include "culver/run.h"

/* where it cannot be read, it is none of the caller's either */
static bool
is_of_root(const char *runtime)
{
	struct state *s = calloc(1, sizeof(*s));
	bool of_root = s == NULL || state_read(runtime, s) != 0 || s->as_root;

	free(s);
	return of_root;
}

int
verb_tls(const struct culver_options *o, int argc, char **argv)
{
	char domain[START_DOMAIN_MAX + 1];
	const char *runtime;

	if (argc != 2)
		return options_usage(o, "expected the name of one domain");
	if (!domain_is_valid(span_of(argv[1])) ||
	    span_copy(span_of(argv[1]), domain, sizeof(domain)) < 0)
		return options_usage(o, "`%s` is not the name of a domain", argv[1]);
	for (char *c = domain; *c != '\0'; c++)
		*c = ascii_lower(*c);
	runtime = options_runtime(o);
	if (runtime == NULL)
		return 1;
	if (state_master(runtime) <= 0) {
		fprintf(stderr, "culver: not running (no master holds %s/" STATE_PID_FILE ")\n",
			runtime);
		return EXIT_UNAVAILABLE;
	}
	if (is_of_root(runtime) && geteuid() != 0) {
		fprintf(stderr, "culver: this system is root's: only root may ask its programs\n");
		return 1;
	}
	return run_explain(o, domain);
}
