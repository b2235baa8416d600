/*
 * fatal - see fatal.h
 */
#include "common/system/fatal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/system/events.h"

void
fatal(enum exit_status status, int errno_value, const char *what, ...)
{
	char text[1024];
	va_list args;
	va_start(args, what);
	vsnprintf(text, sizeof(text), what, args);
	va_end(args);
	const char *why = errno_value != 0 ? strerror(errno_value) : "";
	const char *between = errno_value != 0 ? ": " : "";
	EVENT("fatal", event_string("reason", text), event_string("errno", why),
	      event_number("status", status));
	events_end();
	dprintf(STDERR_FILENO, "%s: %s%s%s\n", events_program(), text, between, why);
	_exit(status);
}
