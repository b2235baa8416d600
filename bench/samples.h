/*
 * samples - times that were measured, kept one by one, and their percentiles
 *
 * Used by load and sink.  Exact: nothing is rounded into classes, 4 bytes a sample.
 */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct samples {
	uint32_t *us; /* owned */
	size_t len, size;
};

/* samples_add - fatal() without memory; what is below 0 or beyond an hour is counted as that */
void samples_add(struct samples *s, int64_t us);
void samples_clear(struct samples *s);
/* samples_print - `"NAME_p50_ms": 1.234, ... p99, p999, max` (no comma behind); 0 without samples.  Sorts them. */
void samples_print(struct samples *s, const char *name, FILE *to);

#endif
