/* scenario - what the schedule does, played from text under a false clock */
#ifndef TESTS_UNIT_QUEUE_MANAGER_SCENARIO_H
#define TESTS_UNIT_QUEUE_MANAGER_SCENARIO_H

#include "tests/unit/queue-manager/harness.h"

#include "queue-manager/queue.h"
#include "queue-manager/reaction.h"

/*
 * A scenario is lines of
 *
 *     +MS                      time passes
 *     limit agents N           also: mailbox-agents N, window N (of a site), per-job N, rate MICROSECONDS, per-connection N
 *     parent up|down           of smtp
 *     mail NAME PLACE N [retry|byN] a message with N recipients for PLACE (retry: it was deferred before; byN: of that sender)
 *     agent PLACE              the parent answers its WANT for the place
 *     cannot PLACE fail|defer  the parent refuses it
 *     done PLACE [NAME]        the agent of the place with the oldest job (of that message) delivers all of it
 *     defer | refused | trouble | broken | hangs | busy421 | rate | greylist PLACE [NAME] [PAUSE_MS]   the same with another answer
 *     dies PLACE               its agent ends in the midst of its job
 *     overdue PLACE            its agent has said nothing of its job for too long
 *     site PLACE NAME          an agent tells that its hosts are these
 *     wants PLACE N            must hold: N wants are under way
 *     agents | busy | ready PLACE N, and of its site: window | connected | parked | site-agents PLACE N
 *     job PLACE NAME N         an agent of the place has a job of N recipients of that message
 *     deferred NAME N | failed NAME N
 *
 * A place is a host, `mx.NAME` for the MX of a domain, or `box.NAME` for a mailbox; agents are the hands of the test.
 */

#define AGENTS_MAX 64

static struct {
	struct manager *q;
	struct harness *h;
	struct agent *agents[AGENTS_MAX];
	size_t count;
	struct {
		char name[16];
		uint64_t id;
	} mails[64];
	size_t mail_count;
	unsigned line;
	struct peer parent;
} world;

static inline bool
hand_want(struct manager *q, struct peer *parent, uint32_t number, const struct place *p)
{
	(void)q;
	(void)parent;
	(void)number;
	(void)p;
	return true;
}

static inline enum schedule_given
hand_give(struct manager *q, struct agent *a)
{
	(void)q;
	(void)a;
	return SCHEDULE_GIVEN;
}

static inline void
hand_end(struct manager *q, struct agent *a)
{
	size_t i = 0;
	while (world.agents[i] != a)
		i++;
	world.agents[i] = world.agents[--world.count];
	schedule_agent_gone(q, a, false);
	free(a->numbers);
	free(a);
}

static inline void
hand_end_parent(struct manager *q, struct peer *parent, const char *reason)
{
	(void)reason;
	schedule_parent_gone(q, parent);
}

static const struct schedule_hands hands = {hand_want, hand_give, hand_end, hand_end_parent};

/* hosts of a place: `mx.NAME` is the MX of that domain, anything else the host itself */
static inline struct span
hosts_of(struct span name)
{
	static char hosts[128];
	if (!span_starts(name, SPAN("mx.")))
		return name;
	snprintf(hosts, sizeof(hosts), "mx:%.*s:25", SPAN_ARG(name));
	return span_of(hosts);
}

static inline struct place *
place(struct span name)
{
	if (span_starts(name, SPAN("box.")))
		return queue_place(world.q, JOBS_MAILBOX, name, SPAN("box.test"));
	return queue_place(world.q, JOBS_SMTP, hosts_of(name), SPAN("outbound"));
}

/* what is to be routed anew goes where its domain says */
static inline void
by_domain(const struct lookup_question *q, struct lookup_leaf *l)
{
	struct span domain = q->address;
	(void)span_cut(&domain, '@');
	if (span_starts(domain, SPAN("box."))) {
		*l = (struct lookup_leaf){.number = q->number,
					  .leaves = 1,
					  .kind = LOOKUP_MAILBOX,
					  .address = q->address,
					  .user = domain,
					  .domain = SPAN("box.test")};
		return;
	}
	*l = (struct lookup_leaf){.number = q->number,
				  .leaves = 1,
				  .kind = LOOKUP_SMTP,
				  .address = q->address,
				  .domain = SPAN("outbound"),
				  .hosts = hosts_of(domain)};
}

static inline uint64_t
mail_id(struct span name)
{
	for (size_t i = 0; i < world.mail_count; i++)
		if (span_equal(span_of(world.mails[i].name), name))
			return world.mails[i].id;
	fail_msg("line %u: no mail %.*s", world.line, SPAN_ARG(name));
	return 0;
}

/* the longest busy agent of the place, perhaps of that message only */
static inline struct agent *
busy_agent(struct place *p, struct span name)
{
	struct agent *found = NULL;
	for (size_t i = 0; i < world.count; i++) {
		struct agent *a = world.agents[i];
		if (a->place != p || a->message == NULL ||
		    (name.len > 0 && a->message->id != mail_id(name)))
			continue;
		if (found == NULL || a->since_ms < found->since_ms)
			found = a;
	}
	if (found == NULL)
		fail_msg("line %u: no agent is busy there", world.line);
	return found;
}

static inline void
mail(struct span name, struct span where, uint64_t count, bool is_retry, uint64_t sender)
{
	char addresses[4096] =
		""; /* quoted: lookup is asked, as about no other address of a domain that is not ours */
	for (uint64_t i = 0; i < count; i++)
		snprintf(addresses + strlen(addresses), sizeof(addresses) - strlen(addresses),
			 "\"u%u\"@%.*s ", (unsigned)i, SPAN_ARG(where));
	uint64_t id = accept_message(world.h, "s@b.example", addresses);
	struct message *m = message_find(world.q, id);
	assert_int_equal(span_copy(name, world.mails[world.mail_count].name, 16), 0);
	world.mails[world.mail_count++].id = id;
	m->has_retries = is_retry;
	m->flow = (uint32_t)sender;
	for (uint32_t n = 1; n <= count; n++) {
		m->recipients[n - 1].attempts = is_retry;
		queue_add(world.q, place(where), m, n);
	}
	message_settle(world.q, m);
}

static inline struct want *
want_for(struct place *p)
{
	struct service *s = schedule_service(world.q, p);
	for (size_t i = 0; i < SCHEDULE_WANTS_MAX; i++)
		if (s->want[i].number != 0 && s->want[i].place == p)
			return &s->want[i];
	fail_msg("line %u: nothing is wanted for the place", world.line);
	return NULL;
}

static inline void
agent(struct span where)
{
	struct agent *a = calloc(1, sizeof(*a));
	a->room = 128;
	a->numbers = calloc(a->room, sizeof(*a->numbers));
	world.agents[world.count++] = a;
	schedule_agent(world.q, want_for(place(where)), a);
}

static inline uint64_t
number(struct span s)
{
	uint64_t v = 0;
	for (size_t i = 0; i < s.len; i++)
		v = v * 10 + (uint64_t)(s.at[i] - '0');
	return v;
}

/* its whole job has that answer */
static inline void
answer(struct span where, struct span name, enum fate fate, const struct answer *said)
{
	struct agent *a = busy_agent(place(where), name);
	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t of = a->numbers[i];
		a->numbers[i] = 0;
		reaction_to(world.q, a, of, fate, said);
	}
	a->left = 0;
	schedule_agent_free(world.q, a);
}

static inline bool
is_answer(struct span word, struct span where, struct span name, uint64_t pause_ms)
{
	static const struct {
		const char *word;
		enum fate fate;
		uint64_t code;
		enum reply_meaning meaning;
	} answers[] = {
		{"done", FATE_DELIVERED, 250, REPLY_ORDINARY},
		{"defer", FATE_DEFERRED, 451, REPLY_ORDINARY},
		{"refused", FATE_FAILED, 550, REPLY_ORDINARY},
		{"trouble", FATE_DEFERRED, 0, REPLY_CONNECTING},
		{"broken", FATE_DEFERRED, 0, REPLY_BROKEN},
		{"hangs", FATE_DEFERRED, 0, REPLY_ORDINARY},
		{"busy421", FATE_DEFERRED, 421, REPLY_BUSY},
		{"rate", FATE_DEFERRED, 421, REPLY_RATE},
		{"greylist", FATE_DEFERRED, 451, REPLY_GREYLIST},
	};
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (span_equal(word, span_of(answers[i].word))) {
			const struct answer a = {.code = answers[i].code,
						 .status = answers[i].fate == FATE_DELIVERED
								   ? SPAN("2.0.0")
								   : SPAN("4.0.0"),
						 .reply = SPAN("so it is"),
						 .host = SPAN("h"),
						 .meaning = answers[i].meaning,
						 .pause_ms = pause_ms};
			answer(where, name, answers[i].fate, &a);
			return true;
		}
	return false;
}

static inline void
must_be(struct span word, uint64_t is, uint64_t wanted)
{
	if (is != wanted)
		fail_msg("line %u: %.*s: is %u, must be %u", world.line, SPAN_ARG(word),
			 (unsigned)is, (unsigned)wanted);
}

static inline void
reload_site(struct manager *q, struct place *p)
{
	site_reload(q, p->site);
}

static inline void
set_limit(struct span what, uint64_t value)
{
	struct config_limits *l = &world.h->config.limits;
	if (span_equal(what, SPAN("agents")))
		l->agents = value;
	else if (span_equal(what, SPAN("mailbox-agents")))
		l->mailbox_agents = value;
	else if (span_equal(what, SPAN("rate")))
		l->rate = value;
	else if (span_equal(what, SPAN("per-connection")))
		l->messages_per_connection = value;
	else if (span_equal(what, SPAN("window")))
		l->concurrency = value;
	else
		l->recipients_per_transaction = value;
	queue_places_each(world.q, reload_site);
}

/* numbers of a place that a line may claim */
static inline bool
is_claim(struct span word, struct span where, struct span value)
{
	static const char *const words[] = {"wants",  "agents",	   "busy",   "ready",
					    "window", "connected", "parked", "site-agents"};
	size_t i = 0;
	while (i < sizeof(words) / sizeof(words[0]) && !span_equal(word, span_of(words[i])))
		i++;
	if (i == sizeof(words) / sizeof(words[0]))
		return false;
	const struct place *p = place(where);
	const uint64_t is[] = {p->wants,
			       p->agents,
			       p->busy,
			       p->ready,
			       p->site->window,
			       p->site->connected,
			       p->site->parked.count,
			       p->site->agents + p->site->wants};
	must_be(word, is[i], number(value));
	return true;
}

static inline bool
is_state(struct span word, struct span name, struct span value)
{
	if (!span_equal(word, SPAN("deferred")) && !span_equal(word, SPAN("failed")))
		return false;
	const struct message *m = message_find(world.q, mail_id(name));
	uint64_t is = 0;
	if (m != NULL)
		is = span_equal(word, SPAN("deferred"))
			     ? message_in(m, RECIPIENT_DEFERRED)
			     : message_in(m, RECIPIENT_FAILED) + message_in(m, RECIPIENT_TELLING);
	must_be(word, is, number(value));
	return true;
}

static inline void
cannot(struct span where, bool for_good)
{
	struct verdict v;
	verdict_set(&v, for_good ? FATE_FAILED : FATE_DEFERRED, 0, "4.3.0", "no");
	schedule_cannot(world.q, want_for(place(where)), &v);
}

static inline void
parent_comes(void)
{
	schedule_parent(world.q, JOBS_SMTP, &world.parent);
	schedule_parent(world.q, JOBS_MAILBOX, &world.parent);
}

static inline void
overdue(struct span where)
{
	struct agent *a = busy_agent(place(where), SPAN_NONE);
	a->is_hanging = true;
	hand_end(world.q, a);
}

static inline void
pass(uint64_t ms)
{
	world.q->false_ms += (int64_t)ms;
	world.q->false_wall_us += (int64_t)ms * 1000;
}

static inline void
carry_out(struct span word, struct span a, struct span b, struct span c, struct span d)
{
	if (word.at[0] == '+')
		pass(number(span_skip(word, 1)));
	else if (span_equal(word, SPAN("limit")))
		set_limit(a, number(b));
	else if (span_equal(word, SPAN("parent")) && span_equal(a, SPAN("up")))
		parent_comes();
	else if (span_equal(word, SPAN("parent")))
		schedule_parent_gone(world.q, &world.parent);
	else if (span_equal(word, SPAN("mail")))
		mail(a, b, number(c), span_equal(d, SPAN("retry")),
		     span_starts(d, SPAN("by")) ? number(span_skip(d, 2)) : 0);
	else if (span_equal(word, SPAN("agent")))
		agent(a);
	else if (span_equal(word, SPAN("site")))
		site_learned(world.q, place(a), b);
	else if (span_equal(word, SPAN("cannot")))
		cannot(a, span_equal(b, SPAN("fail")));
	else if (span_equal(word, SPAN("dies")))
		hand_end(world.q, busy_agent(place(a), b));
	else if (span_equal(word, SPAN("overdue")))
		overdue(a);
	else if (span_equal(word, SPAN("job")))
		must_be(word, busy_agent(place(a), b)->count, number(c));
	else if (!is_answer(word, a, b, c.len > 0 ? number(c) : 0) && !is_claim(word, a, b) &&
		 !is_state(word, a, b))
		fail_msg("line %u: what is that?", world.line);
}

static inline void
fire_site(struct manager *q, struct place *p)
{
	struct loop_timer *t = &p->site->timer;
	if (t->slot != 0 && t->at_ms <= q->false_ms) {
		loop_timer_clear(q->loop, t);
		t->fire(t);
	}
}

static inline void
fire_timers_by_hand(void)
{
	/* the loop's clock is the true one: what is due by the false one is fired here */
	struct service *s = &world.q->schedule.service[JOBS_SMTP];
	if (s->timer.slot != 0 && s->timer.at_ms <= world.q->false_ms) {
		loop_timer_clear(world.q->loop, &s->timer);
		s->timer.fire(&s->timer);
	}
	struct loop_timer *due = &world.q->messages.due_timer;
	if (due->slot != 0 && due->at_ms <= world.q->false_ms) {
		loop_timer_clear(world.q->loop, due);
		due->fire(due);
	}
	queue_places_each(world.q, fire_site);
}

static inline void
play(struct harness *h, const char *text)
{
	struct span rest = span_of(text);
	memset(&world, 0, sizeof(world));
	world.h = h;
	world.q = h->q;
	world.q->schedule.hands = &hands;
	/* far ahead: no timer of the loop itself fires */
	world.q->false_ms = clock_monotonic_ms() + 1000000000;
	world.q->false_wall_us = clock_wall_us();
	while (rest.len > 0) {
		struct span line = span_cut(&rest, '\n');
		struct span word = span_word(&line), a = span_word(&line), b = span_word(&line),
			    c = span_word(&line), d = span_word(&line);
		world.line++;
		if (word.len == 0)
			continue;
		carry_out(word, a, b, c, d);
		/* what that sets off may set off more */
		for (int i = 0; i < 3; i++) {
			fire_timers_by_hand();
			answer_lookup(h, by_domain);
		}
	}
	while (world.count > 0)
		hand_end(world.q, world.agents[0]);
	world.q->schedule.hands = &jobs_hands;
	world.q->false_ms = world.q->false_wall_us = 0;
	schedule_parent_gone(world.q, &world.parent);
}

#define SCENARIO(name, text) \
	static void name(void **state) \
	{ \
		play(*state, text); \
	}

#endif
