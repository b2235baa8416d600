/* wire: every message of every protocol, there and back; what is wrong sets nothing */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/protocol/samples.h"

static struct wire whole, lists, again;

static void
every_message_comes_back_as_it_was(void **state)
{
	uint64_t seed = 42;
	size_t shapes = 0;
	(void)state;
	for (size_t t = 0; t < SAMPLE_TABLES; t++)
		for (const struct wire_shape *s = sample_tables[t]; s->name != NULL; s++, shapes++)
			for (int round = 0; round < 50; round++) {
				char message[SAMPLE_SIZE] = {0}, back[SAMPLE_SIZE];
				struct wire_header h;
				assert_true(s->size <= SAMPLE_SIZE);
				memset(back, 0xee, sizeof(back));
				sample_fill(s, message, &seed, &lists);
				assert_int_equal(wire_encode(&whole, s, WIRE_MORE, 77, message), 0);
				struct span datagram = span_from(whole.at, whole.len);
				assert_int_equal(wire_peek(datagram, &h), 0);
				assert_int_equal(h.type, s->type);
				assert_int_equal(h.flags, WIRE_MORE);
				assert_int_equal(h.request, 77);
				assert_int_equal(wire_decode(datagram, s, back), 0);
				assert_true(sample_same(s, message, back));
			}
	assert_true(shapes > 25);
}

static void
a_cut_or_longer_message_sets_nothing(void **state)
{
	uint64_t seed = 7;
	(void)state;
	for (size_t t = 0; t < SAMPLE_TABLES; t++)
		for (const struct wire_shape *s = sample_tables[t]; s->name != NULL; s++) {
			char message[SAMPLE_SIZE] = {0}, back[SAMPLE_SIZE], untouched[SAMPLE_SIZE];
			memset(untouched, 0xee, sizeof(untouched));
			memset(back, 0xee, sizeof(back));
			sample_fill(s, message, &seed, &lists);
			assert_int_equal(wire_encode(&whole, s, 0, 1, message), 0);
			for (size_t len = 0; len < whole.len; len++) {
				memcpy(&again, &whole, sizeof(whole));
				uint32_t body =
					(uint32_t)(len >= WIRE_HEADER ? len - WIRE_HEADER : 0);
				memcpy(again.at + 4, &body, sizeof(body));
				assert_int_equal(wire_decode(span_from(again.at, len), s, back),
						 -1);
			}
			whole.at[whole.len] = 0;
			uint32_t body = (uint32_t)(whole.len + 1 - WIRE_HEADER);
			memcpy(whole.at + 4, &body, sizeof(body));
			assert_int_equal(wire_decode(span_from(whole.at, whole.len + 1), s, back),
					 -1);
			assert_memory_equal(back, untouched, sizeof(back));
		}
}

static void
bounds_hold_at_both_ends(void **state)
{
	struct intake_refused wrong_code = {200, SPAN("2.0.0"), SPAN("fine")};
	char long_text[600] = {0};
	struct intake_refused too_long = {450, SPAN("4.0.0"), {long_text, sizeof(long_text)}};
	const struct wire_shape *s = wire_find(intake_answers, INTAKE_REFUSED);
	(void)state;
	assert_non_null(s);
	assert_int_equal(wire_encode(&whole, s, 0, 0, &wrong_code), -1);
	assert_int_equal(wire_encode(&whole, s, 0, 0, &too_long), -1);
	assert_null(wire_find(intake_answers, 9999));
}

static void
a_list_is_read_item_by_item(void **state)
{
	static const char *const addresses[] = {"a@example.org", "b@example.org", "c@example.org"};
	struct intake_recipient r = {0};
	size_t seen = 0;
	(void)state;
	wire_list_start(&lists);
	for (size_t i = 0; i < 3; i++) {
		r.address = span_of(addresses[i]);
		assert_int_equal(wire_list_add(&lists, WIRE_LIST_ROOM, &intake_recipient_shape, &r),
				 0);
	}
	assert_int_equal(wire_list_add(&lists, 20, &intake_recipient_shape, &r), -1);
	struct intake_recipients m = {wire_list_get(&lists)}, back;
	const struct wire_shape *s = wire_find(intake_calls, INTAKE_RECIPIENTS);
	assert_int_equal(wire_encode(&whole, s, 0, 0, &m), 0);
	assert_int_equal(wire_decode(span_from(whole.at, whole.len), s, &back), 0);
	assert_int_equal(back.recipients.count, 3);
	while (wire_list_next(&back.recipients, &intake_recipient_shape, &r))
		assert_true(span_equal(r.address, span_of(addresses[seen++])));
	assert_int_equal(seen, 3);
}

static void
messages_in_one_datagram_come_apart_again(void **state)
{
	const struct wire_shape *open_ = wire_find(intake_calls, INTAKE_OPEN);
	const struct wire_shape *queued = wire_find(intake_answers, INTAKE_QUEUED);
	const struct intake_queued beyond = {INTAKE_WAIT_MAX_MS + 1};
	struct span left, one;
	struct intake_open back;
	(void)state;
	whole.len = 0;
	for (uint64_t i = 0; i < 3; i++)
		assert_int_equal(
			wire_append(&whole, open_, 0, 1, &(struct intake_open){i << 16 * i}), 0);
	/* what cannot be spelled leaves the others as they are */
	assert_int_equal(wire_append(&whole, queued, 0, 1, &beyond), -1);
	left = span_from(whole.at, whole.len);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(wire_cut(&left, &one), 0);
		assert_int_equal(wire_decode(one, open_, &back), 0);
		assert_int_equal(back.size, i << 16 * i);
	}
	assert_int_equal(left.len, 0);
	assert_int_equal(wire_cut(&left, &one), -1);
	/* a part of one is none */
	for (size_t len = 0; len < WIRE_HEADER + 2; len++) {
		left = span_from(whole.at, len);
		assert_int_equal(wire_cut(&left, &one), -1);
		assert_int_equal(left.len, len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back_as_it_was),
		cmocka_unit_test(a_cut_or_longer_message_sets_nothing),
		cmocka_unit_test(bounds_hold_at_both_ends),
		cmocka_unit_test(a_list_is_read_item_by_item),
		cmocka_unit_test(messages_in_one_datagram_come_apart_again),
	};
	return cmocka_run_group_tests_name("protocol/wire", tests, NULL, NULL);
}
