/*
 * sockets - inner sockets and TCP listeners: bound here, kept here, handed to whoever serves them
 *
 * Called by main.c at start and by reload.c.  Promises: a reload that fails leaves the old listeners as they were; an address that both
 * configurations name is never closed in between, so no connection is refused.
 */
#include "master/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/system/events.h"

/* ---- inner sockets ---- */

static int
bind_inner(const char *path, const struct trust_socket *kind, const struct trust_people *people,
	   struct buffer *why)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
	    (int)sizeof(address.sun_path)) {
		buffer_format(
			why,
			"%s: longer than the %zu bytes a socket's path may have; choose a shorter "
			"`runtime`",
			path, sizeof(address.sun_path) - 1);
		return -1;
	}
	struct stat st;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		buffer_format(why, "%s is in the way: it is no socket", path);
		return -1;
	}
	/* of a master that was killed */
	if (unlink(path) != 0 && errno != ENOENT) {
		buffer_format(why, "remove %s: %s", path, strerror(errno));
		return -1;
	}
	int type = kind->is_stream ? SOCK_STREAM : SOCK_SEQPACKET;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		buffer_format(why, "socket: %s", strerror(errno));
		return -1;
	}
	/* the umask is 077: nobody gets in before owner and mode are right */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    (people->as_root && lchown(path, 0, people->group) != 0) ||
	    chmod(path, kind->mode) != 0 || listen(fd, SOCKETS_BACKLOG) != 0) {
		buffer_format(why, "%s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int
sockets_open_inner(struct sockets *s, const char *runtime, const struct trust_people *people,
		   struct buffer *why)
{
	char path[START_PATH_MAX];
	s->inner_count = 0;
	for (const struct trust_socket *kind = trust_sockets; kind->name != NULL; kind++) {
		if (snprintf(path, sizeof(path), "%s/%s", runtime, kind->name) >=
		    (int)sizeof(path)) {
			buffer_format(why, "the path of `runtime` is too long");
			return -1;
		}
		if (s->inner_count == SOCKETS_INNER_MAX) {
			buffer_format(why, "%s: more inner sockets than there is room for", path);
			return -1;
		}
		int fd = bind_inner(path, kind, people, why);
		if (fd < 0)
			return -1;
		s->inner[s->inner_count++] = (struct sockets_inner){kind, fd};
	}
	return 0;
}

/* ---- TCP ---- */

static bool
same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *x = (const struct sockaddr_in *)a;
		const struct sockaddr_in *y = (const struct sockaddr_in *)b;
		return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
	}
	const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)b;
	return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
	       memcmp(&x->sin6_addr, &y->sin6_addr, sizeof(x->sin6_addr)) == 0;
}

static const struct sockets_tcp *
find_tcp(const struct sockets *s, const struct sockaddr_storage *address)
{
	if (s == NULL)
		return NULL;
	for (size_t i = 0; i < s->tcp_count; i++) {
		if (same_address(&s->tcp[i].address, address))
			return &s->tcp[i];
	}
	return NULL;
}

/* [::]:25 takes IPv4 too, unless 0.0.0.0:25 stands in the configuration as well */
static bool
is_v6_only(const struct config *c, const struct config_listen *l)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&l->address;
	if (six->sin6_family != AF_INET6 || !IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr))
		return false;
	for (size_t i = 0; i < c->listen_count; i++) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)&c->listens[i].address;
		if (four->sin_family == AF_INET && four->sin_addr.s_addr == htonl(INADDR_ANY) &&
		    four->sin_port == six->sin6_port)
			return true;
	}
	return false;
}

/* without_ipv6 - what is left of an IPv6 address; its fd is set where that is nothing */
static void
without_ipv6(const struct config *c, const struct config_listen *l, struct sockets_tcp *t,
	     struct sockaddr_storage *address, socklen_t *len)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&l->address;
	const struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six->sin6_port};
	t->how = SOCKETS_NOT;
	if (!IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr) || is_v6_only(c, l))
		return;
	t->how = SOCKETS_FOUR;
	memcpy(address, &four, sizeof(four));
	*len = sizeof(four);
}

/* bind_awaited - to an address that the machine has not (yet): ip(7), IP_FREEBIND, which counts for IPv6 too */
static int
bind_awaited(int fd, const struct sockaddr_storage *address, socklen_t len)
{
	int on = 1;
	if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) != 0)
		return -1;
	return bind(fd, (const struct sockaddr *)address, len);
}

/* bind_tcp - t->fd and t->how; -1 after a sentence */
static int
bind_tcp(const struct config *c, const struct config_listen *l, struct sockets_tcp *t,
	 struct buffer *why)
{
	struct sockaddr_storage address = l->address;
	socklen_t len = l->address_len;
	int on = 1;
	const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	t->how = SOCKETS_AS_SAID;
	t->fd = socket(address.ss_family, type, 0);
	if (t->fd < 0 && errno == EAFNOSUPPORT && address.ss_family == AF_INET6) {
		without_ipv6(c, l, t, &address, &len);
		if (t->how == SOCKETS_NOT)
			return 0;
		t->fd = socket(address.ss_family, type, 0);
	}
	if (t->fd < 0)
		goto failed;
	if (setsockopt(t->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		goto failed;
	if (address.ss_family == AF_INET6) {
		int only = is_v6_only(c, l) ? 1 : 0;
		if (setsockopt(t->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) != 0)
			goto failed;
	}
	if (bind(t->fd, (const struct sockaddr *)&address, len) != 0) {
		if (errno != EADDRNOTAVAIL || bind_awaited(t->fd, &address, len) != 0)
			goto failed;
		t->how = SOCKETS_AWAITED;
	}
	if (listen(t->fd, SOCKETS_BACKLOG) != 0)
		goto failed;
	return 0;
failed:
	buffer_format(why, "listen %s: %s", l->name, strerror(errno));
	if (errno == EACCES)
		buffer_string(why, " (ports below 1024 are root's)");
	if (t->fd >= 0)
		close(t->fd);
	return -1;
}

static void
close_unless_in(struct sockets *s, const struct sockets *kept)
{
	for (size_t i = 0; i < s->tcp_count; i++) {
		const struct sockets_tcp *other = find_tcp(kept, &s->tcp[i].address);
		if (s->tcp[i].fd >= 0 && (other == NULL || other->fd != s->tcp[i].fd))
			close(s->tcp[i].fd);
	}
	s->tcp_count = 0;
}

/* what no reload can do is said before anything is bound */
static int
check_kept(const struct config *c, const struct sockets *old, struct buffer *why)
{
	for (size_t i = 0; i < c->listen_count; i++) {
		const struct config_listen *l = &c->listens[i];
		const struct sockets_tcp *kept = find_tcp(old, &l->address);
		if (kept != NULL && kept->is_v6_only != is_v6_only(c, l)) {
			buffer_format(why,
				      "listen %s: whether it takes IPv4 too would change: that "
				      "needs a stop and a start",
				      l->name);
			return -1;
		}
	}
	return 0;
}

/* the next of `s`; -1 after a sentence */
static int
add_tcp(struct sockets *s, const struct config *c, const struct config_listen *l,
	const struct sockets *old, struct buffer *why)
{
	if (find_tcp(s, &l->address) != NULL) {
		buffer_format(why, "listen %s: this address stands twice", l->name);
		return -1;
	}
	const struct sockets_tcp *kept = find_tcp(old, &l->address);
	struct sockets_tcp t = {.address = l->address,
				.address_len = l->address_len,
				.is_v6_only = is_v6_only(c, l)};
	/* what could not be had is tried again */
	if (kept != NULL && kept->how != SOCKETS_NOT) {
		t.how = kept->how;
		t.fd = kept->fd;
	} else if (bind_tcp(c, l, &t, why) != 0) {
		return -1;
	}
	s->tcp[s->tcp_count++] = t;
	return 0;
}

int
sockets_listen(struct sockets *s, const struct config *c, const struct sockets *old,
	       struct buffer *why)
{
	s->tcp_count = 0;
	if (c->listen_count > SOCKETS_TCP_MAX) {
		buffer_format(why, "%zu `listen`s, and %d are the most", c->listen_count,
			      (int)SOCKETS_TCP_MAX);
		return -1;
	}
	if (check_kept(c, old, why) != 0)
		return -1;
	for (size_t i = 0; i < c->listen_count; i++) {
		if (add_tcp(s, c, &c->listens[i], old, why) != 0) {
			close_unless_in(s, old);
			return -1;
		}
	}
	return 0;
}

void
sockets_report(const struct sockets *s, const struct config *c)
{
	static const char *const reasons[] = {
		[SOCKETS_FOUR] = "this kernel has no IPv6: it listens on IPv4 alone",
		[SOCKETS_NOT] = "this kernel has no IPv6: nobody listens there",
		[SOCKETS_AWAITED] = "this machine has no such address (yet)",
	};
	for (size_t i = 0; i < s->tcp_count; i++) {
		if (s->tcp[i].how != SOCKETS_AS_SAID)
			EVENT("listen-limited", event_string("address", c->listens[i].name),
			      event_string("reason", reasons[s->tcp[i].how]));
	}
}

void
sockets_swap(struct sockets *now, const struct sockets *next)
{
	close_unless_in(now, next);
	memcpy(now->tcp, next->tcp, sizeof(now->tcp));
	now->tcp_count = next->tcp_count;
}

/* ---- for the others ---- */

int
sockets_find(const struct sockets *s, const char *name)
{
	for (size_t i = 0; i < s->inner_count; i++) {
		if (strcmp(s->inner[i].kind->name, name) == 0)
			return s->inner[i].fd;
	}
	return -1;
}

void
sockets_close(struct sockets *s, const char *runtime)
{
	char path[START_PATH_MAX];
	close_unless_in(s, NULL);
	for (size_t i = 0; i < s->inner_count; i++) {
		close(s->inner[i].fd);
		if (snprintf(path, sizeof(path), "%s/%s", runtime, s->inner[i].kind->name) <
		    (int)sizeof(path))
			unlink(path);
	}
	s->inner_count = 0;
}

void
sockets_fill(const struct sockets *s, const struct trust_row *row,
	     const struct trust_people *people, struct start *start)
{
	for (size_t i = 0; i < s->inner_count; i++) {
		if (!trust_serves(row, s->inner[i].kind->name))
			continue;
		struct start_listen *l = &start->listens[start->listen_count++];
		snprintf(l->name, sizeof(l->name), "%s", s->inner[i].kind->name);
		l->fd = s->inner[i].fd;
		trust_fill_peers(people, l);
	}
	for (size_t i = 0; row->serves_network && i < s->tcp_count; i++) {
		if (s->tcp[i].fd < 0)
			continue;
		struct start_listen *l = &start->listens[start->listen_count++];
		snprintf(l->name, sizeof(l->name), "tcp.%zu", i);
		l->fd = s->tcp[i].fd;
	}
}
