/*
 * reload - see reload.h
 */
#include "common/config/reload.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/system/channel.h"
#include "common/system/events.h"

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
	case CHANNEL_CLOSED:
	case CHANNEL_BROKEN:
		reload_end(r);
		loop_stop(r->loop);
		return;
	case CHANNEL_OK:
		break;
	}
	struct config *c =
		len == 1 && datagram[0] == 'R' && fds.count == 1 ? read_config(fds.fd[0]) : NULL;
	channel_close_fds(&fds);
	if (c != NULL)
		r->take(r->owner, c);
	else /* master has checked it: this cannot be, and the old one goes on */
		EVENT("trouble", event_string("what", "reload"),
		      event_string("reason", "what master sent is no configuration"));
}

void
reload_watch(struct reload *r, struct loop *l, int master,
	     void (*take)(void *owner, struct config *c), void *owner)
{
	*r = (struct reload){.loop = l, .take = take, .owner = owner};
	r->watch = (struct loop_watch){.fd = master, .ready = master_ready, .owner = r};
	loop_watch(l, &r->watch, EPOLLIN);
}

void
reload_end(struct reload *r)
{
	loop_unwatch(r->loop, &r->watch);
}
