/*
 * check-tls - see check-tls.h; called by check.c
 *
 * Each file is read as signer and smtpd read theirs (common/tls/certificate.h), with the rights of whoever asks.
 */
#include "culver/check-tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/clock.h"
#include "common/tls/authorities.h"
#include "common/tls/certificate.h"

#define SOON_DAYS 14
#define DAY_S (INT64_C(24) * 60 * 60)

/* the whole file, to be freed; NULL: *wrong says why not */
static char *
read_file(const char *path, struct stat *st, size_t *len, const char **wrong)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, st) == 0) {
		errno = EFBIG;
		if (S_ISREG(st->st_mode) && st->st_size <= (off_t)CERTIFICATE_FILE_MAX)
			text = malloc((size_t)st->st_size + 1);
		if (text != NULL)
			n = read(fd, text, (size_t)st->st_size);
	}
	*wrong = n < 0 ? strerror(errno) : NULL;
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	*len = (size_t)n;
	return text;
}

/* a line about one file; 1: that is a mistake */
static size_t
tell(struct buffer *output, const char *path, const char *wrong)
{
	buffer_format(output, "%s: %s\n", path, wrong);
	return 1;
}

static size_t
read_certificate(const char *path, struct certificate *to, struct buffer *output)
{
	struct stat st;
	const char *wrong;
	size_t len;
	char *text = read_file(path, &st, &len, &wrong);

	if (text != NULL)
		wrong = certificate_read(span_from(text, len), to);
	free(text);
	return wrong != NULL ? tell(output, path, wrong) : 0;
}

static size_t
read_key(const char *path, EVP_PKEY **to, struct buffer *output)
{
	struct stat st;
	const char *wrong;
	size_t len;
	char *text = read_file(path, &st, &len, &wrong);

	if (text != NULL) {
		wrong = certificate_key_read(span_from(text, len), to);
		OPENSSL_cleanse(text, len);
		if (wrong == NULL && (st.st_mode & S_IROTH) != 0)
			buffer_format(output, "%s: warning: everybody can read this private key\n",
				      path);
	}
	free(text);
	return wrong != NULL ? tell(output, path, wrong) : 0;
}

static size_t
check_pair(const struct config_pair *pair, struct buffer *output)
{
	struct certificate c = {NULL, NULL, NULL, 0};
	EVP_PKEY *key = NULL;
	int64_t now = clock_wall_us() / 1000000;
	size_t mistakes = read_certificate(pair->certificate, &c, output);

	mistakes += read_key(pair->key, &key, output);
	if (c.leaf != NULL && certificate_is_over(&c, now, 0))
		buffer_format(output, "%s: warning: the certificate has expired\n",
			      pair->certificate);
	else if (c.leaf != NULL && certificate_is_over(&c, now, SOON_DAYS * DAY_S))
		buffer_format(output, "%s: warning: the certificate expires within %d days\n",
			      pair->certificate, SOON_DAYS);
	if (mistakes == 0 && !certificate_fits(&c, key)) {
		buffer_format(output, "%s: it is not the certificate of the key in %s\n",
			      pair->certificate, pair->key);
		mistakes++;
	}
	certificate_free(&c);
	EVP_PKEY_free(key);
	return mistakes;
}

static size_t
check_authorities(const char *path, struct buffer *output)
{
	struct authorities a = {NULL, NULL};
	struct stat st;
	const char *wrong;
	size_t len;
	char *text = read_file(path, &st, &len, &wrong);

	if (text != NULL)
		wrong = authorities_read(span_from(text, len), &a);
	authorities_free(&a);
	free(text);
	return wrong != NULL ? tell(output, path, wrong) : 0;
}

/* whom delivery believes: one certificate at least, where somebody must be verified by it */
static size_t
check_believed(const struct config_hop_tls *tls, struct buffer *output)
{
	struct stat st;
	const char *wrong;
	size_t len;
	char *text;
	BIO *bio;
	X509 *first;

	if (tls->ca == NULL)
		return 0;
	text = read_file(tls->ca, &st, &len, &wrong);
	if (text == NULL)
		return tell(output, tls->ca, wrong);
	bio = BIO_new_mem_buf(text, (int)len);
	first = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	X509_free(first);
	BIO_free(bio);
	free(text);
	ERR_clear_error();
	return first == NULL ? tell(output, tls->ca, "there is no certificate (PEM) in it") : 0;
}

size_t
check_tls(const struct config *c, struct buffer *output)
{
	size_t mistakes = 0;

	/* no file of configuration, engines or modules is looked for */
	if (c->pair_count > 0 && OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return tell(output, "tls", "OpenSSL does not start");
	for (size_t i = 0; i < c->pair_count; i++)
		mistakes += check_pair(&c->pairs[i], output);
	for (size_t i = 0; i < c->authority_count; i++)
		mistakes += check_authorities(c->authorities[i], output);
	mistakes += check_believed(&c->outbound.tls, output);
	for (size_t i = 0; i < c->route_count; i++)
		mistakes += check_believed(&c->routes[i].tls, output);
	for (size_t i = 0; i < c->domain_count; i++)
		mistakes += check_believed(&c->domains[i].tls, output);
	return mistakes;
}
