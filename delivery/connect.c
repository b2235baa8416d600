/*
 * connect - see the header
 */
#include "delivery/connect.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/text/number.h"
#include "delivery/sockets.h"
#include "delivery/starttls.h"

const char *
connect_name(const struct connection *c)
{
	return c->peer != NULL ? c->peer->text : "";
}

void
connect_drop(struct connection *c)
{
	if (c->open) {
		tls_leave(&c->stream);
		stream_close(&c->stream);
	}
	c->open = false;
}

void
connect_trouble(const struct connection *c, enum exchange what, const char *stage,
		struct verdict *why)
{
	switch (what) {
	case EXCHANGE_OK:
	case EXCHANGE_CLOSED:
		verdict_set(why, FATE_DEFERRED, 0, "4.4.2", "%s closed the connection %s",
			    connect_name(c), stage);
		return;
	case EXCHANGE_TIMEOUT:
		verdict_set(why, FATE_DEFERRED, 0, "4.4.2", "%s did not answer in time %s",
			    connect_name(c), stage);
		return;
	case EXCHANGE_NONSENSE:
		verdict_set(why, FATE_DEFERRED, 0, "4.5.0", "%s answered what is no SMTP %s",
			    connect_name(c), stage);
		return;
	}
}

/* ---- replies ---- */

int64_t
connect_deadline(const struct connection *c, int64_t wait_ms)
{
	if (c->reply_max_ms > 0 && c->reply_max_ms < wait_ms)
		wait_ms = c->reply_max_ms;
	return clock_monotonic_ms() + wait_ms;
}

/* one line; a line end of LF alone is taken from a peer as it is */
static enum exchange
read_line(struct connection *c, struct span *line)
{
	for (;;) {
		switch (stream_line(&c->stream, REPLY_LINE_MAX, line)) {
		case STREAM_OK:
			return EXCHANGE_OK;
		case STREAM_BARE:
			if (line->len > 0 && line->at[line->len - 1] == '\r')
				line->len--;
			return EXCHANGE_OK;
		case STREAM_INTERRUPTED:
			continue;
		case STREAM_TIMEOUT:
			return EXCHANGE_TIMEOUT;
		case STREAM_LONG:
			return EXCHANGE_NONSENSE;
		case STREAM_CLOSED:
		case STREAM_ERROR:
			return EXCHANGE_CLOSED;
		}
	}
}

static enum exchange
read_reply(struct connection *c, int64_t wait_ms, struct reply *r, bool is_ehlo)
{
	c->stream.deadline_ms = connect_deadline(c, wait_ms);
	reply_start(r);
	do {
		struct span line;
		enum exchange outcome = read_line(c, &line);

		if (outcome != EXCHANGE_OK)
			return outcome;
		if (reply_line(r, line) == -1)
			return EXCHANGE_NONSENSE;
		/* the first line of EHLO's answer is the peer's name */
		if (is_ehlo && r->code == 250 && r->lines > 1)
			connect_extension(c, span_skip(line, 4));
	} while (!r->complete);
	return EXCHANGE_OK;
}

enum exchange
connect_reply(struct connection *c, int64_t wait_ms, struct reply *r)
{
	return read_reply(c, wait_ms, r, false);
}

/* words like RCPTMAX=100; others, and what is no number, limit nothing (RFC 9422, section 4) */
static void
take_limits(struct connection *c, struct span words)
{
	struct span value;

	while ((value = span_word(&words)).len > 0) {
		struct span name = span_cut(&value, '=');
		uint64_t *limit = NULL;

		if (span_equal_nocase(name, SPAN("RCPTMAX")))
			limit = &c->recipients_max;
		else if (span_equal_nocase(name, SPAN("MAILMAX")))
			limit = &c->transactions_max;
		if (limit != NULL && number_parse(value, 1, UINT32_MAX, limit) == -1)
			*limit = 0;
	}
}

void
connect_extension(struct connection *c, struct span text)
{
	const struct {
		struct span word;
		bool *flag;
	} flags[] = {{SPAN("PIPELINING"), &c->pipelining},
		     {SPAN("8BITMIME"), &c->eight_bit},
		     {SPAN("DSN"), &c->dsn},
		     {SPAN("SMTPUTF8"), &c->utf8},
		     {SPAN("REQUIRETLS"), &c->requiretls},
		     {SPAN("CHUNKING"), &c->chunking},
		     {SPAN("STARTTLS"), &c->offers_starttls}};
	struct span word = span_word(&text);

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (span_equal_nocase(word, flags[i].word))
			*flags[i].flag = true;
	if (span_equal_nocase(word, SPAN("LIMITS"))) {
		take_limits(c, text);
	} else if (span_equal_nocase(word, SPAN("SIZE"))) {
		c->size = true;
		/* none, or one that is no number: announced without a maximum */
		if (number_parse(span_word(&text), 0, UINT64_MAX, &c->size_max) == -1)
			c->size_max = 0;
	}
}

/* ---- TCP ---- */

/* -1 and errno */
static int
await_connected(int fd, int64_t wait_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + wait_ms;
	int error = 0;
	socklen_t len = sizeof(error);

	for (;;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		struct pollfd p = {fd, POLLOUT, 0};
		int n = poll(&p, 1, left <= 0 ? 0 : (int)left);

		if (n > 0)
			break;
		if (n == 0 && left <= 0)
			errno = ETIMEDOUT;
		if (n == 0 ? left <= 0 : errno != EINTR)
			return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return -1;
	errno = error;
	return error == 0 ? 0 : -1;
}

/* -1 and errno */
static int
connect_tcp(const struct hosts_address *host, int64_t wait_ms)
{
	int one = 1;
	int error;
	int fd = socket(host->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* a block of content that does not fill its segment must not wait for the answer to the one before */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == -1)
		goto out;
	if (connect(fd, (const struct sockaddr *)&host->address, host->len) == 0)
		return fd;
	if (errno == EINPROGRESS && await_connected(fd, wait_ms) == 0)
		return fd;
out:
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* ---- greeting ---- */

/* a host that does not want to talk: deferred, whatever its code was */
static void
not_welcome(const struct connection *c, const struct reply *r, const char *stage,
	    struct verdict *why)
{
	verdict_set(why, FATE_DEFERRED, r->code,
		    r->code / 100 == 4 && r->status[0] != '\0' ? r->status : "4.3.2",
		    "%s refused to talk %s: %s", connect_name(c), stage, r->text);
}

static int
hello(struct connection *c, const char *hostname, struct verdict *why)
{
	static const char *const smtp[] = {"EHLO", "HELO"};
	static const char *const lmtp[] = {"LHLO"};
	const char *const *words = c->is_lmtp ? lmtp : smtp;
	size_t count = c->is_lmtp ? 1 : 2;
	enum exchange outcome;
	struct reply r = {.code = 0};

	for (size_t i = 0; i < count; i++) {
		if (stream_printf(&c->stream, "%s %s\r\n", words[i], hostname) != STREAM_OK)
			outcome = EXCHANGE_CLOSED;
		else
			outcome = read_reply(c, CONNECT_HELO_MS, &r, i == 0);
		if (outcome != EXCHANGE_OK) {
			connect_trouble(c, outcome, i == 0 ? "after our name" : "after HELO", why);
			connect_drop(c);
			return -1;
		}
		if (r.code / 100 == 2)
			return 0;
		/* RFC 5321, section 3.2: 5xx to EHLO says that it is not known */
		if (r.code / 100 != 5)
			break;
	}
	not_welcome(c, &r, "after our name", why);
	return -1;
}

static int
greeting(struct connection *c, struct verdict *why)
{
	struct reply r;
	enum exchange outcome = connect_reply(c, CONNECT_GREETING_MS, &r);

	if (outcome != EXCHANGE_OK) {
		connect_trouble(c, outcome, "before its greeting", why);
		/* no QUIT: a command before the greeting is what spammers send, and would not be answered either */
		connect_drop(c);
		return -1;
	}
	if (r.code / 100 != 2) {
		not_welcome(c, &r, "at its greeting", why);
		return -1;
	}
	return 0;
}

/* RFC 3207, section 4.2: what was announced in plain text counts for nothing under TLS */
static void
forget_extensions(struct connection *c)
{
	c->pipelining = c->eight_bit = c->size = c->dsn = c->utf8 = c->chunking = false;
	c->offers_starttls = c->requiretls = false;
	c->size_max = c->recipients_max = c->transactions_max = 0;
}

/* TCP, or a socket; -1 and *why */
static int
open_stream(struct connection *c, const struct hosts_address *host, const struct config *config,
	    int64_t wait_ms, struct verdict *why)
{
	int fd;

	*c = (struct connection){.peer = host,
				 .is_lmtp = host->is_lmtp,
				 .reply_max_ms = (int64_t)config->limits.reply_time};
	fd = host->address.ss_family == AF_UNIX ? sockets_connect(host)
						: connect_tcp(host, wait_ms);
	if (fd < 0) {
		verdict_set(why, FATE_DEFERRED, 0, "4.4.1", "cannot connect to %s: %s", host->text,
			    strerror(errno));
		return -1;
	}
	if (stream_open(&c->stream, fd) == -1) {
		close(fd);
		verdict_set(why, FATE_DEFERRED, 0, "4.3.0", "no memory for a connection to %s",
			    host->text);
		return -1;
	}
	c->open = true;
	return 0;
}

/* up to MAIL; PLAIN is as good as DONE */
static enum starttls_outcome
begin(struct connection *c, const struct config *config, const struct tls_demand *demand,
      struct verdict *why)
{
	bool is_implicit = demand != NULL && starttls_is_implicit(demand->config, c->peer->port);
	enum starttls_outcome outcome = STARTTLS_PLAIN;

	if (is_implicit)
		outcome = starttls_implicit(c, demand, why);
	if (outcome == STARTTLS_FAILED)
		return outcome;
	if (greeting(c, why) != 0 || hello(c, config->hostname, why) != 0)
		return STARTTLS_FAILED;
	if (is_implicit || demand == NULL)
		return outcome;
	outcome = starttls_run(c, demand, why);
	if (outcome != STARTTLS_DONE)
		return outcome;
	forget_extensions(c);
	return hello(c, config->hostname, why) == 0 ? STARTTLS_DONE : STARTTLS_FAILED;
}

/* hosts whose TLS does not work, of this agent; the oldest makes room */
static struct {
	char host[JOBS_HOST_MAX + 1];
	int64_t until_ms;
} broken[8];
static size_t next_broken;

static bool
is_known_broken(const struct hosts_address *host)
{
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		if (strcmp(broken[i].host, host->text) == 0 &&
		    clock_monotonic_ms() < broken[i].until_ms)
			return true;
	return false;
}

static void
remember_broken(const struct hosts_address *host)
{
	size_t i = next_broken++ % (sizeof(broken) / sizeof(broken[0]));

	snprintf(broken[i].host, sizeof(broken[i].host), "%s", host->text);
	broken[i].until_ms = clock_monotonic_ms() + CONNECT_BROKEN_TLS_MS;
}

int
connect_open(struct connection *c, const struct hosts_address *host, const struct config *config,
	     const struct tls_demand *demand, int64_t wait_ms, struct verdict *why)
{
	bool is_optional = demand->policy->level <= POLICY_OPPORTUNISTIC;
	struct connection first;

	if (demand->policy->level == POLICY_NONE || (is_optional && is_known_broken(host)))
		demand = NULL;
	if (open_stream(c, host, config, wait_ms, why) != 0)
		return -1;
	switch (begin(c, config, demand, why)) {
	case STARTTLS_DONE:
	case STARTTLS_PLAIN:
		return 0;
	case STARTTLS_FAILED:
		connect_quit(c);
		return -1;
	case STARTTLS_BROKEN:
		break;
	}
	remember_broken(host);
	first = *c; /* closed */
	if (open_stream(c, host, config, wait_ms, why) != 0)
		return -1;
	c->has_tls_result = true;
	c->tls_result = first.tls_result;
	c->local = first.local;
	memcpy(c->tls_wrong, first.tls_wrong, sizeof(c->tls_wrong));
	if (begin(c, config, NULL, why) != STARTTLS_FAILED)
		return 0;
	connect_quit(c);
	return -1;
}

void
connect_quit(struct connection *c)
{
	struct reply r;

	if (!c->open)
		return;
	/* the answer is of no interest, only that it was given the time to be said */
	c->stream.deadline_ms = clock_monotonic_ms() + CONNECT_QUIT_MS;
	if (stream_put(&c->stream, SPAN("QUIT\r\n")) == STREAM_OK &&
	    connect_reply(c, CONNECT_QUIT_MS, &r) == EXCHANGE_TIMEOUT)
		EVENT("quit-unanswered", event_string("host", connect_name(c)));
	/* under TLS the end is said, too, so that no one between can have cut it */
	(void)!stream_finish(&c->stream);
	connect_drop(c);
}
