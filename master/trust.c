/*
 * trust - the map itself, and a program's row out of it
 *
 * master asks when it starts a program.  Promises: what is not in the map is not in a row.
 */
#include "master/trust.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/fatal.h"

static bool
wants_pam(const struct config *c)
{
	return c->auth.source == CONFIG_AUTH_PAM;
}

const struct trust_row trust_map[TRUST_PROGRAMS] = {
	{
		.program = "log",
		.user = "culver-log",
		.serves = {"log", "trace"},
		.room = TRUST_ROOM_UNLESS_SYSLOG,
		.directories = {{"trace", TRUST_TRACE, NULL, START_READ | START_WRITE},
				{"log", TRUST_LOG_FILE, NULL, START_READ | START_WRITE}},
		.keeps_state = true,
		.stage = TRUST_STOP_LOG,
	},
	{
		/* no room: the C library loads name services and reads their files when it is asked */
		.program = "lookup",
		.user = "culver-lookup",
		.serves = {"lookup"},
		.reaches = {"log"},
		.room = TRUST_NO_ROOM,
		.directories = {{"", TRUST_PATH, "/etc", START_READ},
				{"", TRUST_PATH, "/usr/lib", START_READ | START_EXECUTE},
				{"", TRUST_PATH, "/lib", START_READ | START_EXECUTE},
				{"", TRUST_PATH, "/lib64", START_READ | START_EXECUTE},
				{"", TRUST_PATH, "/run/systemd", START_READ},
				{"", TRUST_PATH, "/var/lib/sss", START_READ},
				{"", TRUST_PATH, "/var/lib/extrausers", START_READ},
				{"", TRUST_TABLES, NULL, START_READ}},
		.stage = TRUST_STOP_LOOKUP,
	},
	{
		/* resolv.conf, hosts and keys are read before it enters its room */
		.program = "resolver",
		.user = "culver-resolver",
		.serves = {"resolver"},
		.reaches = {"log"},
		.network_out = true,
		.room = TRUST_ROOM,
		.stage = TRUST_STOP_LOOKUP,
	},
	{
		/* root, no room, no filter: PAM's modules do what the administrator has chosen them for; it answers auth alone */
		.program = "auth-pam",
		.user = NULL,
		.serves = {"pam"},
		.reaches = {"log"},
		.room = TRUST_NO_ROOM,
		.stage = TRUST_STOP_LOOKUP,
		.is_wanted = wants_pam,
	},
	{
		/* the authorities are read before it enters its room; in it, it has the policies by the descriptor of their directory alone */
		.program = "fetch",
		.user = "culver-fetch",
		.serves = {"fetch"},
		.reaches = {"resolver", "log"},
		.network_out = true,
		.network_port = 443,
		.room = TRUST_ROOM,
		.directories = {{"sts", TRUST_STS, NULL, START_READ | START_WRITE}},
		.files = TRUST_REFRESH,
		.stage = TRUST_STOP_QUEUE,
	},
	{
		/* in its room it has the accounts by the descriptor of their directory alone */
		.program = "auth",
		.user = "culver-auth",
		.serves = {"auth"},
		.reaches = {"pam", "log"},
		.room = TRUST_ROOM,
		.directories = {{"accounts", TRUST_ACCOUNTS, NULL, START_READ}},
		.keeps_state = true, /* who has guessed */
		.stage = TRUST_STOP_QUEUE,
	},
	{
		.program = "queue-manager",
		.user = "culver-queue",
		.serves = {"intake", "jobs", "control"},
		.reaches = {"lookup", "log"},
		.room = TRUST_ROOM,
		.directories = {{"spool", TRUST_SPOOL, NULL, START_READ | START_WRITE}},
		.keeps_state = true,
		.stage = TRUST_STOP_QUEUE,
	},
	{
		/* the private keys, which are in its memory alone; nothing else */
		.program = "signer",
		.user = "culver-signer",
		.serves = {"signer"},
		.reaches = {"log"},
		.room = TRUST_ROOM,
		.files = TRUST_KEYS,
		.stage = TRUST_STOP_LOOKUP,
	},
	{
		.program = "delivery",
		.user = "culver-delivery",
		.reaches = {"jobs", "resolver", "fetch", "log"},
		.network_out = true,
		.room = TRUST_ROOM,
		.files = TRUST_LOGINS,
		.stage = TRUST_STOP_DELIVERY,
	},
	{
		/* asks next hops for recipients; the database is open before it enters its room, and no probe has it */
		.program = "verify",
		.user = "culver-verify",
		.serves = {"verify"},
		.reaches = {"resolver", "fetch", "log"},
		.network_out = true,
		.room = TRUST_ROOM,
		.directories = {{"verified", TRUST_VERIFIED, NULL, START_READ | START_WRITE}},
		.stage = TRUST_STOP_DELIVERY,
	},
	{
		/* root, no room, no filter: what it gave up its users' commands could not have; it answers local alone */
		.program = "runner",
		.user = NULL,
		.serves = {"runner"},
		.reaches = {"log"},
		.room = TRUST_NO_ROOM,
		.stage = TRUST_STOP_QUEUE,
	},
	{
		/* root, no room: its children become the recipients and touch their files; itself it reads no mail */
		.program = "local",
		.user = NULL,
		.reaches = {"jobs", "runner", "log"},
		.room = TRUST_NO_ROOM,
		.stage = TRUST_STOP_DELIVERY,
	},
	{
		.program = "bounce",
		.user = "culver-bounce",
		.reaches = {"jobs", "intake", "log"},
		.room = TRUST_ROOM,
		.stage = TRUST_STOP_DELIVERY,
	},
	{
		.program = "smtpd",
		.user = "culver-smtpd",
		.serves_network = true,
		.reaches = {"intake", "lookup", "signer", "auth", "verify", "log"},
		.room = TRUST_ROOM,
		.files = TRUST_CERTIFICATES,
		.stage = TRUST_STOP_DOOR,
	},
	{
		/* the local users' door; the only one whose word for a uid is believed (queue-manager/intake.c) */
		.program = "submit",
		.binary = "smtpd",
		.user = "culver-submit",
		.serves = {"submission"},
		.reaches = {"intake", "lookup", "log"},
		.reads_drop = true,
		.room = TRUST_ROOM,
		.directories = {{"drop", TRUST_DROP, NULL, START_READ | START_WRITE}},
		.stage = TRUST_STOP_DOOR,
	},
};

const struct trust_socket trust_sockets[] = {
	{"log", 0660, false},	 {"trace", 0666, true},
	{"lookup", 0660, false}, {"resolver", 0660, false},
	{"fetch", 0660, false},	 {"intake", 0660, false},
	{"jobs", 0660, false},	 {"signer", 0660, false},
	{"auth", 0660, false},	 {"pam", 0660, false},
	{"verify", 0660, false}, {"runner", 0660, false},
	{"control", 0666, true}, {"submission", 0666, true, .is_stream = true},
	{NULL, 0, false},
};

/* ---- asking the map ---- */

static bool
has_name(const char *const *names, size_t max, const char *name)
{
	for (size_t i = 0; i < max && names[i] != NULL; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

bool
trust_serves(const struct trust_row *row, const char *socket)
{
	return has_name(row->serves, TRUST_SERVES_MAX, socket);
}

bool
trust_reaches(const struct trust_row *row, const char *socket)
{
	return has_name(row->reaches, TRUST_REACHES_MAX, socket);
}

bool
trust_is_wanted(const struct trust_row *row, const struct config *c)
{
	return row->is_wanted == NULL || row->is_wanted(c);
}

const struct trust_row *
trust_find(const char *program)
{
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		if (strcmp(trust_map[i].program, program) == 0)
			return &trust_map[i];
	}
	return NULL;
}

static size_t
row_number(const char *program)
{
	const struct trust_row *row = trust_find(program);
	if (row == NULL)
		fatal(EXIT_SOFTWARE, 0, "the trust map has no program %s", program);
	return (size_t)(row - trust_map);
}

uid_t
trust_uid(const struct trust_people *people, const char *program)
{
	return people->uids[row_number(program)];
}

gid_t
trust_gid(const struct trust_people *people, const char *program)
{
	return people->gids[row_number(program)];
}

bool
trust_has_room(const struct trust_row *row, const struct trust_people *people,
	       const struct config *c)
{
	if (!people->as_root)
		return false;
	switch (row->room) {
	case TRUST_NO_ROOM:
		return false;
	case TRUST_ROOM:
		return true;
	case TRUST_ROOM_UNLESS_SYSLOG:
		return c->log_sink != CONFIG_LOG_SYSLOG;
	}
	return true;
}

/* ---- the users ---- */

static void
want(struct buffer *why, const char *kind, const char *name)
{
	buffer_format(why, "%s%s %s",
		      why->len == 0 ? "these are missing, `make install` makes them: " : ", ", kind,
		      name);
}

int
trust_people_find(bool as_root, struct trust_people *people, struct buffer *why)
{
	*people = (struct trust_people){.as_root = as_root, .admin_gid = (gid_t)-1};
	if (!as_root) {
		for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
			people->uids[i] = getuid();
			people->gids[i] = getgid();
		}
		people->group = getgid();
		people->drop_group = getgid();
		people->admin_uid = getuid();
		return 0;
	}
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		if (trust_map[i].user == NULL)
			continue;
		const struct passwd *user = getpwnam(trust_map[i].user);
		if (user == NULL || user->pw_uid == 0 || user->pw_gid == 0) {
			want(why, "user", trust_map[i].user);
			continue;
		}
		people->uids[i] = user->pw_uid;
		people->gids[i] = user->pw_gid;
	}
	const struct group *group = getgrnam(TRUST_GROUP);
	if (group == NULL)
		want(why, "group", TRUST_GROUP);
	else
		people->group = group->gr_gid;
	group = getgrnam(TRUST_DROP_GROUP);
	if (group == NULL)
		want(why, "group", TRUST_DROP_GROUP);
	else
		people->drop_group = group->gr_gid;
	group = getgrnam(TRUST_ADMINS);
	if (group != NULL)
		people->admin_gid = group->gr_gid;
	return why->len == 0 ? 0 : -1;
}

/* ---- a row ---- */

static int
add_directory(struct start *s, const char *name, const char *path, size_t path_len, unsigned rights,
	      struct buffer *why)
{
	for (size_t i = 0; i < s->directory_count; i++) {
		if (strlen(s->directories[i].path) == path_len &&
		    memcmp(s->directories[i].path, path, path_len) == 0 && name[0] == '\0') {
			s->directories[i].rights |= rights;
			return 0;
		}
	}
	if (s->directory_count == START_DIRECTORIES_MAX) {
		buffer_format(why, "%s would need more than %d directories (of tables, mostly)",
			      s->program, START_DIRECTORIES_MAX);
		return -1;
	}
	struct start_directory *d = &s->directories[s->directory_count];
	if (span_copy(span_from(path, path_len), d->path, sizeof(d->path)) != 0 ||
	    span_copy(span_of(name), d->name, sizeof(d->name)) != 0) {
		buffer_format(why, "the path %.*s is longer than %d bytes", (int)path_len, path,
			      START_PATH_MAX - 1);
		return -1;
	}
	d->rights = rights;
	s->directory_count++;
	return 0;
}

/* the directory that the file `path` is in */
static int
add_parent(struct start *s, const char *name, const char *path, unsigned rights, struct buffer *why)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL)
		return add_directory(s, name, ".", 1, rights, why);
	return add_directory(s, name, path, slash == path ? 1 : (size_t)(slash - path), rights,
			     why);
}

/* the directories of tables */
static int
add_tables(struct start *s, const struct trust_directory *d, const struct config *c,
	   const struct config_tables *tables, struct buffer *why)
{
	struct config_table table;
	for (size_t i = 0; i < tables->count; i++) {
		if (config_table_find(c, tables->words[i], &table) == 0 &&
		    add_parent(s, d->name, table.path, d->rights, why) != 0)
			return -1;
	}
	return 0;
}

static int
add_place(struct start *s, const struct trust_directory *d, const struct config *c,
	  struct buffer *why)
{
	struct stat st;
	switch (d->place) {
	case TRUST_PATH:
		if (stat(d->path, &st) != 0 || !S_ISDIR(st.st_mode))
			return 0;
		return add_directory(s, d->name, d->path, strlen(d->path), d->rights, why);
	case TRUST_SPOOL:
		return add_directory(s, d->name, c->spool, strlen(c->spool), d->rights, why);
	case TRUST_TRACE:
		return add_directory(s, d->name, c->trace, strlen(c->trace), d->rights, why);
	case TRUST_DROP:
		return add_directory(s, d->name, c->drop, strlen(c->drop), d->rights, why);
	case TRUST_LOG_FILE:
		if (c->log_sink != CONFIG_LOG_FILE)
			return 0;
		return add_parent(s, d->name, c->log_file, d->rights, why);
	case TRUST_TABLES:
		for (size_t i = 0; i < c->domain_count; i++) {
			for (size_t use = 0; use < CONFIG_USES; use++) {
				if (add_tables(s, d, c, &c->domains[i].tables[use], why) != 0)
					return -1;
			}
		}
		for (size_t i = 0; i < c->route_count; i++) {
			if (add_tables(s, d, c, &c->routes[i].sent_as.senders, why) != 0)
				return -1;
		}
		if (add_tables(s, d, c, &c->outbound.sent_as.senders, why) != 0)
			return -1;
		return add_tables(s, d, c, &c->auth.senders, why);
	case TRUST_ACCOUNTS:
		return add_directory(s, d->name, c->auth.accounts, strlen(c->auth.accounts),
				     d->rights, why);
	case TRUST_STS:
		return add_directory(s, d->name, c->sts_cache, strlen(c->sts_cache), d->rights,
				     why);
	case TRUST_VERIFIED:
		return add_directory(s, d->name, c->verify.cache, strlen(c->verify.cache),
				     d->rights, why);
	}
	return 0;
}

static int
add_reach(struct start *s, const char *name, const struct config *c, struct buffer *why)
{
	struct start_reach *r = &s->reaches[s->reach_count++];
	snprintf(r->name, sizeof(r->name), "%s", name);
	/* a room holds nothing but these sockets */
	const char *above = s->room[0] != '\0' ? "" : c->runtime;
	if (snprintf(r->path, sizeof(r->path), "%s/%s", above, name) >= (int)sizeof(r->path)) {
		buffer_format(why, "the path of `runtime` is too long");
		return -1;
	}
	return 0;
}

/* the row's, but where an `endpoint` of the configuration is at another port: then any */
static uint16_t
network_port(const struct trust_row *row, const struct config *c)
{
	for (size_t i = 0; row->files == TRUST_REFRESH && i < c->login_count; i++)
		if (c->logins[i].is_refresh && c->logins[i].endpoint_port != row->network_port)
			return 0;
	return row->network_port;
}

int
trust_fill(const struct trust_row *row, const struct trust_people *people, const struct config *c,
	   struct start *s, struct buffer *why)
{
	size_t number = row_number(row->program);
	memset(s, 0, sizeof(*s));
	snprintf(s->program, sizeof(s->program), "%s", row->program);
	s->as_root = people->as_root;
	s->uid = people->uids[number];
	s->gid = people->gids[number];
	if (people->as_root && row->user != NULL)
		s->groups[s->group_count++] = people->group;
	if (people->as_root && row->reads_drop)
		s->groups[s->group_count++] = people->drop_group;
	s->network_out = row->network_out;
	s->network_port = network_port(row, c);
	s->admin_uid = people->admin_uid;
	s->admin_gid = people->admin_gid;
	if (trust_has_room(row, people, c) &&
	    snprintf(s->room, sizeof(s->room), "%s/rooms/%s", c->runtime, row->program) >=
		    (int)sizeof(s->room)) {
		buffer_format(why, "the path of `runtime` is too long");
		return -1;
	}
	for (size_t i = 0; i < TRUST_REACHES_MAX && row->reaches[i] != NULL; i++) {
		if (add_reach(s, row->reaches[i], c, why) != 0)
			return -1;
	}
	for (size_t i = 0; i < TRUST_DIRECTORIES_MAX && row->directories[i].place != 0; i++) {
		if (add_place(s, &row->directories[i], c, why) != 0)
			return -1;
	}
	return 0;
}

_Static_assert(TRUST_PROGRAMS + 1 <= START_UIDS_MAX,
	       "all of them, and master, may reach one socket");

static void
add_peer(struct start_listen *l, uid_t uid, const char *program)
{
	struct start_peer *peer = &l->peers[l->peer_count++];
	peer->uid = uid;
	snprintf(peer->program, sizeof(peer->program), "%s", program);
}

void
trust_fill_peers(const struct trust_people *people, struct start_listen *l)
{
	l->peer_count = 0;
	l->anybody = false;
	for (const struct trust_socket *t = trust_sockets; t->name != NULL; t++) {
		if (strcmp(t->name, l->name) == 0)
			l->anybody = t->anybody;
	}
	/* master tells events of its own */
	if (strcmp(l->name, "log") == 0)
		add_peer(l, geteuid(), "master");
	for (size_t i = 0; i < TRUST_PROGRAMS; i++) {
		if (trust_reaches(&trust_map[i], l->name))
			add_peer(l, people->uids[i], trust_map[i].program);
	}
}
