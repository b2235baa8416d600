/*
 * tls - see tls.h; called by main.c, starttls.c, connect.c and the probes of verify
 */
#include "delivery/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/text/checksum.h"

#define AUTHORITIES_MAX (16u << 20) /* bytes of a file */
#define SESSIONS_MAX 8		    /* hosts whose session an agent keeps */
#define POLICIES 3

/* as in smtpd/tls.c: what is good today */
#define CIPHERS \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* anything that keeps somebody who only listens out is more than plain text (RFC 7435) */
#define OLD_CIPHERS "DEFAULT:@SECLEVEL=0"

/* a file of certificates */
struct authorities {
	const char *path;
	X509_STORE *store;
};

struct kept_session {
	char host[JOBS_HOST_MAX + 1];
	uint64_t demand; /* a checksum of it */
	SSL_SESSION *session;
};

static SSL_CTX *contexts[POLICIES];
static struct authorities *authorities;
static size_t authority_count;
static struct kept_session sessions[SESSIONS_MAX];
static size_t next_session;
static int session_index; /* of SSL_get_ex_data: the kept_session that a new ticket is for */
static int end_index;	  /* the tls_end of the handshake under way */

/* ---- authorities ---- */

static char *
read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL;
	ssize_t n = -1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size <= (off_t)AUTHORITIES_MAX)
		text = malloc((size_t)st.st_size + 1);
	else
		errno = EFBIG;
	if (text != NULL)
		n = read(fd, text, (size_t)st.st_size);
	close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	*len = (size_t)n;
	return text;
}

/* each certificate of a text; NULL: memory is out */
static X509_STORE *
store_new(const char *pem, size_t len)
{
	BIO *bio = BIO_new_mem_buf(pem, (int)len);
	X509_STORE *store = X509_STORE_new();
	X509 *certificate;

	while (bio != NULL && store != NULL &&
	       (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		/* one that is there twice is no matter */
		(void)X509_STORE_add_cert(store, certificate);
		X509_free(certificate);
	}
	BIO_free(bio);
	ERR_clear_error();
	return store;
}

static struct authorities *
authorities_of(const struct config_hop_tls *tls)
{
	const char *path = tls->ca != NULL ? tls->ca : TLS_SYSTEM_CA;

	for (size_t i = 0; i < authority_count; i++)
		if (strcmp(authorities[i].path, path) == 0)
			return &authorities[i];
	return NULL;
}

static void
hold_authorities(const struct config_hop_tls *tls)
{
	struct authorities a = {.path = tls->ca != NULL ? tls->ca : TLS_SYSTEM_CA};
	struct authorities *more;
	size_t len = 0;
	char *pem;

	/* who is never to be verified needs none; all others may be, for a sender who says REQUIRETLS */
	if (tls->level == CONFIG_HOP_NONE || authorities_of(tls) != NULL)
		return;
	pem = read_file(a.path, &len);
	if (pem == NULL) {
		EVENT("authorities-unread", event_string("file", a.path),
		      event_string("reason", strerror(errno)));
		return;
	}
	a.store = store_new(pem, len);
	free(pem);
	more = realloc(authorities, (authority_count + 1) * sizeof(*authorities));
	if (more == NULL || a.store == NULL)
		fatal(EXIT_OS, errno, "%s", a.path);
	authorities = more;
	authorities[authority_count++] = a;
}

/* ---- contexts ---- */

/* SSL_CTX_sess_set_new_cb(3): 1 takes the session over */
static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct kept_session *k = SSL_get_ex_data(ssl, session_index);

	if (k == NULL || SSL_SESSION_is_resumable(session) != 1)
		return 0;
	SSL_SESSION_free(k->session);
	k->session = session;
	return 1;
}

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
		return SSL_CTX_set_min_proto_version(c, TLS1_VERSION) == 1 &&
		       SSL_CTX_set_cipher_list(c, OLD_CIPHERS) == 1;
	}
	return false;
}

static SSL_CTX *
new_context(enum config_tls_policy policy)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	if (c == NULL || !set_policy(c, policy) || SSL_CTX_dane_enable(c) != 1) {
		char text[256];
		ERR_error_string_n(ERR_get_error(), text, sizeof(text));
		fatal(EXIT_OS, 0, "TLS of next hops: %s", text);
	}
	/* RFC 7672, section 3.1.1: what DANE-EE tells of is whom it tells of, whatever names are in it */
	SSL_CTX_dane_set_flags(c, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				       SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CLEANSE_PLAINTEXT);
	/* a reply is one receive, not one for the head of its record and one for the rest */
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, keep_session);
	return c;
}

/* a first message in memory: OpenSSL looks algorithms up at their first use, and agents find them in the memory that they inherit */
static void
warm_up(SSL_CTX *context)
{
	SSL *ssl = SSL_new(context);
	BIO *one = NULL, *two = NULL;

	if (ssl != NULL && BIO_new_bio_pair(&one, 0, &two, 0) == 1) {
		SSL_set_connect_state(ssl);
		SSL_set_bio(ssl, one, one);
		(void)SSL_do_handshake(ssl);
	}
	SSL_free(ssl);
	BIO_free(two);
	ERR_clear_error();
}

/* does mail of the domain go on to other hosts? */
static bool
has_hops(const struct config_domain *d)
{
	bool has = d->relay != NULL || d->deliver.hops != NULL;

	for (size_t i = 0; i < d->delivery_count; i++)
		has = has || d->deliveries[i].hops != NULL;
	return has;
}

/* `each` sees how TLS is spoken by each block that has next hops */
static void
each_block(const struct config *c, void (*each)(const struct config_hop_tls *tls))
{
	each(config_hop_tls_of(c, SPAN("outbound")));
	for (size_t i = 0; i < c->route_count; i++)
		if (c->routes[i].hops != NULL)
			each(config_hop_tls_of(c, span_of(c->routes[i].name)));
	for (size_t i = 0; i < c->domain_count; i++)
		if (has_hops(&c->domains[i]))
			each(config_hop_tls_of(c, span_of(c->domains[i].names[0])));
}

static void
make_ready(const struct config_hop_tls *tls)
{
	if (tls->level == CONFIG_HOP_NONE)
		return;
	if (contexts[tls->policy] == NULL) {
		contexts[tls->policy] = new_context(tls->policy);
		warm_up(contexts[tls->policy]);
	}
	hold_authorities(tls);
}

void
tls_start(const struct config *config)
{
	/* no file of configuration, engines or modules is looked for */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
		fatal(EXIT_OS, 0, "OpenSSL does not start");
	session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	end_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	each_block(config, make_ready);
}

/* ---- sessions ---- */

/* equal for two demands of which a session of one proves what the other asks for */
static uint64_t
number_of(const struct tls_demand *demand)
{
	const struct policy *p = demand->policy;
	uint64_t numbers[4 + POLICY_NAMES_MAX + DANE_RECORDS_MAX];
	size_t n = 0;

	numbers[n++] = p->level;
	numbers[n++] = p->is_tested;
	numbers[n++] = demand->config->policy;
	numbers[n++] = checksum_of(p->server_name.at, p->server_name.len);
	for (size_t i = 0; i < p->name_count; i++)
		numbers[n++] = checksum_of(p->names[i].at, p->names[i].len);
	for (size_t i = 0; p->dane != NULL && i < p->dane->count; i++) {
		const struct dane_record *r = &p->dane->records[i];

		numbers[n++] = checksum_of(r->data.at, r->data.len) ^
			       (uint64_t)(r->usage << 16 | r->selector << 8 | r->matching);
	}
	return checksum_of((const char *)numbers, n * sizeof(numbers[0]));
}

/* the place of its session; that of another one may be taken for it */
static struct kept_session *
session_of(const struct tls_demand *demand)
{
	uint64_t number = number_of(demand);
	struct kept_session *k;

	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].demand == number && strcmp(sessions[i].host, demand->host) == 0)
			return &sessions[i];
	k = &sessions[next_session++ % SESSIONS_MAX];
	SSL_SESSION_free(k->session);
	*k = (struct kept_session){.demand = number};
	snprintf(k->host, sizeof(k->host), "%s", demand->host);
	return k;
}

void
tls_forget(void)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		SSL_SESSION_free(sessions[i].session);
	memset(sessions, 0, sizeof(sessions));
}

/* ---- one handshake ---- */

/* a common name, printable ASCII */
static void
name_of(const X509_NAME *from, char to[TLS_NAME_MAX])
{
	int n = X509_NAME_get_text_by_NID(from, NID_commonName, to, TLS_NAME_MAX);

	if (n < 0)
		snprintf(to, TLS_NAME_MAX, "nobody named");
	for (char *c = to; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* SSL_set_verify(3): a certificate that is not believed is not there any more when the handshake has ended */
static int
look_at(int is_fine, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const X509 *certificate = X509_STORE_CTX_get0_cert(store);
	struct tls_end *end = SSL_get_ex_data(ssl, end_index);
	char subject[TLS_NAME_MAX], issuer[TLS_NAME_MAX];

	if (is_fine || end == NULL || certificate == NULL)
		return is_fine;
	name_of(X509_get_subject_name(certificate), subject);
	name_of(X509_get_issuer_name(certificate), issuer);
	snprintf(end->shown, sizeof(end->shown), "a certificate of %s, given by %s", subject,
		 issuer);
	return is_fine;
}

static bool
set_names(SSL *ssl, const struct policy *p)
{
	char name[RESOLVER_NAME_MAX + 1];

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	for (size_t i = 0; i < p->name_count; i++)
		if (span_copy(p->names[i], name, sizeof(name)) < 0 || SSL_add1_host(ssl, name) != 1)
			return false;
	return true;
}

static bool
set_dane(SSL *ssl, const struct policy *p)
{
	char base[RESOLVER_NAME_MAX + 1];
	bool is_usable = false;

	if (span_copy(p->dane->base, base, sizeof(base)) < 0 || SSL_dane_enable(ssl, base) != 1)
		return false;
	for (size_t i = 0; i < p->dane->count; i++) {
		const struct dane_record *r = &p->dane->records[i];

		if (SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching,
				      (const unsigned char *)r->data.at, r->data.len) > 0)
			is_usable = true;
	}
	/* dane_usable has seen that each is of use: where OpenSSL finds none of them so, nobody is believed */
	if (!is_usable)
		return false;
	SSL_set_verify(ssl, SSL_VERIFY_PEER, look_at);
	return true;
}

static bool
set_demand(SSL *ssl, const struct tls_demand *demand)
{
	const struct policy *p = demand->policy;
	char name[RESOLVER_NAME_MAX + 1];
	const struct authorities *believed;

	/* RFC 7672, section 8.1 and RFC 8461, section 4.2: who says who he is does so by TLS 1.2 at least */
	if (p->level >= POLICY_VERIFIED && demand->config->policy == CONFIG_TLS_OLD &&
	    SSL_set_min_proto_version(ssl, TLS1_2_VERSION) != 1)
		return false;
	if (p->level == POLICY_DANE && !set_dane(ssl, p))
		return false;
	if (span_copy(p->server_name, name, sizeof(name)) == 0 && name[0] != '\0' &&
	    SSL_set_tlsext_host_name(ssl, name) != 1)
		return false;
	if (!set_names(ssl, p))
		return false;
	if (p->level != POLICY_VERIFIED && !p->is_tested)
		return true;
	/* without a file nobody is */
	believed = authorities_of(demand->config);
	if (believed != NULL && SSL_set1_verify_cert_store(ssl, believed->store) != 1)
		return false;
	SSL_set_verify(ssl, p->is_tested ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, look_at);
	return true;
}

static enum policy_result
result_of(long verified)
{
	switch (verified) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return POLICY_RESULT_CERTIFICATE_HOST_MISMATCH;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return POLICY_RESULT_CERTIFICATE_EXPIRED;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_UNTRUSTED:
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
		return POLICY_RESULT_CERTIFICATE_NOT_TRUSTED;
	}
	return POLICY_RESULT_VALIDATION_FAILURE;
}

static void
tell_done(SSL *ssl, const struct policy *p, struct tls_end *end)
{
	bool is_verified = SSL_get_verify_mode(ssl) == SSL_VERIFY_PEER;
	long verified = SSL_get_verify_result(ssl);

	snprintf(end->text, sizeof(end->text), "%s %s %s", SSL_get_version(ssl),
		 SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)),
		 !is_verified		   ? "none"
		 : p->level == POLICY_DANE ? "dane"
					   : "pkix");
	if (p->is_tested && verified != X509_V_OK) {
		end->result = result_of(verified);
		snprintf(end->wrong, sizeof(end->wrong), "%s",
			 X509_verify_cert_error_string(verified));
	}
}

SSL *
tls_new(const struct tls_demand *demand)
{
	SSL *ssl = SSL_new(contexts[demand->config->policy]);

	if (ssl != NULL && set_demand(ssl, demand)) {
		SSL_set_connect_state(ssl);
		return ssl;
	}
	SSL_free(ssl);
	return NULL;
}

enum stream_outcome
tls_shake(struct stream *s, const struct tls_demand *demand, struct tls_end *end)
{
	SSL *ssl = tls_new(demand);
	struct kept_session *kept = session_of(demand);
	enum stream_outcome outcome;

	*end = (struct tls_end){.result = POLICY_RESULT_VALIDATION_FAILURE};
	if (ssl == NULL || SSL_up_ref(ssl) != 1) {
		snprintf(end->wrong, sizeof(end->wrong), "OpenSSL refuses: %s",
			 ERR_reason_error_string(ERR_peek_error()));
		ERR_clear_error();
		SSL_free(ssl);
		return STREAM_ERROR;
	}
	(void)SSL_set_ex_data(ssl, session_index, kept);
	(void)SSL_set_ex_data(ssl, end_index, end);
	if (kept->session != NULL)
		(void)SSL_set_session(ssl, kept->session);
	outcome = layer_start(s, ssl, end->wrong);
	if (outcome == STREAM_OK) {
		end->result = POLICY_RESULT_SUCCESS;
		end->wrong[0] = '\0';
		tell_done(ssl, demand->policy, end);
	} else if (SSL_get_verify_mode(ssl) == SSL_VERIFY_PEER &&
		   SSL_get_verify_result(ssl) != X509_V_OK) {
		end->result = result_of(SSL_get_verify_result(ssl));
		snprintf(end->wrong, sizeof(end->wrong), "%s",
			 X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
	}
	if (outcome != STREAM_OK) {
		SSL_SESSION_free(kept->session);
		kept->session = NULL;
	}
	(void)SSL_set_ex_data(ssl, end_index, NULL);
	SSL_free(ssl); /* the stream has its own */
	return outcome;
}

bool
tls_is_quiet(const struct stream *s)
{
	SSL *ssl = layer_ssl(s);
	char byte;
	int n;

	if (ssl == NULL)
		return false;
	ERR_clear_error();
	n = SSL_peek(ssl, &byte, 1);
	return n <= 0 && SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ;
}

void
tls_leave(const struct stream *s)
{
	SSL *ssl = layer_ssl(s);

	if (ssl != NULL)
		SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN);
}
