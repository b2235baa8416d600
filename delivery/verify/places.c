/*
 * places - see places.h; called by serve.c
 *
 * A question is in one of these states:
 *
 *     waiting  in its place's queue
 *     asked    with one probe (probing->question)
 *
 * A probe that ends without an answer, as one does that has been idle just when the question reached it, gives it back: it is asked once more.
 */
#include "delivery/verify/places.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/events.h"
#include "common/system/fatal.h"

#define ATTEMPTS_MAX 2

/* a probe and its process */
struct probing {
	struct place *place;
	pid_t pid;
	struct loop_watch watch;
	struct loop_timer slow;
	struct question *question; /* NULL: it is idle */
	struct probing *next;
};

struct place {
	struct places *places;
	const struct config_domain *block;
	struct span hops;
	struct question *first, *last; /* waiting */
	size_t waiting;
	struct question *answered; /* while its waiters are told */
	struct probing *probing;
	size_t probing_count;
	int64_t down_until_ms;
	struct probe_answer down; /* why */
	uint64_t taken;
	bool has_refused, is_told;
	struct loop_task task; /* goes on */
};

static void go_on(struct place *place);
static bool go_on_step(struct loop_task *t);

/* ---- questions ---- */

static void
put_question(struct place *place, struct question *q, bool is_first)
{
	q->next = is_first ? place->first : NULL;
	if (is_first)
		place->first = q;
	else if (place->last != NULL)
		place->last->next = q;
	else
		place->first = q;
	if (q->next == NULL)
		place->last = q;
	place->waiting++;
}

static struct question *
take_question(struct place *place)
{
	struct question *q = place->first;

	if (q == NULL)
		return NULL;
	place->first = q->next;
	if (place->first == NULL)
		place->last = NULL;
	place->waiting--;
	return q;
}

static struct question *
find_question(struct place *place, struct span address)
{
	for (struct probing *g = place->probing; g != NULL; g = g->next)
		if (g->question != NULL && span_equal(span_of(g->question->address), address))
			return g->question;
	for (struct question *q = place->first; q != NULL; q = q->next)
		if (span_equal(span_of(q->address), address))
			return q;
	return NULL;
}

static void
answer(struct question *q, const struct probe_answer *a)
{
	struct place *place = q->place;
	struct places *p = place->places;

	/* one of those who are told may leave over it, and have waited for it twice */
	place->answered = q;
	p->done(p->owner, q, a);
	place->answered = NULL;
	free(q);
}

/* what is to be known of the place itself */
static void
note(struct place *place, const struct probe_answer *a)
{
	if (a->is_down) {
		place->down_until_ms = loop_now_ms(place->places->loop) + PLACES_DOWN_MS;
		place->down = *a;
	}
	if (a->outcome == VERIFY_REFUSED)
		place->has_refused = true;
	if (a->outcome != VERIFY_TAKEN || place->has_refused || place->is_told ||
	    ++place->taken < PLACES_CATCH_ALL)
		return;
	place->is_told = true;
	EVENT("next-hop-takes-all", event_string("domain", place->block->names[0]),
	      event_string("host", a->host), event_number("recipients", (int64_t)place->taken));
}

/* ---- processes ---- */

static void
forget_probing(struct probing *g)
{
	struct place *place = g->place;
	struct probing **at = &place->probing;
	struct loop *loop = place->places->loop;

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	place->probing_count--;
	loop_timer_clear(loop, &g->slow);
	loop_unwatch(loop, &g->watch);
	close(g->watch.fd);
}

/* the child is gone, or about to go */
static void
reap(struct probing *g)
{
	int status = 0;

	while (waitpid(g->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
		EVENT("probe-died",
		      event_number("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

/* it ended, or is ended, with its question unanswered */
static void
end_probing(struct probing *g, const char *reason)
{
	struct place *place = g->place;
	struct question *q = g->question;
	struct probe_answer a = {.outcome = VERIFY_UNKNOWN};

	forget_probing(g);
	kill(g->pid, SIGKILL);
	reap(g);
	free(g);
	if (q == NULL)
		return;
	if (reason == NULL && ++q->attempts < ATTEMPTS_MAX) {
		put_question(place, q, true);
	} else {
		snprintf(a.reply, sizeof(a.reply), "%s",
			 reason != NULL ? reason : "the probe ended without an answer");
		answer(q, &a);
	}
	go_on(place);
}

static void
too_slow(struct loop_timer *t)
{
	struct probing *g = t->owner;

	EVENT("probe-slow", event_string("to", g->question->address),
	      event_number("ms", PLACES_PROBE_MS));
	end_probing(g, "the next hop took too long to answer");
}

/* nothing in it ends elsewhere than where it must, whoever wrote it */
static bool
is_sound(const struct probe_answer *a)
{
	return a->outcome >= VERIFY_TAKEN && a->outcome <= VERIFY_UNKNOWN && a->code >= 0 &&
	       a->code <= 599 && memchr(a->status, '\0', sizeof(a->status)) != NULL &&
	       memchr(a->reply, '\0', sizeof(a->reply)) != NULL &&
	       memchr(a->host, '\0', sizeof(a->host)) != NULL;
}

static void
probing_ready(struct loop_watch *w, uint32_t events)
{
	static char in[CHANNEL_MAX];
	static struct probe_answer a;
	struct probing *g = w->owner;
	struct place *place = g->place;
	struct question *q = g->question;
	size_t len = 0;

	(void)events;
	enum channel_outcome outcome = channel_receive(w->fd, in, &len, NULL);
	if (outcome == CHANNEL_AGAIN)
		return;
	if (outcome == CHANNEL_OK && len == sizeof(a))
		memcpy(&a, in, sizeof(a));
	if (outcome != CHANNEL_OK || len != sizeof(a) || q == NULL || !is_sound(&a)) {
		end_probing(g, NULL);
		return;
	}
	loop_timer_clear(place->places->loop, &g->slow);
	g->question = NULL;
	EVENT("probed", event_string("to", q->address),
	      event_string("outcome", a.outcome == VERIFY_TAKEN	    ? "taken"
				      : a.outcome == VERIFY_REFUSED ? "refused"
								    : "unknown"),
	      event_string("host", a.host), event_number("code", a.code),
	      event_string("status", a.status), event_string("reply", a.reply));
	note(place, &a);
	answer(q, &a);
	go_on(place);
}

/* NULL: no process is to be had */
static struct probing *
start_probing(struct place *place)
{
	struct places *p = place->places;
	struct probing *g = calloc(1, sizeof(*g));
	struct probe_start start = p->start;
	int pair[2];

	if (g == NULL ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		goto out;
	start.place = place->hops;
	start.block = span_of(place->block->names[0]);
	events_flush();
	g->pid = fork();
	if (g->pid == 0)
		_exit(probe_serve(&start, pair[1]));
	close(pair[1]);
	if (g->pid < 0) {
		close(pair[0]);
		goto out;
	}
	g->place = place;
	g->watch = (struct loop_watch){.fd = pair[0], .ready = probing_ready, .owner = g};
	g->slow = (struct loop_timer){.fire = too_slow, .owner = g};
	g->next = place->probing;
	place->probing = g;
	place->probing_count++;
	loop_watch(p->loop, &g->watch, EPOLLIN);
	return g;
out:
	EVENT("no-process", event_string("errno", strerror(errno)));
	free(g);
	return NULL;
}

static struct probing *
idle_probing(const struct place *place)
{
	for (struct probing *g = place->probing; g != NULL; g = g->next)
		if (g->question == NULL)
			return g;
	return NULL;
}

/* what waits is given to probes, as far as there are any */
static void
go_on(struct place *place)
{
	struct places *p = place->places;
	const struct probe_answer none = {.outcome = VERIFY_UNKNOWN, .reply = "no process is left"};

	while (place->first != NULL && !p->is_stopping) {
		struct probing *g = idle_probing(place);
		struct question *q;

		if (g == NULL && place->probing_count < p->start.config->verify.probes) {
			g = start_probing(place);
			if (g == NULL && place->probing_count == 0) {
				answer(take_question(place), &none);
				continue;
			}
		}
		if (g == NULL || (q = take_question(place)) == NULL)
			return;
		g->question = q;
		loop_timer_set(p->loop, &g->slow, loop_now_ms(p->loop) + PLACES_PROBE_MS);
		if (channel_send(g->watch.fd, span_of(q->address), NULL, 0) != CHANNEL_OK) {
			/* calls us again */
			end_probing(g, NULL);
			return;
		}
	}
}

static bool
go_on_step(struct loop_task *t)
{
	go_on(t->owner);
	return false;
}

/* ---- for serve.c ---- */

void
places_start(struct places *p, struct loop *loop, const struct probe_start *start,
	     void (*done)(void *owner, struct question *q, const struct probe_answer *a),
	     void *owner)
{
	const struct config *c = start->config;

	*p = (struct places){.loop = loop, .start = *start, .done = done, .owner = owner};
	p->places = calloc(c->domain_count + 1, sizeof(*p->places));
	if (p->places == NULL)
		fatal(EXIT_OS, ENOMEM, "the next hops");
	for (size_t i = 0; i < c->domain_count; i++) {
		const char *hops = config_verified_hops(&c->domains[i]);

		if (hops == NULL)
			continue;
		struct place *place = &p->places[p->count++];
		*place =
			(struct place){.places = p, .block = &c->domains[i], .hops = span_of(hops)};
		place->task = (struct loop_task){.step = go_on_step, .owner = place};
	}
}

void
places_end(struct places *p)
{
	p->is_stopping = true;
	for (size_t i = 0; i < p->count; i++) {
		struct place *place = &p->places[i];
		struct question *q;

		for (struct probing *g = place->probing, *next; g != NULL; g = next) {
			next = g->next;
			free(g->question);
			g->question = NULL;
			end_probing(g, NULL);
		}
		while ((q = take_question(place)) != NULL)
			free(q);
		loop_task_clear(p->loop, &place->task);
	}
	free(p->places);
}

struct place *
places_find(struct places *p, struct span block)
{
	for (size_t i = 0; i < p->count; i++)
		if (span_equal(span_of(p->places[i].block->names[0]), block))
			return &p->places[i];
	return NULL;
}

struct question *
places_ask(struct places *p, struct place *place, struct span address, struct waiter *waiter,
	   struct probe_answer *why)
{
	struct question *q = find_question(place, address);

	*why = (struct probe_answer){.outcome = VERIFY_UNKNOWN};
	if (q == NULL && loop_now_ms(p->loop) < place->down_until_ms) {
		*why = place->down;
		return NULL;
	}
	if (q == NULL && (place->waiting >= PLACES_QUEUE_MAX || p->is_stopping)) {
		snprintf(why->reply, sizeof(why->reply),
			 "too many questions wait for this next hop");
		return NULL;
	}
	if (q == NULL) {
		q = calloc(1, sizeof(*q));
		if (q == NULL || span_copy(address, q->address, sizeof(q->address)) < 0) {
			free(q);
			snprintf(why->reply, sizeof(why->reply), "out of memory");
			return NULL;
		}
		q->place = place;
		put_question(place, q, false);
		loop_task_wake(p->loop, &place->task);
	}
	if (waiter != NULL) {
		waiter->next = q->waiters;
		q->waiters = waiter;
	}
	return q;
}

/* of one question */
static void
leave_question(struct question *q, const void *owner, void (*free_waiter)(struct waiter *w))
{
	struct waiter **at = &q->waiters;

	while (*at != NULL) {
		struct waiter *w = *at;

		if (w->owner != owner) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free_waiter(w);
	}
}

void
places_leave(struct places *p, const void *owner, void (*free_waiter)(struct waiter *w))
{
	for (size_t i = 0; i < p->count; i++) {
		for (struct question *q = p->places[i].first; q != NULL; q = q->next)
			leave_question(q, owner, free_waiter);
		for (struct probing *g = p->places[i].probing; g != NULL; g = g->next)
			if (g->question != NULL)
				leave_question(g->question, owner, free_waiter);
		if (p->places[i].answered != NULL)
			leave_question(p->places[i].answered, owner, free_waiter);
	}
}
