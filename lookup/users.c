/*
 * users - NSS with a cache; called by routes.c
 *
 * The cache is a table of fixed size with open addressing, so that strangers who try names cannot make it grow.
 */
#include "lookup/users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/checksum.h"

#define SLOTS ((size_t)2 * USERS_CACHE_MAX)
#define TROUBLE_TOLD_MS 10000 /* trouble with NSS is told at most that often */

struct user {
	char *name; /* owned; NULL: the slot is free */
	int64_t until_ms;
	uid_t uid;
	enum passwd_outcome outcome; /* FOUND or ABSENT */
};

struct users {
	struct user slots[SLOTS];
	size_t count;
	int64_t tell_again_ms;
};

struct users *
users_new(void)
{
	struct users *u = calloc(1, sizeof(*u));

	if (u == NULL)
		fatal(EXIT_OS, ENOMEM, "cache of users");
	return u;
}

static void
forget_all(struct users *u)
{
	for (size_t i = 0; i < SLOTS; i++)
		free(u->slots[i].name);
	memset(u->slots, 0, sizeof(u->slots));
	u->count = 0;
}

void
users_free(struct users *u)
{
	forget_all(u);
	free(u);
}

/* where `name` is, or would be */
static struct user *
slot_of(struct users *u, struct span name)
{
	size_t i = checksum_of(name.at, name.len) % SLOTS;

	while (u->slots[i].name != NULL && !span_equal(span_of(u->slots[i].name), name))
		i = (i + 1) % SLOTS;
	return &u->slots[i];
}

static void
remember(struct users *u, struct span name, int64_t now_ms, enum passwd_outcome outcome, uid_t uid)
{
	struct user *slot = slot_of(u, name);

	if (slot->name == NULL) {
		if (u->count == USERS_CACHE_MAX) {
			forget_all(u);
			slot = slot_of(u, name);
		}
		slot->name = strndup(name.at, name.len);
		if (slot->name == NULL)
			return; /* only the cache suffers */
		u->count++;
	}
	slot->until_ms = now_ms + USERS_CACHE_MS;
	slot->outcome = outcome;
	slot->uid = uid;
}

enum passwd_outcome
users_find(struct users *u, struct span name, int64_t now_ms, uid_t *uid)
{
	const struct user *known;
	struct passwd_user user = {.uid = (uid_t)-1};
	enum passwd_outcome outcome;

	if (name.len == 0 || name.len > PASSWD_NAME_MAX || memchr(name.at, '\0', name.len) != NULL)
		return PASSWD_ABSENT;
	known = slot_of(u, name);
	if (known->name != NULL && now_ms < known->until_ms) {
		*uid = known->uid;
		return known->outcome;
	}
	outcome = passwd_find(name, &user);
	if (outcome != PASSWD_TROUBLE) {
		remember(u, name, now_ms, outcome, user.uid);
	} else if (now_ms >= u->tell_again_ms) {
		u->tell_again_ms = now_ms + TROUBLE_TOLD_MS;
		EVENT("users-trouble", event_text("user", name),
		      event_string("reason", strerror(errno)));
	}
	if (outcome == PASSWD_FOUND)
		*uid = user.uid;
	return outcome;
}
