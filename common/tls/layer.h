/*
 * layer - TLS between a stream and its descriptor
 *
 * For sessions (later agents): the handshake waits until a deadline as all of a stream does; afterwards the stream is read and written as before.
 * Renegotiation does not exist; a peer that closes the connection without close_notify has closed it all the same (SMTP says
 * itself where a message ends).
 */
#ifndef COMMON_TLS_LAYER_H
#define COMMON_TLS_LAYER_H

#include <openssl/ssl.h>

#include "common/system/stream.h"

#define LAYER_WRONG_MAX 256

/*
 * layer_start - the handshake of `ssl` (which knows its side) over the stream, whose input must be empty; the stream's from then on, whatever
 * comes out.  STREAM_OK: the layer is in its place.  Else `wrong` is a sentence for the log, and the stream can only be closed.
 */
enum stream_outcome layer_start(struct stream *s, SSL *ssl, char wrong[LAYER_WRONG_MAX])
	__attribute__((warn_unused_result));
/* layer_ssl - what the stream speaks; NULL: no TLS */
SSL *layer_ssl(const struct stream *s);

#endif
