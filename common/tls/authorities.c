/*
 * authorities - see authorities.h
 */
#include "common/tls/authorities.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>

static int
no_password(char *to, int size, int writing, void *owner)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)owner;
	return -1;
}

static int
compare_names(const X509_NAME *const *a, const X509_NAME *const *b)
{
	return X509_NAME_cmp(*a, *b);
}

/* one more; takes `x` */
static bool
add(struct authorities *a, X509 *x)
{
	X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x));
	bool done = name != NULL && X509_STORE_add_cert(a->store, x) == 1;

	X509_free(x);
	if (done && sk_X509_NAME_find(a->names, name) < 0 && sk_X509_NAME_push(a->names, name) > 0)
		return true;
	X509_NAME_free(name); /* two of one name are told once */
	return done;
}

const char *
authorities_read(struct span pem, struct authorities *to)
{
	struct authorities a = {X509_STORE_new(), sk_X509_NAME_new(compare_names)};
	BIO *in = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.at, (int)pem.len) : NULL;
	const char *wrong = "out of memory";
	int count = 0;
	X509 *x;

	if (a.store == NULL || a.names == NULL || in == NULL ||
	    X509_STORE_set_flags(a.store, X509_V_FLAG_PARTIAL_CHAIN) != 1)
		goto out;
	while ((x = PEM_read_bio_X509(in, NULL, no_password, NULL)) != NULL) {
		if (++count > AUTHORITIES_MAX) {
			X509_free(x);
			wrong = "there are more certificates in it than the 64 that may vouch for "
				"clients";
			goto out;
		}
		if (!add(&a, x))
			goto out;
	}
	wrong = "there is no certificate (PEM) in it";
	if (count == 0)
		goto out;
	/* what cannot be read is not the end of the file */
	wrong = "one of its certificates cannot be read";
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		goto out;
	*to = a;
	a = (struct authorities){NULL, NULL};
	wrong = NULL;
out:
	ERR_clear_error();
	authorities_free(&a);
	BIO_free(in);
	return wrong;
}

void
authorities_free(struct authorities *a)
{
	X509_STORE_free(a->store);
	sk_X509_NAME_pop_free(a->names, X509_NAME_free);
	*a = (struct authorities){NULL, NULL};
}
