/*
 * tls - tickets of the addresses: whether there are any, and how long their keys are good
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/tls/certificate.h"
#include "smtpd/tls.h"
#include "tests/unit/tls/harness.h"

#define TURNS_MAX 20

static struct config_listen listens[] = {
	{.name = (char[]){"mx"}, .role = CONFIG_MX, .tls = {.pair_count = 1}},
	{.name = (char[]){"submission"}, .role = CONFIG_SUBMISSION, .tls = {.pair_count = 1}},
	{.name = (char[]){"plain"}, .role = CONFIG_MX},
};

/*
 * Nobody signs here: the certificate's key is not at hand.  A pre-shared secret in its place makes a handshake without a signature, after which
 * tickets are given as after any other.
 */
static int
start(void **state)
{
	static struct start s;
	static struct config c = {.listens = listens, .listen_count = 3, .pair_count = 1};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = make_certificate(key, "DNS:mx.example", 3600);
	struct span text = pem_certificates(&x, 1);

	(void)state;
	s.files[0] = (struct start_file){.name = "certificate.0",
					 .fd = memfd_create("certificate", MFD_CLOEXEC)};
	s.file_count = 1;
	assert_int_equal(write(s.files[0].fd, text.at, text.len), text.len);
	tls_start(&s, &c);
	X509_free(x);
	EVP_PKEY_free(key);
	return 0;
}

static const unsigned char secret[32] = "a secret that both of them have";

static SSL_SESSION *
shared(SSL *ssl)
{
	const unsigned char id[2] = {0x13, 0x01}; /* TLS_AES_128_GCM_SHA256 */
	SSL_SESSION *s = SSL_SESSION_new();

	assert_int_equal(SSL_SESSION_set1_master_key(s, secret, sizeof(secret)), 1);
	assert_int_equal(SSL_SESSION_set_cipher(s, SSL_CIPHER_find(ssl, id)), 1);
	assert_int_equal(SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION), 1);
	return s;
}

static int
client_secret(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *len, SSL_SESSION **s)
{
	(void)md;
	*id = (const unsigned char *)"us";
	*len = 2;
	*s = shared(ssl);
	return 1;
}

static int
server_secret(SSL *ssl, const unsigned char *id, size_t len, SSL_SESSION **s)
{
	*s = len == 2 && memcmp(id, "us", 2) == 0 ? shared(ssl) : NULL;
	return 1;
}

static SSL_SESSION *kept;

static int
keep(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(kept);
	/* a copy: that of a connection that was not shut down is thrown away */
	kept = SSL_SESSION_dup(s);
	return 0;
}

/* one handshake, with `ticket` where there is one; the newest ticket is in `kept` afterwards.  -1: it failed; 1: resumed by the ticket */
static int
shake(const struct tls_address *a, SSL_SESSION *ticket)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *server = tls_new(a), *client;
	BIO *one, *two;
	int s = 0, c = 0;
	char byte;

	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, keep);
	/* the hash of the secret's cipher */
	assert_int_equal(SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256"), 1);
	client = SSL_new(context);
	SSL_set_connect_state(client);
	if (ticket == NULL) {
		SSL_set_psk_use_session_callback(client, client_secret);
		SSL_set_psk_find_session_callback(server, server_secret);
	} else {
		SSL_SESSION *copy = SSL_SESSION_dup(ticket);
		SSL_set_session(client, copy);
		SSL_SESSION_free(copy);
	}
	assert_int_equal(BIO_new_bio_pair(&one, 0, &two, 0), 1);
	SSL_set_bio(client, one, one);
	SSL_set_bio(server, two, two);
	for (int i = 0; i < TURNS_MAX && !(s == 1 && c == 1); i++) {
		c = SSL_do_handshake(client);
		s = SSL_do_handshake(server);
	}
	(void)SSL_read(client, &byte, 1); /* takes tickets in */
	int result = s == 1 && c == 1 ? SSL_session_reused(client) : -1;
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(context);
	return result;
}

static void
addresses_are_found_and_one_without_a_certificate_has_none(void **state)
{
	(void)state;
	assert_non_null(tls_find(&listens[0]));
	assert_non_null(tls_find(&listens[1]));
	assert_null(tls_find(&listens[2]));
	assert_true(tls_has_tickets());
}

static void
other_hosts_get_no_tickets(void **state)
{
	(void)state;
	assert_int_not_equal(shake(tls_find(&listens[0]), NULL), -1);
	assert_null(kept);
}

static void
a_ticket_is_taken_for_two_hours_and_not_for_three(void **state)
{
	const struct tls_address *a = tls_find(&listens[1]);

	(void)state;
	assert_int_not_equal(shake(a, NULL), -1);
	assert_non_null(kept);
	SSL_SESSION *first = SSL_SESSION_dup(kept);
	assert_int_equal(shake(a, first), 1);
	tls_renew_tickets();
	assert_int_equal(shake(a, first), 1);
	tls_renew_tickets();
	/* it would have to sign now, and nobody does here */
	assert_int_equal(shake(a, first), -1);
	SSL_SESSION_free(first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_found_and_one_without_a_certificate_has_none),
		cmocka_unit_test(other_hosts_get_no_tickets),
		cmocka_unit_test(a_ticket_is_taken_for_two_hours_and_not_for_three),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
