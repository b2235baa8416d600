/*
 * loop - see loop.h; epoll(7), signalfd(2), a binary heap of timers
 */
#include "common/system/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/system/events.h"
#include "common/system/fatal.h"

#define BATCH 64 /* descriptors taken from the kernel in one turn */
#define SIGNALS_MAX 16
#define EVENTS_AGAIN_MS 50

struct loop_on_signal {
	int signal;
	void (*handle)(void *owner);
	void *owner;
};

struct loop {
	int epoll;
	bool stopped;
	int64_t now_ms;
	int64_t longest_us;
	struct loop_timer **heap; /* from slot 1 */
	size_t heap_len, heap_size;
	struct loop_task *first, *last;
	struct epoll_event batch[BATCH];
	int batch_at, batch_len;
	struct loop_watch signals;
	sigset_t mask;
	struct loop_on_signal on_signal[SIGNALS_MAX];
	size_t signal_count;
};

struct loop *
loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));
	if (l == NULL)
		fatal(EXIT_OS, ENOMEM, "event loop");
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		fatal(EXIT_OS, errno, "epoll_create1");
	l->now_ms = clock_monotonic_ms();
	l->signals.fd = -1;
	sigemptyset(&l->mask);
	return l;
}

void
loop_leave(struct loop *l)
{
	if (l->signals.fd >= 0)
		close(l->signals.fd);
	close(l->epoll);
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	loop_leave(l);
	free(l->heap);
	free(l);
}

/* ---- descriptors ---- */

void
loop_watch(struct loop *l, struct loop_watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};
	if (w->events == events)
		return;
	int operation = w->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (epoll_ctl(l->epoll, operation, w->fd, &e) < 0)
		fatal(EXIT_OS, errno, "epoll_ctl of descriptor %d", w->fd);
	w->events = events;
}

void
loop_unwatch(struct loop *l, struct loop_watch *w)
{
	if (w->events == 0)
		return;
	if (epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL) < 0)
		fatal(EXIT_SOFTWARE, errno,
		      "epoll_ctl: descriptor %d was closed while it was watched", w->fd);
	w->events = 0;
	/* it may stand further on in the batch at hand */
	for (int i = l->batch_at; i < l->batch_len; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

/* ---- timers ---- */

static void
heap_put(struct loop *l, size_t slot, struct loop_timer *t)
{
	l->heap[slot] = t;
	t->slot = slot;
}

static void
heap_up(struct loop *l, size_t slot)
{
	struct loop_timer *t = l->heap[slot];
	for (; slot > 1 && l->heap[slot / 2]->at_ms > t->at_ms; slot /= 2)
		heap_put(l, slot, l->heap[slot / 2]);
	heap_put(l, slot, t);
}

static void
heap_down(struct loop *l, size_t slot)
{
	struct loop_timer *t = l->heap[slot];
	for (;;) {
		size_t child = slot * 2;
		if (child > l->heap_len)
			break;
		if (child < l->heap_len && l->heap[child + 1]->at_ms < l->heap[child]->at_ms)
			child++;
		if (l->heap[child]->at_ms >= t->at_ms)
			break;
		heap_put(l, slot, l->heap[child]);
		slot = child;
	}
	heap_put(l, slot, t);
}

void
loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_ms)
{
	if (t->slot != 0)
		loop_timer_clear(l, t);
	if (l->heap_len + 2 > l->heap_size) {
		size_t size = l->heap_size == 0 ? 64 : l->heap_size * 2;
		struct loop_timer **heap = realloc(l->heap, size * sizeof(struct loop_timer *));
		if (heap == NULL)
			fatal(EXIT_OS, ENOMEM, "heap of %zu timers", size);
		l->heap = heap;
		l->heap_size = size;
	}
	t->at_ms = at_ms;
	l->heap_len++;
	l->heap[l->heap_len] = t;
	heap_up(l, l->heap_len);
}

void
loop_timer_clear(struct loop *l, struct loop_timer *t)
{
	size_t slot = t->slot;
	if (slot == 0)
		return;
	t->slot = 0;
	struct loop_timer *last = l->heap[l->heap_len--];
	if (last == t)
		return;
	heap_put(l, slot, last);
	heap_up(l, slot);
	heap_down(l, last->slot);
}

static void
fire_timers(struct loop *l)
{
	/* those set by the handlers wait for the next turn when they are due later than now */
	while (l->heap_len > 0 && l->heap[1]->at_ms <= l->now_ms && !l->stopped) {
		struct loop_timer *t = l->heap[1];
		loop_timer_clear(l, t);
		t->fire(t);
	}
}

/* ---- tasks ---- */

void
loop_task_wake(struct loop *l, struct loop_task *t)
{
	if (t->active)
		return;
	t->active = true;
	t->next = NULL;
	if (l->last != NULL)
		l->last->next = t;
	else
		l->first = t;
	l->last = t;
}

void
loop_task_clear(struct loop *l, struct loop_task *t)
{
	struct loop_task *before = NULL;
	if (!t->active)
		return;
	for (struct loop_task *at = l->first; at != NULL && at != t; at = at->next)
		before = at;
	if (before != NULL)
		before->next = t->next;
	else
		l->first = t->next;
	if (l->last == t)
		l->last = before;
	t->active = false;
}

/* one step of each task that waits now; those that they wake wait for the next turn */
static void
step_tasks(struct loop *l)
{
	struct loop_task *end = l->last;
	while (l->first != NULL) {
		struct loop_task *t = l->first;
		loop_task_clear(l, t);
		bool again = t->step(t);
		if (again)
			loop_task_wake(l, t);
		if (t == end)
			return;
	}
}

/* ---- signals ---- */

static void
signals_ready(struct loop_watch *w, uint32_t events)
{
	struct loop *l = w->owner;
	struct signalfd_siginfo info;
	(void)events;
	while (read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		for (size_t i = 0; i < l->signal_count; i++)
			if (l->on_signal[i].signal == (int)info.ssi_signo)
				l->on_signal[i].handle(l->on_signal[i].owner);
}

void
loop_signal(struct loop *l, int signal, void (*handle)(void *owner), void *owner)
{
	if (l->signal_count == SIGNALS_MAX)
		fatal(EXIT_SOFTWARE, 0, "more than %d signals", SIGNALS_MAX);
	l->on_signal[l->signal_count++] = (struct loop_on_signal){signal, handle, owner};
	sigaddset(&l->mask, signal);
	if (sigprocmask(SIG_BLOCK, &l->mask, NULL) < 0)
		fatal(EXIT_OS, errno, "sigprocmask");
	int fd = signalfd(l->signals.fd, &l->mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		fatal(EXIT_OS, errno, "signalfd");
	l->signals.fd = fd;
	l->signals.ready = signals_ready;
	l->signals.owner = l;
	loop_watch(l, &l->signals, EPOLLIN);
}

/* ---- turns ---- */

int64_t
loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

static int
wait_ms(const struct loop *l)
{
	if (l->first != NULL)
		return 0;
	/* lines that `log` had no room for are offered again */
	int64_t left = events_waiting() ? EVENTS_AGAIN_MS : INT_MAX;
	if (l->heap_len > 0 && l->heap[1]->at_ms - clock_monotonic_ms() < left)
		left = l->heap[1]->at_ms - clock_monotonic_ms();
	return left <= 0 ? 0 : left == INT_MAX ? -1 : (int)left;
}

static void
turn(struct loop *l)
{
	l->batch_len = epoll_wait(l->epoll, l->batch, BATCH, wait_ms(l));
	if (l->batch_len < 0 && errno != EINTR)
		fatal(EXIT_OS, errno, "epoll_wait");
	int64_t start_us = clock_monotonic_us();
	l->now_ms = start_us / 1000;
	for (l->batch_at = 0; l->batch_at < l->batch_len && !l->stopped;) {
		struct epoll_event *e = &l->batch[l->batch_at++];
		struct loop_watch *w = e->data.ptr;
		if (w != NULL)
			w->ready(w, e->events);
	}
	l->batch_at = l->batch_len = 0;
	fire_timers(l);
	if (!l->stopped)
		step_tasks(l);
	events_flush();
	int64_t took_us = clock_monotonic_us() - start_us;
	if (took_us > l->longest_us)
		l->longest_us = took_us;
}

void
loop_run(struct loop *l)
{
	l->stopped = false;
	events_flush();
	while (!l->stopped)
		turn(l);
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
}

int64_t
loop_longest_turn_us(struct loop *l)
{
	int64_t longest = l->longest_us;
	l->longest_us = 0;
	return longest;
}
