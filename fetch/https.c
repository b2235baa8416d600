/*
 * https - see the header; called by obtain.c
 */
#include "fetch/https.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS_TEXT_MAX 48
#define STATUS_OK 200

struct transfer {
	const struct https_request *request;
	struct buffer *body;
	size_t header_len;
	const char *wrong; /* why we have ended it */
};

static size_t
take_header(char *at, size_t size, size_t count, void *owner)
{
	struct transfer *t = owner;

	(void)at;
	t->header_len += size * count;
	if (t->header_len <= HTTPS_HEADERS_MAX)
		return size * count;
	t->wrong = "the header of the answer is too long";
	return 0;
}

static size_t
take_body(char *at, size_t size, size_t count, void *owner)
{
	struct transfer *t = owner;

	buffer_add(t->body, at, size * count);
	if (!t->body->failed)
		return size * count;
	t->wrong = "the answer is too long";
	return 0;
}

/* the certificate is looked at by OpenSSL alone: libcurl would be content with a common name where there is no DNS name */
static CURLcode
set_tls(CURL *curl, void *context, void *owner)
{
	const struct transfer *t = owner;
	SSL_CTX *ctx = context;
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

	(void)curl;
	SSL_CTX_set1_cert_store(ctx, t->request->authorities);
	if (X509_VERIFY_PARAM_set1_host(param, t->request->host, 0) != 1)
		return CURLE_SSL_CERTPROBLEM;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
						       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return CURLE_OK;
}

bool
https_is_type(struct span value, struct span type)
{
	struct span parameters = value;

	return span_equal_nocase(span_trim(span_cut(&parameters, ';')), type);
}

static int
judge(CURL *curl, const struct transfer *t, CURLcode code, const char *words, char *reason)
{
	const char *type = NULL;
	long status = 0;

	if (code != CURLE_OK) {
		const char *why = t->wrong != NULL   ? t->wrong
				  : words[0] != '\0' ? words
						     : curl_easy_strerror(code);

		snprintf(reason, FETCH_REASON_MAX + 1, "%s: %s", t->request->host, why);
		return -1;
	}
	if (curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
	    status != STATUS_OK) {
		snprintf(reason, FETCH_REASON_MAX + 1, "%s answers with status %ld",
			 t->request->host, status);
		return -1;
	}
	if (curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type) != CURLE_OK || type == NULL ||
	    !https_is_type(span_of(type), span_of(t->request->type))) {
		snprintf(reason, FETCH_REASON_MAX + 1, "%s answers with %.60s instead of %s",
			 t->request->host, type != NULL ? type : "no media type", t->request->type);
		return -1;
	}
	return 0;
}

#define SET(curl_, option_, value_) (curl_easy_setopt(curl_, option_, value_) == CURLE_OK)

static bool
set_options(CURL *curl, struct transfer *t, const char *url, struct curl_slist *resolve,
	    char *words)
{
	return SET(curl, CURLOPT_ERRORBUFFER, words) && SET(curl, CURLOPT_NOSIGNAL, 1L) &&
	       SET(curl, CURLOPT_URL, url) && SET(curl, CURLOPT_PROTOCOLS_STR, "https") &&
	       SET(curl, CURLOPT_PROXY, "") && SET(curl, CURLOPT_RESOLVE, resolve) &&
	       SET(curl, CURLOPT_FOLLOWLOCATION, 0L) &&
	       (t->request->post == NULL || SET(curl, CURLOPT_POSTFIELDS, t->request->post)) &&
	       SET(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
	       SET(curl, CURLOPT_USERAGENT, "culver/" CULVER_VERSION) &&
	       SET(curl, CURLOPT_TIMEOUT_MS, (long)HTTPS_MS) &&
	       SET(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTPS_CONNECT_MS) &&
	       SET(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
	       SET(curl, CURLOPT_SSL_VERIFYPEER, 1L) && SET(curl, CURLOPT_SSL_VERIFYHOST, 2L) &&
	       /* the store is ours; no file is looked for */
	       SET(curl, CURLOPT_CAINFO, NULL) && SET(curl, CURLOPT_CAPATH, NULL) &&
	       SET(curl, CURLOPT_SSL_CTX_FUNCTION, set_tls) && SET(curl, CURLOPT_SSL_CTX_DATA, t) &&
	       SET(curl, CURLOPT_HEADERFUNCTION, take_header) && SET(curl, CURLOPT_HEADERDATA, t) &&
	       SET(curl, CURLOPT_WRITEFUNCTION, take_body) && SET(curl, CURLOPT_WRITEDATA, t);
}

int
https_get(const struct https_request *r, struct buffer *body, char reason[FETCH_REASON_MAX + 1])
{
	struct transfer t = {.request = r, .body = body};
	char url[FETCH_DOMAIN_MAX + HTTPS_PATH_MAX + 20], words[CURL_ERROR_SIZE] = "";
	char entry[FETCH_DOMAIN_MAX + 20 + HTTPS_ADDRESSES_MAX * ADDRESS_TEXT_MAX];
	struct curl_slist *resolve;
	CURL *curl = curl_easy_init();
	int outcome = -1;

	snprintf(url, sizeof(url), "https://%s:%u%s", r->host, r->port, r->path);
	snprintf(entry, sizeof(entry), "%s:%u:%s", r->host, r->port, r->addresses);
	resolve = curl_slist_append(NULL, entry);
	if (curl != NULL && resolve != NULL && set_options(curl, &t, url, resolve, words))
		outcome = judge(curl, &t, curl_easy_perform(curl), words, reason);
	else
		snprintf(reason, FETCH_REASON_MAX + 1, "libcurl does not do what it is told");
	curl_slist_free_all(resolve);
	curl_easy_cleanup(curl);
	return outcome;
}
