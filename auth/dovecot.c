/*
 * dovecot - see dovecot.h
 *
 * Nothing of it is trusted beyond its verdict: its lines are bounded and read strictly, and the login that it names is prepared like any other.
 * What it does not say in time, or says otherwise than it must, is trouble, never a login.
 */
#include "auth/dovecot.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/dovecot-lines.h"
#include "auth/names.h"
#include "auth/outside.h"
#include "common/system/clock.h"
#include "common/text/base64.h"

/* AUTH with the longest response, and what stands before it */
#define WRITE_MAX (BASE64_SIZE(AUTH_RESPONSE_MAX) + 2048)
#define HELLO_LINES_MAX 200

struct talk {
	struct dovecot *d;
	int64_t deadline_ms;
	struct buffer out;
	char in[DOVECOT_LINE_MAX];
	size_t used, len; /* what was given out, what is there */
};

static bool
fail(const struct talk *t, const char *reason, int error)
{
	snprintf(t->d->trouble, DOVECOT_REASON_MAX, "%s%s%s", reason, error != 0 ? ": " : "",
		 error != 0 ? strerror(error) : "");
	return false;
}

/* ---- bytes ---- */

static bool
await(const struct talk *t, short events)
{
	struct pollfd p = {.fd = t->d->fd, .events = events};

	for (;;) {
		int64_t left_ms = t->deadline_ms - clock_monotonic_ms();
		if (left_ms <= 0)
			return fail(t, "it does not answer", 0);
		if (poll(&p, 1, (int)left_ms) > 0)
			return true;
		if (errno != EINTR && errno != 0)
			return fail(t, "poll", errno);
	}
}

static bool
write_out(struct talk *t)
{
	struct span rest = buffer_get(&t->out);

	if (t->out.failed)
		return fail(t, "out of memory", 0);
	while (rest.len > 0) {
		if (!await(t, POLLOUT))
			return false;
		ssize_t n = send(t->d->fd, rest.at, rest.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail(t, "it cannot be written to", errno);
		rest = span_skip(rest, n > 0 ? (size_t)n : 0);
	}
	explicit_bzero(t->out.at, t->out.len);
	buffer_clear(&t->out);
	return true;
}

static bool
fill(struct talk *t)
{
	memmove(t->in, t->in + t->used, t->len - t->used);
	t->len -= t->used;
	t->used = 0;
	if (t->len == sizeof(t->in))
		return fail(t, "it says too long a line", 0);
	for (;;) {
		if (!await(t, POLLIN))
			return false;
		ssize_t n = recv(t->d->fd, t->in + t->len, sizeof(t->in) - t->len, MSG_DONTWAIT);
		if (n == 0)
			return fail(t, "it closed the connection", 0);
		if (n > 0) {
			t->len += (size_t)n;
			return true;
		}
		if (errno != EAGAIN && errno != EINTR)
			return fail(t, "it cannot be read", errno);
	}
}

/* the next line, which is good until the one behind it is read */
static bool
read_line(struct talk *t, struct dovecot_line *l)
{
	const char *end;

	while ((end = memchr(t->in + t->used, '\n', t->len - t->used)) == NULL)
		if (!fill(t))
			return false;
	struct span line = span_from(t->in + t->used, (size_t)(end - t->in) - t->used);
	t->used += line.len + 1;
	dovecot_parse(line, l);
	return l->kind != DOVECOT_MALFORMED || fail(t, "it says what is not of its protocol", 0);
}

/* ---- the greeting ---- */

/* all of it, up to DONE */
static bool
read_hello(struct talk *t)
{
	bool has_version = false;
	struct dovecot_line l;

	for (int i = 0; i < HELLO_LINES_MAX; i++) {
		if (!read_line(t, &l))
			return false;
		if (l.kind == DOVECOT_VERSION && l.number != DOVECOT_MAJOR)
			return fail(t, "it speaks another version of its protocol", 0);
		has_version = has_version || l.kind == DOVECOT_VERSION;
		if (l.kind == DOVECOT_MECHANISM && l.mechanism != 0)
			t->d->mechanisms |= AUTH_MECHANISM_BIT(l.mechanism);
		if (l.kind == DOVECOT_DONE)
			return has_version || fail(t, "it does not say its version", 0);
	}
	return fail(t, "its greeting does not end", 0);
}

static bool
open_talk(struct talk *t)
{
	uint32_t number;

	t->d->fd = outside_connect(t->d->helper, t->deadline_ms);
	if (t->d->fd < 0)
		return fail(t, "it cannot be reached", errno);
	/* Dovecot wants another number on each connection, and its own programs give their process numbers: above all of those */
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return fail(t, "no random bytes", 0);
	dovecot_write_hello(&t->out, number | UINT32_C(0x40000000));
	return write_out(t) && read_hello(t);
}

/* ---- its verdict ---- */

static void
take_ok(struct talk *t, const struct dovecot_line *l, struct sasl_exchange *x,
	struct sasl_result *r)
{
	char user[AUTH_LOGIN_MAX + 1];

	if (prepare_login(l->user, false, user) < 0) {
		(void)fail(t, "it names a login that can be none here", 0);
		return;
	}
	r->is_checked = true;
	memcpy(x->tried, x->login, sizeof(x->tried));
	memcpy(x->login, user, sizeof(x->login));
	if (l->is_barred)
		sasl_fail(r, AUTH_WRONG);
	else
		r->outcome = SASL_SUCCESS;
}

/* a challenge behind a token says what was wrong with it (RFC 7628, section 3.2.2), and FAIL follows, if the client waits for it */
static bool
is_refusal(const struct sasl_exchange *x)
{
	return (x->mechanism == AUTH_OAUTHBEARER || x->mechanism == AUTH_XOAUTH2) && x->is_named;
}

static void
take_cont(const struct talk *t, const struct dovecot_line *l, struct sasl_exchange *x,
	  struct sasl_result *r)
{
	char challenge[AUTH_CHALLENGE_MAX];
	int len = base64_decode(l->data, challenge, sizeof(challenge));

	if (len < 0) {
		(void)fail(t, "its challenge is no base64, or too long", 0);
		return;
	}
	sasl_challenge(r, span_from(challenge, (size_t)len));
	x->is_counted = r->is_checked = is_refusal(x);
}

static void
take_fail(const struct talk *t, const struct dovecot_line *l, struct sasl_exchange *x,
	  struct sasl_result *r)
{
	if (l->is_temporary) {
		(void)fail(t, "it cannot say it now", 0);
		return;
	}
	if (x->login[0] == '\0')
		(void)sasl_take_login(x, l->user);
	r->is_checked = !x->is_counted;
	sasl_fail(r, AUTH_WRONG);
}

static void
read_verdict(struct talk *t, struct sasl_exchange *x, struct sasl_result *r)
{
	struct dovecot_line l;

	do {
		if (!read_line(t, &l))
			return;
		switch (l.kind) {
		case DOVECOT_OK:
		case DOVECOT_CONT:
		case DOVECOT_FAIL:
			if (l.number == DOVECOT_REQUEST)
				break;
			(void)fail(t, "it answers what was not asked", 0);
			return;
		case DOVECOT_OTHER:
		case DOVECOT_VERSION:
		case DOVECOT_MECHANISM:
		case DOVECOT_DONE:
		case DOVECOT_MALFORMED:
			continue;
		}
		break;
	} while (true);
	if (t->used < t->len)
		(void)fail(t, "it says more than was asked", 0);
	else if (l.kind == DOVECOT_OK)
		take_ok(t, &l, x, r);
	else if (l.kind == DOVECOT_CONT)
		take_cont(t, &l, x, r);
	else
		take_fail(t, &l, x, r);
}

/* ---- a step ---- */

static bool
put_question(struct talk *t, const struct sasl_exchange *x, const struct span *response)
{
	const struct dovecot *d = t->d;
	const struct dovecot_request request = {
		.mechanism = x->mechanism,
		.session = d->session,
		.client = d->client,
		.server = d->server,
		.tls = d->tls,
		.certificate = span_of(x->certificate),
		.response = response,
	};

	if (d->fd >= 0) {
		dovecot_write_cont(&t->out, response != NULL ? *response : SPAN_NONE);
	} else {
		if (!open_talk(t))
			return false;
		dovecot_write_auth(&t->out, &request);
	}
	return write_out(t);
}

static void
talk_start(struct talk *t, struct dovecot *d)
{
	t->d = d;
	t->deadline_ms = clock_monotonic_ms() + DOVECOT_WAIT_MS;
	t->used = t->len = 0;
	buffer_init(&t->out, WRITE_MAX);
	d->mechanisms = 0;
	d->trouble[0] = '\0';
}

void
dovecot_step(struct dovecot *d, struct sasl_exchange *x, const struct span *response,
	     struct sasl_result *r)
{
	static struct talk t;

	*r = (struct sasl_result){.outcome = SASL_TROUBLE, .reason = AUTH_WRONG};
	if (response != NULL)
		names_take(x, *response);
	if (response != NULL && !d->source->may_guess(d->source->owner, x->login)) {
		r->outcome = SASL_REFUSED;
		return;
	}
	talk_start(&t, d);
	if (put_question(&t, x, response))
		read_verdict(&t, x, r);
	buffer_free(&t.out);
	x->step++;
}

void
dovecot_ask(struct dovecot *d)
{
	static struct talk t;

	talk_start(&t, d);
	if (!open_talk(&t))
		d->mechanisms = 0;
	buffer_free(&t.out);
}
