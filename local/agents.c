/*
 * agents - see agents.h
 *
 * The loop, the connection to queue-manager and the forks are jobs-parent's.  Here: may this mailbox be served (in the parent), and the
 * way of a child from root to a confined agent: become, enter the base of its mailboxes, umask, Landlock and seccomp, serve.
 */
#include "local/agents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config/mailbox.h"
#include "common/mail/reply.h"
#include "common/protocol/jobs-parent.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "local/agent.h"
#include "local/alias.h"
#include "local/become.h"
#include "local/hang.h"
#include "local/mailbox-path.h"
#include "local/maildir.h"
#include "local/pipe.h"
#include "local/syscalls.h"

struct agents {
	const struct start *start;
	const struct config *config;
	const struct passwd_user *own; /* NULL: we are root */
	/* of the WANT at hand; the child has a copy */
	struct passwd_user user; /* whom the agent becomes */
	const struct config_domain *domain;
	const struct config_delivery *delivery;
	struct agent_place place;
};

/* ---- in the parent ---- */

static bool
cannot_serve(struct jobs_cannot *cannot, const char *status, const char *text)
{
	*cannot = (struct jobs_cannot){FATE_DEFERRED, span_of(status), span_of(text)};
	return false;
}

/* find_user - false: *cannot says why not */
static bool
find_user(struct agents *a, struct span name, struct jobs_cannot *cannot)
{
	switch (passwd_find(name, &a->user)) {
	case PASSWD_FOUND:
		return true;
	case PASSWD_ABSENT:
		return cannot_serve(cannot, "4.2.1", "there is no such user now");
	case PASSWD_TROUBLE:
		break;
	}
	EVENT("users-trouble", event_text("user", name), event_string("reason", strerror(errno)));
	return cannot_serve(cannot, "4.3.0", "the list of users cannot be read now");
}

/*
 * may_serve_virtual - the mailbox of a virtual user: the uid is that of `as`, never one that a table or a message names
 *
 * His home came from a table by way of two programs: it must be below the prefix, whatever they say.
 */
static bool
may_serve_virtual(struct agents *a, const struct jobs_want *want, struct jobs_cannot *cannot)
{
	const struct config_domain *d = a->domain;

	if (d->tables[CONFIG_USERS].count == 0 || mailbox_tail(config_homes(d)) == NULL)
		return cannot_serve(cannot, "4.3.5", "the configuration has no such users");
	if (want->kind == JOBS_LINE && a->delivery->ending != CONFIG_PIPE)
		return cannot_serve(cannot, "4.3.5", "the users of this domain have no commands");
	if (!mailbox_home_ok(config_homes(d), want->home))
		return cannot_serve(cannot, "4.3.5", "a home that is not below the prefix");
	if (a->own != NULL) {
		a->user = *a->own;
		if (d->as_user != NULL && strcmp(d->as_user, a->own->name) != 0)
			return cannot_serve(cannot, "4.3.5",
					    "`as` names another user than the one who runs this");
		return true;
	}
	if (d->as_user == NULL)
		return cannot_serve(cannot, "4.3.5", "the configuration does not say `as` whom");
	if (!find_user(a, span_of(d->as_user), cannot))
		return false;
	if (a->user.uid == 0)
		return cannot_serve(cannot, "4.3.5", "`as` names a user with uid 0");
	return true;
}

/* may_serve_alias - whose lines they are the child finds out; that there is somebody to become is seen here */
static bool
may_serve_alias(struct agents *a, const struct jobs_want *want, struct jobs_cannot *cannot)
{
	if (alias_table(a->config, a->domain, want->home) == NULL)
		return cannot_serve(cannot, "4.3.5", "the domain has no such table of aliases");
	if (a->own != NULL ||
	    (find_user(a, span_of(a->config->alias_user), cannot) && a->user.uid != 0))
		return true;
	return cannot_serve(cannot, "4.3.5", "`alias-commands-as` names nobody, or root");
}

/*
 * may_serve - whose mailbox it is; all refusals are temporary, since lookup thought otherwise a moment ago and is asked again
 */
static bool
may_serve(void *owner, const struct jobs_want *want, struct jobs_cannot *cannot)
{
	struct agents *a = owner;

	a->domain = config_domain_find(a->config, want->domain);
	if (a->domain == NULL)
		return cannot_serve(cannot, "4.3.5", "the configuration has no such domain");
	a->delivery = &a->domain->deliver;
	if (want->kind == JOBS_ALIAS)
		return may_serve_alias(a, want, cannot);
	a->delivery = config_delivery_find(a->domain, want->delivery);
	if (a->delivery == NULL)
		return cannot_serve(cannot, "4.3.5", "the domain has no such `delivery`");
	if (want->kind == JOBS_LINE && want->home.len == 0 &&
	    a->domain->tables[CONFIG_USERS].count > 0)
		return cannot_serve(cannot, "4.3.5", "the users of this domain have no commands");
	if (want->home.len > 0)
		return may_serve_virtual(a, want, cannot);
	if (a->domain->tables[CONFIG_USERS].count > 0 &&
	    (a->own != NULL || !span_equal(want->user, SPAN(AGENTS_ROOT_USER))))
		return cannot_serve(cannot, "4.3.5", "the users of this domain have no home here");
	if (a->own != NULL) {
		a->user = *a->own;
		if (!span_equal(want->user, span_of(a->own->name)))
			return cannot_serve(cannot, "4.2.1",
					    "only the user who runs this has a mailbox here");
		return true;
	}
	if (span_equal(want->user, SPAN(AGENTS_ROOT_USER)))
		return want->kind == JOBS_MAILBOX ||
		       cannot_serve(cannot, "4.3.5", "root has no commands");
	if (!find_user(a, want->user, cannot))
		return false;
	if (a->user.uid == 0 || a->user.uid < a->config->min_uid)
		return cannot_serve(cannot, "4.2.1", "a system user has no mailbox of his own");
	return true;
}

/* ---- in the child ---- */

static void
say_trouble(struct agent_place *p, const char *path, const char *what)
{
	snprintf(p->trouble, sizeof(p->trouble), "%s: %s", path, what);
	EVENT("agent-trouble", event_text("user", p->user), event_string("reason", p->trouble));
}

static void
trouble(struct agent_place *p, const char *path, int errno_value)
{
	say_trouble(p, path, strerror(errno_value));
}

/* keep_root_mail - its folder is made before the agent is confined to it */
static void
keep_root_mail(struct agents *a)
{
	struct agent_place *p = &a->place;
	const char *path = a->config->root_mail, *slash = strrchr(path, '/');
	struct maildir m = {.for_group = true};

	p->is_root = true;
	become_keeper();
	umask(007);
	if (maildir_make(&m, path, slash != NULL ? (size_t)(slash - path) : 0) < 0)
		trouble(p, path, errno);
	if (span_copy(span_of(path), p->base, sizeof(p->base)) < 0 ||
	    span_copy(span_of(path), p->maildir, sizeof(p->maildir)) < 0)
		trouble(p, path, ENAMETOOLONG);
}

/*
 * make_home - of a virtual user, below the prefix, as `as`: the agent will be confined to it, and not be able to reach that of another
 *
 * Links on the way are followed, but the home must be below the prefix in truth.
 */
static void
make_home(struct agents *a, struct span home)
{
	struct agent_place *p = &a->place;
	const char *path = a->delivery->path;
	struct span prefix = mailbox_prefix(config_homes(a->domain));
	bool is_at_home = mailbox_is_at_home(path);
	char truly[PATH_MAX], at[PATH_MAX];
	size_t len;

	if (span_copy(home, p->home, sizeof(p->home)) < 0 || span_copy(home, at, sizeof(at)) < 0 ||
	    span_copy(prefix, p->base, sizeof(p->base)) < 0 ||
	    snprintf(p->template, sizeof(p->template), "%s%s", is_at_home ? "" : "{home}",
		     is_at_home ? path : mailbox_tail(path)) >= (int)sizeof(p->template)) {
		trouble(p, path, ENAMETOOLONG);
		return;
	}
	if (chdir(p->base) < 0 || getcwd(truly, sizeof(truly)) == NULL) {
		trouble(p, p->base, errno);
		return;
	}
	len = strcmp(truly, "/") == 0 ? 0 : strlen(truly);
	for (size_t i = prefix.len + 1; i <= home.len; i++) {
		if (i < home.len && home.at[i] != '/')
			continue;
		at[i] = '\0';
		if (mkdirat(AT_FDCWD, at, 0700) < 0 && errno != EEXIST) {
			trouble(p, at, errno);
			return;
		}
		if (i < home.len)
			at[i] = '/';
	}
	if (chdir(p->home) < 0 || getcwd(p->base, sizeof(p->base)) == NULL)
		trouble(p, p->home, errno);
	else if (strncmp(p->base, truly, len) != 0 || p->base[len] != '/')
		say_trouble(p, p->home, "leads out of the prefix of `deliver`");
	else
		memcpy(p->home, p->base,
		       sizeof(p->home)); /* its true name, which the agent keeps */
}

/* find_base - of an ordinary mailbox */
static void
find_base(struct agents *a)
{
	struct agent_place *p = &a->place;

	memcpy(p->home, a->user.home, sizeof(p->home));
	if (span_copy(span_of(a->delivery->path), p->template, sizeof(p->template)) < 0)
		trouble(p, a->delivery->path, ENAMETOOLONG);
	if (mailbox_path_base(a->delivery->path, p->home, p->base, sizeof(p->base)) < 0)
		trouble(p, a->delivery->path, ENOENT);
}

/* enter - is the base there, and ours to enter?  Everything later happens below it. */
static void
enter(struct agent_place *p)
{
	struct stat st;

	if (chdir(p->base) < 0 || stat(".", &st) < 0)
		trouble(p, p->base, errno);
}

/* ---- commands, and lines of aliases ---- */

/* bind_runner - a connection to runner that runs as that user; while we may still say so */
static int
bind_runner(const struct agents *a, enum runner_what what, struct span home)
{
	const char *path = start_path(a->start, "runner");
	const struct runner_bind say = {.user = span_of(a->user.name),
					.what = what,
					.domain = span_of(a->domain->names[0]),
					.delivery = span_of(a->delivery->name),
					.virtual = home.len > 0 ? a->place.user : SPAN_NONE,
					.home = home};

	/* without it commands wait, and files are written all the same */
	return path != NULL ? pipe_bind(path, &say) : -1;
}

/* find_alias_user - as whom the lines of a file are carried out: its owner, and for root whom the configuration says; false: trouble */
static bool
find_alias_user(struct agents *a, uid_t owner, const char *path)
{
	struct agent_place *p = &a->place;
	struct passwd_user user;

	if (a->own != NULL) {
		a->user = *a->own;
		if (owner == 0 || owner == a->own->uid)
			return true;
		say_trouble(p, path, "belongs to somebody else: its commands are not run");
		return false;
	}
	/* a->user is whom alias-commands-as names, since the parent has seen that there is one */
	if (owner == 0)
		return true;
	if (passwd_find_uid(owner, &user) != PASSWD_FOUND) {
		say_trouble(p, path, "there is no user as whom its commands may run");
		return false;
	}
	a->user = user;
	return true;
}

/* become_alias - root opens the file; who it says then reads it */
static void
become_alias(struct agents *a, struct span table)
{
	static struct arena arena; /* as long as the process */
	struct agent_place *p = &a->place;
	const char *path = alias_table(a->config, a->domain, table), *why = "";
	uid_t owner = (uid_t)-1;
	int fd = alias_open(path, &owner, &why);

	if (fd < 0) {
		say_trouble(p, path, why);
	} else if (!find_alias_user(a, owner, path)) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		p->runner = bind_runner(a, RUNNER_LINE, SPAN_NONE);
	if (a->own == NULL)
		become_user(&a->user);
	arena_init(&arena, ALIAS_FILE_MAX);
	if (fd >= 0 && alias_read(fd, p->user, &arena, &p->alias, &why) < 0)
		say_trouble(p, path, why);
}

/*
 * mailboxes_group - of the folder in which files of letters lie, /var/mail, that root lets its group make them in; (gid_t)-1: none
 *
 * Users are not in it.  What his agent can do by it to the mailbox of somebody else is what that one lets the group do.
 */
static gid_t
mailboxes_group(const struct agents *a, const struct jobs_want *want)
{
	char base[PATH_MAX];
	struct stat st;

	if (want->kind != JOBS_MAILBOX || want->home.len > 0 ||
	    a->delivery->ending != CONFIG_MBOX ||
	    mailbox_path_base(a->delivery->path, a->user.home, base, sizeof(base)) < 0 ||
	    strcmp(base, a->user.home) == 0 || lstat(base, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != 0 || st.st_gid == 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != S_IWGRP)
		return (gid_t)-1;
	return st.st_gid;
}

/* become_mailbox - a user, for his mailbox or his lines */
static void
become_mailbox(struct agents *a, const struct jobs_want *want)
{
	struct agent_place *p = &a->place;

	p->is_virtual = want->home.len > 0;
	if (want->kind == JOBS_LINE && !p->is_virtual)
		p->runner = bind_runner(a, RUNNER_LINE, SPAN_NONE);
	if (want->kind == JOBS_LINE && a->delivery->ending == CONFIG_PIPE)
		p->domain_runner = bind_runner(a, RUNNER_DOMAIN, want->home);
	if (a->own == NULL)
		become_user_with(&a->user, mailboxes_group(a, want));
	umask(077);
	if (want->home.len > 0) {
		make_home(a, want->home);
		return;
	}
	find_base(a);
	p->reads_forward = a->domain->forward;
}

/*
 * rooms - what the agent may touch: of a mailbox its base, and the home for its .forward; lines may name any file, so of those whatever
 * the user himself may
 */
static size_t
rooms(struct agent_place *p, struct start_directory rooms[2])
{
	size_t count = 0;
	int home;

	if (p->kind != JOBS_MAILBOX && span_copy(SPAN("/"), p->base, sizeof(p->base)) < 0)
		return 0;
	if (p->trouble[0] == '\0')
		enter(p);
	if (p->trouble[0] != '\0')
		return 0;
	if (span_copy(span_of(p->base), rooms[0].path, sizeof(rooms[0].path)) < 0) {
		trouble(p, p->base, ENAMETOOLONG);
		return 0;
	}
	rooms[count++].rights = START_READ | START_WRITE;
	home = p->reads_forward ? open(p->home, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (home < 0)
		return count;
	close(home);
	if (span_copy(span_of(p->home), rooms[1].path, sizeof(rooms[1].path)) == 0)
		rooms[count++].rights = START_READ;
	return count;
}

static int
serve(void *owner, const struct jobs_want *want, int channel)
{
	struct agents *a = owner;
	struct agent_place *p = &a->place;
	const struct confine_limits limits = {.descriptors = AGENTS_DESCRIPTORS,
					      .memory = AGENTS_MEMORY};
	struct start_directory directories[2] = {{.rights = 0}};
	size_t count;

	*p = (struct agent_place){.config = a->config,
				  .domain = a->domain,
				  .delivery = a->delivery,
				  .kind = (enum jobs_kind)want->kind,
				  .user = want->user,
				  .quota = want->quota,
				  .runner = -1,
				  .domain_runner = -1};
	hang_begin(a->config, p->kind);
	if (p->kind == JOBS_ALIAS) {
		become_alias(a, want->home);
		umask(077);
	} else if (a->own == NULL && want->home.len == 0 &&
		   span_equal(want->user, SPAN(AGENTS_ROOT_USER))) {
		keep_root_mail(a);
	} else {
		become_mailbox(a, want);
	}
	p->owner = (struct forward_owner){p->home, a->user.uid, a->user.gid};
	count = rooms(p, directories);
	confine_user(directories, count, agent_syscalls, &limits, a->start->strict);
	return agent_serve(p, channel);
}

void
agents_serve(const struct start *s, const struct config *c, const struct passwd_user *own)
{
	struct agents a = {.start = s, .config = c, .own = own};
	const struct jobs_parent_program program = {.kind = JOBS_MAILBOX,
						    .path = start_path(s, "jobs"),
						    .agents_max = JOBS_PARENT_AGENTS_MAX,
						    .may_serve = may_serve,
						    .serve = serve,
						    .owner = &a};

	if (program.path == NULL)
		fatal(EXIT_SOFTWARE, 0, "the row of local has no `jobs`");
	jobs_parent_run(&program);
}
