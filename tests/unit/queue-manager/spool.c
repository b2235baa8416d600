/* spool: files in their place, ids once, half lines cut off; and the texts that many messages share */
#include "tests/unit/queue-manager/harness.h"

#include <signal.h>
#include <sys/resource.h>

#include "queue-manager/names.h"

static void
a_lease_tells_whether_somebody_writes(void **state)
{
	struct harness *h = *state;
	int writer, reader;
	assert_int_equal(spool_create(&h->q->spool, 0x1000, &writer, &reader), 0);
	assert_int_equal(spool_has_writer(reader), 1);
	int copy = dup(writer);
	close(writer);
	assert_int_equal(spool_has_writer(reader), 1);
	close(copy);
	assert_int_equal(spool_has_writer(reader), 0);
	/* given back: opening for writing waits for nobody */
	int appender = spool_open(&h->q->spool, 0x1000, O_RDWR);
	assert_true(appender >= 0);
	close(appender);
	close(reader);
}

static void
a_new_file_is_private_and_never_an_old_one(void **state)
{
	struct harness *h = *state;
	int writer, reader;
	struct stat st;
	assert_int_equal(spool_create(&h->q->spool, 0x1000, &writer, &reader), 0);
	assert_int_equal(fstat(reader, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(lseek(writer, 0, SEEK_CUR), JOURNAL_HEADER_SIZE);
	/* each descriptor does one thing */
	char byte = 'x';
	assert_int_equal(read(writer, &byte, 1), -1);
	assert_int_equal(write(reader, &byte, 1), -1);
	close(writer);
	close(reader);
	assert_int_equal(spool_create(&h->q->spool, 0x1000, &writer, &reader), -1);
	assert_int_equal(errno, EEXIST);
}

static void
what_was_written_by_half_is_cut_off(void **state)
{
	struct harness *h = *state;
	struct rlimit before, small = {100, RLIM_INFINITY};
	char line[80];
	int writer, reader;
	struct stat st;
	memset(line, 'l', sizeof(line));
	assert_int_equal(spool_create(&h->q->spool, 0x1000, &writer, &reader), 0);
	assert_int_equal(spool_append(writer, span_from(line, sizeof(line)), 0), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int result = spool_append(writer, span_from(line, sizeof(line)), 80);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(result, -1);
	assert_int_equal(fstat(writer, &st), 0);
	assert_int_equal(st.st_size, 80);
	close(writer);
	close(reader);
}

static void
ids_are_given_once_whatever_the_clock_says(void **state)
{
	struct harness *h = *state;
	struct spool *s = &h->q->spool;
	uint64_t before = 0;
	const int64_t clock[] = {1000, 5, 0, -7, 4000000000000000, 3};
	for (size_t i = 0; i < 6; i++) {
		uint64_t id = spool_next_id(s, clock[i]);
		assert_true(id > before);
		before = id;
	}
	/* after a crash, with a clock that went back: above all that were given */
	char bound[17] = "";
	assert_int_equal(pread(s->id_file, bound, 16, 0), 16);
	assert_true(strtoull(bound, NULL, 16) > before);
}

static void
the_ballast_takes_its_room_and_gives_it_back(void **state)
{
	struct harness *h = *state;
	struct spool *s = &h->q->spool;
	struct stat st;
	assert_false(spool_reserve_whole(s, 1 << 20));
	assert_int_equal(spool_reserve_make(s, 1 << 20), 0);
	assert_true(spool_reserve_whole(s, 1 << 20));
	spool_reserve_free(s);
	assert_int_equal(fstat(s->reserve, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	assert_false(spool_reserve_whole(s, 1 << 20));
	assert_true(spool_reserve_whole(s, 0));
}

static void
names_are_kept_once_and_let_go_with_their_last_user(void **state)
{
	struct names n = {0};
	char text[32];
	struct name *first[1000];
	(void)state;
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 1000; i++) {
			snprintf(text, sizeof(text), "sender%d@x.example", i);
			struct name *name = names_take(&n, span_of(text));
			if (round == 0)
				first[i] = name;
			assert_ptr_equal(name, first[i]);
		}
	assert_int_equal(n.count, 1000);
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 1000; i++)
			names_let(&n, first[i]);
	assert_int_equal(n.count, 0);
	struct name *null_sender = names_take(&n, SPAN_NONE);
	assert_int_equal(name_text(null_sender).len, 0);
	names_free(&n);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lease_tells_whether_somebody_writes),
		TEST(a_new_file_is_private_and_never_an_old_one),
		TEST(what_was_written_by_half_is_cut_off),
		TEST(ids_are_given_once_whatever_the_clock_says),
		TEST(the_ballast_takes_its_room_and_gives_it_back),
		TEST(names_are_kept_once_and_let_go_with_their_last_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
