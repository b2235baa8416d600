/*
 * tls - see tls.h; called by main.c, listener.c and starttls.c
 *
 * The policies are those of Mozilla's "Server Side TLS" as far as they are TLS 1.2 and 1.3.  Key exchange is by elliptic curves alone, in all of them: signer
 * signs, and does not decrypt.  For the same reason `old` has no TLS 1.0 and 1.1, whose signatures are over MD5 and SHA-1.
 *
 * Tickets (RFC 5077; RFC 8446, section 4.6.1) are for addresses of submission, where the same users come again and again; other hosts that
 * bring mail get none, nor do clients that show certificates: what was verified at one address would count at another.  Their keys live in the memory of the listener and its sessions alone, for two hours at most.
 */
#include "smtpd/tls.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/fatal.h"
#include "common/tls/authorities.h"
#include "common/tls/certificate.h"
#include "common/tls/remote-key.h"
#include "smtpd/client-certificate.h"
#include "smtpd/signing.h"

/* no `const`: OpenSSL's macros cast it away */
static char groups[] = "X25519:P-256:P-384";
static char schemes[] =
	"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:RSA-PSS+SHA256:RSA-PSS+SHA384:"
	"RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
#define CIPHERS \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define OLD_CIPHERS \
	"ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:" \
	"ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:" \
	"ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"

/* a certificate, and the key that another process has */
struct pair {
	struct certificate certificate;
	EVP_PKEY *key;
	const char *name; /* the first host it names; NULL: none */
};

struct tls_address {
	const struct config_listen *listen;
	bool has_tickets;
	SSL_CTX *context;
};

struct ticket_key {
	unsigned char name[16], cipher[32], mac[32];
};

static struct pair pairs[CONFIG_PAIRS_MAX];
static struct authorities authorities[CONFIG_AUTHORITIES_MAX];
static struct tls_address addresses[CONFIG_LISTENS_MAX];
static size_t address_count;
static struct ticket_key ticket_keys[2]; /* of this hour, and of the one before */
static EVP_CIPHER *ticket_cipher;

/* ---- certificates ---- */

/* a file of the row; the caller frees the text */
static struct span
read_file(const struct start *s, const char *kind, size_t number, char name[START_NAME_MAX])
{
	struct stat st;
	ssize_t n = -1;
	char *text = NULL;

	snprintf(name, START_NAME_MAX, "%s.%u", kind, (unsigned)number);
	int fd = start_file(s, name);
	if (fstat(fd, &st) == 0 && st.st_size <= (off_t)CERTIFICATE_FILE_MAX)
		text = malloc((size_t)st.st_size + 1);
	if (text != NULL)
		n = pread(fd, text, (size_t)st.st_size, 0);
	if (n < 0)
		fatal(EXIT_OS, errno, "%s", name);
	close(fd);
	return span_from(text, (size_t)n);
}

static void
read_authorities(const struct start *s, size_t number)
{
	char name[START_NAME_MAX];
	struct span text = read_file(s, "client-ca", number, name);
	const char *wrong = authorities_read(text, &authorities[number]);

	free((char *)(uintptr_t)text.at);
	if (wrong != NULL)
		fatal(EXIT_CONFIGURATION, 0, "%s: %s", name, wrong);
}

static void
read_pair(const struct start *s, size_t number)
{
	char name[START_NAME_MAX];
	struct span text = read_file(s, "certificate", number, name);
	struct pair *p = &pairs[number];
	const char *wrong = certificate_read(text, &p->certificate);

	free((char *)(uintptr_t)text.at);
	if (wrong != NULL)
		fatal(EXIT_CONFIGURATION, 0, "%s: %s", name, wrong);
	p->key = remote_key_new(p->certificate.public, p->certificate.key);
	if (p->key == NULL)
		fatal(EXIT_OS, 0, "%s: its key cannot be used", name);
	p->name = certificate_first_name(&p->certificate);
	if (p->name != NULL && (p->name = strdup(p->name)) == NULL)
		fatal(EXIT_OS, errno, "%s", name);
}

/*
 * all that are for that host, so that the client's algorithms decide between RSA and ECDSA; false: none is, or memory is out
 *
 * Of two with keys of one type the first is shown: the last that is set stays.  A context (`ssl` NULL) has the default at least.
 */
static bool
use_pairs(SSL *ssl, SSL_CTX *context, const struct config_tls *tls, const char *host)
{
	bool is_used = false;

	for (size_t i = tls->pair_count; i-- > 0;) {
		const struct pair *p = &pairs[tls->pairs[i]];
		const struct certificate *c = &p->certificate;
		bool is_default = ssl == NULL && i == 0;

		if (!is_default && (host == NULL || !certificate_names(c, host)))
			continue;
		if ((ssl != NULL ? SSL_use_cert_and_key(ssl, c->leaf, p->key, c->chain, 1)
				 : SSL_CTX_use_cert_and_key(context, c->leaf, p->key, c->chain,
							    1)) != 1)
			return false;
		is_used = true;
	}
	return is_used;
}

/* RFC 6066, section 3: the client names a host; a name that is none of ours gets the default, as a client without one */
static int
choose(SSL *ssl, void *owner)
{
	const struct tls_address *a = owner;
	const struct config_tls *tls = &a->listen->tls;
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (host == NULL || certificate_names(&pairs[tls->pairs[0]].certificate, host))
		return 1;
	for (size_t i = 1; i < tls->pair_count; i++) {
		if (!certificate_names(&pairs[tls->pairs[i]].certificate, host))
			continue;
		SSL_certs_clear(ssl);
		return use_pairs(ssl, NULL, tls, host);
	}
	return 1;
}

/* ---- tickets ---- */

void
tls_renew_tickets(void)
{
	ticket_keys[1] = ticket_keys[0];
	if (RAND_bytes((unsigned char *)&ticket_keys[0], sizeof(ticket_keys[0])) != 1)
		fatal(EXIT_OS, 0, "no random bytes for the keys of tickets");
}

bool
tls_has_tickets(void)
{
	return ticket_cipher != NULL;
}

static bool
set_mac(EVP_MAC_CTX *mac, struct ticket_key *k)
{
	static char hash[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof(k->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 done, 2 done and a new ticket is due, 0 no such key, -1 failed */
static int
ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
       EVP_MAC_CTX *mac, int makes)
{
	struct ticket_key *k = &ticket_keys[0];
	int outcome = 1;

	(void)ssl;
	if (makes != 0) {
		memcpy(name, k->name, sizeof(k->name));
		if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(ticket_cipher)) != 1)
			return -1;
	} else if (memcmp(name, k->name, sizeof(k->name)) != 0) {
		k = &ticket_keys[1];
		outcome = 2;
		if (memcmp(name, k->name, sizeof(k->name)) != 0)
			return 0;
	}
	return EVP_CipherInit_ex2(cipher, ticket_cipher, k->cipher, iv, makes, NULL) == 1 &&
			       set_mac(mac, k)
		       ? outcome
		       : -1;
}

/* ---- an address ---- */

static bool
set_policy(SSL_CTX *c, enum config_tls_policy policy)
{
	switch (policy) {
	case CONFIG_TLS_MODERN:
		return SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1;
	case CONFIG_TLS_INTERMEDIATE:
		return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
		       SSL_CTX_set_cipher_list(c, CIPHERS) == 1;
	case CONFIG_TLS_OLD:
		SSL_CTX_set_options(c, SSL_OP_CIPHER_SERVER_PREFERENCE);
		return SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1 &&
		       SSL_CTX_set_cipher_list(c, CIPHERS ":" OLD_CIPHERS) == 1;
	}
	return false;
}

static bool
set_tickets(SSL_CTX *c, bool has_tickets)
{
	static const unsigned char place[] = "culver";

	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	if (!has_tickets) {
		SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(c, 0) == 1;
	}
	if (ticket_cipher == NULL)
		ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	SSL_CTX_set_timeout(c, TLS_TICKETS_MS / 1000);
	return ticket_cipher != NULL &&
	       SSL_CTX_set_session_id_context(c, place, sizeof(place) - 1) == 1 &&
	       SSL_CTX_set_tlsext_ticket_key_evp_cb(c, ticket) == 1;
}

static void
add_address(const struct config_listen *listen)
{
	struct tls_address *a = &addresses[address_count++];
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	*a = (struct tls_address){.listen = listen,
				  .has_tickets = listen->role != CONFIG_MX &&
						 listen->tls.client == CONFIG_CLIENT_NONE,
				  .context = c};
	if (c == NULL || !set_policy(c, listen->tls.policy) || !set_tickets(c, a->has_tickets) ||
	    SSL_CTX_set1_groups_list(c, groups) != 1 ||
	    SSL_CTX_set1_sigalgs_list(c, schemes) != 1 ||
	    client_certificate_ask(c, &listen->tls, &authorities[listen->tls.authority]) != 0 ||
	    !use_pairs(NULL, c, &listen->tls, pairs[listen->tls.pairs[0]].name)) {
		char text[256];
		ERR_error_string_n(ERR_get_error(), text, sizeof(text));
		fatal(EXIT_OS, 0, "TLS of %s: %s", listen->name, text);
	}
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				       SSL_OP_IGNORE_UNEXPECTED_EOF |
				       SSL_OP_CLEANSE_PLAINTEXT); /* passwords (login.c) */
	SSL_CTX_set_cert_cb(c, choose, a);
}

/*
 * warm_up - a handshake in memory, up to the signature, which nobody makes here
 *
 * OpenSSL looks algorithms up at their first use: a session finds them in the memory that it inherits (docs/performance.md).
 */
static void
warm_up(const struct tls_address *a)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *client = context != NULL ? SSL_new(context) : NULL, *server = tls_new(a);
	BIO *one = NULL, *two = NULL;

	if (client != NULL && server != NULL && BIO_new_bio_pair(&one, 0, &two, 0) == 1) {
		SSL_set_connect_state(client);
		SSL_set_bio(client, one, one);
		SSL_set_bio(server, two, two);
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(context);
	ERR_clear_error();
}

void
tls_start(const struct start *s, const struct config *c)
{
	if (c->pair_count == 0)
		return;
	/* no file of configuration, engines or modules is looked for */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
		fatal(EXIT_OS, 0, "OpenSSL does not start");
	if (remote_key_start(&signing_signer) != 0)
		fatal(EXIT_OS, 0, "OpenSSL does not take keys of another process");
	for (size_t i = 0; i < c->pair_count; i++)
		read_pair(s, i);
	for (size_t i = 0; i < c->authority_count; i++)
		read_authorities(s, i);
	for (size_t i = 0; i < c->listen_count; i++)
		if (c->listens[i].tls.pair_count > 0)
			add_address(&c->listens[i]);
	if (tls_has_tickets())
		tls_renew_tickets();
	if (address_count > 0)
		warm_up(&addresses[0]);
	signing_start(start_path(s, "signer"));
}

/* ---- for sessions ---- */

const struct tls_address *
tls_find(const struct config_listen *listen)
{
	for (size_t i = 0; i < address_count; i++)
		if (addresses[i].listen == listen)
			return &addresses[i];
	return NULL;
}

SSL *
tls_new(const struct tls_address *a)
{
	SSL *ssl = SSL_new(a->context);

	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	return ssl;
}

uint64_t
tls_key(const struct tls_address *a)
{
	return pairs[a->listen->tls.pairs[0]].certificate.key;
}
