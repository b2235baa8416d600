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
#include "tests/unit/auth/scram-vectors.h"

#include "auth/sasl.h"

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
	for (int i = 0; i < VECTOR_LINES; i += 2) {
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

static void
the_exchanges_of_the_data_folder_come_out(void **state)
{
	int count = each_vector_of_the_folder(check);

	(void)state;
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
