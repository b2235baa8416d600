/*
 * check - see check.h; called by serve.c
 */
#include "auth/check.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/ask-pam.h"
#include "auth/dovecot.h"
#include "common/accounts/store.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/descriptors.h"
#include "common/system/events.h"
#include "common/system/fatal.h"

/* ---- the child ---- */

struct asker {
	const struct check_source *from;
	struct store *store;
	const struct guessers *guessers;
	const char *client;
	struct check_answer *answer;
};

static bool
may_guess(void *owner, const char *login)
{
	const struct asker *a = owner;
	int64_t delay_ms;

	/* the table as it was at the fork: with this guess charged */
	return guessers_judge(a->guessers, a->client, login, clock_monotonic_ms(), &delay_ms);
}

static enum sasl_found
find_account(void *owner, struct span login, enum verifier_hash hash, struct verifier *v)
{
	struct asker *a = owner;
	char *reason = a->answer->trouble;
	unsigned char secret[STORE_SECRET_SIZE];

	_Static_assert(sizeof(a->answer->trouble) >= STORE_REASON_MAX, "a reason must fit");
	if (a->store == NULL)
		a->store = store_open("/" STORE_FILE, false, reason);
	if (a->store == NULL)
		return SASL_UNKNOWN;
	switch (store_find(a->store, login, hash, v, reason)) {
	case STORE_DONE:
		return SASL_FOUND;
	case STORE_ABSENT:
		if (store_secret(a->store, secret, reason) != STORE_DONE ||
		    verifier_decoy(hash, span_from((const char *)secret, sizeof(secret)), login,
				   v) < 0)
			return SASL_UNKNOWN;
		return SASL_DECOY;
	case STORE_PRESENT:
	case STORE_TROUBLE:
		break;
	}
	return SASL_UNKNOWN;
}

/* PAM has no verifiers, and nobody asks it for one: it knows no SCRAM, and no EXTERNAL */
static enum sasl_found
find_nobody(void *owner, struct span login, enum verifier_hash hash, struct verifier *v)
{
	(void)owner;
	(void)login;
	(void)hash;
	(void)v;
	return SASL_UNKNOWN;
}

static enum sasl_found
check_by_pam(void *owner, struct span login, struct span password, bool *is_right)
{
	const struct asker *a = owner;

	_Static_assert(sizeof(a->answer->trouble) >= ASK_PAM_REASON_MAX, "a reason must fit");
	return ask_pam(a->from->pam, login, password, span_of(a->client), is_right,
		       a->answer->trouble);
}

/* the connection of an exchange that goes on; -1: none */
static int
ask_dovecot(const struct check_question *q, const struct check_source *from,
	    const struct sasl_source *source, struct check_answer *answer)
{
	struct dovecot d = {
		.helper = from->fd,
		.fd = q->connection,
		.session = span_of(q->peer.session),
		.client = span_of(q->peer.address),
		.server = span_of(q->server),
		.tls = span_of(q->tls),
		.source = source,
		.trouble = answer->trouble,
	};
	struct span response = span_from(q->response, q->len);

	_Static_assert(sizeof(answer->trouble) >= DOVECOT_REASON_MAX, "a reason must fit");
	if (q->is_list)
		dovecot_ask(&d);
	else
		dovecot_step(&d, &answer->exchange, q->has_response ? &response : NULL,
			     &answer->result);
	answer->mechanisms = d.mechanisms;
	return answer->result.outcome == SASL_CHALLENGE ? d.fd : -1;
}

struct task {
	const struct check_source *from;
	const struct check_question *q;
	const struct guessers *guessers;
};

static void
work(const void *what, int back)
{
	static struct check_answer answer;
	const struct task *task = what;
	const struct check_source *from = task->from;
	const struct check_question *q = task->q;
	struct asker asker = {.from = from,
			      .guessers = task->guessers,
			      .client = q->peer.address,
			      .answer = &answer};
	bool is_pam = from->kind == CONFIG_AUTH_PAM;
	const struct sasl_source source = {.owner = &asker,
					   .find = is_pam ? find_nobody : find_account,
					   .check = is_pam ? check_by_pam : NULL,
					   .may_guess = may_guess};
	struct span response = span_from(q->response, q->len);
	int keep[] = {back, from->fd, q->connection}, connection = -1;

	confine_child();
	descriptors_keep(keep, sizeof(keep) / sizeof(keep[0]));
	answer.exchange = q->exchange;
	if (from->kind == CONFIG_AUTH_DOVECOT)
		connection = ask_dovecot(q, from, &source, &answer);
	else
		sasl_step(&answer.exchange, q->has_response ? &response : NULL, &source,
			  &answer.result);
	/* whoever started us has gone: nobody is to be told */
	_exit(channel_send(back, span_from((const char *)&answer, sizeof(answer)), &connection,
			   connection >= 0) == CHANNEL_OK
		      ? 0
		      : EXIT_OS);
}

/* ---- the parent ---- */

/* nothing in it ends elsewhere than where it must, whoever wrote it */
static bool
is_sound(const struct check_answer *a)
{
	const struct sasl_exchange *x = &a->exchange;

	return a->result.len <= sizeof(a->result.data) &&
	       memchr(x->login, '\0', sizeof(x->login)) != NULL &&
	       memchr(x->tried, '\0', sizeof(x->tried)) != NULL &&
	       memchr(a->trouble, '\0', sizeof(a->trouble)) != NULL;
}

static void
heard(struct errand *e)
{
	static char in[CHANNEL_MAX];
	static struct check_answer answer;
	struct check *c = e->owner;
	struct channel_fds fds = {.count = 0};
	size_t len = 0;
	int status;

	_Static_assert(sizeof(answer) <= sizeof(in), "an answer must fit");
	enum channel_outcome outcome = channel_receive(e->result.fd, in, &len, &fds);
	if (outcome == CHANNEL_AGAIN)
		return;
	status = errand_end(e);
	bool is_whole = outcome == CHANNEL_OK && len == sizeof(answer);
	if (is_whole) {
		memcpy(&answer, in, sizeof(answer));
		explicit_bzero(in, len);
		is_whole = is_sound(&answer);
	}
	if (!is_whole)
		EVENT("check-died",
		      event_number("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
		      event_number("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
	if (!is_whole || fds.count != 1) {
		channel_close_fds(&fds);
		fds.fd[0] = -1;
	}
	c->done(c, is_whole ? &answer : NULL, fds.fd[0]);
	explicit_bzero(&answer, sizeof(answer));
}

static void
late(struct errand *e)
{
	struct check *c = e->owner;

	EVENT("check-slow", event_number("ms", CHECK_MS));
	(void)errand_end(e);
	c->done(c, NULL, -1);
}

int
check_start(struct check *c, struct loop *loop, const struct check_question *q,
	    const struct guessers *guessers, const struct check_source *source)
{
	const struct task task = {source, q, guessers};

	c->errand.owner = c;
	c->errand.heard = heard;
	c->errand.late = late;
	return errand_start(&c->errand, loop, CHECK_MS, work, &task);
}

void
check_abandon(struct check *c)
{
	(void)errand_end(&c->errand);
}
