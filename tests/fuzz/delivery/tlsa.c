/*
 * tlsa - any bytes as the RDATA of TLSA records: what is called usable has a shape that OpenSSL is given, and a demand always comes of it
 */
#include <stdint.h>
#include <stdlib.h>

#include "delivery/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_hop_tls tls = {.dane = true};
	struct resolver_record records[4];
	struct resolver_found found = {.records = records};
	struct dane dane = {.base = SPAN("mx.test"), .text = SPAN_NONE};
	struct policy policy;

	/* a length, then so many bytes */
	while (size > 1 && found.count < 4) {
		size_t len = data[0] < size - 1 ? data[0] : size - 1;

		records[found.count++] = (struct resolver_record){
			.name = SPAN_NONE, .data = span_from((const char *)data + 1, len)};
		data += 1 + len;
		size -= 1 + len;
	}
	dane_take(&found, &dane);
	if ((dane.outcome == DANE_FOUND) != (dane.count > 0) || dane.count > found.count)
		abort();
	for (size_t i = 0; i < dane.count; i++) {
		const struct dane_record *r = &dane.records[i];

		if ((r->usage != DANE_TA && r->usage != DANE_EE) || r->selector > 1 ||
		    r->matching > 2 || r->data.len == 0)
			abort();
	}
	policy_decide(&(struct policy_question){.tls = &tls,
						.domain = SPAN("test"),
						.host = SPAN("mx.test"),
						.is_tcp = true,
						.dane = &dane},
		      &policy);
	/* records, whatever they are, demand TLS */
	if (policy.level != POLICY_ENCRYPTED && policy.level != POLICY_DANE)
		abort();
	return 0;
}
