/*
 * output - one event to the sink and to the store, in one write each per turn of the loop
 *
 * Called by log/events.c for every event, by log/reload.c for a new configuration, by main at the end.  Promises: an event is in both or
 * counted as lost; writing is never a reason to wait or to end; trouble is said once on stderr and as the event
 * `trouble`, and what was lost as `events-lost` when it is over.
 */
#ifndef LOG_OUTPUT_H
#define LOG_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/system/loop.h"
#include "log/line.h"
#include "log/render.h"
#include "log/sink.h"
#include "log/store.h"

#define OUTPUT_AGAIN_MS 1000 /* after a failed write, when no new event comes first */
#define OUTPUT_SLOW_MS 50    /* after a reader of stderr or syslog that is slow */
#define OUTPUT_HOST_MAX 63   /* bytes of a label (RFC 1035, section 2.3.4) */
#define OUTPUT_SAY_MS 10000  /* the same trouble is not told more often */

/* trouble with one of the two outputs */
struct output_trouble {
	bool now;
	int64_t told_ms; /* 0: never */
};

struct output {
	struct loop *loop;
	struct sink sink;
	struct store store;
	enum config_log_format format;
	char host[OUTPUT_HOST_MAX +
		  1]; /* as a line of `format postfix` says it: without the domain */
	struct loop_task batch;
	struct loop_timer again;
	struct buffer line;  /* one event, as rendered */
	struct buffer lines; /* the same in the words of Postfix, before their heads */
	struct output_trouble sink_trouble, store_trouble;
};

/* output_open - opens sink and store; before the program confines itself; fatal() without the directory of the store */
void output_open(struct output *o, struct loop *l, const struct config *c, int trace_directory,
		 uid_t owner, gid_t group);
/* output_reload - false: that configuration needs a new process */
bool output_reload(struct output *o, const struct config *c) __attribute__((warn_unused_result));
void output_event(struct output *o, const struct origin *from, const struct line *l);
/* output_end - the last batch */
void output_end(struct output *o);

/* the word of culver.conf */
const char *output_format_name(enum config_log_format format);
/* "stderr", "syslog" or the path of the file */
const char *output_sink_name(const struct output *o);

#endif
