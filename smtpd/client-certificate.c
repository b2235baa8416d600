/*
 * client-certificate - see client-certificate.h
 *
 * Where `client-certificate ask` stands, a certificate that is not verified is as good as none, and the session goes on; with `require` the
 * handshake fails.  Names are compared as those of servers are (RFC 6125), so that a host's certificate serves it both ways, but for wildcards:
 * who has one for all of a domain is no single host of it.
 */
#include "smtpd/client-certificate.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define CHAIN_MAX 10 /* certificates between a client's and one of client-ca */

/* with `ask`: the outcome is looked at afterwards */
static int
go_on(int is_right, X509_STORE_CTX *context)
{
	(void)is_right;
	(void)context;
	return 1;
}

int
client_certificate_ask(SSL_CTX *context, const struct config_tls *tls, const struct authorities *a)
{
	STACK_OF(X509_NAME) * names;

	switch (tls->client) {
	case CONFIG_CLIENT_NONE:
		return 0;
	case CONFIG_CLIENT_ASK:
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, go_on);
		break;
	case CONFIG_CLIENT_REQUIRE:
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
		break;
	}
	SSL_CTX_set_verify_depth(context, CHAIN_MAX);
	names = SSL_dup_CA_list(a->names);
	if (names == NULL || SSL_CTX_set1_verify_cert_store(context, a->store) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return -1;
	}
	SSL_CTX_set_client_CA_list(context, names);
	return 0;
}

/* ---- what it says ---- */

/* false: it is longer than a name is here, or would break a line */
static bool
keep_name(const unsigned char *text, int len, char name[CLIENT_NAME_MAX])
{
	if (len <= 0 || len >= CLIENT_NAME_MAX)
		return false;
	for (int i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	memcpy(name, text, (size_t)len);
	name[len] = '\0';
	return true;
}

static bool
read_alternative(const X509 *certificate, int type, char name[CLIENT_NAME_MAX])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool is_found = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !is_found; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		/* both kinds are IA5 strings */
		if (n->type == type)
			is_found = keep_name(ASN1_STRING_get0_data(n->d.ia5),
					     ASN1_STRING_length(n->d.ia5), name);
	}
	GENERAL_NAMES_free(names);
	return is_found;
}

static bool
read_common_name(const X509 *certificate, char name[CLIENT_NAME_MAX])
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at < 0)
		return false;
	const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
	return keep_name(ASN1_STRING_get0_data(text), ASN1_STRING_length(text), name);
}

static void
write_fingerprint(const X509 *certificate, char to[CONFIG_FINGERPRINT_LEN + 1])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	to[0] = '\0';
	if (X509_digest(certificate, EVP_sha256(), hash, &len) != 1)
		return;
	for (size_t i = 0; i < len && i < CONFIG_FINGERPRINT_LEN / 2; i++)
		snprintf(to + 2 * i, 3, "%02x", hash[i]);
}

void
client_certificate_describe(const X509 *certificate, struct client_certificate *to)
{
	*to = (struct client_certificate){.is_verified = false};
	write_fingerprint(certificate, to->fingerprint);
	if (!read_alternative(certificate, GEN_DNS, to->name) &&
	    !read_alternative(certificate, GEN_EMAIL, to->name))
		(void)read_common_name(certificate, to->name);
}

void
client_certificate_read(SSL *ssl, struct client_certificate *to, const char **wrong)
{
	const X509 *certificate = SSL_get0_peer_certificate(ssl);
	long result = SSL_get_verify_result(ssl);

	*to = (struct client_certificate){.is_verified = false};
	*wrong = "";
	/* without one the result is X509_V_OK too; where none was asked for there is none */
	if (certificate == NULL)
		return;
	client_certificate_describe(certificate, to);
	to->is_verified = result == X509_V_OK && to->fingerprint[0] != '\0';
	if (!to->is_verified)
		*wrong = result != X509_V_OK ? X509_verify_cert_error_string(result)
					     : "no fingerprint";
}

/* ---- what it allows ---- */

void
client_certificate_login(SSL *ssl, char name[CLIENT_NAME_MAX])
{
	const X509 *certificate = SSL_get0_peer_certificate(ssl);

	name[0] = '\0';
	if (certificate == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
		return;
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	bool is_only = X509_NAME_get_index_by_NID(subject, NID_commonName, at) < 0;

	/* of two common names nobody knows which is meant */
	if (!read_alternative(certificate, GEN_EMAIL, name) && is_only)
		(void)read_common_name(certificate, name);
}

static bool
is_for(X509 *certificate, const char *name)
{
	if (strchr(name, '@') != NULL)
		return X509_check_email(certificate, name, 0, 0) == 1;
	return X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1;
}

bool
client_certificate_may_relay(X509 *certificate, const struct config_tls *tls,
			     const struct client_certificate *c)
{
	if (!c->is_verified || certificate == NULL)
		return false;
	if (tls->every_client_relays)
		return true;
	for (size_t i = 0; i < tls->client_relays.count; i++) {
		const char *word = tls->client_relays.words[i];

		if (strcmp(word, c->fingerprint) == 0 || is_for(certificate, word))
			return true;
	}
	return false;
}

void
client_certificate_trace(const struct client_certificate *c, char to[CLIENT_NAME_MAX + 16])
{
	to[0] = '\0';
	if (c->is_verified && c->name[0] != '\0' && strpbrk(c->name, "()\\\"") == NULL)
		snprintf(to, CLIENT_NAME_MAX + 16, ", client %s", c->name);
}
