/*
 * local - mail into the mailboxes of the system's users
 *
 * As root a parent that reads no mail (agents.c) and, for each mailbox in work, a child that becomes its user for good (become.c),
 * confines itself and delivers (agent.c).  As an ordinary user there is one mailbox, his.
 */
#include <string.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/system/passwd.h"
#include "common/system/start.h"
#include "local/agents.h"
#include "local/alias.h"
#include "local/mailbox-path.h"
#include "local/syscalls.h"

#define DESCRIPTORS_MAX 64 /* the parent has a handful, and one more while it forks */

static void
add(struct start *row, struct span path, unsigned rights)
{
	size_t known = 0;

	while (known < row->directory_count &&
	       !span_equal(span_of(row->directories[known].path), path))
		known++;
	if (known == START_DIRECTORIES_MAX)
		fatal(EXIT_CONFIGURATION, 0, "`deliver` and `aliases` name more than %d folders",
		      START_DIRECTORIES_MAX);
	if (known == row->directory_count) {
		struct start_directory *d = &row->directories[known];

		if (span_copy(path, d->path, sizeof(d->path)) < 0)
			return; /* his agent says so for each letter */
		row->directory_count++;
	}
	row->directories[known].rights |= rights;
}

/* the folder that a table of aliases is in */
static void
add_table(struct start *row, const struct config *c, const struct config_domain *d,
	  const char *word)
{
	const char *path = alias_table(c, d, span_of(word));
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	if (slash != NULL && slash > path)
		add(row, span_from(path, (size_t)(slash - path)), START_READ);
}

/* the folder that mailboxes lie below; what has none his agent says for each letter */
static void
add_base(struct start *row, const char *path, const struct passwd_user *own)
{
	char base[START_PATH_MAX];

	if (mailbox_path_base(path, own->home, base, sizeof(base)) == 0)
		add(row, span_of(base), START_READ | START_WRITE);
}

/*
 * own_row - an ordinary user's row: his home, the bases of his mailboxes and the folders of his aliases, for what Landlock forbids the
 * parent its agents cannot have
 */
static struct start
own_row(const struct start *s, const struct config *c, const struct passwd_user *own)
{
	struct start row = *s;

	add(&row, span_of(own->home), START_READ | START_WRITE);
	for (size_t i = 0; i < c->domain_count; i++) {
		const struct config_domain *d = &c->domains[i];

		add_base(&row, config_homes(d), own);
		add_base(&row, d->deliver.path, own);
		for (size_t n = 0; n < d->delivery_count; n++)
			add_base(&row, d->deliveries[n].path, own);
		for (size_t n = 0; n < d->tables[CONFIG_ALIASES].count; n++)
			add_table(&row, c, d, d->tables[CONFIG_ALIASES].words[n]);
	}
	return row;
}

int
main(void)
{
	const struct start *s = start_take("local");
	const struct config *c = config_take();
	const struct confine_limits limits = {.descriptors = DESCRIPTORS_MAX, .may_fork = true};
	struct passwd_user own;
	struct start row = *s;

	events_start("local", start_path(s, "log"));
	passwd_preload();
	if (!s->as_root) {
		if (passwd_find_uid(getuid(), &own) != PASSWD_FOUND)
			fatal(EXIT_CONFIGURATION, 0, "uid %u has no name, so it has no mailbox",
			      (unsigned)getuid());
		row = own_row(s, c, &own);
	}
	confine(&row, local_syscalls, &limits);
	start_serving(s);
	agents_serve(s, c, s->as_root ? NULL : &own);
	events_end();
	return 0;
}
