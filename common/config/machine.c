/*
 * machine - what this machine and this user give where culver.conf says nothing
 *
 * Asked by master and culver, once, before anything is confined.  A file of its own, so that the programs which are
 * linked without shared libraries do not bring the user database with them.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/mail/domain.h"

#define PATH_SIZE 512

/* the first line of /etc/mailname, when it is a domain */
static const char *
find_mailname(void)
{
	static char line[300];
	FILE *f = fopen("/etc/mailname", "re");
	struct span name;

	if (f == NULL)
		return NULL;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	line[strcspn(line, "\r\n#")] = '\0';
	name = span_trim(span_of(line));
	if (!domain_is_valid(name))
		return NULL;
	memmove(line, name.at, name.len);
	line[name.len] = '\0';
	return line;
}

static const char *
find_hostname(void)
{
	static char name[300];

	if (gethostname(name, sizeof(name)) < 0)
		name[0] = '\0';
	name[sizeof(name) - 1] = '\0';
	if (!domain_is_valid(span_of(name)))
		return "localhost";
	return name;
}

/* an absolute path from the environment, or NULL */
static const char *
environment_path(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] == '/' && strchr(value, '\n') == NULL ? value : NULL;
}

static const char *
find_home(void)
{
	const char *home = environment_path("HOME");
	const struct passwd *user = home == NULL ? getpwuid(getuid()) : NULL;

	if (home != NULL)
		return home;
	return user != NULL && user->pw_dir[0] == '/' ? user->pw_dir : "/nonexistent";
}

void
config_defaults_find(struct config_defaults *d, bool log_to_stderr)
{
	static char spool[PATH_SIZE], state[PATH_SIZE], runtime[PATH_SIZE];
	const char *base;

	*d = (struct config_defaults){
		.as_root = geteuid() == 0,
		.hostname = find_hostname(),
		.mailname = find_mailname(),
		.runtime = "/run/culver",
		.spool = "/var/spool/culver",
		.state = "/var/lib/culver",
		.log_to_stderr = log_to_stderr,
	};
	if (d->as_root)
		return;
	base = environment_path("XDG_STATE_HOME");
	if (base != NULL)
		snprintf(state, sizeof(state), "%s/culver", base);
	else
		snprintf(state, sizeof(state), "%s/.local/state/culver", find_home());
	snprintf(spool, sizeof(spool), "%.*s/spool", (int)sizeof(spool) - 16, state);
	d->state = state;
	d->spool = spool;
	base = environment_path("XDG_RUNTIME_DIR");
	d->runtime = NULL;
	if (base != NULL) {
		snprintf(runtime, sizeof(runtime), "%s/culver", base);
		d->runtime = runtime;
	}
}
