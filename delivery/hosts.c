/*
 * hosts - see the header.  hosts(5)
 */
#include "delivery/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/text/number.h"

#define NAME_MAX_BYTES 255

/* the file as it is; lines are looked through at each question, which is asked once an agent */
static struct span hosts_text = {"", 0};

void
hosts_load_text(struct span text)
{
	static char *copy;

	hosts_text = SPAN_NONE;
	free(copy);
	copy = malloc(text.len + 1);
	if (copy == NULL)
		return;
	memcpy(copy, text.at, text.len);
	hosts_text = span_from(copy, text.len);
}

void
hosts_load(const char *path)
{
	static char text[HOSTS_FILE_MAX];
	size_t len = 0;
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && len < sizeof(text) && (n = read(fd, text + len, sizeof(text) - len)) > 0)
		len += (size_t)n;
	if (fd < 0 || n < 0)
		EVENT("hosts-unread", event_string("reason", strerror(errno)),
		      event_string("file", path));
	if (fd >= 0)
		close(fd);
	hosts_text = span_from(text, len);
}

/* an address as text, without brackets; -1: it is none */
static int
literal(struct span text, struct sockaddr_storage *to, socklen_t *len)
{
	char name[INET6_ADDRSTRLEN];
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	if (span_copy(text, name, sizeof(name)) == -1)
		return -1;
	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, name, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		*len = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, name, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		*len = sizeof(*v6);
		return 0;
	}
	return -1;
}

static void
set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

static void
add(struct hosts_list *hosts, struct span name, struct span address, uint16_t port)
{
	struct hosts_address *to = &hosts->list[hosts->count];
	char text[INET6_ADDRSTRLEN] = "";

	if (hosts->count == HOSTS_ADDRESSES_MAX || literal(address, &to->address, &to->len) == -1)
		return;
	set_port(&to->address, port);
	if (to->address.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&to->address)->sin_addr, text,
			  sizeof(text));
	else
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&to->address)->sin6_addr, text,
			  sizeof(text));
	snprintf(to->text, sizeof(to->text), "%.*s[%s]:%u", SPAN_ARG(name), text, (unsigned)port);
	hosts->count++;
}

/* every line of the file that has the name */
static void
add_from_file(struct hosts_list *hosts, struct span name, uint16_t port)
{
	struct span rest = hosts_text;

	while (rest.len > 0) {
		struct span line = span_cut(&rest, '\n');
		struct span words = span_cut(&line, '#');
		struct span address = span_word(&words);
		struct span word;

		while ((word = span_word(&words)).len > 0) {
			if (word.at[word.len - 1] == '\r')
				word.len--;
			if (span_equal_nocase(word, name)) {
				add(hosts, name, address, port);
				break;
			}
		}
	}
}

static void
add_host(struct hosts_list *hosts, struct span host, uint16_t port)
{
	size_t before = hosts->count;
	struct sockaddr_storage a;
	socklen_t len;

	if (literal(host, &a, &len) == 0) {
		add(hosts, host, host, port);
		return;
	}
	add_from_file(hosts, host, port);
	/* RFC 6761, section 6.3: a name that is known everywhere */
	if (hosts->count == before && span_equal_nocase(host, SPAN("localhost"))) {
		add(hosts, host, SPAN("127.0.0.1"), port);
		add(hosts, host, SPAN("::1"), port);
	}
}

/* "host:port", "[address]:port"; -1: it is neither */
static int
split(struct span word, struct span *host, uint16_t *port)
{
	size_t colon = word.len;
	uint64_t number;

	while (colon > 0 && word.at[colon - 1] != ':')
		colon--;
	if (colon < 2 || number_parse(span_skip(word, colon), 1, UINT16_MAX, &number) == -1)
		return -1;
	*host = span_from(word.at, colon - 1);
	if (host->at[0] == '[') {
		if (host->len < 3 || host->at[host->len - 1] != ']')
			return -1;
		*host = span_from(host->at + 1, host->len - 2);
	}
	if (host->len == 0 || host->len > NAME_MAX_BYTES)
		return -1;
	*port = (uint16_t)number;
	return 0;
}

int
hosts_find(struct span place, struct hosts_list *hosts, struct verdict *why)
{
	struct span word;

	hosts->count = 0;
	verdict_set(why, FATE_DEFERRED, 0, "4.3.5", "no host is named where this should go");
	for (bool first = true; (word = span_word(&place)).len > 0; first = false) {
		size_t before = hosts->count;
		struct span host;
		uint16_t port;

		if (split(word, &host, &port) == -1) {
			if (first)
				verdict_set(why, FATE_DEFERRED, 0, "4.3.5", "%.*s is no HOST:PORT",
					    SPAN_ARG(word));
			continue;
		}
		add_host(hosts, host, port);
		if (hosts->count == before && first)
			verdict_set(why, FATE_DEFERRED, 0, "4.4.3",
				    "the host name %.*s is not in /etc/hosts; other names need the "
				    "resolver",
				    SPAN_ARG(host));
	}
	return hosts->count > 0 ? 0 : -1;
}
