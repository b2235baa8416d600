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
		const struct config_login *login = &c->logins[i];

		to->clients[i] = (struct copy){.fd = -1};
		if (copies_load(login->file, SECRET_FILE_MAX, wrong, &to->files[i], why) != 0 ||
		    (login->client_secret != NULL &&
		     copies_load(login->client_secret, SECRET_FILE_MAX, wrong, &to->clients[i],
				 why) != 0)) {
			secrets_free(to);
			return -1;
		}
	}
	return 0;
}

void
secrets_free(struct secrets_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		copies_free(&set->files[i]);
		copies_free(&set->clients[i]);
	}
	set->count = 0;
}

static bool
sets_are_same(const struct secrets_set *a, const struct secrets_set *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = copies_are_same(&a->files[i], &b->files[i]) &&
		       copies_are_same(&a->clients[i], &b->clients[i]);
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

	for (size_t i = 0; i < next.count; i++) {
		const struct config_login *login = &m->config->logins[i];

		next.files[i] = copies_identity(login->file);
		next.clients[i] = (struct copy){.fd = -1};
		if (login->client_secret != NULL)
			next.clients[i] = copies_identity(login->client_secret);
	}
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
secrets_fill(const struct secrets *s, const struct config *c, const struct trust_row *row,
	     struct start *to)
{
	for (size_t i = 0; i < s->now.count; i++) {
		bool is_refresh = c->logins[i].is_refresh;

		if (row->files == TRUST_LOGINS && !is_refresh)
			copies_add(to, "login", i, &s->now.files[i]);
		if (row->files != TRUST_REFRESH || !is_refresh)
			continue;
		copies_add(to, "refresh", i, &s->now.files[i]);
		if (s->now.clients[i].fd >= 0)
			copies_add(to, "client", i, &s->now.clients[i]);
	}
}
