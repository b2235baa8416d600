/*
 * exporter - see exporter.h
 */
#include "common/tls/exporter.h"

bool
exporter_covers_handshake(SSL *ssl)
{
	return SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

bool
exporter_take(SSL *ssl, unsigned char to[EXPORTER_SIZE])
{
	static const char label[] = "EXPORTER-Channel-Binding";

	/* with an empty context, which in TLS 1.2 is another one than none */
	return exporter_covers_handshake(ssl) &&
	       SSL_export_keying_material(ssl, to, EXPORTER_SIZE, label, sizeof(label) - 1,
					  (const unsigned char *)"", 0, 1) == 1;
}
