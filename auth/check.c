/*
 * check - see check.h; called by serve.c
 */
#include "auth/check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/ask-pam.h"
#include "auth/dovecot.h"
#include "common/accounts/store.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/confine.h"
#include "common/system/events.h"
#include "common/system/fatal.h"

#define FIRST 3u /* below are /dev/null and stderr; sqlite opens no database there */

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

static int
compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
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

/* every descriptor from FIRST on but these (-1: none): the others are connections of other sessions */
static void
close_all_but(int *keep, size_t count)
{
	unsigned next = FIRST;

	qsort(keep, count, sizeof(*keep), compare);
	for (size_t i = 0; i < count; i++) {
		if (keep[i] < (int)next)
			continue;
		if ((unsigned)keep[i] > next && close_range(next, (unsigned)keep[i] - 1, 0) != 0)
			_exit(EXIT_OS);
		next = (unsigned)keep[i] + 1;
	}
	if (close_range(next, ~0u, 0) != 0)
		_exit(EXIT_OS);
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

_Noreturn static void
work(int back, const struct check_source *from, const struct check_question *q,
     const struct guessers *guessers)
{
	static struct check_answer answer;
	struct asker asker = {
		.from = from, .guessers = guessers, .client = q->peer.address, .answer = &answer};
	bool is_pam = from->kind == CONFIG_AUTH_PAM;
	const struct sasl_source source = {.owner = &asker,
					   .find = is_pam ? find_nobody : find_account,
					   .check = is_pam ? check_by_pam : NULL,
					   .may_guess = may_guess};
	struct span response = span_from(q->response, q->len);
	int keep[] = {back, from->fd, q->connection}, connection = -1;

	confine_child();
	close_all_but(keep, sizeof(keep) / sizeof(keep[0]));
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

/* the child is gone, or about to go; its status, -1: there is none */
static int
reap(struct check *c)
{
	int status = -1;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	loop_timer_clear(c->loop, &c->given_up);
	loop_unwatch(c->loop, &c->result);
	close(c->result.fd);
	c->pid = 0;
	return status;
}

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
result_ready(struct loop_watch *w, uint32_t events)
{
	static char in[CHANNEL_MAX];
	static struct check_answer answer;
	struct check *c = w->owner;
	struct channel_fds fds = {.count = 0};
	size_t len = 0;
	int status;

	_Static_assert(sizeof(answer) <= sizeof(in), "an answer must fit");
	(void)events;
	enum channel_outcome outcome = channel_receive(w->fd, in, &len, &fds);
	if (outcome == CHANNEL_AGAIN)
		return;
	status = reap(c);
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
give_up(struct loop_timer *t)
{
	struct check *c = t->owner;

	EVENT("check-slow", event_number("ms", CHECK_MS));
	kill(c->pid, SIGKILL);
	(void)reap(c);
	c->done(c, NULL, -1);
}

int
check_start(struct check *c, struct loop *loop, const struct check_question *q,
	    const struct guessers *guessers, const struct check_source *source)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	events_flush();
	pid_t pid = fork();
	if (pid == 0)
		work(pair[1], source, q, guessers);
	int error = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		errno = error;
		return -1;
	}
	c->loop = loop;
	c->pid = pid;
	c->result = (struct loop_watch){.fd = pair[0], .ready = result_ready, .owner = c};
	c->given_up = (struct loop_timer){.fire = give_up, .owner = c};
	loop_watch(loop, &c->result, EPOLLIN);
	loop_timer_set(loop, &c->given_up, loop_now_ms(loop) + CHECK_MS);
	return 0;
}

void
check_abandon(struct check *c)
{
	if (c->pid == 0)
		return;
	kill(c->pid, SIGKILL);
	(void)reap(c);
}
