/*
 * reload - a new configuration from master
 *
 * See reload.h.  master has checked it, and refuses one with another spool.  All state is kept; what is queued is routed anew,
 * since hosts and domains may have changed.
 */
#include "queue-manager/reload.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/events.h"
#include "queue-manager/manager.h"

#define PIECE 65536

/* the whole text behind a descriptor; -1 and errno */
static int
read_text(int fd, struct buffer *text)
{
	for (;;) {
		char *at = buffer_reserve(text, PIECE);
		if (at == NULL) {
			errno = EFBIG;
			return -1;
		}
		ssize_t n = pread(fd, at, PIECE, (off_t)text->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		text->len += (size_t)n;
	}
}

static struct config *
read_config(int fd)
{
	static struct config_errors errors;
	struct buffer text;
	struct config *c = NULL;
	buffer_init(&text, CONFIG_TEXT_MAX + PIECE);
	config_errors_init(&errors);
	if (read_text(fd, &text) == 0)
		c = config_parse(buffer_get(&text), NULL, &errors);
	config_errors_free(&errors);
	buffer_free(&text);
	return c;
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
		loop_unwatch(r->q->loop, w);
		loop_stop(r->q->loop);
		return;
	case CHANNEL_OK:
		break;
	}
	struct config *c =
		len == 1 && datagram[0] == 'R' && fds.count == 1 ? read_config(fds.fd[0]) : NULL;
	channel_close_fds(&fds);
	if (c == NULL) {
		/* master has checked it: this cannot be, and the old one goes on */
		EVENT("trouble", event_string("what", "reload"),
		      event_string("reason", "what master sent is no configuration"));
		return;
	}
	r->q->config = c;
	config_free(r->owned);
	r->owned = c;
	schedule_reload(r->q);
	EVENT("configured");
}

void
reload_watch(struct reload *r, struct manager *q, int master)
{
	*r = (struct reload){.watch = {.fd = master, .ready = master_ready, .owner = r}, .q = q};
	loop_watch(q->loop, &r->watch, EPOLLIN);
}
