/* order and envelope: what sendmail's command lines mean, letter by letter */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "culver/envelope.h"
#include "culver/order.h"
#include "culver/sendmail.h"

#define WORDS_MAX 30

/* the words of a line, parted by blanks; `''` is an empty one */
static int
read_line(const char *line, struct order *o)
{
	static char text[1000];
	static char *words[WORDS_MAX + 1];
	static char empty[] = "";
	int count = 0;
	snprintf(text, sizeof(text), "sendmail %s", line);
	char *rest = text;
	for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
		if (*word != '\0' && count < WORDS_MAX)
			words[count++] = strcmp(word, "''") == 0 ? empty : word;
	}
	words[count] = NULL;
	*o = (struct order){.mode = ORDER_DELIVER};
	return order_read(o, count, words);
}

static void
every_letter_of_postfix_is_known(void **state)
{
	static const char *const lines[] = {"-Am a",
					    "-Ac a",
					    "-A file a",
					    "-B8BITMIME a",
					    "-B 7BIT a",
					    "-C /dev/null a",
					    "-Fname a",
					    "-F name a",
					    "-G a",
					    "-h 5 a",
					    "-h5 a",
					    "-i a",
					    "-I",
					    "-L tag a",
					    "-m a",
					    "-n a",
					    "-N never a",
					    "-Nsuccess,failure a",
					    "-O Opt=x a",
					    "-oA/etc/aliases a",
					    "-o7 a",
					    "-oi a",
					    "-o i a",
					    "-oem a",
					    "-odb a",
					    "-pSMTP:host a",
					    "-r s@x a",
					    "-R hdrs a",
					    "-t",
					    "-ti",
					    "-it a",
					    "-U a",
					    "-v -v a",
					    "-vv a",
					    "-V id a",
					    "-Vid a",
					    "-x a",
					    "-X log a",
					    "-bm a",
					    "-bp",
					    "-bs",
					    "-bi",
					    "-bv a",
					    "-bd -q30m",
					    "-bl",
					    "-bh",
					    "-bH",
					    "-q",
					    "-q15m",
					    "-qI0123456789ABC",
					    "-qRremote.test",
					    "-qSann@remote.test",
					    "-qf",
					    "-e m a",
					    "-eq a",
					    "-c a"};
	struct order o;
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (read_line(lines[i], &o) != 0)
			fail_msg("refused: %s", lines[i]);
	}
	assert_int_equal(read_line("-Z a", &o), SENDMAIL_USAGE);
	assert_int_equal(read_line("-bz a", &o), SENDMAIL_USAGE);
	assert_int_equal(read_line("-qXx", &o), SENDMAIL_USAGE);
	assert_int_equal(read_line("-N sometimes a", &o), SENDMAIL_USAGE);
	assert_int_equal(read_line("-R all a", &o), SENDMAIL_USAGE);
	assert_int_equal(read_line("-f", &o), SENDMAIL_USAGE);
}

static void
modes_and_values_are_taken(void **state)
{
	struct order o;
	(void)state;
	assert_int_equal(read_line("-ti -fann@x -F Ann -B8bitmime -Rfull -VE1 -Nnever -v b c", &o),
			 0);
	assert_true(o.from_header && o.dot_is_text && o.is_verbose);
	assert_string_equal(o.sender, "ann@x");
	assert_string_equal(o.name, "Ann");
	assert_string_equal(o.body, "8BITMIME");
	assert_string_equal(o.ret, "full");
	assert_string_equal(o.envid, "E1");
	assert_string_equal(o.notify, "never");
	assert_string_equal(o.recipients[0], "b");
	assert_string_equal(o.recipients[1], "c");
	assert_int_equal(read_line("-bs -i", &o), 0);
	assert_int_equal(o.mode, ORDER_SMTP);
	assert_int_equal(read_line("-bd -q1h", &o), 0);
	assert_int_equal(o.mode, ORDER_START);
	assert_int_equal(read_line("-q1h", &o), 0);
	assert_true(o.mode == ORDER_RETRY && o.retry == NULL);
	assert_int_equal(read_line("-qRremote.test", &o), 0);
	assert_string_equal(o.retry, "domain=remote.test");
	assert_int_equal(read_line("-qI0123456789ABC", &o), 0);
	assert_string_equal(o.retry, "0123456789ABC");
	assert_int_equal(read_line("-oem -oi", &o), 0);
	assert_true(o.dot_is_text);
	assert_int_equal(read_line("-oem", &o), 0);
	assert_false(o.dot_is_text);
}

static void
behind_the_first_recipient_nothing_is_an_option(void **state)
{
	struct order o;
	(void)state;
	assert_int_equal(read_line("-i ann -t bob", &o), 0);
	assert_false(o.from_header);
	assert_string_equal(o.recipients[1], "-t");
	assert_int_equal(read_line("-oi -- -- -ann", &o), 0);
	assert_string_equal(o.recipients[0], "-ann");
	assert_null(o.recipients[1]);
}

/* the envelope of a command line and a message: "SENDER: RECIPIENT RECIPIENT", or the status */
static const char *
envelope_of(const char *line, const char *message, bool is_rmail)
{
	static char text[2000];
	struct order o;
	struct envelope e;
	struct letter l;
	int fd = memfd_create("letter", MFD_CLOEXEC);
	assert_true(fd >= 0 && write(fd, message, strlen(message)) == (ssize_t)strlen(message));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	int status = read_line(line, &o);
	o.is_from_mailbox = is_rmail;
	assert_int_equal(status, 0);
	status = envelope_open(&e, &o);
	assert_int_equal(letter_begin(&l, fd, true), 0);
	if (status == 0)
		status = envelope_complete(&e, &o, &l);
	int len = snprintf(text, sizeof(text), "%d", status);
	if (status == 0)
		len = snprintf(text, sizeof(text), "%.*s:", SPAN_ARG(e.sender));
	for (size_t i = 0; i < e.count && status == 0; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, " %.*s",
				SPAN_ARG(e.recipients[i]));
	letter_free(&l);
	envelope_free(&e);
	close(fd);
	return text;
}

static void
the_header_adds_to_given_recipients(void **state)
{
	(void)state;
	assert_string_equal(envelope_of("-fs@x -t a@y", "To: b@y\nBcc: c@y\n\n", false),
			    "s@x: a@y b@y c@y");
	assert_string_equal(envelope_of("-fs@x -t", "To: b@y\nResent-To: d@y\n\n", false),
			    "s@x: d@y");
	assert_string_equal(envelope_of("-fs@x a@y", "To: b@y\n\n", false), "s@x: a@y");
	assert_string_equal(envelope_of("-fs@x -t", "Subject: x\n\n", false), "65");
	assert_string_equal(envelope_of("-fs@x", "To: b@y\n\n", false), "64");
	assert_string_equal(envelope_of("-f '' a@y", "\n", false), ": a@y");
	assert_string_equal(envelope_of("-f <> a@y", "\n", false), ": a@y");
}

static void
paths_of_uucp_are_turned(void **state)
{
	(void)state;
	assert_string_equal(envelope_of("-fsite!ann far!near!bob a!b@y !x", "\n", false),
			    "ann@site: near!bob@far a!b@y !x");
	assert_string_equal(
		envelope_of("bob",
			    "From ann Tue Nov 24 08:00:00 2026 remote from site\nSubject: x\n\n",
			    true),
		"ann@site: bob");
	assert_string_equal(
		envelope_of("bob",
			    "From uucp Tue Nov 24 08:00:00 2026 remote from near\n"
			    ">From ann Tue Nov 24 08:00:00 2026 remote from far\nSubject: x\n\n",
			    true),
		"far!ann@near: bob");
	assert_string_equal(
		envelope_of("bob", "From ann@x.test Tue Nov 24 08:00:00 2026\n\n", true),
		"ann@x.test: bob");
	/* a mailbox that somebody resends says nothing about the sender */
	assert_string_equal(envelope_of("-fme@x bob", "From ann@x.test Tue\n\n", false),
			    "me@x: bob");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_letter_of_postfix_is_known),
		cmocka_unit_test(modes_and_values_are_taken),
		cmocka_unit_test(behind_the_first_recipient_nothing_is_an_option),
		cmocka_unit_test(the_header_adds_to_given_recipients),
		cmocka_unit_test(paths_of_uucp_are_turned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
