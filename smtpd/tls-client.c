/*
 * tls-client - see tls-client.h
 *
 * tls-exporter is that of TLS 1.3; of TLS 1.2 only where the master secret covers the handshake (RFC 7627), else two connections through
 * somebody between could have the same (RFC 9266, section 4.2).  tls-unique is for clients of TLS 1.2 that know no other, under the same
 * condition; TLS 1.3 has none.  tls-server-end-point is the hash of our certificate: of a connection that was taken up by a ticket it is known only
 * where there is one certificate to show.
 */
#include "smtpd/tls-client.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/tls/layer.h"
#include "smtpd/session.h"

#define EXPORTER_SIZE 32 /* RFC 9266, section 2 */

static bool
covers_handshake(SSL *ssl)
{
	return SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

static void
take_exporter(SSL *ssl, struct tls_binding *b)
{
	static const char label[] = "EXPORTER-Channel-Binding";

	/* with an empty context, which in TLS 1.2 is another one than none */
	if (covers_handshake(ssl) &&
	    SSL_export_keying_material(ssl, b->data, EXPORTER_SIZE, label, sizeof(label) - 1,
				       (const unsigned char *)"", 0, 1) == 1)
		b->len = EXPORTER_SIZE;
}

/* the first Finished of the handshake: the client's, unless a ticket has shortened it */
static void
take_unique(SSL *ssl, struct tls_binding *b)
{
	size_t len;

	if (SSL_version(ssl) != TLS1_2_VERSION || !covers_handshake(ssl))
		return;
	len = SSL_session_reused(ssl) ? SSL_get_finished(ssl, b->data, sizeof(b->data))
				      : SSL_get_peer_finished(ssl, b->data, sizeof(b->data));
	if (len <= sizeof(b->data))
		b->len = len;
}

/* by the hash of its signature; a signature without one (Ed25519) gives none */
static void
take_end_point(const struct session *s, SSL *ssl, struct tls_binding *b)
{
	X509 *certificate = SSL_get_certificate(ssl);
	int hash = NID_undef;
	unsigned len = 0;

	if (certificate == NULL || (SSL_session_reused(ssl) && s->listen->tls.pair_count > 1) ||
	    X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) != 1 || hash == NID_undef)
		return;
	if (hash == NID_md5 || hash == NID_sha1)
		hash = NID_sha256;
	const EVP_MD *md = EVP_get_digestbynid(hash);
	if (md != NULL && EVP_MD_get_size(md) <= (int)sizeof(b->data) &&
	    X509_digest(certificate, md, b->data, &len) == 1)
		b->len = len;
}

bool
tls_client_bindings(const struct session *s, struct tls_bindings *b)
{
	SSL *ssl = s->tls[0] != '\0' ? layer_ssl(&s->stream) : NULL;

	*b = (struct tls_bindings){.exporter.len = 0};
	if (ssl == NULL)
		return false;
	take_exporter(ssl, &b->exporter);
	take_unique(ssl, &b->unique);
	take_end_point(s, ssl, &b->end_point);
	return b->exporter.len > 0 || b->unique.len > 0 || b->end_point.len > 0;
}

/* ---- its certificate ---- */

/* false: it is no name, or too long to be one */
static bool
take_name(const unsigned char *text, int len, char name[AUTH_LOGIN_MAX + 1])
{
	return len > 0 && memchr(text, '\0', (size_t)len) == NULL &&
	       span_copy(span_from((const char *)text, (size_t)len), name, AUTH_LOGIN_MAX + 1) == 0;
}

static bool
take_mail(const X509 *certificate, char name[AUTH_LOGIN_MAX + 1])
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool is_taken = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !is_taken; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type == GEN_EMAIL)
			is_taken = take_name(ASN1_STRING_get0_data(n->d.rfc822Name),
					     ASN1_STRING_length(n->d.rfc822Name), name);
	}
	GENERAL_NAMES_free(names);
	return is_taken;
}

static void
take_common_name(const X509 *certificate, char name[AUTH_LOGIN_MAX + 1])
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;

	/* of two nobody knows which is meant */
	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return;
	int len = ASN1_STRING_to_UTF8(&text,
				      X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	(void)take_name(text, len, name);
	OPENSSL_free(text);
}

void
tls_client_name(const struct session *s, char name[AUTH_LOGIN_MAX + 1])
{
	SSL *ssl = s->tls[0] != '\0' ? layer_ssl(&s->stream) : NULL;
	const X509 *certificate = ssl != NULL ? SSL_get0_peer_certificate(ssl) : NULL;

	name[0] = '\0';
	/* without a certificate the result is X509_V_OK too */
	if (certificate == NULL || SSL_get_verify_result(ssl) != X509_V_OK)
		return;
	if (!take_mail(certificate, name))
		take_common_name(certificate, name);
}
