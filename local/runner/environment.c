/*
 * environment - see environment.h
 */
#include "local/runner/environment.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail/address.h"
#include "common/mail/pipe-words.h"
#include "common/text/buffer.h"

#define SHELL "/bin/sh"
#define SEARCH_PATH "/usr/local/bin:/usr/bin:/bin"
#define VARIABLES_MAX 16
#define WORD_MAX 8192

/* what stands in no shell for more than itself (command_expansion_filter of Postfix) */
static const char plain[] =
	"1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

struct variables {
	struct arena *arena;
	char **list;
	size_t count;
	bool failed;
};

static void
put(struct variables *v, const char *name, struct span value, bool is_ours)
{
	size_t len = strlen(name);
	char *to = arena_alloc(v->arena, len + 1 + value.len + 1);

	if (to == NULL || v->count == VARIABLES_MAX) {
		v->failed = true;
		return;
	}
	memcpy(to, name, len);
	to[len] = '=';
	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];

		to[len + 1 + i] = c;
		if (!is_ours && (c == '\0' || strchr(plain, c) == NULL))
			to[len + 1 + i] = '_';
	}
	v->list[v->count++] = to;
}

static void
put_number(struct variables *v, const char *name, const char *format, uint64_t number)
{
	struct buffer text;

	buffer_init(&text, 64);
	if (strcmp(format, "hex") == 0)
		buffer_format(&text, "%013" PRIX64, number);
	else
		buffer_format(&text, "%" PRIu64, number);
	put(v, name, buffer_get(&text), true);
	buffer_free(&text);
}

static int
make_variables(const struct run *r, const struct runner_run *ask, struct arena *arena,
	       struct environment *e)
{
	struct variables v = {.arena = arena};
	const char *zone = getenv("TZ");

	v.list = arena_alloc(arena, (VARIABLES_MAX + 1) * sizeof(char *));
	if (v.list == NULL)
		return -1;
	put(&v, "HOME", span_of(r->home), true);
	put(&v, "USER", span_of(r->user->name), true);
	put(&v, "LOGNAME", span_of(r->user->name), true);
	put(&v, "SHELL", SPAN(SHELL), true);
	put(&v, "PATH", SPAN(SEARCH_PATH), true);
	if (zone != NULL)
		put(&v, "TZ", span_of(zone), true);
	put(&v, "SENDER", ask->sender, false);
	put(&v, "RECIPIENT", ask->recipient, false);
	put(&v, "ORIGINAL_RECIPIENT", ask->original.len > 0 ? ask->original : ask->recipient,
	    false);
	put(&v, "LOCAL", address_local_of(ask->recipient), false);
	put(&v, "EXTENSION", ask->ext, false);
	put(&v, "DOMAIN", address_domain_of(ask->recipient), false);
	put_number(&v, "MESSAGE_ID", "hex", ask->id);
	put_number(&v, "SIZE", "decimal", ask->size);
	e->variables = v.list;
	return v.failed ? -1 : 0;
}

/* shell_arguments - sh -c: whatever quotes and redirections a line has, its author meant them for the shell */
static int
shell_arguments(struct span command, struct arena *arena, struct environment *e)
{
	e->arguments = arena_alloc(arena, 4 * sizeof(char *));
	if (e->arguments == NULL)
		return -1;
	e->arguments[0] = arena_string(arena, SPAN(SHELL));
	e->arguments[1] = arena_string(arena, SPAN("-c"));
	e->arguments[2] = arena_string(arena, command);
	return e->arguments[0] != NULL && e->arguments[1] != NULL && e->arguments[2] != NULL ? 0
											     : -1;
}

static int
list_arguments(const struct run *r, const struct runner_run *ask, struct arena *arena,
	       struct environment *e)
{
	const struct config_delivery *d = r->delivery;
	const struct pipe_facts facts = {
		.user = span_of(r->virtual[0] != '\0' ? r->virtual : r->user->name),
		.ext = ask->ext,
		.domain = address_domain_of(ask->recipient),
		.home = span_of(r->home),
		.sender = ask->sender,
		.recipient = ask->recipient,
		.original = ask->original.len > 0 ? ask->original : ask->recipient,
		.id = ask->id,
		.size = ask->size,
	};
	struct buffer word;
	bool failed = false;

	e->arguments = arena_alloc(arena, (d->pipe_word_count + 1) * sizeof(char *));
	if (e->arguments == NULL)
		return -1;
	buffer_init(&word, WORD_MAX);
	for (size_t i = 0; i < d->pipe_word_count && !failed; i++) {
		buffer_clear(&word);
		pipe_word_put(span_of(d->pipe_words[i]), &facts, &word);
		e->arguments[i] = arena_string(arena, buffer_get(&word));
		failed = word.failed || e->arguments[i] == NULL;
	}
	buffer_free(&word);
	return failed ? -1 : 0;
}

int
environment_make(const struct run *r, const struct runner_run *ask, struct arena *arena,
		 struct environment *e)
{
	const struct config_delivery *d = r->delivery;

	if (make_variables(r, ask, arena, e) < 0)
		return -1;
	if (d == NULL)
		return shell_arguments(ask->command, arena, e);
	if (d->pipe_words[0][0] == '|')
		return shell_arguments(span_of(d->pipe_words[0] + 1), arena, e);
	return list_arguments(r, ask, arena, e);
}
