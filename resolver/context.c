/*
 * context - see the header; called by main.c
 *
 * libunbound parses its options, hosts and keys when it is asked for the first time.  So it is asked here, for a name that it knows itself,
 * and after that opens no file any more.
 */
#include "resolver/context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/resolver.h"
#include "common/system/events.h"
#include "common/system/fatal.h"

#define CLASS_IN 1
#define NUMBER(n) TEXT(n)
#define TEXT(n) #n

static const char *const options[][2] = {
	/* a name server of this host is one like any other */
	{"do-not-query-localhost:", "no"},
	/* names of private networks are the business of whoever serves them */
	{"unblock-lan-zones:", "yes"},
	{"outgoing-range:", NUMBER(CONTEXT_SOCKETS)},
	{"num-queries-per-thread:", NUMBER(CONTEXT_QUESTIONS)},
	{"msg-cache-size:", "16m"},
	{"rrset-cache-size:", "32m"},
	{"key-cache-size:", "4m"},
	/* a failure is not kept longer than this many seconds */
	{"cache-max-negative-ttl:", "900"},
};

static void
must(int outcome, const char *what, const char *value)
{
	if (outcome != UB_NOERROR)
		fatal(EXIT_CONFIGURATION, 0, "resolver: %s %s: %s", what, value,
		      ub_strerror(outcome));
}

static void
set_servers(struct ub_ctx *ctx, const struct config *config)
{
	int outcome;

	switch (config->resolver) {
	case CONFIG_RESOLVER_RECURSIVE:
		return;
	case CONFIG_RESOLVER_SERVERS:
		for (size_t i = 0; i < config->resolver_server_count; i++)
			must(ub_ctx_set_fwd(ctx, config->resolver_servers[i]), "name server",
			     config->resolver_servers[i]);
		return;
	case CONFIG_RESOLVER_SYSTEM:
		break;
	}
	outcome = ub_ctx_resolvconf(ctx, CONTEXT_RESOLV_CONF);
	if (outcome == UB_NOERROR)
		return;
	/* resolv.conf(5): no name server is named, so it is this host */
	EVENT("resolv-conf-unread", event_string("file", CONTEXT_RESOLV_CONF),
	      event_string("reason", ub_strerror(outcome)));
	must(ub_ctx_set_fwd(ctx, "127.0.0.1"), "name server", "127.0.0.1");
}

/* the file that keys are taken from, or NULL */
static const char *
set_trust_anchor(struct ub_ctx *ctx, const struct config *config)
{
	const char *file = config->trust_anchor;

	if (config->is_unvalidated)
		return NULL;
	if (file == NULL && access(CONTEXT_TRUST_ANCHOR, R_OK) == 0)
		file = CONTEXT_TRUST_ANCHOR;
	if (file == NULL)
		return NULL;
	if (access(file, R_OK) != 0)
		fatal(EXIT_CONFIGURATION, errno, "trust-anchor %s", file);
	must(ub_ctx_add_ta_file(ctx, file), "trust-anchor", file);
	return file;
}

static void
set_hosts(struct ub_ctx *ctx)
{
	int outcome = ub_ctx_hosts(ctx, CONTEXT_HOSTS);

	/* what stands before the line that is not understood has been taken */
	if (outcome != UB_NOERROR)
		EVENT("hosts-unread", event_string("file", CONTEXT_HOSTS),
		      event_string("reason", ub_strerror(outcome)));
}

/* all files are read now */
static void
settle(struct ub_ctx *ctx, const char *anchor)
{
	struct ub_result *result = NULL;
	int outcome = ub_resolve(ctx, "localhost", RESOLVER_A, CLASS_IN, &result);

	if (outcome != UB_NOERROR)
		fatal(EXIT_CONFIGURATION, 0, "resolver: %s%s%s", ub_strerror(outcome),
		      anchor != NULL ? "; is this a file of keys: " : "",
		      anchor != NULL ? anchor : "");
	ub_resolve_free(result);
}

struct ub_ctx *
context_make(const struct config *config)
{
	struct ub_ctx *ctx = ub_ctx_create();
	const char *anchor;

	if (ctx == NULL)
		fatal(EXIT_OS, errno, "libunbound");
	/* its words go to stderr, and say nothing that an answer does not */
	must(ub_ctx_debugout(ctx, NULL), "output", "off");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		must(ub_ctx_set_option(ctx, options[i][0], options[i][1]), options[i][0],
		     options[i][1]);
	set_servers(ctx, config);
	anchor = set_trust_anchor(ctx, config);
	if (config->hosts)
		set_hosts(ctx);
	must(ub_ctx_async(ctx, 1), "thread", "");
	settle(ctx, anchor);
	EVENT("validating", event_string("keys", anchor != NULL ? anchor : "none"));
	return ctx;
}
