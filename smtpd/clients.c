/*
 * clients - what the listener knows of each client
 *
 * Called by listener.c.  Two hash tables with chains: clients by address, sessions by process.  The hash is seeded at random, so that
 * nobody can choose addresses that fall into one chain.
 *
 * Everything lies in one mapping that a fork leaves out: no session can read who else is here, and a fork neither copies it nor makes the
 * listener copy what it writes next.
 */
#include "smtpd/clients.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "common/text/checksum.h"
#include "common/text/number.h"

#define SLOTS 4096
#define TELL_AGAIN_MS 1000

struct client {
	uint64_t key;
	uint64_t sessions;
	int64_t told_ms;
	uint64_t unsaid;
	struct client *next;
};

struct served {
	pid_t pid;
	bool is_inherited; /* of a listener before us: no child of ours */
	struct client *client;
	struct served *next;
};

struct place {
	struct client client;
	struct served served;
};

struct clients {
	uint64_t sessions_max, places_max;
	uint64_t seed;
	size_t count;	  /* sessions, all */
	size_t inherited; /* of them */
	int64_t told_ms;  /* of those who have no session */
	uint64_t unsaid;
	struct client *by_address[SLOTS];
	struct served *by_pid[SLOTS];
	/* free places: given back, and behind them those that were never used; a client needs a session, so that there are never more of them */
	struct client *free_clients;
	struct served *free_served;
	uint64_t used_clients, used_served;
	struct place places[]; /* places_max */
};

static size_t
size_of(uint64_t places_max)
{
	return sizeof(struct clients) + places_max * sizeof(struct place);
}

struct clients *
clients_new(uint64_t sessions_max, uint64_t waiting_max)
{
	uint64_t places_max = sessions_max + waiting_max;
	struct clients *c = mmap(NULL, size_of(places_max), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return NULL;
	c->sessions_max = sessions_max;
	c->places_max = places_max;
	if (madvise(c, size_of(places_max), MADV_DONTFORK) != 0 ||
	    getrandom(&c->seed, sizeof(c->seed), 0) != (ssize_t)sizeof(c->seed)) {
		clients_free(c);
		return NULL;
	}
	return c;
}

void
clients_free(struct clients *c)
{
	if (c != NULL)
		munmap(c, size_of(c->places_max));
}

/* ---- places ---- */

/* NULL: all are taken */
static struct client *
take_client(struct clients *c)
{
	struct client *client = c->free_clients;

	if (client != NULL)
		c->free_clients = client->next;
	else if (c->used_clients < c->places_max)
		client = &c->places[c->used_clients++].client;
	return client;
}

static struct served *
take_served(struct clients *c)
{
	struct served *served = c->free_served;

	if (served != NULL)
		c->free_served = served->next;
	else if (c->used_served < c->sessions_max)
		served = &c->places[c->used_served++].served;
	return served;
}

static void
give_client(struct clients *c, struct client *client)
{
	client->next = c->free_clients;
	c->free_clients = client;
}

static void
give_served(struct clients *c, struct served *served)
{
	served->next = c->free_served;
	c->free_served = served;
}

/* ---- addresses ---- */

void
clients_plain(struct sockaddr_storage *address)
{
	struct sockaddr_in6 six;

	if (address->ss_family != AF_INET6)
		return;
	memcpy(&six, address, sizeof(six));
	if (!IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
		return;
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six.sin6_port};
	memcpy(&four.sin_addr, six.sin6_addr.s6_addr + 12, sizeof(four.sin_addr));
	*address = (struct sockaddr_storage){0};
	memcpy(address, &four, sizeof(four));
}

void
clients_local(struct sockaddr_storage *address, uid_t uid)
{
	*address = (struct sockaddr_storage){.ss_family = AF_UNIX};
	memcpy((char *)address + sizeof(address->ss_family), &uid, sizeof(uid));
}

bool
clients_uid(const struct sockaddr_storage *address, uid_t *uid)
{
	if (address->ss_family != AF_UNIX)
		return false;
	memcpy(uid, (const char *)address + sizeof(address->ss_family), sizeof(*uid));
	return true;
}

/* an IPv4 address or a uid behind four bytes that no IPv6 client's address begins with (multicast); of IPv6 the /64 */
#define FAMILY_BYTES 4
static const char of_ipv4[FAMILY_BYTES] = {'\xff', '\xff', '\xff', '\xff'};
static const char of_user[FAMILY_BYTES] = {'\xff', '\xff', '\xff', '\xfe'};

static uint64_t
key_of(const struct sockaddr_storage *address)
{
	char bytes[sizeof(uint64_t)];
	uint64_t key;
	uid_t uid;

	if (clients_uid(address, &uid)) {
		memcpy(bytes, of_user, FAMILY_BYTES);
		memcpy(bytes + FAMILY_BYTES, &uid, sizeof(uid));
	} else if (address->ss_family == AF_INET6) {
		struct sockaddr_in6 six;
		memcpy(&six, address, sizeof(six));
		memcpy(bytes, six.sin6_addr.s6_addr, sizeof(bytes));
	} else {
		struct sockaddr_in four;
		memcpy(&four, address, sizeof(four));
		memcpy(bytes, of_ipv4, FAMILY_BYTES);
		memcpy(bytes + FAMILY_BYTES, &four.sin_addr, sizeof(four.sin_addr));
	}
	memcpy(&key, bytes, sizeof(key));
	return key;
}

/* what key_of made it of */
static void
address_of(uint64_t key, struct sockaddr_storage *address)
{
	char bytes[sizeof(key)];

	*address = (struct sockaddr_storage){0};
	memcpy(bytes, &key, sizeof(bytes));
	if (memcmp(bytes, of_user, FAMILY_BYTES) == 0) {
		uid_t uid;
		memcpy(&uid, bytes + FAMILY_BYTES, sizeof(uid));
		clients_local(address, uid);
	} else if (memcmp(bytes, of_ipv4, FAMILY_BYTES) == 0) {
		struct sockaddr_in four = {.sin_family = AF_INET};
		memcpy(&four.sin_addr, bytes + FAMILY_BYTES, sizeof(four.sin_addr));
		memcpy(address, &four, sizeof(four));
	} else {
		struct sockaddr_in6 six = {.sin6_family = AF_INET6};
		memcpy(six.sin6_addr.s6_addr, bytes, sizeof(bytes));
		memcpy(address, &six, sizeof(six));
	}
}

static size_t
slot_of(const struct clients *c, uint64_t value)
{
	return checksum_word(span_from((const char *)&value, sizeof(value)), c->seed) % SLOTS;
}

static struct client *
find(const struct clients *c, uint64_t key)
{
	struct client *x = c->by_address[slot_of(c, key)];

	while (x != NULL && x->key != key)
		x = x->next;
	return x;
}

enum clients_answer
clients_ask(const struct clients *c, const struct sockaddr_storage *address,
	    const struct config_limits *limits)
{
	const struct client *x = find(c, key_of(address));

	if (c->count >= c->sessions_max)
		return CLIENTS_TOO_MANY;
	if (x != NULL && x->sessions >= limits->sessions_per_client)
		return CLIENTS_TOO_MANY_OF;
	return CLIENTS_WELCOME;
}

/* that client, which is added where it is new; NULL: there is no place */
static struct client *
know(struct clients *c, uint64_t key)
{
	struct client *client = find(c, key);

	if (client != NULL || (client = take_client(c)) == NULL)
		return client;
	struct client **slot = &c->by_address[slot_of(c, key)];
	*client = (struct client){.key = key, .told_ms = INT64_MIN, .next = *slot};
	*slot = client;
	return client;
}

static int
add(struct clients *c, pid_t pid, uint64_t key, bool is_inherited)
{
	struct served *served = take_served(c);
	struct client *client = served != NULL ? know(c, key) : NULL;

	if (served == NULL)
		return -1;
	if (client == NULL) {
		give_served(c, served);
		return -1;
	}
	client->sessions++;
	struct served **slot = &c->by_pid[(size_t)pid % SLOTS];
	*served = (struct served){
		.pid = pid, .is_inherited = is_inherited, .client = client, .next = *slot};
	*slot = served;
	c->count++;
	c->inherited += is_inherited;
	return 0;
}

static void
forget(struct clients *c, struct client *client)
{
	struct client **at = &c->by_address[slot_of(c, client->key)];

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	give_client(c, client);
}

static void
remove_at(struct clients *c, struct served **at)
{
	struct served *served = *at;

	*at = served->next;
	c->count--;
	c->inherited -= served->is_inherited;
	if (--served->client->sessions == 0)
		forget(c, served->client);
	give_served(c, served);
}

/* the session of that process, one of ours or an inherited one; NULL: none */
static struct served **
find_served(struct clients *c, pid_t pid, bool is_inherited)
{
	struct served **at = &c->by_pid[(size_t)pid % SLOTS];

	while (*at != NULL && ((*at)->pid != pid || (*at)->is_inherited != is_inherited))
		at = &(*at)->next;
	return *at != NULL ? at : NULL;
}

int
clients_add(struct clients *c, pid_t pid, const struct sockaddr_storage *address)
{
	/* a number that was given again: its former process is gone */
	struct served **former = find_served(c, pid, true);

	if (former != NULL)
		remove_at(c, former);
	return add(c, pid, key_of(address), false);
}

int
clients_wait(struct clients *c, const struct sockaddr_storage *address)
{
	struct client *client = know(c, key_of(address));

	if (client == NULL)
		return -1;
	client->sessions++;
	return 0;
}

void
clients_unwait(struct clients *c, const struct sockaddr_storage *address)
{
	struct client *client = find(c, key_of(address));

	if (client != NULL && --client->sessions == 0)
		forget(c, client);
}

bool
clients_find(struct clients *c, pid_t pid, struct sockaddr_storage *address)
{
	struct served **at = find_served(c, pid, false);

	if (at != NULL)
		address_of((*at)->client->key, address);
	return at != NULL;
}

bool
clients_remove(struct clients *c, pid_t pid)
{
	struct served **at = find_served(c, pid, false);

	if (at == NULL)
		return false;
	remove_at(c, at);
	return true;
}

bool
clients_may_tell(struct clients *c, const struct sockaddr_storage *address, int64_t now_ms,
		 uint64_t *unsaid)
{
	struct client *x = find(c, key_of(address));
	int64_t *told_ms = x != NULL ? &x->told_ms : &c->told_ms;
	uint64_t *count = x != NULL ? &x->unsaid : &c->unsaid;

	if (*told_ms != INT64_MIN && *told_ms != 0 && now_ms - *told_ms < TELL_AGAIN_MS) {
		(*count)++;
		return false;
	}
	*told_ms = now_ms;
	*unsaid = *count;
	*count = 0;
	return true;
}

size_t
clients_own(const struct clients *c)
{
	return c->count - c->inherited;
}

size_t
clients_inherited(const struct clients *c)
{
	return c->inherited;
}

void
clients_each_pid(const struct clients *c, void (*each)(pid_t pid))
{
	for (size_t i = 0; i < SLOTS; i++)
		for (const struct served *x = c->by_pid[i]; x != NULL; x = x->next)
			if (!x->is_inherited)
				each(x->pid);
}

/* ---- the table, from one process to the next: its head, then PID KEY a line, the key in hexadecimal ---- */

void
clients_write(const struct clients *c, struct buffer *to)
{
	buffer_string(to, CLIENTS_HEAD);
	for (size_t i = 0; i < SLOTS; i++)
		for (const struct served *x = c->by_pid[i]; x != NULL; x = x->next)
			buffer_format(to, "%lld %016" PRIX64 "\n", (long long)x->pid,
				      x->client->key);
}

int
clients_read(struct clients *c, struct span text)
{
	if (!span_starts(text, SPAN(CLIENTS_HEAD)))
		return -1;
	text = span_skip(text, sizeof(CLIENTS_HEAD) - 1);
	while (text.len > 0) {
		struct span key = span_cut(&text, '\n');
		struct span word = span_cut(&key, ' ');
		uint64_t pid, number;
		if (number_parse(word, 1, INT32_MAX, &pid) != 0 ||
		    number_parse_hex(key, &number) != 0 || c->count >= c->sessions_max)
			return -1;
		/* one that is known already: two tables may name the same session */
		if (find_served(c, (pid_t)pid, true) == NULL &&
		    add(c, (pid_t)pid, number, true) != 0)
			return -1;
	}
	return 0;
}

void
clients_sweep(struct clients *c, bool (*lives)(pid_t pid))
{
	for (size_t i = 0; i < SLOTS && c->inherited > 0; i++) {
		struct served **at = &c->by_pid[i];
		while (*at != NULL) {
			if ((*at)->is_inherited && !lives((*at)->pid))
				remove_at(c, at);
			else
				at = &(*at)->next;
		}
	}
}
