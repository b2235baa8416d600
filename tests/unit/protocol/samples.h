/*
 * samples - every message of every inner socket, filled by a seed: for the round-trip test and the fuzzer
 */
#ifndef TESTS_UNIT_PROTOCOL_SAMPLES_H
#define TESTS_UNIT_PROTOCOL_SAMPLES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/protocol/auth-pam.h"
#include "common/protocol/auth.h"
#include "common/protocol/control.h"
#include "common/protocol/intake.h"
#include "common/protocol/jobs.h"
#include "common/protocol/lookup.h"
#include "common/protocol/resolver.h"
#include "common/protocol/signer.h"
#include "common/protocol/trace.h"
#include "common/protocol/verify.h"
#include "common/protocol/wire.h"

#define SAMPLE_SIZE 1024 /* no message's struct is larger */

static const struct wire_shape *const sample_tables[] = {
	intake_calls,	intake_answers,	  jobs_calls,	    jobs_orders,    lookup_calls,
	lookup_answers, control_calls,	  control_answers,  trace_calls,    trace_answers,
	resolver_calls, resolver_answers, signer_calls,	    signer_answers, auth_calls,
	auth_answers,	auth_pam_calls,	  auth_pam_answers, verify_calls,   verify_answers,
};

#define SAMPLE_TABLES (sizeof(sample_tables) / sizeof(sample_tables[0]))

static inline uint64_t
sample_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* a valid struct of that shape; `lists` are the rooms its lists are built in */
static inline void
sample_fill(const struct wire_shape *shape, char *message, uint64_t *seed, struct wire *lists)
{
	static const char letters[4096] = "0123456789abcdefghijklmnopqrstuvwxyz";
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct wire_field *f = &shape->fields[i];
		uint64_t range = f->max - f->min;
		uint64_t number = f->min + (range == UINT64_MAX ? sample_next(seed)
								: sample_next(seed) % (range + 1));
		if (f->kind == WIRE_U64) {
			memcpy(message + f->at, &number, sizeof(number));
		} else if (f->kind == WIRE_SPAN) {
			size_t most = f->max < 300 ? f->max : 300;
			size_t len = f->min + sample_next(seed) % (most - f->min + 1);
			struct span s = {letters, len};
			memcpy(message + f->at, &s, sizeof(s));
		} else {
			uint64_t count = f->min + sample_next(seed) % 5;
			char item[SAMPLE_SIZE];
			wire_list_start(lists);
			for (uint64_t k = 0; k < count; k++) {
				sample_fill(f->item, item, seed, NULL);
				if (wire_list_add(lists, WIRE_LIST_ROOM, f->item, item) < 0)
					abort();
			}
			struct wire_list list = wire_list_get(lists);
			memcpy(message + f->at, &list, sizeof(list));
		}
	}
}

static inline int
sample_same(const struct wire_shape *shape, const char *a, const char *b)
{
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct wire_field *f = &shape->fields[i];
		uint64_t na, nb;
		struct span sa, sb;
		struct wire_list la, lb;
		switch (f->kind) {
		case WIRE_U64:
			memcpy(&na, a + f->at, sizeof(na));
			memcpy(&nb, b + f->at, sizeof(nb));
			if (na != nb)
				return 0;
			break;
		case WIRE_SPAN:
			memcpy(&sa, a + f->at, sizeof(sa));
			memcpy(&sb, b + f->at, sizeof(sb));
			if (!span_equal(sa, sb))
				return 0;
			break;
		case WIRE_LIST:
			memcpy(&la, a + f->at, sizeof(la));
			memcpy(&lb, b + f->at, sizeof(lb));
			if (la.count != lb.count || !span_equal(la.bytes, lb.bytes))
				return 0;
			break;
		}
	}
	return 1;
}

#endif
