/*
 * lobby - see lobby.h
 */
#include "smtpd/lobby.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/system/fatal.h"

#define CROWDED "421 4.3.2 too many connections wait here, try again later\r\n"

struct guest {
	struct loop_watch watch;
	struct loop_timer timer;
	struct lobby *lobby;
	const void *door;
	const char *farewell;
	struct sockaddr_storage client;
	/* those who wait, in the order in which they came; of a free place `next` alone */
	struct guest *before, *next;
};

struct lobby {
	struct lobby_owner owner;
	size_t places, used; /* used: ever */
	size_t count;
	struct guest *oldest, *youngest, *unused;
	struct guest guests[];
};

/* how many descriptors there are for it */
static size_t
places_of(void)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur <= LOBBY_DESCRIPTOR)
		return 0;
	size_t room = (size_t)now.rlim_cur - LOBBY_DESCRIPTOR;
	return room < LOBBY_MAX ? room : LOBBY_MAX;
}

struct lobby *
lobby_new(const struct lobby_owner *owner)
{
	size_t places = places_of();
	size_t size = sizeof(struct lobby) + places * sizeof(struct guest);
	struct lobby *l;

	if (places == 0)
		return NULL;
	l = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (l == MAP_FAILED)
		return NULL;
	if (madvise(l, size, MADV_DONTFORK) != 0) {
		munmap(l, size);
		return NULL;
	}
	l->owner = *owner;
	l->places = places;
	return l;
}

size_t
lobby_count(const struct lobby *l)
{
	return l != NULL ? l->count : 0;
}

/* ---- places ---- */

static struct guest *
take_place(struct lobby *l)
{
	struct guest *g = l->unused;

	if (g != NULL)
		l->unused = g->next;
	else if (l->used < l->places)
		g = &l->guests[l->used++];
	return g;
}

static void
append(struct lobby *l, struct guest *g)
{
	g->before = l->youngest;
	g->next = NULL;
	if (l->youngest != NULL)
		l->youngest->next = g;
	else
		l->oldest = g;
	l->youngest = g;
	l->count++;
}

/* its place is free; the descriptor is the caller's */
static int
give_place(struct guest *g)
{
	struct lobby *l = g->lobby;
	int fd = g->watch.fd;

	loop_unwatch(l->owner.loop, &g->watch);
	loop_timer_clear(l->owner.loop, &g->timer);
	if (g->before != NULL)
		g->before->next = g->next;
	else
		l->oldest = g->next;
	if (g->next != NULL)
		g->next->before = g->before;
	else
		l->youngest = g->before;
	l->count--;
	g->next = l->unused;
	l->unused = g;
	return fd;
}

/* ---- going ---- */

static void
end(struct guest *g, const char *text, const char *how)
{
	struct lobby *l = g->lobby;
	struct sockaddr_storage client = g->client;
	int fd = give_place(g);

	/* its buffer has room for a line; a client that is gone already misses nothing */
	if (text != NULL)
		(void)!send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
	l->owner.ended(l->owner.owner, &client, how);
}

static void
waited_too_long(struct loop_timer *t)
{
	struct guest *g = t->owner;

	end(g, g->farewell, "timeout");
}

static void
guest_ready(struct loop_watch *w, uint32_t events)
{
	struct guest *g = w->owner;
	struct lobby *l = g->lobby;
	struct sockaddr_storage client = g->client;
	const void *door = g->door;
	char byte;
	(void)events;

	ssize_t n = recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN) /* the event was that of a guest before it */
		return;
	if (n <= 0) {
		end(g, NULL, "left");
		return;
	}
	int high = give_place(g);
	int fd = fcntl(high, F_DUPFD_CLOEXEC, 0);
	close(high);
	l->owner.speaks(l->owner.owner, door, fd, &client);
}

int
lobby_take(struct lobby *l, int fd, const void *door, const struct sockaddr_storage *client,
	   int64_t deadline_ms, const char *farewell)
{
	/* there are as many descriptors as places: the oldest goes first */
	if (l->count == l->places)
		end(l->oldest, l->oldest->farewell != NULL ? CROWDED : NULL, "crowded");
	int high = fcntl(fd, F_DUPFD_CLOEXEC, LOBBY_DESCRIPTOR);
	struct guest *g = high >= 0 ? take_place(l) : NULL;
	if (high < 0)
		return -1;
	close(fd);
	*g = (struct guest){.lobby = l, .door = door, .farewell = farewell, .client = *client};
	g->watch = (struct loop_watch){.fd = high, .ready = guest_ready, .owner = g};
	g->timer = (struct loop_timer){.fire = waited_too_long, .owner = g};
	append(l, g);
	loop_watch(l->owner.loop, &g->watch, EPOLLIN);
	loop_timer_set(l->owner.loop, &g->timer, deadline_ms);
	return 0;
}

void
lobby_clear(struct lobby *l, const char *text)
{
	while (l != NULL && l->oldest != NULL)
		end(l->oldest, l->oldest->farewell != NULL ? text : NULL, "stopping");
}

void
lobby_leave(const struct lobby *l)
{
	/* l itself is not here (MADV_DONTFORK); without it there are no such descriptors */
	if (l != NULL && syscall(SYS_close_range, LOBBY_DESCRIPTOR, ~0U, 0) != 0)
		_exit(EXIT_OS);
}
