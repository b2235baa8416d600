/*
 * status - master's RUNTIME/state, the queue-manager's CONTROL_STATUS, the letters in root's mailbox
 *
 * Called by main.c.  Promises: each part that cannot be had is named, and the others are shown.  With --json one object a line:
 * kind = "system", "program", "queue", "root-mail".
 */
#include "culver/status.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/control.h"
#include "common/protocol/state.h"
#include "common/system/channel.h"
#include "common/system/clock.h"
#include "common/system/fatal.h"
#include "common/text/escape.h"

#define QUEUE_ANSWER_MS 5000 /* the rest is worth showing without it */

/* ---- --json ---- */

static void
json_text(struct buffer *to, const char *key, const char *value)
{
	buffer_format(to, ",\"%s\":\"", key);
	escape_json(to, span_of(value));
	buffer_char(to, '"');
}

static void
json_time(struct buffer *to, const char *key, int64_t us)
{
	char text[CLOCK_TEXT_MAX];
	clock_iso(us, text);
	json_text(to, key, text);
}

static void
json_system(const struct state *s, struct buffer *to)
{
	buffer_format(to, "{\"kind\":\"system\",\"master\":%lld", (long long)s->master);
	json_text(to, "version", s->version);
	json_time(to, "since", s->since_us);
	json_text(to, "config", s->config);
	buffer_format(to, ",\"as_root\":%s,\"strict\":%s,\"ready\":%s,\"generation\":%" PRIu64,
		      s->as_root ? "true" : "false", s->strict ? "true" : "false",
		      s->ready ? "true" : "false", s->generation);
	if (s->reloads > 0) {
		buffer_format(to, ",\"reloads\":%" PRIu64 ",\"reload_refused\":%s", s->reloads,
			      s->reload_refused ? "true" : "false");
		json_time(to, "reload_time", s->reload_us);
		json_text(to, "reload_reason", s->reload_reason);
	}
	buffer_string(to, "}\n");
	for (size_t i = 0; i < s->program_count; i++) {
		const struct state_program *p = &s->programs[i];
		buffer_string(to, "{\"kind\":\"program\"");
		json_text(to, "program", p->name);
		buffer_format(to, ",\"pid\":%lld", (long long)p->pid);
		json_text(to, "state", state_condition_name(p->condition));
		buffer_format(to, ",\"generation\":%" PRIu64 ",\"restarts\":%" PRIu64,
			      p->generation, p->restarts);
		if (p->since_us > 0)
			json_time(to, "since", p->since_us);
		buffer_string(to, "}\n");
	}
}

static void
json_queue(const struct control_state *q, struct buffer *to)
{
	buffer_format(to,
		      "{\"kind\":\"queue\",\"messages\":%" PRIu64 ",\"recipients\":%" PRIu64
		      ",\"incoming\":%" PRIu64 ",\"ready\":%" PRIu64 ",\"active\":%" PRIu64
		      ",\"deferred\":%" PRIu64 ",\"held\":%" PRIu64,
		      q->messages, q->recipients, q->incoming, q->ready, q->active, q->deferred,
		      q->held);
	buffer_format(to,
		      ",\"replaying\":%s,\"disk_low\":%s,\"longest_turn_us\":%" PRIu64
		      ",\"memory_per_message\":%" PRIu64 "}\n",
		      q->replaying ? "true" : "false", q->disk_low ? "true" : "false",
		      q->longest_turn_us, q->memory_per_message);
}

/* ---- for people ---- */

static void
text_time(struct buffer *to, int64_t us)
{
	char text[CLOCK_TEXT_MAX];
	clock_iso(us, text);
	/* 2026-11-24T08:02:31: seconds are enough here */
	buffer_format(to, "%.19sZ", text);
}

static void
text_system(const struct state *s, struct buffer *to)
{
	buffer_format(to, "culver %s runs%s (master %lld) since ", s->version,
		      s->as_root ? "" : " as an ordinary user", (long long)s->master);
	text_time(to, s->since_us);
	buffer_format(to, "\nconfiguration %s, generation %" PRIu64 "%s\n", s->config,
		      s->generation, s->ready ? "" : "; not every program serves yet");
	if (s->reloads > 0) {
		buffer_string(to, "last reload ");
		text_time(to, s->reload_us);
		if (s->reload_refused)
			buffer_format(to, " refused: %s\n", s->reload_reason);
		else
			buffer_string(to, " taken\n");
	}
	buffer_format(to, "\n%-14s %8s  %-9s %10s %8s  %s\n", "PROGRAM", "PID", "STATE",
		      "GENERATION", "RESTARTS", "SINCE");
	for (size_t i = 0; i < s->program_count; i++) {
		const struct state_program *p = &s->programs[i];
		buffer_format(to, "%-14s %8lld  %-9s %10" PRIu64 " %8" PRIu64 "  ", p->name,
			      (long long)p->pid, state_condition_name(p->condition), p->generation,
			      p->restarts);
		if (p->since_us > 0)
			text_time(to, p->since_us);
		buffer_char(to, '\n');
	}
	buffer_char(to, '\n');
}

static void
text_queue(const struct control_state *q, struct buffer *to)
{
	buffer_format(to,
		      "queue: %" PRIu64 " message%s, %" PRIu64
		      " recipient%s to be served (incoming %" PRIu64 ", ready %" PRIu64
		      ", active %" PRIu64 ", deferred %" PRIu64 ", held %" PRIu64 ")\n",
		      q->messages, q->messages == 1 ? "" : "s", q->recipients,
		      q->recipients == 1 ? "" : "s", q->incoming, q->ready, q->active, q->deferred,
		      q->held);
	if (q->replaying)
		buffer_string(to, "queue: still being read after the start; there may be more\n");
	if (q->disk_low)
		buffer_string(to, "queue: THE DISK IS FULL: nothing is taken in\n");
}

/* ---- the parts ---- */

enum queue_answer { QUEUE_TOLD, QUEUE_NOT_FOR_US, QUEUE_SILENT };

/* a sentence was said unless it is told */
static enum queue_answer
take_answer(struct span answer, struct control_state *q)
{
	struct control_refused refused;
	struct wire_header header;
	if (wire_peek(answer, &header) != 0)
		return QUEUE_SILENT;
	if (header.type == CONTROL_STATE &&
	    wire_decode(answer, wire_find(control_answers, CONTROL_STATE), q) == 0)
		return QUEUE_TOLD;
	if (header.type != CONTROL_REFUSED ||
	    wire_decode(answer, wire_find(control_answers, CONTROL_REFUSED), &refused) != 0)
		return QUEUE_SILENT;
	fprintf(stderr, "culver: the queue is not shown: %.*s\n", SPAN_ARG(refused.text));
	return QUEUE_NOT_FOR_US;
}

static enum queue_answer
ask_queue(const struct culver_options *o, struct control_state *q)
{
	static char answer[CHANNEL_MAX];
	size_t len;
	int status;
	int fd = options_connect(o, "control", &status);
	if (fd < 0)
		return QUEUE_SILENT;
	int64_t deadline = clock_monotonic_ms() + QUEUE_ANSWER_MS;
	enum queue_answer result = QUEUE_SILENT;
	if (wire_send_wait(fd, wire_find(control_calls, CONTROL_STATUS), 0, 1, NULL, NULL,
			   deadline) == CHANNEL_OK &&
	    channel_receive_wait(fd, answer, &len, NULL, deadline) == CHANNEL_OK)
		result = take_answer(span_from(answer, len), q);
	if (result == QUEUE_SILENT)
		fprintf(stderr, "culver: no answer of the queue-manager (it has %d seconds)\n",
			QUEUE_ANSWER_MS / 1000);
	close(fd);
	return result;
}

/* letters in a folder of a Maildir; -1 and errno */
static int64_t
count_letters(const char *maildir, const char *folder)
{
	char path[START_PATH_MAX + 16];
	int64_t count = 0;
	snprintf(path, sizeof(path), "%s/%s", maildir, folder);
	DIR *d = opendir(path);
	if (d == NULL)
		return errno == ENOENT ? 0 : -1;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		count += e->d_name[0] != '.';
	closedir(d);
	return count;
}

static void
add_root_mail(const struct culver_options *o, const struct state *s, struct buffer *to)
{
	int64_t new = count_letters(s->root_mail, "new"), old = count_letters(s->root_mail, "cur");
	if (new < 0 || old < 0) {
		/* group adm and root may look; for the others it is no trouble */
		if (errno != EACCES)
			fprintf(stderr, "culver: %s: %s\n", s->root_mail, strerror(errno));
		return;
	}
	if (o->json) {
		buffer_format(to, "{\"kind\":\"root-mail\",\"new\":%" PRId64 ",\"seen\":%" PRId64,
			      new, old);
		json_text(to, "path", s->root_mail);
		buffer_string(to, "}\n");
	} else {
		buffer_format(to, "mail for root: %" PRId64 " new, %" PRId64 " seen, in %s\n", new,
			      old, s->root_mail);
	}
}

static bool
all_serve(const struct state *s)
{
	for (size_t i = 0; i < s->program_count; i++) {
		if (s->programs[i].condition != STATE_SERVING &&
		    s->programs[i].condition != STATE_RETIRED)
			return false;
	}
	return s->ready;
}

static int
report(const struct culver_options *o, const struct state *s)
{
	struct control_state q;
	struct buffer text;
	buffer_init(&text, 1u << 20);
	if (o->json)
		json_system(s, &text);
	else
		text_system(s, &text);
	int result = all_serve(s) ? 0 : 1;
	switch (ask_queue(o, &q)) {
	case QUEUE_TOLD:
		if (o->json)
			json_queue(&q, &text);
		else
			text_queue(&q, &text);
		break;
	case QUEUE_NOT_FOR_US:
		break; /* that is no trouble of the system */
	case QUEUE_SILENT:
		result = 1;
		break;
	}
	add_root_mail(o, s, &text);
	if (text.failed || fwrite(text.at, 1, text.len, stdout) != text.len ||
	    fflush(stdout) != 0) {
		fprintf(stderr, "culver: cannot write\n");
		result = 1;
	}
	buffer_free(&text);
	return result;
}

int
verb_status(const struct culver_options *o, int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return options_usage(o, "no argument is expected here");
	const char *runtime = options_runtime(o);
	if (runtime == NULL)
		return 1;
	pid_t pid = state_master(runtime);
	if (pid == 0) {
		fprintf(stderr, "culver: not running (no master holds %s/" STATE_PID_FILE ")\n",
			runtime);
		return EXIT_UNAVAILABLE;
	}
	int result = 1;
	struct state *s = calloc(1, sizeof(*s));
	if (pid < 0 || s == NULL)
		fprintf(stderr, "culver: %s/" STATE_PID_FILE ": %s\n", runtime, strerror(errno));
	else if (state_read(runtime, s) != 0)
		fprintf(stderr,
			"culver: %s/" STATE_FILE ": %s (master is at its start or its end)\n",
			runtime, strerror(errno));
	else
		result = report(o, s);
	free(s);
	return result;
}
