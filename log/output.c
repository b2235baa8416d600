/*
 * output - see output.h
 */
#include "log/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/protocol/trace.h"
#include "common/system/events.h"
#include "common/system/fatal.h"
#include "log/postfix.h"

#define RENDERED_MAX (LINE_MAX_BYTES * 2 + TRACE_LINE_MAX) /* a line of text, whole */

const char *
output_sink_name(const struct output *o)
{
	switch (o->sink.kind) {
	case CONFIG_LOG_STDERR:
		return "stderr";
	case CONFIG_LOG_SYSLOG:
		return "syslog";
	case CONFIG_LOG_FILE:
		return o->sink.path;
	}
	return "";
}

const char *
output_format_name(enum config_log_format format)
{
	switch (format) {
	case CONFIG_LOG_TEXT:
		return "text";
	case CONFIG_LOG_JSON:
		return "json";
	case CONFIG_LOG_POSTFIX:
		return "postfix";
	}
	return "";
}

/* ---- trouble, told once ---- */

static void
tell_trouble(struct output *o, struct output_trouble *t, const char *what, int error)
{
	int64_t now = loop_now_ms(o->loop);
	bool again = t->now || (t->told_ms != 0 && now - t->told_ms < OUTPUT_SAY_MS);
	t->now = true;
	if (again)
		return;
	t->told_ms = now;
	EVENT("trouble", event_string("what", what), event_string("reason", strerror(error)));
	if (o->sink.kind == CONFIG_LOG_STDERR)
		return;
	/* nobody may read what is not written: the last resort, and if that fails too there is nobody left to tell */
	if (dprintf(STDERR_FILENO, "log: %s: %s; trying again\n", what, strerror(error)) < 0)
		return;
}

static void
tell_lost(struct output_trouble *t, const char *what, uint64_t lost)
{
	t->now = false;
	if (lost > 0)
		EVENT("events-lost", event_string("program", "log"),
		      event_number("count", (int64_t)lost), event_string("what", what));
}

/* ---- batches ---- */

static bool
flush(struct output *o)
{
	bool written = sink_flush(&o->sink, loop_now_ms(o->loop));
	bool stored = store_flush(&o->store);
	if (written)
		tell_lost(&o->sink_trouble, output_sink_name(o), sink_take_lost(&o->sink));
	else if (o->sink.error != EAGAIN && o->sink.error != 0)
		tell_trouble(o, &o->sink_trouble, output_sink_name(o), o->sink.error);
	if (stored)
		tell_lost(&o->store_trouble, "trace", store_take_lost(&o->store));
	else
		tell_trouble(o, &o->store_trouble, "trace", o->store.error);
	return written && stored;
}

static bool
batch_step(struct loop_task *t)
{
	struct output *o = t->owner;
	if (!flush(o)) {
		bool slow = o->sink.error == EAGAIN && !o->store_trouble.now;
		loop_timer_set(o->loop, &o->again,
			       loop_now_ms(o->loop) + (slow ? OUTPUT_SLOW_MS : OUTPUT_AGAIN_MS));
	}
	return false;
}

static void
again_fire(struct loop_timer *t)
{
	struct output *o = t->owner;
	loop_task_wake(o->loop, &o->batch);
}

static void
set_host(struct output *o, const struct config *c)
{
	struct span rest = span_of(c->hostname);

	if (span_copy(span_cut(&rest, '.'), o->host, sizeof(o->host)) < 0)
		o->host[0] = '\0';
}

void
output_open(struct output *o, struct loop *l, const struct config *c, int trace_directory,
	    uid_t owner, gid_t group)
{
	*o = (struct output){.loop = l, .format = c->log_format};
	o->batch = (struct loop_task){.step = batch_step, .owner = o};
	o->again = (struct loop_timer){.fire = again_fire, .owner = o};
	buffer_init(&o->line, RENDERED_MAX);
	buffer_init(&o->lines, RENDERED_MAX);
	set_host(o, c);
	sink_init(&o->sink);
	if (store_find(&o->store, trace_directory, c->limits.trace_size) < 0)
		fatal(EXIT_OS, errno, "the trace store %s", c->trace);
	if (sink_open(&o->sink, c->log_sink, c->log_file, owner, group) < 0)
		tell_trouble(o, &o->sink_trouble,
			     c->log_sink == CONFIG_LOG_FILE ? c->log_file : SINK_SYSLOG_PATH,
			     errno);
}

bool
output_reload(struct output *o, const struct config *c)
{
	flush(o);
	if (!sink_reopen(&o->sink, c->log_sink, c->log_file))
		return false;
	o->format = c->log_format;
	set_host(o, c);
	store_limit(&o->store, c->limits.trace_size);
	return true;
}

/* each line to the sink as that wants it */
static void
add_postfix(struct output *o, const struct origin *from, const struct line *l)
{
	bool for_syslog = o->sink.kind == CONFIG_LOG_SYSLOG;
	struct span rest;

	buffer_clear(&o->lines);
	render_postfix(&o->lines, from, l);
	rest = buffer_get(&o->lines);
	while (rest.len > 0) {
		struct span one = span_cut(&rest, '\n');

		buffer_clear(&o->line);
		render_postfix_head(&o->line, l->time_us, o->host, for_syslog);
		buffer_span(&o->line, one);
		if (!for_syslog)
			buffer_char(&o->line, '\n');
		sink_add(&o->sink, buffer_get(&o->line));
	}
}

void
output_event(struct output *o, const struct origin *from, const struct line *l)
{
	bool json = o->format == CONFIG_LOG_JSON;
	buffer_clear(&o->line);
	render_json(&o->line, from, l);
	store_add(&o->store, buffer_get(&o->line));
	if (o->format == CONFIG_LOG_POSTFIX) {
		add_postfix(o, from, l);
	} else {
		if (o->sink.kind == CONFIG_LOG_SYSLOG) {
			buffer_clear(&o->line);
			render_syslog(&o->line, from, l, json);
		} else if (!json) {
			buffer_clear(&o->line);
			render_text(&o->line, from, l);
		}
		sink_add(&o->sink, buffer_get(&o->line));
	}
	loop_task_wake(o->loop, &o->batch);
}

void
output_end(struct output *o)
{
	flush(o);
	sink_close(&o->sink);
	store_close(&o->store);
	buffer_free(&o->line);
	buffer_free(&o->lines);
}
