/*
 * names - a resolver in a thread of its own, which knows what the test has told it
 */
#ifndef TESTS_UNIT_DELIVERY_NAMES_H
#define TESTS_UNIT_DELIVERY_NAMES_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/protocol/resolver.h"

/* one line: a record of a name, or an outcome */
struct names_row {
	const char *name;
	enum resolver_rr rr;
	enum resolver_outcome outcome;
	unsigned preference;
	const char *value; /* address, name of MX or CNAME, text of trouble, RDATA of TLSA in hex */
	enum resolver_security security; /* 0: insecure */
	const char *canonical;		 /* NULL: the name itself */
};

struct names {
	const struct names_row
		*rows; /* ends with .name == NULL; a name without a row is NXDOMAIN */
	char folder[64], path[96];
	int listener;
	int stop[2];
	pthread_t thread;
	unsigned asked;
	struct wire list;
};

static inline void
names_answer(struct names *n, int fd, uint32_t request, const struct resolver_ask *q)
{
	struct resolver_answer a = {.outcome = RESOLVER_NO_NAME,
				    .security = RESOLVER_INSECURE,
				    .ttl = 60,
				    .canonical = q->name,
				    .text = SPAN_NONE};

	wire_list_start(&n->list);
	for (const struct names_row *row = n->rows; row->name != NULL; row++) {
		struct resolver_record r = {.name = SPAN_NONE, .data = SPAN_NONE};
		unsigned char bytes[16], rdata[128];

		if (!span_equal(q->name, span_of(row->name)))
			continue;
		if (a.outcome == RESOLVER_NO_NAME)
			a.outcome = RESOLVER_NO_DATA;
		if (row->rr != (enum resolver_rr)q->rr)
			continue;
		a.outcome = row->outcome;
		if (row->security != 0)
			a.security = row->security;
		if (row->canonical != NULL)
			a.canonical = span_of(row->canonical);
		if (row->outcome == RESOLVER_TROUBLE)
			a.text = span_of(row->value);
		if (row->outcome != RESOLVER_FOUND)
			continue;
		if (row->rr == RESOLVER_MX) {
			r.preference = row->preference;
			r.name = span_of(row->value);
		} else if (row->rr == RESOLVER_CNAME) {
			r.name = span_of(row->value);
		} else if (row->rr == RESOLVER_TLSA) {
			size_t len = 0;

			while (len < sizeof(rdata) &&
			       sscanf(row->value + 2 * len, "%2hhx", &rdata[len]) == 1)
				len++;
			r.data = span_from((const char *)rdata, len);
		} else {
			size_t len = row->rr == RESOLVER_A ? 4 : 16;

			if (inet_pton(len == 4 ? AF_INET : AF_INET6, row->value, bytes) != 1)
				abort();
			r.data = span_from((const char *)bytes, len);
		}
		if (wire_list_add(&n->list, WIRE_LIST_ROOM, &resolver_record_shape, &r) < 0)
			abort();
	}
	a.records = wire_list_get(&n->list);
	if (wire_send(fd, wire_find(resolver_answers, RESOLVER_ANSWER), 0, request, &a, NULL) !=
	    CHANNEL_OK)
		abort();
}

static inline void
names_serve(struct names *n, int fd)
{
	static char in[CHANNEL_MAX];

	for (;;) {
		struct pollfd p[2] = {{fd, POLLIN, 0}, {n->stop[0], POLLIN, 0}};
		struct wire_header h;
		struct resolver_ask q;
		ssize_t got;

		if (poll(p, 2, -1) < 1 || p[1].revents != 0)
			return;
		got = recv(fd, in, sizeof(in), 0);
		if (got <= 0)
			return;
		if (wire_peek(span_from(in, (size_t)got), &h) < 0 ||
		    wire_decode(span_from(in, (size_t)got), wire_find(resolver_calls, RESOLVER_ASK),
				&q) < 0)
			abort();
		n->asked++;
		names_answer(n, fd, h.request, &q);
	}
}

static inline void *
names_run(void *arg)
{
	struct names *n = arg;

	for (;;) {
		struct pollfd p[2] = {{n->listener, POLLIN, 0}, {n->stop[0], POLLIN, 0}};
		int fd;

		if (poll(p, 2, -1) < 1 || p[1].revents != 0)
			return NULL;
		fd = accept(n->listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		names_serve(n, fd);
		close(fd);
	}
}

static inline void
names_start(struct names *n, const struct names_row *rows)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(n, 0, sizeof(*n));
	n->rows = rows;
	snprintf(n->folder, sizeof(n->folder), "/tmp/culver-names-XXXXXX");
	assert_non_null(mkdtemp(n->folder));
	snprintf(n->path, sizeof(n->path), "%s/resolver", n->folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", n->path);
	n->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(n->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(n->listener, 8), 0);
	assert_int_equal(pipe(n->stop), 0);
	assert_int_equal(pthread_create(&n->thread, NULL, names_run, n), 0);
}

static inline void
names_end(struct names *n)
{
	close(n->stop[1]);
	pthread_join(n->thread, NULL);
	close(n->stop[0]);
	close(n->listener);
	unlink(n->path);
	rmdir(n->folder);
}

#endif
