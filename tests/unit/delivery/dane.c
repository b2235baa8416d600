/*
 * dane - who is believed by TLSA records: the vectors of OpenSSL's own test and of two real hosts, as SMTP has them (RFC 7672)
 *
 * The vectors are in the optional folder of data: each is records, certificates, and what comes of them.  SMTP differs in one point:
 * usages 0 and 1 are unusable (RFC 7672, section 3.1.3), so that what they alone tell of is not verified, and they add nothing to others.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery/tls.h"

#define LINE_MAX_BYTES 16384
#define CHAIN_MAX 8

static const struct config_hop_tls settings = {.dane = true, .policy = CONFIG_TLS_OLD};

struct vector {
	int records, certificates, ignores_names, verdict, depth;
	struct resolver_record list[DANE_RECORDS_MAX];
	char data[DANE_RECORDS_MAX][LINE_MAX_BYTES / 2];
	bool has_pkix; /* a usage that SMTP does not know */
	X509 *chain[CHAIN_MAX];
};

static char line[LINE_MAX_BYTES];

static int
start(void **state)
{
	static const struct config config = {.hostname = NULL};

	(void)state;
	tls_start(&config);
	return 0;
}

static bool
next_line(FILE *file)
{
	while (fgets(line, sizeof(line), file) != NULL)
		if (line[0] != '#' && line[0] != '\n' && line[0] != '\0')
			return true;
	return false;
}

/* USAGE SELECTOR MATCHING HEX as RDATA */
static void
take_record(struct vector *v, int n)
{
	unsigned numbers[3], byte;
	int used = 0;
	size_t len = 3;
	const char *at;

	assert_int_equal(sscanf(line, "%u %u %u %n", &numbers[0], &numbers[1], &numbers[2], &used),
			 3);
	for (size_t i = 0; i < 3; i++)
		v->data[n][i] = (char)numbers[i];
	for (at = line + used; sscanf(at, "%2x", &byte) == 1; at += 2)
		v->data[n][len++] = (char)byte;
	v->has_pkix |= numbers[0] < DANE_TA;
	v->list[n] = (struct resolver_record){.name = SPAN_NONE, .data = {v->data[n], len}};
}

static bool
next_vector(FILE *file, struct vector *v)
{
	*v = (struct vector){.depth = -1};
	if (!next_line(file))
		return false;
	assert_int_equal(sscanf(line, "%d %d %d %d %d", &v->records, &v->certificates,
				&v->ignores_names, &v->verdict, &v->depth),
			 5);
	assert_in_range(v->records, 0, DANE_RECORDS_MAX);
	assert_in_range(v->certificates, 1, CHAIN_MAX);
	for (int i = 0; i < v->records; i++) {
		assert_true(next_line(file));
		take_record(v, i);
	}
	for (int i = 0; i < v->certificates; i++) {
		v->chain[i] = PEM_read_X509(file, NULL, NULL, NULL);
		assert_non_null(v->chain[i]);
	}
	return true;
}

/* what OpenSSL does with a chain within a handshake */
static long
verify(SSL *ssl, X509 *const chain[], int count)
{
	X509_STORE_CTX *store = X509_STORE_CTX_new();
	STACK_OF(X509) *rest = sk_X509_new_null();
	long verdict;

	for (int i = 0; i < count; i++)
		sk_X509_push(rest, chain[i]);
	assert_int_equal(X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)),
					     chain[0], rest),
			 1);
	X509_STORE_CTX_set_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx(), ssl);
	X509_STORE_CTX_set_default(store, "ssl_server");
	X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(store), SSL_get0_param(ssl));
	X509_STORE_CTX_set0_dane(store, SSL_get0_dane(ssl));
	(void)X509_verify_cert(store);
	verdict = X509_STORE_CTX_get_error(store);
	SSL_set_verify_result(ssl, verdict);
	X509_STORE_CTX_free(store);
	sk_X509_free(rest);
	ERR_clear_error();
	return verdict;
}

/* -1: there is nothing to be verified by, encryption is all that is demanded */
static long
judge(const struct resolver_record *records, size_t count, X509 *const chain[], int certificates,
      const char *host, int *depth)
{
	struct resolver_found found = {.records = (struct resolver_record *)(uintptr_t)records,
				       .count = count};
	struct dane dane = {.base = span_of(host), .text = SPAN_NONE};
	struct policy policy;
	long verdict = -1;
	SSL *ssl;

	*depth = -1;
	dane_take(&found, &dane);
	policy_decide(&(struct policy_question){.tls = &settings,
						.domain = SPAN_NONE,
						.host = span_of(host),
						.is_secure = true,
						.is_tcp = true,
						.dane = &dane},
		      &policy);
	if (policy.level != POLICY_DANE)
		return -1;
	ssl = tls_new(&(struct tls_demand){&settings, &policy, host});
	assert_non_null(ssl);
	if (SSL_get_verify_mode(ssl) == SSL_VERIFY_PEER) {
		verdict = verify(ssl, chain, certificates);
		*depth = SSL_get0_dane_authority(ssl, NULL, NULL);
	}
	SSL_free(ssl);
	return verdict;
}

static FILE *
open_data(const char *name)
{
	const char *folder = getenv("CULVER_TEST_DATA");
	char path[4096];

	snprintf(path, sizeof(path), "%s/dane/%s", folder != NULL ? folder : "../shared/data",
		 name);
	return fopen(path, "r");
}

static void
vectors_of(const char *name, const char *host)
{
	static struct vector v;
	FILE *file = open_data(name);
	int count = 0, same = 0, usages = 0;

	if (file == NULL)
		skip();
	for (; next_vector(file, &v); count++) {
		int depth;
		long verdict =
			judge(v.list, (size_t)v.records, v.chain, v.certificates, host, &depth);

		if (verdict == v.verdict && (verdict != X509_V_OK || depth == v.depth)) {
			same++;
		} else if (v.has_pkix) {
			/* usages 0 and 1: nothing is to be matched, or only the others are */
			assert_true(verdict == -1 || verdict == X509_V_ERR_DANE_NO_MATCH);
			usages++;
		} else {
			/* records that tell of nothing: encryption is demanded, whoever it is */
			print_message("%s: vector %d: %ld at %d, there %d at %d\n", name, count + 1,
				      verdict, depth, v.verdict, v.depth);
			fail();
		}
		for (int i = 0; i < v.certificates; i++)
			X509_free(v.chain[i]);
	}
	fclose(file);
	print_message("%s: %d vectors, %d as there, %d differ by usages 0 and 1\n", name, count,
		      same, usages);
	assert_true(count > 0);
}

static void
openssl_vectors(void **state)
{
	(void)state;
	vectors_of("openssl/danetest.in", "example.com");
}

static void
openssl_vectors_of_a_cross_certificate(void **state)
{
	(void)state;
	vectors_of("openssl/dane-cross.in", "server.example");
}

/* its certificates have run out since, which DANE-EE does not mind */
static void
real_hosts_match_their_records(void **state)
{
	static const struct {
		const char *host;
		int certificates;
	} hosts[] = {{"internet.nl", 2}, {"mail.ietf.org", 4}};
	static struct vector v;
	FILE *dns = open_data("stalwart/dns.txt");

	(void)state;
	if (dns == NULL)
		skip();
	for (size_t h = 0; h < 2; h++) {
		v = (struct vector){.records = 0};
		rewind(dns);
		while (next_line(dns)) {
			char owner[300], *rest = strstr(line, " ");

			snprintf(owner, sizeof(owner), "_25._tcp.%s ", hosts[h].host);
			if (strncmp(line, owner, strlen(owner)) != 0 || rest == NULL)
				continue;
			memmove(line, rest + 1, strlen(rest));
			take_record(&v, v.records++);
		}
		for (int i = 0; i < hosts[h].certificates; i++) {
			char name[300];
			FILE *file;

			snprintf(name, sizeof(name), "stalwart/%s.%d.cert", hosts[h].host, i);
			file = open_data(name);
			assert_non_null(file);
			v.chain[i] = d2i_X509_fp(file, NULL);
			if (v.chain[i] == NULL) {
				rewind(file);
				v.chain[i] = PEM_read_X509(file, NULL, NULL, NULL);
			}
			assert_non_null(v.chain[i]);
			fclose(file);
		}
		assert_true(v.records > 0);
		/* each record alone, too */
		for (int i = 0; i < v.records; i++) {
			int depth;
			long verdict = judge(&v.list[i], 1, v.chain, hosts[h].certificates,
					     hosts[h].host, &depth);
			bool is_ee = v.data[i][0] == DANE_EE;

			print_message("%s: record %d (usage %d): %ld\n", hosts[h].host, i + 1,
				      v.data[i][0], verdict);
			if (is_ee)
				assert_int_equal(verdict, X509_V_OK);
			else
				assert_true(verdict == X509_V_OK ||
					    verdict == X509_V_ERR_CERT_HAS_EXPIRED);
		}
		assert_int_equal(judge(v.list, (size_t)v.records, v.chain, hosts[h].certificates,
				       hosts[h].host, &(int){0}),
				 X509_V_OK);
		for (int i = 0; i < hosts[h].certificates; i++)
			X509_free(v.chain[i]);
	}
	fclose(dns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_vectors),
		cmocka_unit_test(openssl_vectors_of_a_cross_certificate),
		cmocka_unit_test(real_hosts_match_their_records),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
