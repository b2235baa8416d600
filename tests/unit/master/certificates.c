/*
 * certificates - files of `tls` copied, judged, exchanged; the signer that judges is this test, called by that name
 */
#include "tests/unit/master/harness.h"

/* what one of the row's files has in it */
static void
read_file_of(int fd, char *to, size_t size)
{
	ssize_t n = pread(fd, to, size - 1, 0);
	to[n < 0 ? 0 : n] = '\0';
}

/* a key fits the certificate that has the same text; one with the word `dies` is the end of whoever looks at it */
static _Noreturn void
judge(void)
{
	static char text[65536];
	static struct start s;
	char certificate[100], key[100], sentence[100];
	ssize_t len = pread(START_ROW_FD, text, sizeof(text), 0);
	if (len <= 0 || start_decode(span_from(text, (size_t)len), &s) != 0 || !s.check)
		_exit(90);
	for (size_t i = 0; i < s.file_count / 2; i++) {
		snprintf(sentence, sizeof(sentence), "certificate.%zu", i);
		read_file_of(start_file(&s, sentence), certificate, sizeof(certificate));
		snprintf(sentence, sizeof(sentence), "key.%zu", i);
		read_file_of(start_file(&s, sentence), key, sizeof(key));
		if (strstr(key, "dies") != NULL)
			abort();
		if (strcmp(certificate, key) == 0)
			continue;
		snprintf(sentence, sizeof(sentence), "certificate %zu it is not that of the key",
			 i);
		if (write(start_listen(&s, "master")->fd, sentence, strlen(sentence)) < 0)
			_exit(89);
		_exit(78);
	}
	_exit(0);
}

static void
write_pair(const char *name, const char *certificate, const char *key)
{
	char file[64];
	snprintf(file, sizeof(file), "%s.pem", name);
	write_file(file, certificate);
	snprintf(file, sizeof(file), "%s.key", name);
	write_file(file, key);
}

/* a master whose configuration has the pairs a and b */
static int
set_up_pairs(void **state)
{
	struct buffer text, why;
	char more[400];
	if (set_up(state) != 0)
		return -1;
	write_pair("a", "one", "one");
	write_pair("b", "two", "two");
	snprintf(more, sizeof(more),
		 "tls {\n\tcertificate %s/a.pem %s/b.pem\n\tkey %s/a.key %s/b.key\n}\n",
		 h.directory, h.directory, h.directory, h.directory);
	write_config("spool", "run", "trace", more);
	buffer_init(&text, CONFIG_TEXT_MAX);
	buffer_init(&why, 4096);
	config_free(h.m.config);
	h.m.config = reload_text(&h.m, &text, &why);
	if (h.m.config == NULL)
		fail_msg("%.*s", SPAN_ARG(buffer_get(&why)));
	buffer_free(&text);
	buffer_free(&why);
	return 0;
}

static int
tear_down_pairs(void **state)
{
	certificates_free(&h.m.certificates.now);
	certificates_free(&h.m.certificates.before);
	return tear_down(state);
}

static int
load(struct certificates_set *set, const char *wrong)
{
	struct buffer why;
	buffer_init(&why, 4096);
	int result = certificates_load(&h.m, h.m.config, set, &why);
	buffer_char(&why, '\0');
	if (wrong != NULL && strstr(why.at, wrong) == NULL)
		fail_msg("%s", why.at);
	buffer_free(&why);
	return result;
}

static void
put_now(void)
{
	struct certificates_set set;
	assert_int_equal(load(&set, NULL), 0);
	certificates_put(&h.m.certificates, &set);
}

/* the texts of the files of a row, parted by blanks, with their names */
static const char *
filled(const char *program)
{
	static struct start s;
	static char text[400];
	char part[100];
	memset(&s, 0, sizeof(s));
	text[0] = '\0';
	certificates_fill(&h.m.certificates, trust_find(program), &s);
	for (size_t i = 0; i < s.file_count; i++) {
		read_file_of(s.files[i].fd, part, sizeof(part));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s=%s ",
			 s.files[i].name, part);
	}
	return text;
}

static void
each_program_gets_the_files_of_its_row(void **state)
{
	(void)state;
	put_now();
	assert_string_equal(filled("smtpd"), "certificate.0=one certificate.1=two ");
	assert_string_equal(filled("signer"), "key.0=one key.1=two ");
	assert_string_equal(filled("submit"), "");
	assert_string_equal(filled("queue-manager"), "");
}

static void
a_copy_stays_what_was_checked(void **state)
{
	(void)state;
	put_now();
	write_pair("a", "written over", "written over");
	assert_string_equal(filled("signer"), "key.0=one key.1=two ");
	/* nor can a program that has it change it */
	assert_int_equal(write(h.m.certificates.now.keys[0].fd, "x", 1), -1);
}

static void
what_is_no_pair_is_refused_by_its_name(void **state)
{
	struct certificates_set set;
	(void)state;
	write_pair("b", "two", "three");
	assert_int_equal(load(&set, "/b.pem: it is not that of the key (the key is "), -1);
	assert_int_equal(set.count, 0);
	write_pair("b", "dies", "dies");
	assert_int_equal(load(&set, "could not be looked at"), -1);
}

static void
a_file_that_cannot_be_read_is_refused(void **state)
{
	struct certificates_set set;
	char path[200];
	(void)state;
	snprintf(path, sizeof(path), "%s/b.key", h.directory);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(load(&set, "/b.key: No such file"), -1);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(load(&set, "/b.key: expected a file"), -1);
}

static void
a_new_pair_is_found_and_the_keys_before_are_kept(void **state)
{
	(void)state;
	put_now();
	assert_false(certificates_look(&h.m));
	write_pair("a", "new", "new");
	assert_true(certificates_look(&h.m));
	assert_false(certificates_look(&h.m));
	assert_string_equal(filled("smtpd"), "certificate.0=new certificate.1=two ");
	assert_string_equal(filled("signer"),
			    "key.0=new key.1=two key-before.0=one key-before.1=two ");
	/* the same files again, by a reload: nothing is forgotten */
	put_now();
	assert_string_equal(filled("signer"),
			    "key.0=new key.1=two key-before.0=one key-before.1=two ");
	write_pair("a", "newer", "newer");
	assert_true(certificates_look(&h.m));
	assert_string_equal(filled("signer"),
			    "key.0=newer key.1=two key-before.0=new key-before.1=two ");
}

static void
half_of_a_pair_changes_nothing_until_the_other_comes(void **state)
{
	(void)state;
	put_now();
	write_file("a.pem", "new");
	assert_false(certificates_look(&h.m));
	assert_string_equal(filled("smtpd"), "certificate.0=one certificate.1=two ");
	assert_false(certificates_look(&h.m));
	write_file("a.key", "new");
	assert_true(certificates_look(&h.m));
	assert_string_equal(filled("smtpd"), "certificate.0=new certificate.1=two ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_pairs, tear_down_pairs)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(each_program_gets_the_files_of_its_row),
		TEST(a_copy_stays_what_was_checked),
		TEST(what_is_no_pair_is_refused_by_its_name),
		TEST(a_file_that_cannot_be_read_is_refused),
		TEST(a_new_pair_is_found_and_the_keys_before_are_kept),
		TEST(half_of_a_pair_changes_nothing_until_the_other_comes),
	};

	(void)argc;
	if (strcmp(argv[0], "signer") == 0)
		judge();
	stand_in_if_called_so(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
