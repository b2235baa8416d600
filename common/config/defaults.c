/*
 * defaults - what the text of culver.conf leaves to the machine and the user
 *
 * master finds them once (machine.c) and writes them on top of the text, a line `#= NAME VALUE` each, so that every program that parses the
 * text has the same ones, whatever its environment.  See config_defaults_* in config.h.
 */
#include "common/config/defaults.h"

static void
write_line(struct buffer *to, const char *name, const char *value)
{
	if (value != NULL)
		buffer_format(to, "#= %s %s\n", name, value);
}

void
config_defaults_write(const struct config_defaults *d, struct buffer *to)
{
	write_line(to, "as-root", d->as_root ? "yes" : "no");
	write_line(to, "hostname", d->hostname);
	write_line(to, "mailname", d->mailname);
	write_line(to, "runtime", d->runtime);
	write_line(to, "spool", d->spool);
	write_line(to, "state", d->state);
	write_line(to, "log-to-stderr", d->log_to_stderr ? "yes" : "no");
}

int
defaults_read(struct span *text, struct arena *arena, struct config_defaults *d)
{
	*d = (struct config_defaults){0};
	while (span_starts(*text, SPAN("#= "))) {
		struct span value = span_skip(span_cut(text, '\n'), 3);
		struct span name = span_cut(&value, ' ');
		const char *kept = arena_string(arena, value);

		if (kept == NULL)
			return -1;
		if (span_equal(name, SPAN("as-root")))
			d->as_root = span_equal(value, SPAN("yes"));
		else if (span_equal(name, SPAN("hostname")))
			d->hostname = kept;
		else if (span_equal(name, SPAN("mailname")))
			d->mailname = kept;
		else if (span_equal(name, SPAN("runtime")))
			d->runtime = kept;
		else if (span_equal(name, SPAN("spool")))
			d->spool = kept;
		else if (span_equal(name, SPAN("state")))
			d->state = kept;
		else if (span_equal(name, SPAN("log-to-stderr")))
			d->log_to_stderr = span_equal(value, SPAN("yes"));
	}
	return d->hostname != NULL && d->spool != NULL && d->state != NULL ? 0 : -1;
}
