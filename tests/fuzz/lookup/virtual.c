/*
 * virtual - an address (the first line) with any table of users and any of virtual aliases (parted by a line "--")
 *
 * Whatever they say: there is a leaf, each delivery is one of its block, each can be sent, and the home of each mailbox is below the prefix, but for that of postmaster's
 * like, which have none.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/config/mailbox.h"
#include "common/system/events.h"
#include "lookup/aliases.h"
#include "lookup/recipients.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *config;
static struct routes routes;
static struct arena arena;
static int tables[2];
static struct wire list;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct config_defaults defaults = {.as_root = true,
							.hostname = "mx.example.org",
							.runtime = "/tmp/run",
							.spool = "/tmp/spool",
							.state = "/tmp/state"};
	struct config_errors errors;
	char text[600];

	(void)argc;
	(void)argv;
	for (int i = 0; i < 2; i++) {
		tables[i] = memfd_create("table", MFD_CLOEXEC);
		must(tables[i] >= 0);
	}
	snprintf(text, sizeof(text),
		 "domain a.test b.test {\n\tusers /proc/self/fd/%d\n\tvirtual /proc/self/fd/%d\n"
		 "\tas vmail\n\tcatch-all c\n\tdeliver maildir /v/{domain}/{user}/M\n"
		 "\tdelivery b mbox ~/b\n\tdelivery c pipe /bin/cat\n"
		 "\tdelivery l lmtp h.test:24\n\tdeliver-by /proc/self/fd/%d\n}\n"
		 "domain r.test {\n\trelay h.test:25\n\trecipients /proc/self/fd/%d\n}\n",
		 tables[0], tables[1], tables[0], tables[0]);
	config_errors_init(&errors);
	config = config_parse(span_of(text), &defaults, &errors);
	must(config != NULL);
	routes_init(&routes, config, NULL, users_new(), true);
	arena_init(&arena, ALIASES_MEMORY_MAX);
	events_start("lookup", "/nonexistent");
	return 0;
}

static void
write_table(int fd, struct span text)
{
	must(ftruncate(fd, 0) == 0);
	must(pwrite(fd, text.at, text.len, 0) == (ssize_t)text.len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char path[] = "/v/{domain}/{user}/M";
	struct span rest = span_from((const char *)data, size), address = span_cut(&rest, '\n');
	const char *mark = rest.len > 0 ? memmem(rest.at, rest.len, "\n--\n", 4) : NULL;
	struct span users = rest, virtual = SPAN_NONE;
	struct expansion e;

	if (mark != NULL) {
		users.len = (size_t)(mark - rest.at) + 1;
		virtual = span_skip(rest, users.len + 3);
	}
	if (address.len == 0 || address.len > ADDRESS_MAX)
		return 0;
	write_table(tables[0], users);
	write_table(tables[1], virtual);
	routes.tables = tables_new(config);
	arena_reset(&arena);
	aliases_expand(&routes, address, false, false, 0, &arena, &e);
	must(e.count >= 1 && e.count <= ALIASES_LEAVES_MAX);
	for (size_t i = 0; i < e.count; i++) {
		struct lookup_leaf *l = &e.leaves[i];

		l->leaves = e.count;
		wire_list_start(&list);
		must(wire_list_add(&list, WIRE_LIST_ROOM, &lookup_leaf_shape, l) == 0);
		bool is_box = l->kind == LOOKUP_MAILBOX || l->kind == LOOKUP_LINE;

		if (is_box)
			must(config_delivery_find(config_domain_find(config, l->domain),
						  l->delivery) != NULL);
		if (is_box && l->home.len > 0)
			must(mailbox_home_ok(path, l->home));
		else if (l->kind == LOOKUP_MAILBOX && span_equal(l->domain, SPAN("a.test")))
			must(span_equal(l->user, SPAN(ROUTES_ROOT_USER)));
	}
	tables_free(routes.tables);
	return 0;
}
