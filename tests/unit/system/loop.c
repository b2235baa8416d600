/* loop: timers in their order, tasks in slices, watches that end one another */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/system/loop.h"

#define TIMERS 1000

static struct loop *loop;
static int64_t last_ms;
static int fired;

static void
fire(struct loop_timer *t)
{
	assert_true(t->at_ms >= last_ms);
	last_ms = t->at_ms;
	if (++fired == TIMERS / 2)
		loop_stop(loop);
}

static void
timers_fire_in_their_order(void **state)
{
	static struct loop_timer timers[TIMERS];
	(void)state;
	loop = loop_new();
	srandom(1);
	for (int i = 0; i < TIMERS; i++) {
		timers[i].fire = fire;
		loop_timer_set(loop, &timers[i], loop_now_ms(loop) - random() % 100000);
	}
	for (int i = 0; i < TIMERS; i += 4) { /* some are moved, some cleared */
		loop_timer_set(loop, &timers[i], loop_now_ms(loop) - random() % 100000);
		loop_timer_clear(loop, &timers[i + 1]);
		loop_timer_clear(loop, &timers[i + 2]);
	}
	loop_run(loop);
	assert_int_equal(fired, TIMERS / 2);
	loop_free(loop);
}

static int steps[3];

static bool
step(struct loop_task *t)
{
	int *n = t->owner;
	++*n;
	if (steps[0] + steps[1] == 20)
		loop_stop(loop);
	return true;
}

static void
tasks_take_turns(void **state)
{
	struct loop_task tasks[3] = {{.step = step, .owner = &steps[0]},
				     {.step = step, .owner = &steps[1]},
				     {.step = step, .owner = &steps[2]}};
	(void)state;
	loop = loop_new();
	for (int i = 0; i < 3; i++)
		loop_task_wake(loop, &tasks[i]);
	loop_task_wake(loop, &tasks[0]);
	loop_task_clear(loop, &tasks[2]);
	loop_run(loop);
	assert_int_equal(steps[0], 10);
	assert_int_equal(steps[1], 10);
	assert_int_equal(steps[2], 0);
	loop_free(loop);
}

static struct loop_watch watches[2];
static int ready_count;

static void
ready(struct loop_watch *w, uint32_t events)
{
	(void)events;
	ready_count++;
	/* the first that is served ends the other, which stands in the same batch */
	struct loop_watch *other = w == &watches[0] ? &watches[1] : &watches[0];
	loop_unwatch(loop, other);
	loop_stop(loop);
}

static void
a_watch_that_was_ended_is_not_called_any_more(void **state)
{
	int pipes[2][2];
	(void)state;
	loop = loop_new();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe(pipes[i]), 0);
		watches[i] = (struct loop_watch){.fd = pipes[i][0], .ready = ready};
		loop_watch(loop, &watches[i], EPOLLIN);
		assert_int_equal(write(pipes[i][1], "x", 1), 1);
	}
	loop_run(loop);
	assert_int_equal(ready_count, 1);
	loop_free(loop);
}

static void
on_signal(void *owner)
{
	*(bool *)owner = true;
	loop_stop(loop);
}

static void
a_signal_is_an_event(void **state)
{
	bool seen = false;
	(void)state;
	loop = loop_new();
	loop_signal(loop, SIGUSR1, on_signal, &seen);
	raise(SIGUSR1);
	assert_false(seen);
	loop_run(loop);
	assert_true(seen);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_their_order),
		cmocka_unit_test(tasks_take_turns),
		cmocka_unit_test(a_watch_that_was_ended_is_not_called_any_more),
		cmocka_unit_test(a_signal_is_an_event),
	};
	return cmocka_run_group_tests_name("system/loop", tests, NULL, NULL);
}
