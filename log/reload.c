/*
 * reload - see log/reload.h
 */
#include "log/reload.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/events.h"

/* the whole text behind a descriptor; -1 and errno */
static int
read_text(int fd, struct buffer *text)
{
	for (;;) {
		char *at = buffer_reserve(text, 65536);
		if (at == NULL) {
			errno = EFBIG;
			return -1;
		}
		ssize_t n = pread(fd, at, 65536, (off_t)text->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		text->len += (size_t)n;
	}
}

static struct config *
read_config(int fd)
{
	static struct config_errors errors;
	struct buffer text;
	struct config *c = NULL;
	buffer_init(&text, CONFIG_TEXT_MAX + 65536);
	config_errors_init(&errors);
	if (read_text(fd, &text) == 0)
		c = config_parse(buffer_get(&text), NULL, &errors);
	config_errors_free(&errors);
	buffer_free(&text);
	return c;
}

static void
take_config(struct reload *r, struct config *c)
{
	if (strcmp(c->trace, r->config->trace) != 0 || !output_reload(r->output, c)) {
		EVENT("restarting",
		      event_string("reason", "the new configuration needs a new process"));
		config_free(c);
		loop_stop(r->loop);
		return;
	}
	config_free(r->owned);
	r->owned = c;
	r->config = c;
	EVENT("logging", event_string("sink", output_sink_name(r->output)),
	      event_string("format", c->log_format == CONFIG_LOG_JSON ? "json" : "text"));
}

static void
master_ready(struct loop_watch *w, uint32_t events)
{
	static char datagram[CHANNEL_MAX];
	struct reload *r = w->owner;
	struct channel_fds fds;
	size_t len = 0;
	(void)events;
	switch (channel_receive(w->fd, datagram, &len, &fds)) {
	case CHANNEL_AGAIN:
		return;
	case CHANNEL_CLOSED: /* master is dead: so are we */
	case CHANNEL_BROKEN:
		loop_unwatch(r->loop, w);
		loop_stop(r->loop);
		return;
	case CHANNEL_OK:
		break;
	}
	struct config *c =
		len == 1 && datagram[0] == 'R' && fds.count == 1 ? read_config(fds.fd[0]) : NULL;
	channel_close_fds(&fds);
	if (c != NULL)
		take_config(r, c);
	else /* master has checked it: this cannot be, and the old one goes on */
		EVENT("trouble", event_string("what", "reload"),
		      event_string("reason", "what master sent is no configuration"));
}

void
reload_watch(struct reload *r, struct loop *l, int master, struct output *o, const struct config *c)
{
	*r = (struct reload){.loop = l, .output = o, .config = c};
	r->watch = (struct loop_watch){.fd = master, .ready = master_ready, .owner = r};
	loop_watch(l, &r->watch, EPOLLIN);
}

void
reload_free(struct reload *r)
{
	loop_unwatch(r->loop, &r->watch);
	config_free(r->owned);
}
