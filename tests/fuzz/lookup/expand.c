/*
 * expand - an address (the first line) in any table (the rest)
 *
 * Whatever the table says: between one and ALIASES_LEAVES_MAX leaves, each can be sent, no mailbox or next hop twice; the verdict at RCPT
 * agrees: local if and only if there is a leaf that takes mail, or a bound was passed on the way to it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/system/events.h"
#include "lookup/aliases.h"
#include "lookup/recipients.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *config;
static struct routes routes;
static struct arena arena;
static char path[64];
static int table;
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
	static const struct config_defaults defaults = {.as_root = false,
							.hostname = "mx.example.org",
							.runtime = "/tmp/run",
							.spool = "/tmp/spool",
							.state = "/tmp/state"};
	struct config_errors errors;
	char text[400];

	(void)argc;
	(void)argv;
	table = memfd_create("aliases", MFD_CLOEXEC);
	must(table >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", table);
	snprintf(text, sizeof(text),
		 "domain a.test b.test {\n\taliases %s\n}\noutbound {\n\tsmarthost r.test:25\n}\n",
		 path);
	config_errors_init(&errors);
	config = config_parse(span_of(text), &defaults, &errors);
	must(config != NULL);
	routes_init(&routes, config, NULL, users_new(), false);
	arena_init(&arena, ALIASES_MEMORY_MAX);
	events_start("lookup", "/nonexistent");
	return 0;
}

static void
no_leaf_twice(const struct expansion *e)
{
	for (size_t i = 0; i < e->count && i < 200; i++)
		for (size_t j = 0; j < i; j++)
			must(e->leaves[i].kind == LOOKUP_REFUSE ||
			     e->leaves[i].kind == LOOKUP_DEFER ||
			     !lookup_is_same(e->leaves[i].address, e->leaves[i].direct,
					     e->leaves[i].line, &e->leaves[j]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_from((const char *)data, size), address = span_cut(&rest, '\n');
	struct lookup_verdict v;
	struct expansion e;
	bool takes_mail = false;

	must(ftruncate(table, 0) == 0);
	must(pwrite(table, rest.at, rest.len, 0) == (ssize_t)rest.len);
	if (address.len == 0 || address.len > ADDRESS_MAX)
		return 0;
	routes.tables = tables_new(config);
	arena_reset(&arena);
	aliases_expand(&routes, address, false, false, 0, &arena, &e);
	must(e.count >= 1 && e.count <= ALIASES_LEAVES_MAX);
	for (size_t i = 0; i < e.count; i++) {
		e.leaves[i].leaves = e.count;
		wire_list_start(&list);
		must(wire_list_add(&list, WIRE_LIST_ROOM, &lookup_leaf_shape, &e.leaves[i]) == 0);
		takes_mail |= e.leaves[i].kind == LOOKUP_MAILBOX || e.leaves[i].kind == LOOKUP_SMTP;
	}
	no_leaf_twice(&e);
	recipients_verdict(&routes, address, 0, &arena, &v);
	wire_list_start(&list);
	must(wire_list_add(&list, WIRE_LIST_ROOM, &lookup_verdict_shape, &v) == 0);
	if (takes_mail)
		must(v.class == LOOKUP_LOCAL || v.class == LOOKUP_RELAY);
	tables_free(routes.tables);
	return 0;
}
