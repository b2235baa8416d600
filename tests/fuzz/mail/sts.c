/*
 * Records and policies of MTA-STS.
 *
 * What is taken lies within the text and its limits; a policy that is written again from what was read is read as the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/mail/domain.h"
#include "common/mail/sts.h"
#include "common/text/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static bool
lies_in(struct span part, struct span all)
{
	return part.at >= all.at && part.at + part.len <= all.at + all.len;
}

static void
check_record(struct span text)
{
	struct span id = SPAN_NONE;

	if (sts_record(text, &id) < 0)
		return;
	require(sts_is_record(text) && lies_in(id, text) && id.len > 0 && id.len <= STS_ID_MAX);
	for (size_t i = 0; i < id.len; i++)
		require((id.at[i] >= '0' && id.at[i] <= '9') ||
			(ascii_lower(id.at[i]) >= 'a' && ascii_lower(id.at[i]) <= 'z'));
}

static void
check_policy(struct span text)
{
	static struct sts_policy p, again;
	const char *wrong = NULL;
	struct buffer b;

	if (sts_policy(text, &p, &wrong) < 0) {
		require(wrong != NULL);
		return;
	}
	require(wrong == NULL && text.len <= STS_POLICY_MAX && p.max_age <= STS_AGE_MAX);
	require(p.mx_count <= STS_MX_MAX && (p.mx_count > 0 || p.mode == STS_NONE));
	buffer_init(&b, 2 * STS_POLICY_MAX);
	buffer_format(&b, "version: STSv1\nmode: %s\nmax_age: %llu\n", sts_mode_name(p.mode),
		      (unsigned long long)p.max_age);
	for (size_t i = 0; i < p.mx_count; i++) {
		struct span name = p.mx[i];

		require(lies_in(name, text));
		require(domain_is_valid(span_starts(name, SPAN("*.")) ? span_skip(name, 2) : name));
		buffer_format(&b, "mx: %.*s\n", SPAN_ARG(name));
	}
	require(!b.failed && sts_policy(buffer_get(&b), &again, &wrong) == 0);
	require(again.mode == p.mode && again.max_age == p.max_age && again.mx_count == p.mx_count);
	buffer_free(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_from((const char *)data, size);

	check_record(text);
	check_policy(text);
	return 0;
}
