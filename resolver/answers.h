/*
 * answers - what libunbound found, as struct resolver_answer
 *
 * Called by serve.c for each result.  libunbound has parsed and, where there are keys, validated it; its RDATA is looked at here once
 * more, record by record, and one that is not whole is left out and counted.
 */
#ifndef RESOLVER_ANSWERS_H
#define RESOLVER_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <unbound.h>

#include "common/protocol/resolver.h"

/* of one answer: the strings that its spans point to, and its records encoded */
struct answer {
	struct resolver_answer message; /* all but the records */
	char canonical[RESOLVER_NAME_MAX + 1];
	char text[RESOLVER_TEXT_MAX + 1];
	size_t broken; /* records that were left out */
};

/* one record of the result, decoded; spans point into it and into the result */
struct answers_record {
	struct resolver_record record;
	char name[RESOLVER_NAME_MAX + 1];
	char data[RESOLVER_RDATA_MAX];
};

/* answers_name - an uncompressed name of wire format as text: lower case, no dot at its end; the root is empty.  -1: it is none. */
int answers_name(struct span wire, size_t *used, char text[RESOLVER_NAME_MAX + 1])
	__attribute__((warn_unused_result));
/* answers_record - RDATA of `rr`; -1: it is not whole */
int answers_record(enum resolver_rr rr, struct span rdata, struct answers_record *to)
	__attribute__((warn_unused_result));

/* answers_judge - outcome, security, ttl, canonical and text of a result; its records are taken by the caller, with answers_record */
void answers_judge(const struct ub_result *result, struct answer *to);
/* the same without a result: no answer could be had, for that reason (cut at RESOLVER_TEXT_MAX, made printable) */
void answers_trouble(struct answer *to, const char *why);

#endif
