/*
 * recipient - see recipient.h
 */
#include "local/recipient.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/address.h"
#include "common/protocol/lookup.h"
#include "common/system/clock.h"
#include "local/forward.h"
#include "local/mailbox-path.h"
#include "local/mbox.h"
#include "local/pipe.h"
#include "local/quota.h"

#define NOWHERE "/dev/null"

/* ---- the letter ---- */

static struct span
extension_of(const struct hands *h, const struct jobs_recipient *r)
{
	const struct agent_place *p = h->place;

	return mailbox_path_extension(r->address, p->user, p->config->extension);
}

/* letter_of - false: *v says why there is none.  With a From line for files of letters and commands. */
static bool
letter_of(struct hands *h, const struct job *job, const struct jobs_recipient *r,
	  bool has_from_line, struct letter *l, struct verdict *v)
{
	buffer_clear(&h->head);
	if (has_from_line)
		mbox_from_line(&h->head, job->order.sender, clock_wall_us());
	delivered_to_lines(&h->head, job->order.sender, r->address, r->original);
	buffer_span(&h->head, job->order.top);
	if (has_from_line && h->room == NULL)
		h->room = malloc(MBOX_ROOM);
	if (h->head.failed || (has_from_line && h->room == NULL)) {
		verdict_set(v, FATE_DEFERRED, 451, "4.3.0",
			    "out of memory for the header lines on top");
		return false;
	}
	*l = (struct letter){.head = buffer_get(&h->head),
			     .content = job->content,
			     .content_at = job->order.content_at,
			     .content_length = job->order.content_length,
			     .first = job->first,
			     .block = job->block};
	return true;
}

static void
to_maildir(struct hands *h, const struct job *job, const struct jobs_recipient *r, const char *path,
	   size_t home_len, struct verdict *v)
{
	struct letter l;

	if (!letter_of(h, job, r, false, &l, v))
		return;
	if (!quota_may(path, h->place->quota, l.head.len + l.content_length)) {
		verdict_set(v, FATE_DEFERRED, 452, "4.2.2", "%s: its quota is used up", path);
		return;
	}
	maildir_deliver(&h->maildir, path, home_len, &l, v);
	if (v->fate == FATE_DELIVERED)
		quota_add(path, h->maildir.written);
}

static void
to_mbox(struct hands *h, const struct job *job, const struct jobs_recipient *r, const char *path,
	uid_t owner, struct verdict *v)
{
	struct letter l;

	if (letter_of(h, job, r, true, &l, v))
		mbox_deliver(path, owner, &l, h->room, v);
}

static void
to_command(struct hands *h, const struct job *job, const struct jobs_recipient *r,
	   struct span command, struct verdict *v)
{
	const struct agent_place *p = h->place;
	struct pipe_job pipe = {
		.channel = command.len > 0 ? p->runner : p->domain_runner,
		.time_ms = p->config->limits.pipe_time,
		.ask = {.command = command,
			.sender = job->order.sender,
			.recipient = r->address,
			.original = r->original,
			.ext = extension_of(h, r),
			.id = job->order.id,
			.size = job->order.content_length},
	};
	struct letter l;

	if (pipe.channel < 0 || command.len > RUNNER_COMMAND_MAX) {
		verdict_set(v, FATE_DEFERRED, 451, "4.3.5",
			    command.len > RUNNER_COMMAND_MAX ? "the command is too long"
							     : "runner is not there now");
		h->must_leave = true;
		return;
	}
	if (letter_of(h, job, r, true, &l, v) && !pipe_deliver(&pipe, &l, h->room, v))
		h->must_leave = true;
}

/* ---- mailboxes ---- */

/* where - the path of his mailbox; false: *v says why there is none */
static bool
where(const struct hands *h, const struct jobs_recipient *r, char path[PATH_MAX], struct verdict *v)
{
	const struct agent_place *p = h->place;
	struct span domain = address_domain_of(r->address);
	struct mailbox_path_values values = {
		.home = p->home,
		.user = p->user,
		.ext = extension_of(h, r),
		.domain = domain.len > 0 ? domain : span_of(p->config->hostname),
	};

	if (p->maildir[0] != '\0') {
		memcpy(path, p->maildir, PATH_MAX);
		return true;
	}
	switch (mailbox_path(p->template, &values, path, PATH_MAX)) {
	case MAILBOX_PATH_OK:
		return true;
	case MAILBOX_PATH_VALUE:
		verdict_set(v, FATE_FAILED, 550, "5.1.1", "there is no mailbox of this name");
		path[0] = '\0';
		return false;
	case MAILBOX_PATH_TEMPLATE:
		break;
	}
	path[0] = '\0';
	verdict_set(v, FATE_DEFERRED, 451, "4.3.5",
		    "the configuration's `deliver %s` gives no path below its base",
		    p->delivery->path);
	return false;
}

static void
to_mailbox(struct hands *h, const struct job *job, const struct jobs_recipient *r,
	   struct recipient_outcome *o)
{
	const struct agent_place *p = h->place;

	if (!where(h, r, o->path, &o->verdict))
		return;
	if (p->maildir[0] == '\0' && p->delivery->ending == CONFIG_MBOX)
		to_mbox(h, job, r, o->path, p->owner.uid, &o->verdict);
	else
		to_maildir(h, job, r, o->path, strlen(p->base), &o->verdict);
}

/* is_mailbox - does a letter end here, when no .forward says otherwise? */
static bool
is_mailbox(const struct agent_place *p)
{
	return p->kind == JOBS_MAILBOX &&
	       (p->maildir[0] != '\0' || p->delivery->ending == CONFIG_MAILDIR ||
		p->delivery->ending == CONFIG_MBOX);
}

/* ---- standing for others ---- */

static bool
out_of_memory(struct recipient_outcome *o)
{
	o->children = NULL;
	verdict_set(&o->verdict, FATE_DEFERRED, 451, "4.3.0", "out of memory for the recipients");
	return false;
}

/* make_room - for as many children as the list has */
static bool
make_room(struct hands *h, size_t count, struct recipient_outcome *o)
{
	o->count = 0;
	o->children = arena_alloc(&h->arena, (count + 1) * sizeof(*o->children));
	return o->children != NULL || out_of_memory(o);
}

/* whole_address - a value that has no domain is of the same as the name; at == NULL: no memory */
static struct span
whole_address(struct hands *h, const struct alias_value *v, const struct jobs_recipient *r)
{
	struct span domain = address_domain_of(r->address);
	char text[2 * ADDRESS_MAX + 2];

	if (!span_ends(v->text, SPAN("\"")) && address_domain_of(v->text).len > 0)
		return arena_span(&h->arena, v->text);
	if (domain.len == 0)
		domain = span_of(h->place->config->hostname);
	if (v->text.len + 1 + domain.len > ADDRESS_MAX)
		return span_from(NULL, 0);
	memcpy(text, v->text.at, v->text.len);
	text[v->text.len] = '@';
	memcpy(text + v->text.len + 1, domain.at, domain.len);
	return arena_span(&h->arena, span_from(text, v->text.len + 1 + domain.len));
}

/* is_himself - an address of the user whose .forward it stands in: his mailbox, or it would go round */
static bool
is_himself(const struct hands *h, struct span address)
{
	const struct agent_place *p = h->place;
	const struct config_domain *d = config_domain_find(p->config, address_domain_of(address));
	struct span local = address_local_of(address);

	if (p->kind == JOBS_ALIAS || d == NULL || !d->users_system)
		return false;
	if (p->config->extension != '\0' && !span_equal_nocase(local, p->user))
		local = span_cut(&local, p->config->extension);
	return span_equal_nocase(local, p->user);
}

static bool
add_address(struct hands *h, const struct jobs_recipient *r, const struct alias_value *v,
	    struct recipient_outcome *o)
{
	struct span address = whole_address(h, v, r);

	if (address.at == NULL)
		return out_of_memory(o);
	o->children[o->count++] = (struct jobs_child){
		.address = address,
		.direct = v->direct || is_himself(h, address) ? LOOKUP_DIRECT_MAILBOX
							      : LOOKUP_DIRECT_NOT,
		.owner = SPAN_NONE,
	};
	return true;
}

static bool
wrong_list(struct recipient_outcome *o, enum fate fate, const char *status, const char *path,
	   const char *why)
{
	o->children = NULL;
	verdict_set(&o->verdict, fate, fate == FATE_FAILED ? 550 : 451, status, "%s: %s", path,
		    why);
	return false;
}

/* include - the addresses of a file, and of those that it includes, added to `all`; false: the verdict says why not */
static bool
include(struct hands *h, struct span path, unsigned depth, struct list *all,
	struct recipient_outcome *o)
{
	char name[PATH_MAX];
	struct list list = {.count = 0};
	struct span text;
	struct stat st;

	if (span_copy(path, name, sizeof(name)) < 0 || name[0] != '/')
		return wrong_list(o, FATE_DEFERRED, "4.3.5",
				  ":include:", "expected a path that begins with `/`");
	if (depth == RECIPIENT_INCLUDES_MAX)
		return wrong_list(o, FATE_FAILED, "5.4.6", name,
				  "lists include one another without end");
	enum list_outcome read = list_read(AT_FDCWD, name, &h->arena, &text, &st);

	if (read == LIST_OK)
		read = list_parse(text, &h->arena, &list);
	switch (read) {
	case LIST_OK:
		break;
	case LIST_ABSENT:
		return wrong_list(o, FATE_DEFERRED, "4.3.5", name, "there is no such file");
	case LIST_UNUSABLE:
		return wrong_list(o, FATE_DEFERRED, "4.3.5", name, "cannot be read");
	case LIST_TOO_LONG:
		return wrong_list(o, FATE_FAILED, "5.3.4", name, "the list is too long");
	case LIST_WRONG:
		return wrong_list(o, FATE_DEFERRED, "4.3.5", name, list.wrong);
	case LIST_NO_MEMORY:
		return out_of_memory(o);
	}
	for (size_t i = 0; i < list.count; i++) {
		const struct alias_value *v = &list.values[i];

		if (v->kind == ALIAS_INCLUDE) {
			if (!include(h, v->text, depth + 1, all, o))
				return false;
		} else if (v->kind != ALIAS_ADDRESS) {
			return wrong_list(o, FATE_DEFERRED, "4.3.5", name,
					  "a list names no commands and no files");
		} else if (!list_add(all, &h->arena, v)) {
			return wrong_list(o, FATE_FAILED, "5.3.4", name, "the list is too long");
		}
	}
	return true;
}

static void
to_list(struct hands *h, const struct jobs_recipient *r, struct span path,
	struct recipient_outcome *o)
{
	struct list all = {.count = 0};

	if (!include(h, path, 0, &all, o) || !make_room(h, all.count, o))
		return;
	for (size_t i = 0; i < all.count; i++)
		if (!add_address(h, r, &all.values[i], o))
			return;
	if (o->count > 0)
		return;
	o->children = NULL;
	verdict_set(&o->verdict, FATE_DELIVERED, 250, "2.0.0", "the list is empty");
}

/* to_himself - past his .forward: to where `deliver` says, which need not be this agent's to do */
static void
to_himself(struct hands *h, const struct job *job, const struct jobs_recipient *r,
	   struct recipient_outcome *o)
{
	if (is_mailbox(h->place)) {
		to_mailbox(h, job, r, o);
		return;
	}
	if (!make_room(h, 1, o))
		return;
	o->children[o->count++] = (struct jobs_child){
		.address = r->address, .direct = LOOKUP_DIRECT_MAILBOX, .owner = SPAN_NONE};
}

/* ---- lines ---- */

static void
to_file(struct hands *h, const struct job *job, const struct jobs_recipient *r, struct span file,
	struct recipient_outcome *o)
{
	char *slash;

	if (span_equal(file, SPAN(NOWHERE))) {
		verdict_set(&o->verdict, FATE_DELIVERED, 250, "2.0.0",
			    "discarded, as its line says");
		return;
	}
	if (span_copy(file, o->path, sizeof(o->path)) < 0) {
		verdict_set(&o->verdict, FATE_DEFERRED, 451, "4.3.5",
			    "the path of a line is too long");
		return;
	}
	if (!span_ends(file, SPAN("/"))) {
		to_mbox(h, job, r, o->path, (uid_t)-1, &o->verdict);
		return;
	}
	/* a slash at the end: a Maildir, made if only itself is missing */
	o->path[file.len - 1] = '\0';
	slash = strrchr(o->path, '/');
	to_maildir(h, job, r, o->path, slash != NULL ? (size_t)(slash - o->path) : 0, &o->verdict);
}

static void
to_line(struct hands *h, const struct job *job, const struct jobs_recipient *r,
	const struct alias_value *line, struct recipient_outcome *o)
{
	switch (line->kind) {
	case ALIAS_COMMAND:
		to_command(h, job, r, line->text, &o->verdict);
		return;
	case ALIAS_FILE:
		to_file(h, job, r, line->text, o);
		return;
	case ALIAS_INCLUDE:
		to_list(h, r, line->text, o);
		return;
	case ALIAS_ADDRESS:
	case ALIAS_DOMAIN:
		break;
	}
	verdict_set(&o->verdict, FATE_DEFERRED, 451, "4.3.5", "an address is no line of its own");
}

static const struct alias_value *
find_line(const struct list *list, uint64_t hash)
{
	for (size_t i = 0; i < list->count; i++)
		if (alias_value_hash(&list->values[i]) == hash)
			return &list->values[i];
	return NULL;
}

static enum forward_outcome
read_forward(struct hands *h, const struct jobs_recipient *r, struct list *list,
	     struct recipient_outcome *o)
{
	return forward_read(&h->place->owner, h->place->config->extension, extension_of(h, r),
			    &h->arena, list, &o->verdict);
}

/* a line of his .forward; one that he has taken out since then does not take the letter with it */
static void
forward_line(struct hands *h, const struct job *job, const struct jobs_recipient *r,
	     struct recipient_outcome *o)
{
	const struct alias_value *line = NULL;
	struct list list;

	switch (read_forward(h, r, &list, o)) {
	case FORWARD_REFUSED:
		return;
	case FORWARD_READ:
		line = find_line(&list, r->line);
		break;
	case FORWARD_NONE:
		break;
	}
	if (line != NULL)
		to_line(h, job, r, line, o);
	else
		to_himself(h, job, r, o);
}

static void
alias_line(struct hands *h, const struct job *job, const struct jobs_recipient *r,
	   struct recipient_outcome *o)
{
	const struct alias_value *line = find_line(&h->place->alias, r->line);

	if (line != NULL) {
		to_line(h, job, r, line, o);
		return;
	}
	h->must_leave = true; /* the file was changed: a new agent reads it again */
	verdict_set(&o->verdict, FATE_DEFERRED, 451, "4.3.5",
		    "the line of the alias that this was for is no longer there");
}

/* ---- .forward ---- */

/* obey - the user's list: addresses, and a child of its own for each line that is more */
static void
obey(struct hands *h, const struct job *job, const struct jobs_recipient *r,
     const struct list *list, struct recipient_outcome *o)
{
	if (!make_room(h, list->count, o))
		return;
	for (size_t i = 0; i < list->count; i++) {
		const struct alias_value *v = &list->values[i];

		if (v->kind == ALIAS_ADDRESS) {
			if (!add_address(h, r, v, o))
				return;
			continue;
		}
		o->children[o->count++] = (struct jobs_child){.address = r->address,
							      .direct = LOOKUP_DIRECT_USER,
							      .line = alias_value_hash(v),
							      .owner = SPAN_NONE};
	}
	/* nothing but himself: that is as if there were none */
	if (o->count == 1 && o->children[0].direct == LOOKUP_DIRECT_MAILBOX &&
	    is_himself(h, o->children[0].address)) {
		o->children = NULL;
		to_himself(h, job, r, o);
	}
}

static void
mailbox(struct hands *h, const struct job *job, const struct jobs_recipient *r,
	struct recipient_outcome *o)
{
	struct list list;

	if (!h->place->reads_forward || r->direct == LOOKUP_DIRECT_MAILBOX) {
		to_mailbox(h, job, r, o);
		return;
	}
	switch (read_forward(h, r, &list, o)) {
	case FORWARD_REFUSED:
		return;
	case FORWARD_NONE:
		to_himself(h, job, r, o);
		return;
	case FORWARD_READ:
		obey(h, job, r, &list, o);
		return;
	}
}

/* ---- all of it ---- */

void
recipient_deliver(struct hands *h, const struct job *job, const struct jobs_recipient *r,
		  struct recipient_outcome *o)
{
	const struct agent_place *p = h->place;

	o->children = NULL;
	o->count = 0;
	o->path[0] = '\0';
	if (p->trouble[0] != '\0')
		verdict_set(&o->verdict, FATE_DEFERRED, 451, "4.2.1", "%s", p->trouble);
	else if (delivered_to_has(&job->before, r->address))
		verdict_set(&o->verdict, FATE_FAILED, 554, "5.4.6",
			    "mail loop: this message was delivered to this address before");
	else if (job->trouble != NULL)
		maildir_trouble(&o->verdict, "", job->trouble, job->error);
	else if (p->kind == JOBS_ALIAS)
		alias_line(h, job, r, o);
	else if (p->kind == JOBS_LINE && p->is_virtual && r->line != 0)
		verdict_set(&o->verdict, FATE_DEFERRED, 451, "4.3.5",
			    "the users of this domain have no commands");
	else if (p->kind == JOBS_LINE && r->line != 0)
		forward_line(h, job, r, o);
	else if (p->kind == JOBS_LINE)
		to_command(h, job, r, SPAN_NONE, &o->verdict);
	else
		mailbox(h, job, r, o);
}
