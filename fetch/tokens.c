/*
 * tokens - see tokens.h; called by main.c and serve.c
 */
#include "fetch/tokens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/secret.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "fetch/refresh.h"

/* of one login */
struct token {
	struct tokens *owner;
	const struct config_login *login;
	char refresh[SECRET_MAX + 1], client[SECRET_MAX + 1];
	char text[FETCH_TOKEN_MAX + 1]; /* "": there is none */
	int64_t since_ms, until_ms;	/* of `text` */
	char reason[FETCH_REASON_MAX + 1];
	int64_t quiet_ms; /* not asked for again before that */
	bool is_started;
	struct download download;
	struct download_work work;
	struct refresh_question question;
	struct tokens_waiter *waiters;
};

struct tokens {
	struct loop *loop;
	const struct download_means *means;
	struct token *list;
	size_t count;
};

/* ---- secrets ---- */

/* a file of the row into `to` */
static void
read_secret(const struct start *s, const char *kind, size_t number, char to[SECRET_MAX + 1])
{
	static char text[SECRET_FILE_MAX];
	char name[START_NAME_MAX];
	const char *wrong = "it was not opened";
	struct span secret = SPAN_NONE;

	snprintf(name, sizeof(name), "%s.%u", kind, (unsigned)number);
	int fd = start_file(s, name);
	ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text), 0) : -1;
	if (n >= 0)
		wrong = secret_take(span_from(text, (size_t)n), &secret);
	if (wrong != NULL || span_copy(secret, to, SECRET_MAX + 1) != 0)
		fatal(EXIT_CONFIGURATION, 0, "%s of a login: %s", name, wrong);
	close(fd);
	explicit_bzero(text, sizeof(text));
}

struct tokens *
tokens_read(const struct start *s, const struct config *config)
{
	struct tokens *t = calloc(1, sizeof(*t));

	if (t == NULL || (t->list = calloc(config->login_count + 1, sizeof(*t->list))) == NULL)
		fatal(EXIT_OS, ENOMEM, "tokens");
	for (size_t i = 0; i < config->login_count; i++) {
		const struct config_login *login = &config->logins[i];
		struct token *one = &t->list[t->count];

		if (!login->is_refresh)
			continue;
		*one = (struct token){.owner = t, .login = login};
		read_secret(s, "refresh", i, one->refresh);
		if (login->client_secret != NULL)
			read_secret(s, "client", i, one->client);
		t->count++;
	}
	return t;
}

void
tokens_start(struct tokens *t, struct loop *loop, const struct download_means *means)
{
	t->loop = loop;
	t->means = means;
}

void
tokens_free(struct tokens *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->list[i].is_started)
			download_abandon(&t->list[i].download);
	explicit_bzero(t->list, t->count * sizeof(*t->list));
	free(t->list);
	free(t);
}

/* ---- fetching ---- */

static void
failed(struct token *one, const char *reason)
{
	snprintf(one->reason, sizeof(one->reason), "%s", reason);
	one->quiet_ms = loop_now_ms(one->owner->loop) + TOKENS_FAILED_MS;
	EVENT("token-failed", event_string("login", one->login->name),
	      event_string("reason", one->reason));
}

static void
fetched(struct token *one, const struct refresh_result *r)
{
	int64_t now = loop_now_ms(one->owner->loop), lives_ms = (int64_t)r->expires_s * 1000;
	int64_t early_ms = lives_ms / 2 < TOKENS_EARLY_MS ? lives_ms / 2 : TOKENS_EARLY_MS;

	explicit_bzero(one->text, sizeof(one->text));
	memcpy(one->text, r->token, sizeof(one->text));
	one->since_ms = now;
	one->until_ms = now + lives_ms - early_ms;
	one->reason[0] = '\0';
	if (r->next[0] != '\0')
		memcpy(one->refresh, r->next, sizeof(one->refresh));
	EVENT("token-fetched", event_string("login", one->login->name),
	      event_number("expires_s", (int64_t)r->expires_s));
}

static void
download_done(struct download *d, const void *result)
{
	struct token *one = d->owner;
	const struct refresh_result *r = result;
	struct tokens_waiter *waiters = one->waiters;

	one->is_started = false;
	if (r == NULL)
		failed(one, "the download ended without an answer");
	else if (r->is_done)
		fetched(one, r);
	else
		failed(one, r->reason);
	one->waiters = NULL;
	for (struct tokens_waiter *w = waiters; w != NULL; w = w->next)
		w->token = NULL;
	while (waiters != NULL) {
		struct tokens_waiter *w = waiters;

		waiters = w->next;
		w->ready(w);
	}
}

/* false: there is no process for it */
static bool
start(struct token *one)
{
	_Static_assert(sizeof(struct refresh_result) <= DOWNLOAD_RESULT_MAX, "it must fit");
	one->work = (struct download_work){refresh_run, &one->question,
					   sizeof(struct refresh_result), refresh_is_sound};
	one->question =
		(struct refresh_question){one->login, span_of(one->refresh), span_of(one->client)};
	one->download.owner = one;
	one->download.done = download_done;
	one->is_started = download_start(&one->download, one->owner->loop, one->owner->means,
					 &one->work, -1) == 0;
	if (!one->is_started)
		failed(one, strerror(errno));
	return one->is_started;
}

/* ---- questions ---- */

static struct token *
find(struct tokens *t, struct span login)
{
	for (size_t i = 0; i < t->count; i++)
		if (span_equal(span_of(t->list[i].login->name), login))
			return &t->list[i];
	return NULL;
}

static bool
is_good(const struct token *one, int64_t now_ms)
{
	return one->text[0] != '\0' && now_ms < one->until_ms;
}

void
tokens_look(struct tokens *t, struct span login, struct fetch_token_answer *answer)
{
	const struct token *one = find(t, login);

	*answer = (struct fetch_token_answer){.token = SPAN_NONE, .reason = SPAN_NONE};
	if (one == NULL)
		answer->reason = SPAN("there is no such login with a refresh token");
	else if (is_good(one, loop_now_ms(t->loop)))
		answer->token = span_of(one->text);
	else if (one->is_started)
		answer->reason = SPAN("the token is being fetched");
	else
		answer->reason = span_of(one->reason);
}

bool
tokens_ask(struct tokens *t, struct span login, bool is_refused, struct tokens_waiter *w,
	   struct fetch_token_answer *answer)
{
	struct token *one = find(t, login);
	int64_t now_ms = loop_now_ms(t->loop);

	if (one != NULL && is_refused && now_ms - one->since_ms >= TOKENS_YOUNG_MS)
		explicit_bzero(one->text, sizeof(one->text));
	tokens_look(t, login, answer);
	if (one == NULL || answer->token.len > 0)
		return false;
	if (!one->is_started && (now_ms < one->quiet_ms || !start(one))) {
		tokens_look(t, login, answer);
		return false;
	}
	w->token = one;
	w->next = one->waiters;
	one->waiters = w;
	return true;
}

void
tokens_leave(struct tokens_waiter *w)
{
	struct tokens_waiter **at;

	if (w->token == NULL)
		return;
	for (at = &w->token->waiters; *at != w; at = &(*at)->next)
		;
	*at = w->next;
	w->token = NULL;
}
