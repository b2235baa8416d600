/*
 * asking - what an administrator asks on the socket `control`, in a test
 *
 * Included by the tests of this folder that ask, after harness.h.
 */
#ifndef TESTS_UNIT_QUEUE_MANAGER_ASKING_H
#define TESTS_UNIT_QUEUE_MANAGER_ASKING_H

#include "tests/unit/queue-manager/harness.h"

__attribute__((unused)) static struct wire_list
words(const char *text)
{
	static struct wire list;
	struct span rest = span_of(text);
	wire_list_start(&list);
	for (struct span word; (word = span_word(&rest)).len > 0;) {
		const struct control_word one = {word};
		assert_int_equal(wire_list_add(&list, WIRE_LIST_ROOM, &control_word_shape, &one),
				 0);
	}
	return wire_list_get(&list);
}

/* messages that the list has; -1: it was refused */
__attribute__((unused)) static int
list(struct harness *h, const char *selector, bool with_recipients, unsigned *recipients)
{
	int fd = connect_to(h, "control");
	static struct heard w;
	int count = 0;
	const struct control_list l = {words(selector), with_recipients};
	struct control_done done;
	say(fd, control_calls, CONTROL_LIST, 1, &l);
	for (;;) {
		switch (hear(h, fd, &w)) {
		case CONTROL_MESSAGE:
			count++;
			continue;
		case CONTROL_RECIPIENT:
			if (recipients != NULL)
				(*recipients)++;
			continue;
		case CONTROL_DONE:
			decode(&w, control_answers, &done);
			assert_int_equal(done.count, count);
			break;
		case CONTROL_REFUSED:
			count = -1;
			break;
		default:
			fail_msg("control: %d", w.type);
		}
		close(fd);
		turns(h);
		return count;
	}
}

/* how many messages it was done to, or, dry, would be; -1: it was refused */
__attribute__((unused)) static int
order(struct harness *h, const struct control_act *a, unsigned *told)
{
	static struct heard w;
	int fd = connect_to(h, "control");
	struct control_done done = {0};
	say(fd, control_calls, CONTROL_ACT, 1, a);
	int type = hear(h, fd, &w);
	for (int i = 0; (type == 0 && i < 100) || type == CONTROL_MESSAGE; i++) {
		if (type == CONTROL_MESSAGE && told != NULL)
			(*told)++;
		type = hear(h, fd, &w);
	}
	if (type == CONTROL_DONE)
		decode(&w, control_answers, &done);
	close(fd);
	turns(h);
	return type == CONTROL_DONE ? (int)done.count : -1;
}

__attribute__((unused)) static int
act(struct harness *h, enum control_verb verb, const char *selector)
{
	const struct control_act a = {.verb = verb, .selector = words(selector)};
	return order(h, &a, NULL);
}

#endif
