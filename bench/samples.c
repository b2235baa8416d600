/*
 * samples - see samples.h
 */
#include "bench/samples.h"

#include <errno.h>
#include <stdlib.h>

#include "common/system/fatal.h"

#define LONGEST_US 3600000000LL
#define FIRST_SIZE 4096

void
samples_add(struct samples *s, int64_t us)
{
	if (s->len == s->size) {
		size_t size = s->size != 0 ? s->size * 2 : FIRST_SIZE;
		uint32_t *grown = reallocarray(s->us, size, sizeof(*grown));
		if (grown == NULL)
			fatal(EXIT_OS, errno, "room for %zu samples", size);
		s->us = grown;
		s->size = size;
	}
	s->us[s->len++] = (uint32_t)(us < 0 ? 0 : us > LONGEST_US ? LONGEST_US : us);
}

void
samples_clear(struct samples *s)
{
	s->len = 0;
}

static int
compare(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;
	return (*left > *right) - (*left < *right);
}

/* the smallest sample that at least `share` (per thousand) of all do not exceed */
static double
percentile_ms(const struct samples *s, size_t share)
{
	if (s->len == 0)
		return 0;
	size_t rank = (s->len * share + 999) / 1000;
	return s->us[rank > 0 ? rank - 1 : 0] / 1000.0;
}

void
samples_print(struct samples *s, const char *name, FILE *to)
{
	if (s->len > 1)
		qsort(s->us, s->len, sizeof(*s->us), compare);
	fprintf(to,
		"\"%s_p50_ms\": %.3f, \"%s_p99_ms\": %.3f, \"%s_p999_ms\": %.3f, \"%s_max_ms\": "
		"%.3f",
		name, percentile_ms(s, 500), name, percentile_ms(s, 990), name,
		percentile_ms(s, 999), name, percentile_ms(s, 1000));
}
