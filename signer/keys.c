/*
 * keys - see keys.h
 *
 * Called by main.c (taking) and serve.c (signing).  What is promised: a signature is made only of a text that has a shape, by a scheme that
 * fits both the key and the shape; there is no other operation, so no decryption.
 */
#include "signer/keys.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/system/events.h"
#include "common/system/fatal.h"
#include "common/tls/authorities.h"
#include "common/tls/certificate.h"
#include "common/tls/remote-key.h"
#include "signer/shape.h"

struct key {
	uint64_t number;
	EVP_PKEY *key;
};

static struct key keys[START_FILES_MAX];
static size_t key_count;

/* ---- reading ---- */

/* the whole file at `fd`, which is closed; NULL and errno.  Wiped and freed by forget(). */
static char *
read_file(int fd, size_t *len)
{
	struct stat st;
	char *text = NULL;
	ssize_t n = -1;

	if (fstat(fd, &st) == 0 && st.st_size >= 0 && st.st_size <= (off_t)CERTIFICATE_FILE_MAX)
		text = malloc((size_t)st.st_size + 1);
	if (text != NULL)
		n = pread(fd, text, (size_t)st.st_size, 0);
	int kept = errno;
	close(fd);
	errno = kept;
	if (n < 0) {
		free(text);
		return NULL;
	}
	*len = (size_t)n;
	return text;
}

static void
forget(char *text, size_t len)
{
	if (text != NULL)
		OPENSSL_cleanse(text, len);
	free(text);
}

static EVP_PKEY *
take_key(int fd, const char **wrong)
{
	EVP_PKEY *key = NULL;
	size_t len = 0;
	char *text = read_file(fd, &len);

	*wrong = text == NULL ? strerror(errno) : certificate_key_read(span_from(text, len), &key);
	forget(text, len);
	return key;
}

void
keys_take(const struct start *s)
{
	const char *wrong;

	for (size_t i = 0; i < s->file_count; i++) {
		struct key *k = &keys[key_count];
		k->key = take_key(s->files[i].fd, &wrong);
		if (k->key == NULL || certificate_key_number(k->key, &k->number) != 0)
			fatal(EXIT_CONFIGURATION, 0, "%s: %s", s->files[i].name,
			      wrong != NULL ? wrong : "it has no number");
		/* the generation before had it too */
		if (keys_has(k->number) == 0)
			EVP_PKEY_free(k->key);
		else
			key_count++;
	}
}

size_t
keys_count(void)
{
	return key_count;
}

/* ---- are they pairs? ---- */

static const char *
check_pair(int certificate_fd, int key_fd, const char **whose)
{
	struct certificate c = {NULL, NULL, NULL, 0};
	const char *wrong = NULL;
	EVP_PKEY *key = take_key(key_fd, &wrong);
	size_t len = 0;
	char *text = read_file(certificate_fd, &len);

	*whose = "key";
	if (wrong == NULL) {
		*whose = "certificate";
		wrong = text == NULL ? strerror(errno) : certificate_read(span_from(text, len), &c);
	}
	if (wrong == NULL && !certificate_fits(&c, key))
		wrong = "it is not that of the key";
	EVP_PKEY_free(key);
	certificate_free(&c);
	free(text);
	return wrong;
}

static const char *
check_authorities(int fd)
{
	struct authorities a = {NULL, NULL};
	size_t len = 0;
	char *text = read_file(fd, &len);
	const char *wrong =
		text == NULL ? strerror(errno) : authorities_read(span_from(text, len), &a);

	authorities_free(&a);
	free(text);
	return wrong;
}

static int
file_of(const struct start *s, const char *kind, size_t number)
{
	char name[START_NAME_MAX];

	snprintf(name, sizeof(name), "%s.%u", kind, (unsigned)number);
	return start_file(s, name);
}

int
keys_check(const struct start *s, struct buffer *why)
{
	const char *whose, *wrong;
	int fd;

	for (size_t i = 0; (fd = file_of(s, "certificate", i)) >= 0; i++) {
		wrong = check_pair(fd, file_of(s, "key", i), &whose);
		if (wrong != NULL) {
			buffer_format(why, "%s %zu %s", whose, i, wrong);
			return -1;
		}
	}
	for (size_t i = 0; (fd = file_of(s, "client-ca", i)) >= 0; i++) {
		wrong = check_authorities(fd);
		if (wrong != NULL) {
			buffer_format(why, "client-ca %zu %s", i, wrong);
			return -1;
		}
	}
	return 0;
}

/* ---- memory ---- */

void
keys_lock(const struct start *s)
{
	struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	int flags = MCL_CURRENT;

	/* what is allocated later is locked too where no limit can make that fail */
	if (s->as_root && setrlimit(RLIMIT_MEMLOCK, &all) == 0)
		flags |= MCL_FUTURE;
	if (mlockall(flags) != 0)
		EVENT("unlocked", event_string("errno", strerror(errno)));
}

/* ---- signing ---- */

struct scheme {
	enum remote_key_scheme number;
	const char *type;
	const char *hash; /* NULL: the algorithm has its own */
	bool is_pss;
	bool in_exchange, in_verify;
	const char *
		curve; /* the one of TLS 1.3; in TLS 1.2 a hash goes with any (RFC 8446, section 4.2.3) */
};

static const struct scheme schemes[] = {
	{REMOTE_KEY_RSA_PKCS1_SHA256, "RSA", "SHA256", false, true, false, NULL},
	{REMOTE_KEY_RSA_PKCS1_SHA384, "RSA", "SHA384", false, true, false, NULL},
	{REMOTE_KEY_RSA_PKCS1_SHA512, "RSA", "SHA512", false, true, false, NULL},
	{REMOTE_KEY_ECDSA_SHA256, "EC", "SHA256", false, true, true, "prime256v1"},
	{REMOTE_KEY_ECDSA_SHA384, "EC", "SHA384", false, true, true, "secp384r1"},
	{REMOTE_KEY_ECDSA_SHA512, "EC", "SHA512", false, true, true, "secp521r1"},
	{REMOTE_KEY_RSA_PSS_SHA256, "RSA", "SHA256", true, true, true, NULL},
	{REMOTE_KEY_RSA_PSS_SHA384, "RSA", "SHA384", true, true, true, NULL},
	{REMOTE_KEY_RSA_PSS_SHA512, "RSA", "SHA512", true, true, true, NULL},
	{REMOTE_KEY_ED25519, "ED25519", NULL, false, true, true, NULL},
};

static bool
has_curve(const EVP_PKEY *key, const char *curve)
{
	char name[32];
	size_t len;

	return EVP_PKEY_get_group_name(key, name, sizeof(name), &len) == 1 &&
	       strcmp(name, curve) == 0;
}

/* the scheme of that number, if it goes with the key and the shape */
static const struct scheme *
find_scheme(uint64_t number, const EVP_PKEY *key, enum shape shape)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const struct scheme *s = &schemes[i];
		if (s->number != number)
			continue;
		if (!EVP_PKEY_is_a(key, s->type) ||
		    !(shape == SHAPE_VERIFY ? s->in_verify : s->in_exchange) ||
		    (shape == SHAPE_VERIFY && s->curve != NULL && !has_curve(key, s->curve)))
			return NULL;
		return s;
	}
	return NULL;
}

static int
make_signature(EVP_PKEY *key, const struct scheme *s, struct span text, unsigned char *to,
	       size_t *len)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *k;
	bool done = c != NULL && EVP_DigestSignInit_ex(c, &k, s->hash, NULL, NULL, key, NULL) == 1;

	if (done && s->is_pss)
		done = EVP_PKEY_CTX_set_rsa_padding(k, RSA_PKCS1_PSS_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(k, RSA_PSS_SALTLEN_DIGEST) > 0;
	*len = SIGNER_SIGNATURE_MAX;
	done = done && EVP_DigestSign(c, to, len, (const unsigned char *)text.at, text.len) == 1;
	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return done ? 0 : SIGNER_CANNOT_SIGN;
}

static const struct key *
find(uint64_t number)
{
	for (size_t i = 0; i < key_count; i++)
		if (keys[i].number == number)
			return &keys[i];
	return NULL;
}

int
keys_has(uint64_t number)
{
	return find(number) != NULL ? 0 : SIGNER_NO_KEY;
}

int
keys_sign(const struct signer_sign *call, unsigned char *signature, size_t *len)
{
	const struct key *k = find(call->key);
	enum shape shape = shape_of(call->text);

	if (k == NULL)
		return SIGNER_NO_KEY;
	if (shape == SHAPE_NONE)
		return SIGNER_NO_SHAPE;
	const struct scheme *s = find_scheme(call->scheme, k->key, shape);
	if (s == NULL)
		return SIGNER_NO_SCHEME;
	return make_signature(k->key, s, call->text, signature, len);
}
