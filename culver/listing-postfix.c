/*
 * listing-postfix - see culver/listing-postfix.h
 */
#include "culver/listing-postfix.h"

#include <inttypes.h>
#include <time.h>

#include "common/text/escape.h"
#include "culver/human.h"

/* the queue of Postfix in which a message of that state would be */
static const char *
queue_name(struct span state)
{
	if (span_equal(state, SPAN("held")))
		return "hold";
	if (span_equal(state, SPAN("deferred")))
		return "deferred";
	return span_equal(state, SPAN("incoming")) ? "incoming" : "active";
}

void
listing_postqueue_message(struct listing *l, const struct control_message *m)
{
	buffer_format(l->out,
		      "{\"queue_name\": \"%s\", \"queue_id\": \"%013" PRIX64
		      "\", \"arrival_time\": %" PRIu64 ", \"message_size\": %" PRIu64
		      ", \"forced_expire\": false, \"sender\": \"",
		      queue_name(m->state), m->id, m->arrived_us / 1000000, m->size);
	escape_json(l->out, m->sender.len > 0 ? m->sender : SPAN("MAILER-DAEMON"));
	buffer_string(l->out, "\", \"recipients\": [");
}

void
listing_postqueue_recipient(struct listing *l, const struct control_recipient *r)
{
	if (!listing_is_open(r))
		return;
	buffer_string(l->out, l->shown++ > 0 ? ", {\"address\": \"" : "{\"address\": \"");
	escape_json(l->out, r->address);
	if (r->reply.len > 0) {
		buffer_string(l->out, "\", \"delay_reason\": \"");
		escape_json(l->out, r->reply);
	}
	buffer_string(l->out, "\"}");
}

void
listing_postcat_message(struct listing *l, const struct control_message *m)
{
	char when[40] = "";
	time_t seconds = (time_t)(m->arrived_us / 1000000);
	struct tm local;
	/* the names of days and months are the C locale's: nothing sets another one here */
	if (localtime_r(&seconds, &local) != NULL)
		strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &local);
	buffer_format(l->out,
		      "*** ENVELOPE RECORDS %s/%013" PRIX64 " ***\n"
		      "message_size: %15" PRIu64 " %15u %15" PRIu64 " %15u %15" PRIu64 "\n"
		      "message_arrival_time: %s\nsender: ",
		      queue_name(m->state), m->id, m->size, 0u, m->recipients, 0u, m->size, when);
	human_text(l->out, m->sender);
	buffer_char(l->out, '\n');
}

void
listing_postcat_recipient(struct listing *l, const struct control_recipient *r)
{
	buffer_string(l->out, listing_is_open(r) ? "recipient: " : "done_recipient: ");
	human_text(l->out, r->address);
	buffer_char(l->out, '\n');
}
