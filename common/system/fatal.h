/*
 * fatal - the end of a program that cannot keep its promise
 *
 * Used at start, and where going on would break a promise; never for what a peer sent.  Says what was done, to
 * what, and why not, as a log event and on stderr, and exits.
 */
#ifndef COMMON_SYSTEM_FATAL_H
#define COMMON_SYSTEM_FATAL_H

/* exit statuses that master and the shell read (sysexits.h's numbers) */
enum exit_status {
	EXIT_UNAVAILABLE = 69, /* not running */
	EXIT_SOFTWARE = 70,    /* an invariant is broken */
	EXIT_OS = 71,	       /* the kernel refused something */
	EXIT_TRY_LATER = 75,
	EXIT_CONFIGURATION = 78,
};

/* fatal - "what: strerror(errno)" when errno_value is not 0, else "what" */
_Noreturn void fatal(enum exit_status status, int errno_value, const char *what, ...)
	__attribute__((format(printf, 3, 4)));

#endif
