/*
 * vectors - whole exchanges with given nonces and salts come out byte for byte
 *
 * Those of RFC 5802, section 5, and RFC 7677, section 3; read from the optional data folder too, as the RFCs print them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/auth/client.h"

#include "auth/sasl.h"

#define LINES_MAX 4
#define TEXT_MAX 1000

/* C, S, C, S */
struct vector {
	bool is_sha1;
	char lines[LINES_MAX][TEXT_MAX];
};

static const struct vector vectors[] = {
	{true,
	 {"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	  "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
	  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	  "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="}},
	{false,
	 {"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
	  "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	  "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	  "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}},
};

/* the account of the vector: its salt and iterations, with the keys of "pencil" */
static enum sasl_found
find(void *owner, struct span login, enum verifier_hash hash, struct verifier *v)
{
	const struct vector *vector = owner;
	struct span rest = span_of(vector->lines[1]);
	unsigned char salted[64], key[64];
	const EVP_MD *md = vector->is_sha1 ? EVP_sha1() : EVP_sha256();
	int size = EVP_MD_get_size(md);

	assert_true(span_equal(login, SPAN("user")));
	*v = (struct verifier){.hash = hash, .iterations = 4096};
	(void)span_cut(&rest, ',');
	int len = base64_decode(span_skip(span_cut(&rest, ','), 2), v->salt, sizeof(v->salt));
	assert_true(len > 0);
	v->salt_len = (size_t)len;
	PKCS5_PBKDF2_HMAC("pencil", -1, v->salt, len, 4096, md, size, salted);
	HMAC(md, salted, size, (const unsigned char *)"Client Key", 10, key, NULL);
	EVP_Digest(key, (size_t)size, v->stored_key, NULL, md, NULL);
	HMAC(md, salted, size, (const unsigned char *)"Server Key", 10, v->server_key, NULL);
	return SASL_FOUND;
}

static bool
may_guess(void *owner, const char *login)
{
	(void)owner;
	(void)login;
	return true;
}

static void
check(const struct vector *v)
{
	static const unsigned char nonce[SASL_NONCE_SIZE];
	struct vector copy = *v;
	const struct sasl_source source = {.owner = &copy, .find = find, .may_guess = may_guess};
	struct span client_nonce = span_of(strrchr(v->lines[0], ',') + 3);
	struct span server_nonce = span_of(v->lines[1]);
	struct sasl_exchange x;
	struct sasl_result r;

	server_nonce = span_skip(span_cut(&server_nonce, ','), 2 + client_nonce.len);
	sasl_start(&x, v->is_sha1 ? AUTH_SCRAM_SHA_1 : AUTH_SCRAM_SHA_256, nonce);
	assert_int_equal(span_copy(server_nonce, x.nonce, sizeof(x.nonce)), 0);
	for (int i = 0; i < LINES_MAX; i += 2) {
		struct span line = span_of(v->lines[i]);
		sasl_step(&x, &line, &source, &r);
		assert_int_equal(r.outcome, SASL_CHALLENGE);
		assert_int_equal(r.len, strlen(v->lines[i + 1]));
		assert_memory_equal(r.data, v->lines[i + 1], r.len);
	}
	struct span nothing = SPAN("");
	sasl_step(&x, &nothing, &source, &r);
	assert_int_equal(r.outcome, SASL_SUCCESS);
	assert_string_equal(x.login, "user");
}

static void
the_exchanges_of_the_rfcs_come_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		check(&vectors[i]);
}

/* "   C: text" and what follows it until an empty line or the next; false: there is none of them */
static bool
read_vector(FILE *f, struct vector *v)
{
	char line[200];
	int n = -1;

	while (fgets(line, sizeof(line), f) != NULL) {
		struct span text = span_trim(span_from(line, strcspn(line, "\r\n")));
		bool is_new = span_starts(text, SPAN("C: ")) || span_starts(text, SPAN("S: "));

		if (is_new && ++n == LINES_MAX)
			break;
		if (text.len == 0 && n == LINES_MAX - 1)
			break;
		if (is_new)
			text = span_skip(text, 3);
		if (n >= 0 && text.len > 0) {
			size_t have = strlen(v->lines[n]);
			assert_int_equal(
				span_copy(text, v->lines[n] + have, sizeof(v->lines[n]) - have), 0);
		}
	}
	return n >= LINES_MAX - 1;
}

static void
the_exchanges_of_the_data_folder_come_out(void **state)
{
	static const char *const names[] = {"rfc5802-section5.txt", "rfc7677-section3.txt"};
	const char *folder = getenv("CULVER_TEST_DATA");
	int count = 0;
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct vector v = {.is_sha1 = i == 0};
		char path[500];
		snprintf(path, sizeof(path), "%s/sasl/%s",
			 folder != NULL ? folder : "../shared/data", names[i]);
		FILE *f = fopen(path, "re");
		if (f == NULL)
			continue;
		assert_true(read_vector(f, &v));
		fclose(f);
		check(&v);
		count++;
	}
	printf("sasl: %d of the data folder's 2 exchanges came out\n", count);
	if (count == 0)
		skip();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exchanges_of_the_rfcs_come_out),
		cmocka_unit_test(the_exchanges_of_the_data_folder_come_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
