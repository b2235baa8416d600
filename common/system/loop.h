/*
 * loop - the event loop of the few programs that must juggle
 *
 * Watches and timers are embedded in their owner's struct; the loop never allocates for them (but for its heap of
 * timers).  Callbacks may add, change and remove anything, also themselves.  Every turn: descriptors that are ready, signals, timers that are
 * due, then one slice of each background task; then the events are flushed to `log`.
 */
#ifndef COMMON_SYSTEM_LOOP_H
#define COMMON_SYSTEM_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

struct loop_watch {
	int fd;		 /* -1: not watched */
	uint32_t events; /* EPOLLIN, EPOLLOUT, EPOLLRDHUP */
	void (*ready)(struct loop_watch *w, uint32_t events);
	void *owner;
};

struct loop_timer {
	size_t slot;   /* 0: not set; kept by the loop */
	int64_t at_ms; /* monotonic */
	void (*fire)(struct loop_timer *t);
	void *owner;
};

/* a long piece of work cut in slices; `step` returns false when there is nothing left to do for now */
struct loop_task {
	bool (*step)(struct loop_task *t);
	void *owner;
	struct loop_task *next;
	bool active;
};

struct loop *loop_new(void); /* fatal() when there is none */
void loop_free(struct loop *l);
/* loop_leave - in a child: its descriptors are closed and nothing is freed, since a page that is written is a page that is copied */
void loop_leave(struct loop *l);

void loop_watch(struct loop *l, struct loop_watch *w,
		uint32_t events); /* adds, or changes the events; fatal() on ENOMEM */
void loop_unwatch(struct loop *l, struct loop_watch *w); /* before close(); fine when not watched */
void loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_ms); /* sets or moves */
void loop_timer_clear(struct loop *l, struct loop_timer *t);
void loop_task_wake(struct loop *l, struct loop_task *t); /* fine when it waits already */
void loop_task_clear(
	struct loop *l,
	struct loop_task *t); /* before its owner ends; not from within another task's step */
/* loop_signal - `handle` is called in the loop, never in the signal's context; the signal is blocked from now on */
void loop_signal(struct loop *l, int signal, void (*handle)(void *owner), void *owner);

/* monotonic, as of the begin of this turn */
int64_t loop_now_ms(const struct loop *l);
void loop_run(struct loop *l); /* until loop_stop */
void loop_stop(struct loop *l);
/* the longest turn since the last call, in microseconds, waiting not counted */
int64_t loop_longest_turn_us(struct loop *l);

#endif
