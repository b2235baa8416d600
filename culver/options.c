/*
 * options - the configuration and the runtime that a command is about
 *
 * Called by the verbs.  Promises: whoever gets NULL or -1 has had his sentence on stderr.
 */
#include "culver/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/drop.h"
#include "common/protocol/state.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"

int
options_usage(const struct culver_options *o, const char *format, ...)
{
	va_list arguments;
	fputs("culver: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\nusage: culver %s\n", o->usage);
	return OPTIONS_USAGE;
}

/* ---- the configuration ---- */

static void
print_errors(const struct config_errors *errors)
{
	struct buffer text;
	buffer_init(&text, CONFIG_TEXT_MAX);
	config_errors_print(errors, &text);
	fwrite(buffer_get(&text).at, 1, buffer_get(&text).len, stderr);
	buffer_free(&text);
}

/* NULL: `errors` and `text`, as far as it was read, say more */
static struct config *
read_config(const char *path, struct buffer *text, struct config_errors *errors)
{
	struct config_defaults defaults;
	config_defaults_find(&defaults, false);
	if (config_load(path, text, errors) != 0)
		return NULL;
	return config_parse(buffer_get(text), &defaults, errors);
}

struct config *
options_config(const struct culver_options *o)
{
	static struct config_errors errors; /* big */
	struct buffer text;
	config_errors_init(&errors);
	buffer_init(&text, CONFIG_TEXT_MAX);
	struct config *c = read_config(o->config, &text, &errors);
	if (c == NULL)
		print_errors(&errors);
	if (c == NULL && errors.count == 0)
		fprintf(stderr, "culver: %s: cannot be read: memory is out\n", o->config);
	buffer_free(&text);
	config_errors_free(&errors);
	return c;
}

/* ---- the runtime ---- */

/* the value of the line `WORD PATH` in a text that has mistakes elsewhere */
static struct span
find_path(struct span text, struct span word)
{
	while (text.len > 0) {
		struct span line = span_cut(&text, '\n');
		if (!span_equal(span_word(&line), word))
			continue;
		struct span value = span_word(&line);
		if (value.len >= 2 && (value.at[0] == '"' || value.at[0] == '\''))
			value = span_from(value.at + 1, value.len - 2);
		return value;
	}
	return SPAN_NONE;
}

/* where the runtime is when no line says so; -1: too long */
static int
default_runtime(struct span text, char *to, size_t size)
{
	struct config_defaults defaults;
	config_defaults_find(&defaults, false);
	if (defaults.runtime != NULL)
		return span_copy(span_of(defaults.runtime), to, size);
	/* as config_parse does: beside the spool */
	struct span spool = find_path(text, SPAN("spool"));
	if (spool.len == 0)
		spool = span_of(defaults.spool);
	while (spool.len > 0 && spool.at[spool.len - 1] != '/')
		spool.len--;
	return snprintf(to, size, "%.*srun", SPAN_ARG(spool)) < (int)size ? 0 : -1;
}

/* from a text that does not parse; -1: nothing can be said */
static int
guess_runtime(struct span text, char *to, size_t size)
{
	struct span found = find_path(text, SPAN("runtime"));
	if (found.len > 0)
		return span_copy(found, to, size);
	return text.len > 0 ? default_runtime(text, to, size) : -1;
}

static const char *
find_runtime(const struct culver_options *o)
{
	static char runtime[START_PATH_MAX];
	static struct config_errors errors;
	const char *given = getenv("CULVER_RUNTIME");
	if (!o->config_given && given != NULL && given[0] != '\0')
		return given;
	/* the file may hold passwords: who may not read it asks at the usual place */
	if (!o->config_given && access(o->config, R_OK) != 0) {
		if (default_runtime(SPAN_NONE, runtime, sizeof(runtime)) == 0)
			return runtime;
		fprintf(stderr, "culver: the path of the runtime directory is too long\n");
		return NULL;
	}
	struct buffer text;
	config_errors_init(&errors);
	buffer_init(&text, CONFIG_TEXT_MAX);
	struct config *c = read_config(o->config, &text, &errors);
	int found = c != NULL ? span_copy(span_of(c->runtime), runtime, sizeof(runtime))
			      : guess_runtime(buffer_get(&text), runtime, sizeof(runtime));
	if (found != 0)
		print_errors(&errors);
	config_free(c);
	buffer_free(&text);
	config_errors_free(&errors);
	return found == 0 ? runtime : NULL;
}

const char *
options_runtime(const struct culver_options *o)
{
	const char *runtime = find_runtime(o);
	const char *given = getenv("CULVER_RUNTIME");
	/* an ordinary user without a system of his own means the system's, also before its first start since the machine's */
	if (runtime != NULL && !o->config_given && (given == NULL || given[0] == '\0') &&
	    access(runtime, F_OK) != 0 &&
	    (access(OPTIONS_SYSTEM_RUNTIME, F_OK) == 0 || access(DROP_SYSTEM, F_OK) == 0))
		return OPTIONS_SYSTEM_RUNTIME;
	return runtime;
}

int
options_connect(const struct culver_options *o, const char *name, int *status)
{
	char path[START_PATH_MAX + START_NAME_MAX];
	const char *runtime = options_runtime(o);
	*status = 1;
	if (runtime == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/%s", runtime, name);
	int fd = channel_connect(path, clock_monotonic_ms() + OPTIONS_CONNECT_MS);
	if (fd >= 0)
		return fd;
	*status = EXIT_UNAVAILABLE;
	if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
		fprintf(stderr, "culver: not running (nothing serves %s)\n", path);
		return -1;
	}
	if (errno == EACCES || errno == EPERM)
		*status = 1;
	fprintf(stderr, "culver: %s: %s\n", path, strerror(errno));
	return -1;
}
