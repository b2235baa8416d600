/*
 * policy - see policy.h; called by demand.c
 */
#include "delivery/policy.h"

#include <stdarg.h>
#include <stdio.h>

static void __attribute__((format(printf, 2, 3))) say(struct policy *to, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(to->why, sizeof(to->why), format, args);
	va_end(args);
}

static void
add_name(struct policy *to, struct span name)
{
	if (name.len == 0 || to->name_count == POLICY_NAMES_MAX)
		return;
	for (size_t i = 0; i < to->name_count; i++)
		if (span_equal_nocase(to->names[i], name))
			return;
	to->names[to->name_count++] = name;
}

/* ---- what the domain publishes ---- */

/* RFC 7672, section 2.2 and 3.2.2: the base domain, the host as it is named, and the domain are what the certificate of an authority may be for */
static void
by_dane(const struct policy_question *q, struct policy *to)
{
	to->source = POLICY_BY_DANE;
	to->level = POLICY_DANE;
	if (q->dane->outcome == DANE_TROUBLE) {
		to->is_passed_over = true;
		say(to, "its TLSA records cannot be had now: %.*s", SPAN_ARG(q->dane->text));
		return;
	}
	to->server_name = q->dane->base;
	if (q->dane->outcome == DANE_UNUSABLE) {
		to->level = POLICY_ENCRYPTED;
		say(to, "DANE: there are TLSA records at %.*s, and none is usable",
		    SPAN_ARG(q->dane->base));
		return;
	}
	to->dane = q->dane;
	add_name(to, q->dane->base);
	add_name(to, q->host);
	add_name(to, q->domain);
	say(to, "DANE: %zu TLSA records at %.*s", q->dane->count, SPAN_ARG(q->dane->base));
}

static bool
is_published(const struct dane *dane)
{
	return dane != NULL && dane->outcome != DANE_ABSENT;
}

bool
policy_sts_names(const struct policy_sts *sts, struct span host)
{
	for (size_t i = 0; i < sts->pattern_count; i++) {
		struct span pattern = sts->patterns[i];
		struct span rest = host;

		if (span_starts(pattern, SPAN("*."))) {
			/* the wildcard is one label, as in certificates (RFC 6125, section 6.4.3) */
			if (span_cut(&rest, '.').len > 0 &&
			    span_equal_nocase(rest, span_skip(pattern, 2)))
				return true;
		} else if (span_equal_nocase(host, pattern)) {
			return true;
		}
	}
	return false;
}

static void
by_sts(const struct policy_question *q, struct policy *to)
{
	bool is_testing = q->sts->mode == POLICY_STS_TESTING;

	to->source = POLICY_BY_STS;
	to->has_stranger = !policy_sts_names(q->sts, q->host);
	to->is_tested = is_testing;
	add_name(to, q->host);
	if (to->has_stranger && !is_testing) {
		to->is_passed_over = true;
		say(to, "the MTA-STS policy of %.*s does not name this host", SPAN_ARG(q->domain));
		return;
	}
	if (!is_testing)
		to->level = POLICY_VERIFIED;
	say(to, "MTA-STS: %.*s %s", SPAN_ARG(q->domain),
	    is_testing ? "has a policy that is being tested" : "demands it of its hosts");
}

/* ---- what the configuration demands ---- */

/* whose certificate the host must have; false: it has no name */
static bool
add_expected_names(const struct policy_question *q, struct policy *to)
{
	for (size_t i = 0; i < q->tls->names.count; i++)
		add_name(to, span_of(q->tls->names.words[i]));
	if (to->name_count > 0)
		return true;
	/* a name that an unsigned MX gave is whatever somebody on the line wanted: the certificate must be for the domain itself */
	if (q->domain.len == 0 || q->is_secure)
		add_name(to, q->host);
	add_name(to, q->domain);
	return to->name_count > 0;
}

static void
by_configuration(const struct policy_question *q, struct policy *to)
{
	to->source = POLICY_BY_CONFIGURATION;
	switch (q->tls->level) {
	case CONFIG_HOP_NONE:
		to->level = POLICY_NONE;
		say(to, "the configuration says `tls none`");
		return;
	case CONFIG_HOP_OPPORTUNISTIC:
		to->level = POLICY_OPPORTUNISTIC;
		say(to, "nobody demands TLS");
		return;
	case CONFIG_HOP_REQUIRED:
		to->level = POLICY_ENCRYPTED;
		say(to, "the configuration says `tls required`");
		return;
	case CONFIG_HOP_VERIFIED:
		break;
	}
	to->level = POLICY_VERIFIED;
	say(to, "the configuration says `tls verified`");
	if (!add_expected_names(q, to)) {
		to->is_passed_over = true;
		say(to, "the configuration says `tls verified`, and this host has no name; `names` "
			"in its block would say one");
	}
}

/* may `tls verified` be met by what the domain publishes?  It may by DANE and by MTA-STS: both say which host is the domain's */
static void
by_hosts(const struct policy_question *q, struct policy *to)
{
	*to = (struct policy){.server_name = q->host};
	by_configuration(q, to);
	if (!q->is_tcp) {
		to->level = POLICY_NONE;
		to->is_passed_over = false;
		say(to, "the host is reached by a socket of this machine");
		return;
	}
	if (to->level == POLICY_NONE || q->demand == INTAKE_TLS_WAIVED)
		return;
	if (policy_wants_dane(q->tls) && is_published(q->dane)) {
		if (q->dane->outcome == DANE_UNUSABLE && to->level == POLICY_VERIFIED)
			return;
		*to = (struct policy){.server_name = q->host};
		by_dane(q, to);
		return;
	}
	if (policy_wants_sts(q->tls) && q->sts != NULL && q->sts->mode != POLICY_STS_NONE &&
	    q->domain.len > 0) {
		if (q->sts->mode == POLICY_STS_TESTING && to->level != POLICY_OPPORTUNISTIC)
			return;
		*to = (struct policy){.server_name = q->host};
		to->level = POLICY_OPPORTUNISTIC;
		by_sts(q, to);
	}
}

/* ---- what the sender demands ---- */

/* RFC 8689, section 4.2.1: who the host is must be proved, by DANE or by an authority, whoever else demands less */
static void
by_sender(const struct policy_question *q, struct policy *to)
{
	to->must_require = true;
	if (to->is_passed_over || to->level >= POLICY_VERIFIED)
		return;
	to->source = POLICY_BY_SENDER;
	to->is_tested = false;
	to->name_count = 0;
	if (to->level == POLICY_NONE) {
		to->is_passed_over = to->is_permanent = true;
		say(to, "the sender said REQUIRETLS, and the configuration says `tls none`");
		return;
	}
	to->level = POLICY_VERIFIED;
	say(to, "the sender said REQUIRETLS");
	if (!add_expected_names(q, to)) {
		to->is_passed_over = to->is_permanent = true;
		say(to,
		    "the sender said REQUIRETLS, and this host has no name that could be verified");
	}
}

void
policy_decide(const struct policy_question *q, struct policy *to)
{
	by_hosts(q, to);
	if (q->is_tcp && q->demand == INTAKE_TLS_REQUIRED)
		by_sender(q, to);
}

/* ---- names ---- */

bool
policy_wants_dane(const struct config_hop_tls *tls)
{
	return tls->dane && tls->level != CONFIG_HOP_NONE && tls->names.count == 0;
}

bool
policy_wants_sts(const struct config_hop_tls *tls)
{
	return tls->sts && tls->level != CONFIG_HOP_NONE && tls->names.count == 0;
}

const char *
policy_level_name(enum policy_level level)
{
	switch (level) {
	case POLICY_NONE:
		return "none";
	case POLICY_OPPORTUNISTIC:
		return "opportunistic";
	case POLICY_ENCRYPTED:
		return "required";
	case POLICY_VERIFIED:
		return "verified";
	case POLICY_DANE:
		return "dane";
	}
	return "";
}

const char *
policy_source_name(enum policy_source source)
{
	switch (source) {
	case POLICY_BY_CONFIGURATION:
		return "configuration";
	case POLICY_BY_DANE:
		return "dane";
	case POLICY_BY_STS:
		return "sts";
	case POLICY_BY_SENDER:
		return "sender";
	}
	return "";
}

const char *
policy_result_name(enum policy_result result)
{
	switch (result) {
	case POLICY_RESULT_SUCCESS:
		return "success";
	case POLICY_RESULT_STARTTLS_NOT_SUPPORTED:
		return "starttls-not-supported";
	case POLICY_RESULT_CERTIFICATE_HOST_MISMATCH:
		return "certificate-host-mismatch";
	case POLICY_RESULT_CERTIFICATE_EXPIRED:
		return "certificate-expired";
	case POLICY_RESULT_CERTIFICATE_NOT_TRUSTED:
		return "certificate-not-trusted";
	case POLICY_RESULT_VALIDATION_FAILURE:
		return "validation-failure";
	case POLICY_RESULT_TLSA_INVALID:
		return "tlsa-invalid";
	case POLICY_RESULT_DNSSEC_INVALID:
		return "dnssec-invalid";
	case POLICY_RESULT_STS_WEBPKI_INVALID:
		return "sts-webpki-invalid";
	}
	return "";
}
