/*
 * secrets - see secrets.h; called by main.c at start, by reload.c, and by the timer of programs.c
 */
#include "master/secrets.h"

#include <unistd.h>

#include "common/config/secret.h"
#include "common/system/events.h"
#include "master/master.h"

#define WHY_MAX 4096

static const char *
wrong(const struct stat *st)
{
	return secret_file_wrong(st, geteuid());
}

int
secrets_load(const struct config *c, struct secrets_set *to, struct buffer *why)
{
	to->count = 0;
	while (to->count < c->login_count) {
		size_t i = to->count++;

		if (copies_load(c->logins[i].file, SECRET_FILE_MAX, wrong, &to->files[i], why) !=
		    0) {
			secrets_free(to);
			return -1;
		}
	}
	return 0;
}

void
secrets_free(struct secrets_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		copies_free(&set->files[i]);
	set->count = 0;
}

static bool
sets_are_same(const struct secrets_set *a, const struct secrets_set *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = copies_are_same(&a->files[i], &b->files[i]);
	return same;
}

void
secrets_put(struct secrets *s, struct secrets_set *set)
{
	secrets_free(&s->now);
	s->now = *set;
	set->count = 0;
}

bool
secrets_look(struct master *m)
{
	struct secrets *s = &m->secrets;
	struct secrets_set next = {.count = m->config->login_count};
	struct buffer why;
	bool is_new = false;

	for (size_t i = 0; i < next.count; i++)
		next.files[i] = copies_identity(m->config->logins[i].file);
	if (sets_are_same(&s->now, &next) || sets_are_same(&s->found, &next))
		return false;
	s->found = next; /* has no descriptors */
	buffer_init(&why, WHY_MAX);
	if (secrets_load(m->config, &next, &why) == 0) {
		secrets_put(s, &next);
		is_new = true;
		EVENT("logins-renewed", event_number("count", (int64_t)s->now.count));
	} else {
		EVENT("logins-refused", event_text("reason", buffer_get(&why)));
	}
	buffer_free(&why);
	return is_new;
}

void
secrets_fill(const struct secrets *s, const struct trust_row *row, struct start *to)
{
	if (row->files != TRUST_LOGINS)
		return;
	for (size_t i = 0; i < s->now.count; i++)
		copies_add(to, "login", i, &s->now.files[i]);
}
