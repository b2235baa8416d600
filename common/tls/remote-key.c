/*
 * remote-key - see remote-key.h; provider-keymgmt(7), provider-signature(7)
 */
#include "common/tls/remote-key.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDER "culver"
#define OURS "provider=" PROVIDER
#define OTHERS "provider!=" PROVIDER
#define PARAM_SOURCE "culver-source" /* a pointer to a struct source: only remote_key_new has one */

struct key {
	EVP_PKEY *public; /* of OpenSSL's own provider */
	uint64_t number;
};

/* what a key is made from */
struct source {
	EVP_PKEY *public;
	uint64_t number;
};

/* a signature in the making */
struct context {
	const struct key *key;
	int bits; /* of the hash; 0: the algorithm has its own */
	bool is_pss;
};

static const struct remote_key_signer *signer;
static OSSL_PROVIDER *ours, *others;

/* ---- keys ---- */

static void *
key_new(void *provider)
{
	(void)provider;
	return calloc(1, sizeof(struct key));
}

static void
key_free(void *data)
{
	struct key *k = data;

	if (k == NULL)
		return;
	EVP_PKEY_free(k->public);
	free(k);
}

static int
key_has(const void *data, int selection)
{
	const struct key *k = data;

	(void)selection; /* it can do what a whole key can, but tell */
	return k != NULL && k->public != NULL;
}

static int
key_match(const void *a, const void *b, int selection)
{
	(void)selection;
	return EVP_PKEY_eq(((const struct key *)a)->public, ((const struct key *)b)->public) == 1;
}

/* a public key of OpenSSL's own, to compare one of ours with */
static int
import_public(struct key *k, const char *type, const OSSL_PARAM params[])
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, OTHERS);
	int done = c != NULL && EVP_PKEY_fromdata_init(c) == 1 &&
		   EVP_PKEY_fromdata(c, &k->public, EVP_PKEY_PUBLIC_KEY,
				     (OSSL_PARAM *)(uintptr_t)params) == 1; /* it only reads */

	EVP_PKEY_CTX_free(c);
	return done;
}

static int
import(void *data, const char *type, int selection, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, PARAM_SOURCE);
	const struct source *source;
	const void *at;
	size_t len;
	struct key *k = data;

	if (p == NULL)
		return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0
			       ? 0
			       : import_public(k, type, params);
	if (!OSSL_PARAM_get_octet_ptr(p, &at, &len) || len != sizeof(*source))
		return 0;
	source = at;
	if (!EVP_PKEY_up_ref(source->public))
		return 0;
	*k = (struct key){.public = source->public, .number = source->number};
	return 1;
}

static int
rsa_import(void *data, int selection, const OSSL_PARAM params[])
{
	return import(data, "RSA", selection, params);
}

static int
ec_import(void *data, int selection, const OSSL_PARAM params[])
{
	return import(data, "EC", selection, params);
}

static int
ed25519_import(void *data, int selection, const OSSL_PARAM params[])
{
	return import(data, "ED25519", selection, params);
}

static int
key_export(void *data, int selection, OSSL_CALLBACK *take, void *owner)
{
	const struct key *k = data;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0)
		return 0;
	return EVP_PKEY_export(k->public, selection, take, owner);
}

static const OSSL_PARAM *
key_types(int selection)
{
	static const OSSL_PARAM none[] = {OSSL_PARAM_END};

	(void)selection;
	return none;
}

static int
key_get_params(void *data, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((const struct key *)data)->public, params);
}

static const OSSL_PARAM *
key_gettable(void *provider)
{
	static const OSSL_PARAM known[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_END};

	(void)provider;
	return known;
}

static const char *
ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

/* the functions of one type of key; what OpenSSL calls through is of no type, so each is cast once, here */
#define FUNCTION(id_, name_) \
	{ \
		id_, (void (*)(void))(name_) \
	}
#define KEY_FUNCTIONS(import_) \
	FUNCTION(OSSL_FUNC_KEYMGMT_NEW, key_new), FUNCTION(OSSL_FUNC_KEYMGMT_FREE, key_free), \
		FUNCTION(OSSL_FUNC_KEYMGMT_HAS, key_has), \
		FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, key_match), \
		FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT, import_), \
		FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types), \
		FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT, key_export), \
		FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types), \
		FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params), \
		FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable)

static const OSSL_DISPATCH rsa_functions[] = {KEY_FUNCTIONS(rsa_import), {0, NULL}};
static const OSSL_DISPATCH ec_functions[] = {
	KEY_FUNCTIONS(ec_import),
	FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation),
	{0, NULL}};
static const OSSL_DISPATCH ed25519_functions[] = {KEY_FUNCTIONS(ed25519_import), {0, NULL}};

static const OSSL_ALGORITHM keys[] = {
	{"RSA:rsaEncryption", OURS, rsa_functions, NULL},
	{"EC:id-ecPublicKey", OURS, ec_functions, NULL},
	{"ED25519", OURS, ed25519_functions, NULL},
	{NULL, NULL, NULL, NULL},
};

/* ---- signatures ---- */

static void *
context_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return calloc(1, sizeof(struct context));
}

static void
context_free(void *data)
{
	free(data);
}

static void *
context_dup(void *data)
{
	struct context *c = malloc(sizeof(*c));

	if (c != NULL)
		*c = *(const struct context *)data;
	return c;
}

/* bits of the hash by its name; -1: one that TLS does not sign with any more */
static int
hash_bits(const char *name)
{
	static const struct {
		const char *name;
		int bits;
	} known[] = {{"SHA256", 256},	{"SHA2-256", 256}, {"SHA384", 384},
		     {"SHA2-384", 384}, {"SHA512", 512},   {"SHA2-512", 512}};

	if (name == NULL || name[0] == '\0')
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i].name) == 0)
			return known[i].bits;
	return -1;
}

/* RSA alone has any; the salt is always as long as the hash (RFC 8446, section 4.2.3) */
static int
context_set(void *data, const OSSL_PARAM params[])
{
	struct context *c = data;
	const OSSL_PARAM *p =
		params != NULL ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE)
			       : NULL;
	int mode = 0;

	if (p == NULL)
		return 1;
	if (p->data_type == OSSL_PARAM_UTF8_STRING)
		mode = strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ? RSA_PKCS1_PSS_PADDING
		       : strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING
									      : 0;
	else if (!OSSL_PARAM_get_int(p, &mode))
		return 0;
	c->is_pss = mode == RSA_PKCS1_PSS_PADDING;
	return c->is_pss || mode == RSA_PKCS1_PADDING;
}

static const OSSL_PARAM *
context_settable(void *data, void *provider)
{
	static const OSSL_PARAM known[] = {
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0), OSSL_PARAM_END};

	(void)data;
	(void)provider;
	return known;
}

static int
sign_init(void *data, const char *hash, void *key, const OSSL_PARAM params[])
{
	struct context *c = data;

	*c = (struct context){.key = key, .bits = hash_bits(hash)};
	return key != NULL && c->bits >= 0 && context_set(c, params);
}

/* the number of what is asked for; 0: TLS has none */
static int
scheme_of(const struct context *c)
{
	if (EVP_PKEY_is_a(c->key->public, "ED25519"))
		return c->bits == 0 ? REMOTE_KEY_ED25519 : 0;
	bool is_ec = EVP_PKEY_is_a(c->key->public, "EC");
	switch (c->bits) {
	case 256:
		return is_ec	   ? REMOTE_KEY_ECDSA_SHA256
		       : c->is_pss ? REMOTE_KEY_RSA_PSS_SHA256
				   : REMOTE_KEY_RSA_PKCS1_SHA256;
	case 384:
		return is_ec	   ? REMOTE_KEY_ECDSA_SHA384
		       : c->is_pss ? REMOTE_KEY_RSA_PSS_SHA384
				   : REMOTE_KEY_RSA_PKCS1_SHA384;
	case 512:
		return is_ec	   ? REMOTE_KEY_ECDSA_SHA512
		       : c->is_pss ? REMOTE_KEY_RSA_PSS_SHA512
				   : REMOTE_KEY_RSA_PKCS1_SHA512;
	default:
		return 0;
	}
}

static int
sign(void *data, unsigned char *signature, size_t *len, size_t size, const unsigned char *text,
     size_t text_len)
{
	const struct context *c = data;
	int room = EVP_PKEY_get_size(c->key->public);
	int scheme = scheme_of(c);
	unsigned char made[REMOTE_KEY_SIGNATURE_MAX];
	size_t made_len;

	if (room <= 0 || (size_t)room > sizeof(made) || scheme == 0)
		return 0;
	if (signature == NULL) { /* how long may it become? */
		*len = (size_t)room;
		return 1;
	}
	made_len = signer->sign(signer->owner, c->key->number, (enum remote_key_scheme)scheme,
				span_from((const char *)text, text_len), made);
	if (made_len == 0 || made_len > size || made_len > (size_t)room)
		return 0;
	memcpy(signature, made, made_len);
	*len = made_len;
	return 1;
}

static const OSSL_DISPATCH sign_functions[] = {
	FUNCTION(OSSL_FUNC_SIGNATURE_NEWCTX, context_new),
	FUNCTION(OSSL_FUNC_SIGNATURE_FREECTX, context_free),
	FUNCTION(OSSL_FUNC_SIGNATURE_DUPCTX, context_dup),
	FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, sign_init),
	FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sign),
	FUNCTION(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, context_set),
	FUNCTION(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, context_settable),
	{0, NULL}};

static const OSSL_ALGORITHM signatures[] = {
	{"RSA:rsaEncryption", OURS, sign_functions, NULL},
	{"ECDSA", OURS, sign_functions, NULL},
	{"ED25519", OURS, sign_functions, NULL},
	{NULL, NULL, NULL, NULL},
};

/* ---- the provider ---- */

static const OSSL_ALGORITHM *
query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT	? keys
	       : operation == OSSL_OP_SIGNATURE ? signatures
						: NULL;
}

static int
init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
     void **provider)
{
	static const OSSL_DISPATCH functions[] = {
		FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query), {0, NULL}};
	static int context; /* OpenSSL wants one that is not NULL */

	(void)handle;
	(void)in;
	*out = functions;
	*provider = &context;
	return 1;
}

int
remote_key_start(const struct remote_key_signer *to)
{
	signer = to;
	/* once a provider is loaded by name, the default one is not loaded by itself any more */
	if (OSSL_PROVIDER_add_builtin(NULL, PROVIDER, init) != 1)
		return -1;
	others = OSSL_PROVIDER_load(NULL, "default");
	ours = OSSL_PROVIDER_load(NULL, PROVIDER);
	return others != NULL && ours != NULL ? 0 : -1;
}

void
remote_key_end(void)
{
	OSSL_PROVIDER_unload(ours);
	OSSL_PROVIDER_unload(others);
	ours = others = NULL;
}

EVP_PKEY *
remote_key_new(EVP_PKEY *public, uint64_t number)
{
	static const char *const types[] = {"RSA", "EC", "ED25519"};
	struct source source = {public, number};
	void *at = &source;
	OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_ptr(PARAM_SOURCE, &at, sizeof(source)),
			       OSSL_PARAM_construct_end()};
	const char *type = NULL;
	EVP_PKEY *made = NULL;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (EVP_PKEY_is_a(public, types[i]))
			type = types[i];
	if (type == NULL)
		return NULL;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, OURS);
	if (c == NULL || EVP_PKEY_fromdata_init(c) != 1 ||
	    EVP_PKEY_fromdata(c, &made, EVP_PKEY_KEYPAIR, params) != 1)
		made = NULL;
	EVP_PKEY_CTX_free(c);
	return made;
}
