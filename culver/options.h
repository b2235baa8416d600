/*
 * options - what stood on the command line, and where the running system is
 *
 * main.c takes the options out of the arguments wherever they stand (`-c FILE` before or after the verb) and hands what is left
 * to the verb: argv[0] is the verb, argv[argc] is NULL.  An option that the verb's row in main.c does not name is refused before the verb is called.
 * Each verb is `int verb_NAME(const struct culver_options *o, int argc, char **argv)`, declared in culver/NAME.h; what it returns is the exit
 * status: 0, 1 for "no" (nothing matched, a mistake found), or one of the statuses below and in common/system/fatal.h.
 */
#ifndef CULVER_OPTIONS_H
#define CULVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config/config.h"

#define OPTIONS_SYSTEM_RUNTIME \
	"/run/culver" /* of the system that root runs, unless its configuration says so otherwise */
#define OPTIONS_USAGE 64	/* exit status: wrong arguments */
#define OPTIONS_CONNECT_MS 5000 /* for a socket of the running system to take us */
#define OPTIONS_ANSWER_MS 60000 /* for its next answer */

struct culver_options {
	const char *config; /* -c FILE, else the compiled one */
	bool config_given;  /* by -c */
	bool json;	    /* --json: one object a line */
	bool strict;	    /* --strict: run, start */
	bool probe;	    /* --probe: sandbox */
	bool tries;	    /* --try: tls */
	bool content;	    /* --content: queue show */
	bool after_kill;    /* --after-kill: stop */
	bool dry_run;	    /* --dry-run: queue, what changes something */
	bool as_mailq;	    /* called by the name mailq: queue prints what Postfix's does */
	const char
		*usage; /* of this verb: "queue [SELECTOR...]" and so on, several lines perhaps */
};

/* options_usage - says on stderr what is wrong and how the verb is used; returns OPTIONS_USAGE */
int options_usage(const struct culver_options *o, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * options_config - the configuration, parsed with this machine's defaults; NULL after every mistake was printed on stderr
 *
 * The caller exits with 1 (mistakes found).  config_free() is the caller's.
 */
struct config *options_config(const struct culver_options *o);

/*
 * options_runtime - RUNTIME of the system that the command is about; static storage; NULL after a sentence on stderr
 *
 * From -c FILE; else $CULVER_RUNTIME; else from the compiled configuration file, where it may be read; else the default.  Where nothing is
 * at the place that was found so, and -c does not name it, it is OPTIONS_SYSTEM_RUNTIME.  A file
 * that has mistakes by now still names its `runtime`: the system that runs was started with an older one.
 */
const char *options_runtime(const struct culver_options *o);

/*
 * options_connect - a connection to RUNTIME/NAME ("control", "trace"), close-on-exec; the caller closes it
 *
 * -1 after a sentence on stderr; *status is what to exit with then (EXIT_UNAVAILABLE when nothing runs).
 */
int options_connect(const struct culver_options *o, const char *name, int *status);

#endif
