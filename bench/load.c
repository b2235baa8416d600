/*
 * load - an SMTP client that sends many messages over many connections at once, and measures the time to each 250
 *
 * Called by bench.py.  One process, event-driven: it must never be what limits a measurement.
 *
 *   load --to ADDRESS:PORT --messages N [--sessions N] [--per-session N] [--size BYTES] [--recipients N]
 *        [--from ADDRESS] [--rcpt PATTERN] [--domains N] [--tag WORD] [--every MS] [--deadline S]
 *        [--connecting N] [--source ADDRESS]
 *
 * Each message bears `X-Bench: TAG NUMBER MICROSECONDS` (when its transaction began, monotonic clock), by which sink.c
 * knows it again.  In PATTERN, %r is the number of the recipient, %d that of the message modulo --domains.  --per-session 0: as
 * many messages a connection as there are.  --every paces: message n begins at n * MS, not before.
 *
 * --source: the client's own address, where senders are told apart by it.
 *
 * --connecting: no more connections than that wait for their banner at a time, for servers with a short backlog.
 *
 * The time of a message begins with its MAIL, that of the first of a connection with connect(): it is the client's.  With
 * PIPELINING offered, MAIL, RCPT and DATA are one write.  A message that is refused, or whose connection breaks, is not sent
 * again.  The result is one line of JSON on stdout; exit status 0 even when messages were refused: they are in it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/net.h"
#include "bench/samples.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "common/system/loop.h"
#include "common/text/buffer.h"
#include "common/text/number.h"

#define SESSIONS_MAX 20000
#define RECIPIENTS_MAX 50000
#define MESSAGES_MAX 100000000
#define SIZE_MAX_BYTES (100 << 20)
#define OUT_MAX (8 << 20)
#define IN_MAX (1 << 20)
#define READ_SIZE 4096
#define LINE_LENGTH 72
#define ERROR_MAX 200

enum state {
	CLOSED,	  /* no connection: it has nothing to do, or waits for its time */
	BANNER,	  /* connecting, or waiting for 220 */
	HELLO,	  /* EHLO is sent */
	READY,	  /* between transactions: it waits for its time */
	COMMANDS, /* MAIL, RCPT ..., DATA: `answered` of RECIPIENTS + 2 have their reply */
	CONTENT,  /* the content is on its way, or waits for its reply */
	ENDING,	  /* QUIT is sent */
};

struct session {
	struct loop_watch watch;
	enum state state;
	bool pipelining;
	bool parked;	      /* in the list of those that wait for their time */
	uint64_t number;      /* of the message in hand */
	uint64_t sent;	      /* messages over this connection */
	size_t answered;      /* commands of this transaction */
	size_t taken;	      /* recipients */
	int64_t began_us;     /* the message in hand */
	struct buffer in;     /* replies, not yet complete */
	struct buffer out;    /* not yet written */
	size_t body_left;     /* of the body, behind `out` */
	struct session *next; /* among those that wait for their time, or to connect */
};

static struct {
	struct sockaddr_in to, source; /* source: AF_UNSPEC unless it was given */
	uint64_t messages, sessions, per_session, size, recipients, domains, every_ms, deadline_s,
		connecting;
	const char *from, *rcpt, *tag;
} options = {.sessions = 1,
	     .size = 4096,
	     .recipients = 1,
	     .domains = 1,
	     .deadline_s = 600,
	     .from = "sender@client.test",
	     .rcpt = "r%r@remote.test",
	     .tag = "t"};

static struct loop *loop;
static struct loop_timer pace, deadline;
static struct session *waiting;	    /* for their time, last first */
static struct session *at_the_door; /* those that --connecting keeps waiting */
static uint64_t connecting;	    /* that wait for their banner */
static size_t running;		    /* sessions that are not at their end */
static uint64_t next_number;
static int64_t start_us, last_us;
static char *body; /* what every message has behind its header, with the final dot */
static size_t body_len;

static struct {
	uint64_t accepted, refused, broken, recipients_refused, connections;
	struct samples to_250;
	char first_error[ERROR_MAX];
} result;

static void begin(struct session *s);
static void banner_came(void);

static void
note_error(struct span text)
{
	if (result.first_error[0] == '\0')
		snprintf(result.first_error, sizeof(result.first_error), "%.*s", SPAN_ARG(text));
}

/* ---- writing ---- */

static void
disconnect(struct session *s)
{
	if (s->watch.fd >= 0) {
		loop_unwatch(loop, &s->watch);
		close(s->watch.fd);
		s->watch.fd = -1;
	}
	buffer_clear(&s->in);
	buffer_clear(&s->out);
	s->body_left = 0;
	bool had_none = s->state == BANNER;
	s->state = CLOSED;
	if (had_none)
		banner_came();
}

/* the connection is of no use any more: the message in hand is lost with it */
static void
give_up(struct session *s, const char *why)
{
	if (s->state == COMMANDS || s->state == CONTENT || s->state == BANNER ||
	    s->state == HELLO) {
		result.broken++;
		note_error(span_of(why));
	}
	disconnect(s);
	if (!s->parked)
		begin(s);
}

/* 0, or -1 when the connection is gone */
static int
flush(struct session *s)
{
	while (s->out.len > 0 || s->body_left > 0) {
		struct iovec parts[] = {{s->out.at, s->out.len},
					{body + body_len - s->body_left, s->body_left}};
		ssize_t n = writev(s->watch.fd, parts, 2);
		if (n < 0) {
			if (errno == EAGAIN) {
				loop_watch(loop, &s->watch, EPOLLIN | EPOLLOUT);
				return 0;
			}
			if (errno == EINTR)
				continue;
			return -1;
		}
		size_t from_out = (size_t)n < s->out.len ? (size_t)n : s->out.len;
		buffer_consume(&s->out, from_out);
		s->body_left -= (size_t)n - from_out;
	}
	if (s->watch.events != EPOLLIN)
		loop_watch(loop, &s->watch, EPOLLIN);
	return 0;
}

static void
add_recipient(struct session *s, uint64_t recipient)
{
	buffer_string(&s->out, "RCPT TO:<");
	for (const char *p = options.rcpt; *p != '\0'; p++) {
		if (*p == '%' && p[1] == 'r')
			buffer_format(&s->out, "%llu", (unsigned long long)recipient);
		else if (*p == '%' && p[1] == 'd')
			buffer_format(&s->out, "%llu",
				      (unsigned long long)(s->number % options.domains));
		else {
			buffer_char(&s->out, *p);
			continue;
		}
		p++;
	}
	buffer_string(&s->out, ">\r\n");
}

/* command 0 is MAIL, then come the recipients, then DATA */
static void
add_command(struct session *s, size_t command)
{
	if (command == 0)
		buffer_format(&s->out, "MAIL FROM:<%s>\r\n", options.from);
	else if (command <= options.recipients)
		add_recipient(s, command - 1);
	else
		buffer_string(&s->out, "DATA\r\n");
}

static void
send_commands(struct session *s)
{
	s->state = COMMANDS;
	s->answered = s->taken = 0;
	size_t last = s->pipelining ? options.recipients + 1 : 0;
	for (size_t command = 0; command <= last; command++)
		add_command(s, command);
}

static void
send_content(struct session *s)
{
	s->state = CONTENT;
	buffer_format(
		&s->out,
		"From: <%s>\r\nTo: <someone@remote.test>\r\nSubject: message %llu\r\n"
		"Date: Tue, 24 Nov 2026 08:00:00 +0000\r\nMessage-ID: <%s.%llu@bench.test>\r\n"
		"X-Bench: %s %llu %lld\r\n\r\n",
		options.from, (unsigned long long)s->number, options.tag,
		(unsigned long long)s->number, options.tag, (unsigned long long)s->number,
		(long long)s->began_us);
	s->body_left = body_len;
}

static void
quit(struct session *s)
{
	s->state = ENDING;
	buffer_string(&s->out, "QUIT\r\n");
}

/* ---- whose turn ---- */

static void
connect_now(struct session *s)
{
	if (options.connecting > 0 && connecting >= options.connecting) {
		s->next = at_the_door;
		at_the_door = s;
		return;
	}
	connecting++;
	s->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->watch.fd < 0)
		fatal(EXIT_OS, errno, "socket");
	net_no_delay(s->watch.fd);
	if (options.source.sin_family == AF_INET &&
	    bind(s->watch.fd, (const struct sockaddr *)&options.source, sizeof(options.source)) < 0)
		fatal(EXIT_OS, errno, "the client's address");
	result.connections++;
	s->state = BANNER;
	s->sent = 0;
	s->pipelining = false;
	loop_watch(loop, &s->watch, EPOLLIN);
	if (connect(s->watch.fd, (const struct sockaddr *)&options.to, sizeof(options.to)) < 0 &&
	    errno != EINPROGRESS)
		give_up(s, strerror(errno));
}

/* one connection fewer waits for its banner: the next may be made */
static void
banner_came(void)
{
	connecting--;
	struct session *s = at_the_door;
	if (s != NULL) {
		at_the_door = s->next;
		connect_now(s);
	}
}

/* the next message that nobody has taken; false: none is left, or its time has not come */
static bool
take_number(struct session *s)
{
	if (next_number >= options.messages) {
		if (s->state == CLOSED && --running == 0)
			loop_stop(loop);
		return false;
	}
	int64_t due = start_us / 1000 + (int64_t)(next_number * options.every_ms);
	if (options.every_ms > 0 && clock_monotonic_ms() < due) {
		s->next = waiting;
		s->parked = true;
		waiting = s;
		loop_timer_set(loop, &pace, due);
		return false;
	}
	s->number = next_number++;
	s->began_us = clock_monotonic_us();
	return true;
}

/* a session with nothing in hand goes on: with a connection (READY), or without (CLOSED) */
static void
begin(struct session *s)
{
	if (s->state == READY && options.per_session > 0 && s->sent >= options.per_session) {
		quit(s);
		return;
	}
	if (!take_number(s)) {
		if (s->state == READY && next_number >= options.messages)
			quit(s);
		return;
	}
	if (s->state == CLOSED)
		connect_now(s);
	else
		send_commands(s);
}

static void
pace_fires(struct loop_timer *t)
{
	(void)t;
	struct session *s = waiting;
	if (s == NULL)
		return;
	waiting = s->next;
	s->parked = false;
	begin(s);
	if (s->watch.fd >= 0 && s->out.len > 0 && flush(s) < 0)
		give_up(s, strerror(errno));
	if (waiting != NULL && pace.slot == 0)
		loop_timer_set(loop, &pace,
			       start_us / 1000 + (int64_t)(next_number * options.every_ms));
}

/* ---- replies ---- */

static void
refused(struct session *s, struct span line)
{
	result.refused++;
	note_error(line);
	quit(s);
}

static void
command_answered(struct session *s, int code, struct span line)
{
	size_t command = s->answered++;
	if (command == 0) {
		if (code != 250) {
			refused(s, line);
			return;
		}
	} else if (command <= options.recipients) {
		if (code == 250)
			s->taken++;
		else {
			result.recipients_refused++;
			note_error(line);
		}
	} else {
		if (code == 354 && s->taken > 0) {
			send_content(s);
			return;
		}
		if (code == 354) /* it waits for a content that nobody is to get */
			buffer_string(&s->out, ".\r\n");
		refused(s, line);
		return;
	}
	if (!s->pipelining)
		add_command(s, s->answered);
}

static void
content_answered(struct session *s, int code, struct span line)
{
	if (code != 250) {
		refused(s, line);
		return;
	}
	last_us = clock_monotonic_us();
	samples_add(&result.to_250, last_us - s->began_us);
	result.accepted++;
	s->sent++;
	s->state = READY;
	begin(s);
}

/* one line; `last` when it is the last of its reply */
static void
take_line(struct session *s, int code, bool last, struct span line)
{
	switch (s->state) {
	case BANNER:
		if (!last)
			break;
		if (code != 220) {
			refused(s, line);
		} else {
			s->state = HELLO;
			buffer_string(&s->out, "EHLO client.test\r\n");
		}
		banner_came();
		break;
	case HELLO:
		if (line.len >= 14 && memcmp(line.at + 4, "PIPELINING", 10) == 0)
			s->pipelining = true;
		if (last && code != 250)
			refused(s, line);
		else if (last)
			send_commands(s);
		break;
	case COMMANDS:
		if (last)
			command_answered(s, code, line);
		break;
	case CONTENT:
		if (last)
			content_answered(s, code, line);
		break;
	case CLOSED:
	case READY:
	case ENDING:
		break;
	}
}

static void
take_replies(struct session *s)
{
	struct span left = buffer_get(&s->in);
	const char *end;
	while ((end = memchr(left.at, '\n', left.len)) != NULL) {
		struct span line = span_trim((struct span){
			left.at, (size_t)(end - left.at) - (end > left.at && end[-1] == '\r')});
		left = span_skip(left, (size_t)(end - left.at) + 1);
		if (line.len >= 3)
			take_line(s,
				  (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + line.at[2] -
					  '0',
				  line.len == 3 || line.at[3] != '-', line);
	}
	buffer_consume(&s->in, s->in.len - left.len);
}

static void
session_ready(struct loop_watch *w, uint32_t events)
{
	struct session *s = w->owner;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		char *to = buffer_reserve(&s->in, READ_SIZE);
		if (to == NULL) {
			give_up(s, "a reply without an end");
			return;
		}
		ssize_t n = read(w->fd, to, READ_SIZE);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			give_up(s, n < 0 ? strerror(errno) : "connection closed by the server");
			return;
		}
		if (n > 0) {
			s->in.len += (size_t)n;
			take_replies(s);
		}
	}
	if (w->fd >= 0 && flush(s) < 0)
		give_up(s, strerror(errno));
}

/* ---- the whole ---- */

static void
deadline_fires(struct loop_timer *t)
{
	(void)t;
	note_error(SPAN("the deadline has passed"));
	loop_stop(loop);
}

static void
make_body(void)
{
	size_t len = (size_t)options.size, at = 0;
	body_len = len + 5;
	body = malloc(body_len + LINE_LENGTH + 2);
	if (body == NULL)
		fatal(EXIT_OS, errno, "a body of %zu bytes", len);
	while (at < len) {
		size_t line = len - at > LINE_LENGTH + 2 ? LINE_LENGTH
			      : len - at > 2		 ? len - at - 2
							 : 0;
		for (size_t i = 0; i < line; i++)
			body[at + i] = (char)('a' + (at + i * 7) % 26);
		memcpy(body + at + line, "\r\n", 2);
		at += line + 2;
	}
	memcpy(body + at, ".\r\n", 3);
	body_len = at + 3;
}

static void
print_result(void)
{
	double seconds = (double)(last_us - start_us) / 1e6;
	printf("{\"accepted\": %llu, \"refused\": %llu, \"broken\": %llu, \"recipients_refused\": "
	       "%llu, "
	       "\"connections\": %llu, \"start_us\": %lld, \"seconds\": %.3f, \"per_second\": "
	       "%.1f, ",
	       (unsigned long long)result.accepted, (unsigned long long)result.refused,
	       (unsigned long long)result.broken, (unsigned long long)result.recipients_refused,
	       (unsigned long long)result.connections, (long long)start_us,
	       seconds > 0 ? seconds : 0, seconds > 0 ? (double)result.accepted / seconds : 0);
	samples_print(&result.to_250, "to_250", stdout);
	printf(", \"first_error\": \"");
	for (const char *p = result.first_error; *p != '\0'; p++)
		putchar(*p == '"' || *p == '\\' || (unsigned char)*p < ' ' ? '\'' : *p);
	printf("\"}\n");
}

static void
read_options(int argc, char **argv)
{
	static const struct option names[] = {{"to", 1, NULL, 't'},
					      {"messages", 1, NULL, 'm'},
					      {"sessions", 1, NULL, 's'},
					      {"per-session", 1, NULL, 'p'},
					      {"size", 1, NULL, 'l'},
					      {"recipients", 1, NULL, 'r'},
					      {"from", 1, NULL, 'f'},
					      {"rcpt", 1, NULL, 'a'},
					      {"domains", 1, NULL, 'd'},
					      {"tag", 1, NULL, 'g'},
					      {"every", 1, NULL, 'e'},
					      {"deadline", 1, NULL, 'x'},
					      {"connecting", 1, NULL, 'c'},
					      {"source", 1, NULL, 'o'},
					      {0}};
	int option, bad = argc < 2;
	while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		struct span value = optarg != NULL ? span_of(optarg) : SPAN_NONE;
		switch (option) {
		case 't':
			bad |= net_address(value, &options.to);
			break;
		case 'm':
			bad |= number_parse(value, 1, MESSAGES_MAX, &options.messages);
			break;
		case 's':
			bad |= number_parse(value, 1, SESSIONS_MAX, &options.sessions);
			break;
		case 'p':
			bad |= number_parse(value, 0, MESSAGES_MAX, &options.per_session);
			break;
		case 'l':
			bad |= number_parse(value, 2, SIZE_MAX_BYTES, &options.size);
			break;
		case 'r':
			bad |= number_parse(value, 1, RECIPIENTS_MAX, &options.recipients);
			break;
		case 'd':
			bad |= number_parse(value, 1, MESSAGES_MAX, &options.domains);
			break;
		case 'e':
			bad |= number_parse(value, 0, 1000000, &options.every_ms);
			break;
		case 'x':
			bad |= number_parse(value, 1, 86400, &options.deadline_s);
			break;
		case 'c':
			bad |= number_parse(value, 0, SESSIONS_MAX, &options.connecting);
			break;
		case 'o':
			options.source.sin_family = AF_INET;
			bad |= inet_pton(AF_INET, optarg, &options.source.sin_addr) != 1;
			break;
		case 'f':
			options.from = optarg;
			break;
		case 'a':
			options.rcpt = optarg;
			break;
		case 'g':
			options.tag = optarg;
			break;
		default:
			bad = 1;
		}
	}
	if (bad || optind != argc || options.messages == 0 || options.to.sin_port == 0)
		fatal(EXIT_CONFIGURATION, 0, "load: wrong options, see the head of bench/load.c");
}

int
main(int argc, char **argv)
{
	read_options(argc, argv);
	net_prepare();
	make_body();
	loop = loop_new();
	pace.fire = pace_fires;
	deadline.fire = deadline_fires;
	loop_timer_set(loop, &deadline, clock_monotonic_ms() + (int64_t)options.deadline_s * 1000);
	size_t count =
		(size_t)(options.sessions < options.messages ? options.sessions : options.messages);
	struct session *sessions = calloc(count, sizeof(*sessions));
	if (sessions == NULL)
		fatal(EXIT_OS, errno, "%zu sessions", count);
	running = count;
	start_us = last_us = clock_monotonic_us();
	for (size_t i = 0; i < count; i++) {
		struct session *s = &sessions[i];
		s->watch = (struct loop_watch){.fd = -1, .ready = session_ready, .owner = s};
		buffer_init(&s->in, IN_MAX);
		buffer_init(&s->out, OUT_MAX);
		begin(s);
	}
	if (running > 0)
		loop_run(loop);
	print_result();
	return 0;
}
