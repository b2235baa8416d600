/*
 * guessers - see guessers.h
 *
 * An entry is found by a keyed hash of what it is about: nobody can aim at another's entry, and no address or login is kept.  GUESSERS_WAYS
 * entries are where one may be.
 */
#include "auth/guessers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/system/fatal.h"

#define GUESSERS_SETS 8192
#define KNOWN_SETS 2048
#define GUESSERS_WAYS 8
#define KEY_SIZE 32
#define ONE 1000 /* a guess, in the unit of `count` */
#define COUNT_MAX (1000 * ONE)
#define SUBJECT_MAX 400 /* kind, network and login */
#define DOUBLINGS_MAX 16

enum kind { ADDRESS = 'a', NETWORK = 'n', LOGIN = 'l', KNOWN = 'k' };

struct guesser {
	uint64_t tag;	/* 0: free */
	uint32_t count; /* as of at_ms; of who is known: none */
	int64_t at_ms;
};

struct set {
	struct guesser ways[GUESSERS_WAYS];
};

struct guessers {
	unsigned char key[KEY_SIZE];
	struct set guessing[GUESSERS_SETS];
	/* apart: however many guess, who is known stays known */
	struct set known[KNOWN_SETS];
};

struct guessers *
guessers_new(void)
{
	struct guessers *g = calloc(1, sizeof(*g));

	if (g == NULL || getrandom(g->key, sizeof(g->key), 0) != (ssize_t)sizeof(g->key))
		fatal(EXIT_OS, errno, "the table of guessers");
	return g;
}

void
guessers_free(struct guessers *g)
{
	free(g);
}

/* ---- finding an entry ---- */

/* the address alone of its /64 (`kind` ADDRESS), or its network, as bytes */
static size_t
subject_client(enum kind kind, const char *client, char to[SUBJECT_MAX])
{
	unsigned char address[16];

	to[0] = (char)kind;
	if (inet_pton(AF_INET, client, address) == 1) {
		size_t bytes = kind == ADDRESS ? 4 : 3;
		to[1] = '4';
		memcpy(to + 2, address, bytes);
		return 2 + bytes;
	}
	if (inet_pton(AF_INET6, client, address) == 1) {
		size_t bytes = kind == ADDRESS ? 8 : 6;
		to[1] = '6';
		memcpy(to + 2, address, bytes);
		return 2 + bytes;
	}
	return 1 + (size_t)snprintf(to + 1, SUBJECT_MAX - 1, "?%.*s", SUBJECT_MAX / 2, client);
}

static uint64_t
tag_of(const struct guessers *g, const char *subject, size_t len)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	uint64_t tag = 0;

	if (HMAC(EVP_sha256(), g->key, KEY_SIZE, (const unsigned char *)subject, len, mac,
		 &mac_len) == NULL)
		fatal(EXIT_OS, 0, "HMAC of a guesser");
	memcpy(&tag, mac, sizeof(tag));
	return tag != 0 ? tag : 1;
}

static uint64_t
tag_client(const struct guessers *g, enum kind kind, const char *client)
{
	char subject[SUBJECT_MAX];
	size_t len = subject_client(kind, client, subject);

	return tag_of(g, subject, len);
}

static uint64_t
tag_login(const struct guessers *g, const char *login)
{
	char subject[SUBJECT_MAX];
	int len = snprintf(subject, sizeof(subject), "%c%.*s", LOGIN, SUBJECT_MAX - 2, login);

	return tag_of(g, subject, (size_t)len);
}

static uint64_t
tag_known(const struct guessers *g, const char *client, const char *login)
{
	char subject[SUBJECT_MAX];
	size_t len = subject_client(NETWORK, client, subject);

	subject[0] = KNOWN;
	int more = snprintf(subject + len, sizeof(subject) - len, ",%s", login);
	len += (size_t)more < sizeof(subject) - len ? (size_t)more : sizeof(subject) - len - 1;
	return tag_of(g, subject, len);
}

static uint32_t
count_now(const struct guesser *e, int64_t now_ms)
{
	int64_t passed = now_ms - e->at_ms;
	int64_t halves = passed / GUESSERS_HALF_LIFE_MS, left = passed % GUESSERS_HALF_LIFE_MS;

	if (passed <= 0)
		return e->count;
	if (halves >= 32)
		return 0;
	/* between two halvings along the straight line */
	uint32_t count = e->count >> halves;
	return count - (uint32_t)((int64_t)(count / 2) * left / GUESSERS_HALF_LIFE_MS);
}

static const struct guesser *
find(const struct set *set, uint64_t tag)
{
	for (size_t i = 0; i < GUESSERS_WAYS; i++)
		if (set->ways[i].tag == tag)
			return &set->ways[i];
	return NULL;
}

/* the entry, made in the place of the least, or oldest, where there is none */
static struct guesser *
find_or_make(struct set *set, uint64_t tag, int64_t now_ms)
{
	struct guesser *least = &set->ways[0];

	for (size_t i = 0; i < GUESSERS_WAYS; i++) {
		struct guesser *e = &set->ways[i];
		uint32_t count = count_now(e, now_ms), count_least = count_now(least, now_ms);

		if (e->tag == tag)
			return e;
		if (least->tag != 0 && (e->tag == 0 || count < count_least ||
					(count == count_least && e->at_ms < least->at_ms)))
			least = e;
	}
	*least = (struct guesser){.tag = tag, .at_ms = now_ms};
	return least;
}

static void
add(struct guessers *g, uint64_t tag, int64_t now_ms)
{
	struct guesser *e = find_or_make(&g->guessing[tag % GUESSERS_SETS], tag, now_ms);
	uint32_t count = count_now(e, now_ms) + ONE;

	e->count = count < COUNT_MAX ? count : COUNT_MAX;
	e->at_ms = now_ms;
}

static void
take_away(struct guessers *g, uint64_t tag, int64_t now_ms)
{
	struct guesser *e = find_or_make(&g->guessing[tag % GUESSERS_SETS], tag, now_ms);
	uint32_t count = count_now(e, now_ms);

	e->count = count > ONE ? count - ONE : 0;
	e->at_ms = now_ms;
}

/* ---- counting and judging ---- */

void
guessers_charge(struct guessers *g, const char *client, int64_t now_ms)
{
	add(g, tag_client(g, ADDRESS, client), now_ms);
	add(g, tag_client(g, NETWORK, client), now_ms);
}

void
guessers_pardon(struct guessers *g, const char *client, int64_t now_ms)
{
	take_away(g, tag_client(g, ADDRESS, client), now_ms);
	take_away(g, tag_client(g, NETWORK, client), now_ms);
}

void
guessers_wrong(struct guessers *g, const char *login, int64_t now_ms)
{
	if (login[0] != '\0')
		add(g, tag_login(g, login), now_ms);
}

void
guessers_right(struct guessers *g, const char *client, const char *login, int64_t now_ms)
{
	uint64_t tag = tag_known(g, client, login);

	find_or_make(&g->known[tag % KNOWN_SETS], tag, now_ms)->at_ms = now_ms;
}

static uint32_t
count_of(const struct guessers *g, uint64_t tag, int64_t now_ms)
{
	const struct guesser *e = find(&g->guessing[tag % GUESSERS_SETS], tag);

	return e != NULL ? (count_now(e, now_ms) + ONE / 2) / ONE : 0;
}

static int64_t
delay_of(uint32_t count, uint32_t free)
{
	uint32_t over = count > free ? count - free : 0;
	int64_t delay_ms;

	if (over == 0)
		return 0;
	delay_ms = (int64_t)GUESSERS_DELAY_FIRST_MS
		   << (over - 1 < DOUBLINGS_MAX ? over - 1 : DOUBLINGS_MAX);
	return delay_ms < GUESSERS_DELAY_MAX_MS ? delay_ms : GUESSERS_DELAY_MAX_MS;
}

static int64_t
longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

bool
guessers_judge(const struct guessers *g, const char *client, const char *login, int64_t now_ms,
	       int64_t *delay_ms)
{
	uint64_t tag = tag_known(g, client, login);
	const struct guesser *known = find(&g->known[tag % KNOWN_SETS], tag);
	/* without this guess itself, which is charged already */
	uint32_t address = count_of(g, tag_client(g, ADDRESS, client), now_ms);
	uint32_t network = count_of(g, tag_client(g, NETWORK, client), now_ms);

	address -= address > 0;
	network -= network > 0;
	*delay_ms = delay_of(address, GUESSERS_ADDRESS_FREE);
	if (known != NULL && now_ms - known->at_ms < GUESSERS_KNOWN_MS) {
		if (*delay_ms > GUESSERS_DELAY_KNOWN_MS)
			*delay_ms = GUESSERS_DELAY_KNOWN_MS;
		return true;
	}
	*delay_ms = longer(*delay_ms, delay_of(network, GUESSERS_NETWORK_FREE));
	*delay_ms = longer(*delay_ms,
			   delay_of(count_of(g, tag_login(g, login), now_ms), GUESSERS_LOGIN_FREE));
	return address < GUESSERS_ADDRESS_SHUT && network < GUESSERS_NETWORK_SHUT;
}
