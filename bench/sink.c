/*
 * sink - SMTP servers that throw away what they get, and count it: each message of a round exactly once
 *
 * Called by bench.py.  One process, event-driven, any number of listeners, each with a behaviour:
 *
 *   sink ADDRESS:PORT[=BEHAVIOUR] ...
 *
 *   accept      the default
 *   slow:MS     as accept; the reply to the content comes MS late
 *   defer       451 to every RCPT
 *   refuse      550 to every RCPT
 *   busy:N      421 instead of the banner to every connection beyond N; 0: to all
 *   silent      connections are made; not a word is said
 *   hang        all is well until the content, to which no reply ever comes
 *   blackhole   a full backlog: the kernel answers no SYN
 *
 * A round's messages bear `X-Bench: TAG NUMBER MICROSECONDS` (load.c).  Commands come by stdin, a line each; each answer is one
 * line of JSON on stdout:
 *
 *   round TAG MESSAGES RECIPIENTS    counts anew        -> {"round": "TAG"}
 *   wait N SECONDS                   -> the result, once N are delivered or the time has passed
 *   report                           -> the result
 *
 * A delivery is a recipient of a message that got its 250 here; the recipient's number is the last run of digits in its local
 * part.  `missing` and `duplicates` say what is not exactly once.  It ends at the end of stdin, or by SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/net.h"
#include "bench/samples.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "common/text/buffer.h"
#include "common/text/number.h"

#define BACKLOG 4096
#define READ_SIZE 65536
#define IN_MAX (READ_SIZE + 8192)
#define OUT_MAX (1 << 20)
#define TAG_MAX 64
#define COPIES_MAX 100000000
#define FILLERS 4 /* connections that fill a backlog of 0 */
#define END_OF_CONTENT "\r\n.\r\n"
#define END_LENGTH 5

enum behaviour { ACCEPT, SLOW, DEFER, REFUSE, BUSY, SILENT, HANG, BLACKHOLE };

static const struct {
	const char *name;
	bool has_value;
} behaviours[] = {
	[ACCEPT] = {"accept", false}, [SLOW] = {"slow", true},
	[DEFER] = {"defer", false},   [REFUSE] = {"refuse", false},
	[BUSY] = {"busy", true},      [SILENT] = {"silent", false},
	[HANG] = {"hang", false},     [BLACKHOLE] = {"blackhole", false},
};

struct connection;

struct listener {
	struct loop_watch watch;
	struct span name; /* ADDRESS:PORT, as it was given */
	enum behaviour behaviour;
	uint64_t value;
	uint64_t open, peak, connections, turned_away, deferred, delivered;
	struct connection *first_late, *last_late; /* SLOW: who waits for a reply, by time */
	struct loop_timer late;
};

enum phase { COMMANDS, HEADER, BODY, LATE };

struct connection {
	struct loop_watch watch;
	struct listener *at;
	enum phase phase;
	bool closing; /* once `out` is written */
	struct buffer in, out;
	struct buffer recipients; /* uint32_t numbers */
	bool tagged;
	uint64_t round; /* in which it was tagged */
	uint64_t number;
	int64_t sent_us, due_ms;
	struct connection *next_late;
};

static struct loop *loop;
static struct listener *listeners;
static size_t listener_count;

static struct {
	char tag[TAG_MAX];
	uint64_t serial, messages, recipients;
	uint8_t *copies; /* of each recipient of each message */
	uint64_t delivered, duplicates, strangers, transactions;
	int64_t first_us, last_us;
	struct samples delay;
} round_now;

static struct loop_watch commands;
static struct buffer command_line;
static struct loop_timer waiting; /* `wait` */
static uint64_t wanted;		  /* 0: nobody waits */

/* ---- the result ---- */

static void
print_result(void)
{
	double seconds = (double)(round_now.last_us - round_now.first_us) / 1e6;
	printf("{\"delivered\": %llu, \"missing\": %llu, \"duplicates\": %llu, \"strangers\": "
	       "%llu, "
	       "\"transactions\": %llu, \"first_us\": %lld, \"last_us\": %lld, \"per_second\": "
	       "%.1f, ",
	       (unsigned long long)round_now.delivered,
	       (unsigned long long)(round_now.messages * round_now.recipients -
				    round_now.delivered),
	       (unsigned long long)round_now.duplicates, (unsigned long long)round_now.strangers,
	       (unsigned long long)round_now.transactions, (long long)round_now.first_us,
	       (long long)round_now.last_us,
	       seconds > 0 ? (double)round_now.delivered / seconds : 0);
	samples_print(&round_now.delay, "delay", stdout);
	printf(", \"listeners\": [");
	for (size_t i = 0; i < listener_count; i++) {
		const struct listener *l = &listeners[i];
		printf("%s{\"name\": \"%.*s\", \"delivered\": %llu, \"connections\": %llu, "
		       "\"open\": %llu, "
		       "\"peak\": %llu, \"turned_away\": %llu, \"deferred\": %llu}",
		       i > 0 ? ", " : "", SPAN_ARG(l->name), (unsigned long long)l->delivered,
		       (unsigned long long)l->connections, (unsigned long long)l->open,
		       (unsigned long long)l->peak, (unsigned long long)l->turned_away,
		       (unsigned long long)l->deferred);
	}
	printf("]}\n");
	fflush(stdout);
}

static void
answer_waiter(void)
{
	if (wanted == 0)
		return;
	wanted = 0;
	loop_timer_clear(loop, &waiting);
	print_result();
}

static void
waited_long(struct loop_timer *t)
{
	(void)t;
	answer_waiter();
}

/* the content of a transaction has its 250 */
static void
count(struct connection *c)
{
	int64_t now = clock_monotonic_us();
	round_now.transactions++;
	if (!c->tagged || c->round != round_now.serial || c->number >= round_now.messages) {
		round_now.strangers++;
		return;
	}
	const uint32_t *numbers = (const void *)c->recipients.at;
	for (size_t i = 0; i < c->recipients.len / sizeof(*numbers); i++) {
		uint64_t recipient = numbers[i] < round_now.recipients ? numbers[i] : 0;
		uint8_t *copies = &round_now.copies[c->number * round_now.recipients + recipient];
		if (*copies > 0) {
			round_now.duplicates++;
			continue;
		}
		*copies = 1;
		round_now.delivered++;
		c->at->delivered++;
		samples_add(&round_now.delay, now - c->sent_us);
	}
	if (round_now.first_us == 0)
		round_now.first_us = now;
	round_now.last_us = now;
	if (wanted > 0 && round_now.delivered >= wanted)
		answer_waiter();
}

/* ---- connections ---- */

static void
disconnect(struct connection *c)
{
	struct listener *l = c->at;
	for (struct connection **p = &l->first_late, *before = NULL; *p != NULL;
	     before = *p, p = &(*p)->next_late)
		if (*p == c) {
			*p = c->next_late;
			if (l->last_late == c)
				l->last_late = before;
			break;
		}
	l->open--;
	loop_unwatch(loop, &c->watch);
	close(c->watch.fd);
	buffer_free(&c->in);
	buffer_free(&c->out);
	buffer_free(&c->recipients);
	free(c);
}

/* -1: it is gone */
static int
flush(struct connection *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->watch.fd, c->out.at, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			loop_watch(loop, &c->watch, EPOLLIN | EPOLLOUT);
			return 0;
		}
		if (n < 0) {
			disconnect(c);
			return -1;
		}
		buffer_consume(&c->out, (size_t)n);
	}
	if (c->closing) {
		disconnect(c);
		return -1;
	}
	if (c->watch.events != EPOLLIN)
		loop_watch(loop, &c->watch, EPOLLIN);
	return 0;
}

static void
reply(struct connection *c, const char *line)
{
	buffer_string(&c->out, line);
	buffer_string(&c->out, "\r\n");
}

static void
content_is_there(struct connection *c)
{
	struct listener *l = c->at;
	switch (l->behaviour) {
	case HANG:
		c->phase = LATE;
		return;
	case SLOW:
		c->phase = LATE;
		c->due_ms = loop_now_ms(loop) + (int64_t)l->value;
		c->next_late = NULL;
		if (l->last_late != NULL)
			l->last_late->next_late = c;
		else {
			l->first_late = c;
			loop_timer_set(loop, &l->late, c->due_ms);
		}
		l->last_late = c;
		return;
	case ACCEPT:
	case DEFER:
	case REFUSE:
	case BUSY:
	case SILENT:
	case BLACKHOLE:
		break;
	}
	c->phase = COMMANDS;
	count(c);
	reply(c, "250 2.0.0 thrown away");
}

static void
late_replies(struct loop_timer *t)
{
	struct listener *l = t->owner;
	while (l->first_late != NULL && l->first_late->due_ms <= loop_now_ms(loop)) {
		struct connection *c = l->first_late;
		l->first_late = c->next_late;
		if (l->first_late == NULL)
			l->last_late = NULL;
		c->phase = COMMANDS;
		count(c);
		reply(c, "250 2.0.0 thrown away");
		(void)flush(c);
	}
	if (l->first_late != NULL)
		loop_timer_set(loop, &l->late, l->first_late->due_ms);
}

/* the number at the end of the local part of <local@domain>; 0 without one */
static uint32_t
recipient_number(struct span line)
{
	struct span rest = line;
	span_cut(&rest, '<');
	struct span local = span_cut(&rest, '@');
	size_t at = local.len;
	while (at > 0 && local.at[at - 1] >= '0' && local.at[at - 1] <= '9')
		at--;
	uint64_t number;
	if (number_parse(span_skip(local, at), 0, UINT32_MAX, &number) < 0)
		return 0;
	return (uint32_t)number;
}

static void
rcpt(struct connection *c, struct span line)
{
	if (c->at->behaviour == DEFER) {
		c->at->deferred++;
		reply(c, "451 4.3.0 not now");
		return;
	}
	if (c->at->behaviour == REFUSE) {
		reply(c, "550 5.1.1 nobody of that name");
		return;
	}
	uint32_t number = recipient_number(line);
	buffer_add(&c->recipients, &number, sizeof(number));
	reply(c, "250 2.1.5 fine");
}

static void
command(struct connection *c, struct span line)
{
	if (span_starts_nocase(line, SPAN("RCPT"))) {
		rcpt(c, line);
	} else if (span_starts_nocase(line, SPAN("MAIL"))) {
		buffer_clear(&c->recipients);
		c->tagged = false;
		reply(c, "250 2.1.0 fine");
	} else if (span_starts_nocase(line, SPAN("DATA"))) {
		if (c->recipients.len == 0) {
			reply(c, "503 5.5.1 nobody to give it to");
			return;
		}
		c->phase = HEADER;
		reply(c, "354 go on");
	} else if (span_starts_nocase(line, SPAN("EHLO"))) {
		reply(c, "250-sink.test\r\n250-PIPELINING\r\n250-SIZE 0\r\n250-8BITMIME\r\n250 "
			 "ENHANCEDSTATUSCODES");
	} else if (span_starts_nocase(line, SPAN("HELO")) ||
		   span_starts_nocase(line, SPAN("NOOP"))) {
		reply(c, "250 2.0.0 sink.test");
	} else if (span_starts_nocase(line, SPAN("RSET"))) {
		buffer_clear(&c->recipients);
		reply(c, "250 2.0.0 forgotten");
	} else if (span_starts_nocase(line, SPAN("QUIT"))) {
		reply(c, "221 2.0.0 bye");
		c->closing = true;
	} else {
		reply(c, "500 5.5.2 what?");
	}
}

/* X-Bench: TAG NUMBER MICROSECONDS, of this round */
static void
header_line(struct connection *c, struct span line)
{
	struct span rest = span_skip(line, strlen("X-Bench:"));
	uint64_t number, sent;
	if (c->tagged || !span_starts_nocase(line, SPAN("X-Bench:")) ||
	    !span_equal(span_word(&rest), span_of(round_now.tag)) ||
	    number_parse(span_word(&rest), 0, UINT64_MAX, &number) < 0 ||
	    number_parse(span_word(&rest), 0, INT64_MAX, &sent) < 0)
		return;
	c->tagged = true;
	c->round = round_now.serial;
	c->number = number;
	c->sent_us = (int64_t)sent;
}

/* what is left of `left` when nothing more can be made of it */
static struct span
take_line(struct connection *c, struct span left)
{
	const char *end = memchr(left.at, '\n', left.len);
	if (end == NULL)
		return left;
	size_t len = (size_t)(end - left.at);
	struct span line = {left.at, len > 0 && end[-1] == '\r' ? len - 1 : len};
	if (c->phase == COMMANDS) {
		command(c, line);
	} else if (line.len == 0) {
		/* the line end before an empty body's dot is this one: it stays */
		c->phase = BODY;
		return span_skip(left, len > 0 ? len - 1 : len);
	} else {
		header_line(c, line);
	}
	return span_skip(left, len + 1);
}

static struct span
take_body(struct connection *c, struct span left)
{
	const char *end = memmem(left.at, left.len, END_OF_CONTENT, END_LENGTH);
	if (end == NULL)
		return left.len >= END_LENGTH ? span_skip(left, left.len - END_LENGTH + 1) : left;
	content_is_there(c);
	return span_skip(left, (size_t)(end - left.at) + END_LENGTH);
}

static void
take_input(struct connection *c)
{
	struct span left = buffer_get(&c->in);
	size_t before;
	enum phase phase;
	do {
		before = left.len;
		phase = c->phase;
		if (c->phase == COMMANDS || c->phase == HEADER)
			left = take_line(c, left);
		else if (c->phase == BODY)
			left = take_body(c, left);
	} while (!c->closing && left.len > 0 && (left.len < before || c->phase != phase));
	buffer_consume(&c->in, c->in.len - left.len);
}

static void
connection_ready(struct loop_watch *w, uint32_t events)
{
	struct connection *c = w->owner;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		char *to = buffer_reserve(&c->in, READ_SIZE);
		if (to == NULL) {
			disconnect(c);
			return;
		}
		ssize_t n = read(w->fd, to, READ_SIZE);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			disconnect(c);
			return;
		}
		if (n > 0) {
			c->in.len += (size_t)n;
			if (c->at->behaviour == SILENT)
				buffer_clear(&c->in);
			else
				take_input(c);
		}
	}
	(void)flush(c);
}

static void
greet(struct listener *l, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (c == NULL)
		fatal(EXIT_OS, errno, "a connection");
	net_no_delay(fd);
	c->at = l;
	c->watch = (struct loop_watch){.fd = fd, .ready = connection_ready, .owner = c};
	buffer_init(&c->in, IN_MAX);
	buffer_init(&c->out, OUT_MAX);
	buffer_init(&c->recipients, OUT_MAX);
	l->connections++;
	l->open++;
	if (l->behaviour == BUSY && l->open > l->value) {
		l->turned_away++;
		c->closing = true;
		reply(c, "421 4.7.0 sink.test too many connections");
	} else if (l->behaviour != SILENT) {
		reply(c, "220 sink.test ESMTP");
	}
	if (!c->closing && l->open > l->peak)
		l->peak = l->open;
	loop_watch(loop, &c->watch, EPOLLIN);
	(void)flush(c);
}

static void
listener_ready(struct loop_watch *w, uint32_t events)
{
	(void)events;
	int fd;
	while ((fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		greet(w->owner, fd);
	if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		fatal(EXIT_OS, errno, "accept");
}

/* ---- commands ---- */

static void
start_round(struct span tag, uint64_t messages, uint64_t recipients)
{
	uint8_t *copies = calloc(messages * recipients, 1);
	if (copies == NULL || span_copy(tag, round_now.tag, sizeof(round_now.tag)) < 0)
		fatal(EXIT_OS, ENOMEM, "a round of %llu messages", (unsigned long long)messages);
	free(round_now.copies);
	round_now.copies = copies;
	round_now.serial++;
	round_now.messages = messages;
	round_now.recipients = recipients;
	round_now.delivered = round_now.duplicates = round_now.strangers = round_now.transactions =
		0;
	round_now.first_us = round_now.last_us = 0;
	samples_clear(&round_now.delay);
	for (size_t i = 0; i < listener_count; i++) {
		struct listener *l = &listeners[i];
		l->peak = l->open;
		l->connections = l->turned_away = l->deferred = l->delivered = 0;
	}
	printf("{\"round\": \"%s\"}\n", round_now.tag);
	fflush(stdout);
}

static void
obey(struct span line)
{
	struct span rest = line, word = span_word(&rest), tag;
	uint64_t a, b;
	if (span_equal(word, SPAN("report"))) {
		print_result();
		return;
	}
	if (span_equal(word, SPAN("round"))) {
		tag = span_word(&rest);
		if (number_parse(span_word(&rest), 1, COPIES_MAX, &a) == 0 &&
		    number_parse(span_word(&rest), 1, COPIES_MAX / a, &b) == 0) {
			start_round(tag, a, b);
			return;
		}
	}
	if (span_equal(word, SPAN("wait")) &&
	    number_parse(span_word(&rest), 1, COPIES_MAX, &a) == 0 &&
	    number_parse(span_word(&rest), 0, 86400, &b) == 0) {
		wanted = a;
		loop_timer_set(loop, &waiting, clock_monotonic_ms() + (int64_t)b * 1000);
		if (round_now.delivered >= wanted)
			answer_waiter();
		return;
	}
	fatal(EXIT_CONFIGURATION, 0, "sink: no such command: %.*s", SPAN_ARG(line));
}

static void
commands_ready(struct loop_watch *w, uint32_t events)
{
	(void)events;
	char *to = buffer_reserve(&command_line, READ_SIZE), *end;
	ssize_t n = to != NULL ? read(w->fd, to, READ_SIZE) : 0;
	if (n <= 0) {
		loop_stop(loop);
		return;
	}
	command_line.len += (size_t)n;
	while ((end = memchr(command_line.at, '\n', command_line.len)) != NULL) {
		size_t len = (size_t)(end - command_line.at);
		obey((struct span){command_line.at, len});
		buffer_consume(&command_line, len + 1);
	}
}

static void
stop(void *owner)
{
	(void)owner;
	loop_stop(loop);
}

/* ---- listeners ---- */

static void
read_behaviour(struct listener *l, struct span text)
{
	struct span rest = text, name = span_cut(&rest, ':');
	for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
		if (!span_equal(name, span_of(behaviours[i].name)))
			continue;
		l->behaviour = (enum behaviour)i;
		if (behaviours[i].has_value ? number_parse(rest, 0, 1000000, &l->value) == 0
					    : rest.len == 0)
			return;
	}
	fatal(EXIT_CONFIGURATION, 0, "sink: no such behaviour: %.*s", SPAN_ARG(text));
}

/* connections that nobody accepts, until the kernel takes no more */
static void
fill_backlog(const struct sockaddr_in *address)
{
	for (int i = 0; i < FILLERS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0 ||
		    (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		     errno != EINPROGRESS))
			fatal(EXIT_OS, errno, "filling a backlog");
	}
}

static void
listen_at(struct listener *l, const char *argument)
{
	struct span rest = span_of(argument);
	struct sockaddr_in address;
	l->name = span_cut(&rest, '=');
	if (rest.len > 0)
		read_behaviour(l, rest);
	if (net_address(l->name, &address) < 0)
		fatal(EXIT_CONFIGURATION, 0, "sink: no such address: %s", argument);
	l->watch = (struct loop_watch){.ready = listener_ready, .owner = l};
	l->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->watch.fd < 0 ||
	    setsockopt(l->watch.fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
	    bind(l->watch.fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(l->watch.fd, l->behaviour == BLACKHOLE ? 0 : BACKLOG) < 0)
		fatal(EXIT_OS, errno, "listening at %s", argument);
	l->late = (struct loop_timer){.fire = late_replies, .owner = l};
	if (l->behaviour == BLACKHOLE)
		fill_backlog(&address);
	else
		loop_watch(loop, &l->watch, EPOLLIN);
}

int
main(int argc, char **argv)
{
	net_prepare();
	loop = loop_new();
	loop_signal(loop, SIGTERM, stop, NULL);
	listener_count = (size_t)argc - 1;
	listeners = calloc(listener_count + 1, sizeof(*listeners));
	if (listeners == NULL)
		fatal(EXIT_OS, errno, "%zu listeners", listener_count);
	for (size_t i = 0; i < listener_count; i++)
		listen_at(&listeners[i], argv[i + 1]);
	waiting.fire = waited_long;
	buffer_init(&command_line, READ_SIZE * 2);
	commands = (struct loop_watch){.fd = STDIN_FILENO, .ready = commands_ready};
	loop_watch(loop, &commands, EPOLLIN);
	loop_run(loop);
	return 0;
}
