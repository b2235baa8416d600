/*
 * refresh - see refresh.h
 */
#include "fetch/refresh.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "fetch/addresses.h"

#define ARENA_MAX (1 << 20)
#define FORM_MAX (UINT64_C(3) * (2 * SECRET_MAX + 4096))

/* ---- what is sent ---- */

/* application/x-www-form-urlencoded */
static void
put(struct buffer *form, const char *name, struct span value)
{
	buffer_format(form, "%s%s=", form->len > 0 ? "&" : "", name);
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];
		bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
				(c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' ||
				c == '~';

		if (is_plain)
			buffer_char(form, (char)c);
		else
			buffer_format(form, "%%%02X", c);
	}
}

static void
make_form(const struct refresh_question *q, struct buffer *form)
{
	put(form, "grant_type", SPAN("refresh_token"));
	put(form, "refresh_token", q->token);
	put(form, "client_id", span_of(q->login->client));
	if (q->secret.len > 0)
		put(form, "client_secret", q->secret);
	if (q->login->scope != NULL)
		put(form, "scope", span_of(q->login->scope));
	buffer_char(form, '\0');
}

/* ---- what comes ---- */

/* a member that is a text which fits and has nothing in it that a token cannot have; false: it is none, and `to` is empty */
static bool
take(const json_t *object, const char *name, char *to, size_t size)
{
	const json_t *member = json_object_get(object, name);
	const char *text = json_string_value(member);
	size_t len = text != NULL ? json_string_length(member) : 0;

	to[0] = '\0';
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return len > 0 && span_copy(span_from(text, len), to, size) == 0;
}

void
refresh_read(struct span answer, bool is_success, struct refresh_result *to)
{
	char error[FETCH_REASON_MAX - 64];
	json_t *object = json_loadb(answer.at, answer.len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *expires = json_object_get(object, "expires_in");
	json_int_t s = json_is_integer(expires) ? json_integer_value(expires) : REFRESH_EXPIRES_S;

	to->is_done = false;
	to->expires_s = s < 0 ? 0 : s > REFRESH_EXPIRES_MAX_S ? REFRESH_EXPIRES_MAX_S : (uint64_t)s;
	if (is_success && take(object, "access_token", to->token, sizeof(to->token))) {
		to->is_done = true;
		(void)take(object, "refresh_token", to->next, sizeof(to->next));
	} else if (is_success) {
		snprintf(to->reason, sizeof(to->reason), "the answer has no token");
	} else if (take(object, "error", error, sizeof(error))) {
		/* RFC 6749, section 5.2: invalid_grant, invalid_client ... */
		snprintf(to->reason, sizeof(to->reason), "the endpoint says %s", error);
	}
	json_decref(object);
}

/* ---- the whole ---- */

void
refresh_run(const void *what, const struct download_means *means, int draft, void *result)
{
	static struct resolver_client resolver;
	static char addresses[ADDRESSES_TEXT_MAX];
	const struct refresh_question *q = what;
	struct refresh_result *to = result;
	struct https_request request = {.host = q->login->endpoint_host,
					.path = q->login->endpoint_path,
					.port = q->login->endpoint_port,
					.type = "application/json",
					.addresses = addresses,
					.authorities = means->authorities};
	struct buffer form, body;
	struct arena arena;

	(void)draft;
	arena_init(&arena, ARENA_MAX);
	buffer_init(&form, FORM_MAX);
	buffer_init(&body, REFRESH_ANSWER_MAX);
	resolver_client_init(&resolver, means->resolver);
	make_form(q, &form);
	request.post = form.at;
	if (form.failed)
		snprintf(to->reason, sizeof(to->reason), "there is no memory for the question");
	else if (addresses_find(&resolver, &arena, request.host, addresses, to->reason) == 0) {
		bool is_success = https_get(&request, &body, to->reason) == 0;

		refresh_read(buffer_get(&body), is_success, to);
	}
	/* its memory goes with the process, which is about to end */
	resolver_client_close(&resolver);
}

bool
refresh_is_sound(const void *result)
{
	const struct refresh_result *r = result;

	if (memchr(r->reason, '\0', sizeof(r->reason)) == NULL ||
	    memchr(r->token, '\0', sizeof(r->token)) == NULL ||
	    memchr(r->next, '\0', sizeof(r->next)) == NULL || r->expires_s > REFRESH_EXPIRES_MAX_S)
		return false;
	for (const char *c = r->token; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return !r->is_done || r->token[0] != '\0';
}
