/*
 * binding - see binding.h
 *
 * tls-exporter is that of TLS 1.3; of TLS 1.2 only where the master secret covers the handshake (RFC 7627), else two connections through
 * somebody between could have the same (RFC 9266, section 4.2).  tls-unique is for clients of TLS 1.2 that know no other, under the same
 * condition; TLS 1.3 has none.  tls-server-end-point is the hash of our certificate: of a connection that was taken up by a ticket it is known only
 * where there is one certificate to show.
 */
#include "smtpd/binding.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
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
take_exporter(SSL *ssl, struct binding *b)
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
take_unique(SSL *ssl, struct binding *b)
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
take_end_point(const struct session *s, SSL *ssl, struct binding *b)
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
binding_find(const struct session *s, struct bindings *b)
{
	SSL *ssl = s->tls[0] != '\0' ? layer_ssl(&s->stream) : NULL;

	*b = (struct bindings){.exporter.len = 0};
	if (ssl == NULL)
		return false;
	take_exporter(ssl, &b->exporter);
	take_unique(ssl, &b->unique);
	take_end_point(s, ssl, &b->end_point);
	return b->exporter.len > 0 || b->unique.len > 0 || b->end_point.len > 0;
}
