/*
 * number - see number.h
 */
#include "common/text/number.h"

/* value * 10 + digit without wrapping */
static int
add_digit(uint64_t *value, uint64_t base, uint64_t digit)
{
	if (__builtin_mul_overflow(*value, base, value) ||
	    __builtin_add_overflow(*value, digit, value))
		return -1;
	return 0;
}

static int
parse_digits(struct span s, uint64_t *value)
{
	uint64_t v = 0;
	if (s.len == 0)
		return -1;
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < '0' || s.at[i] > '9' ||
		    add_digit(&v, 10, (uint64_t)(s.at[i] - '0')) < 0)
			return -1;
	*value = v;
	return 0;
}

int
number_parse(struct span s, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t v;
	if (parse_digits(s, &v) < 0 || v < min || v > max)
		return -1;
	*value = v;
	return 0;
}

int
number_parse_hex(struct span s, uint64_t *value)
{
	uint64_t v = 0;
	if (s.len == 0 || s.len > 16)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint64_t)(c - '0');
		else if (c >= 'A' && c <= 'F')
			v = v << 4 | (uint64_t)(c - 'A' + 10);
		else
			return -1;
	}
	*value = v;
	return 0;
}

int
number_parse_size(struct span s, uint64_t min, uint64_t max, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	unsigned shift = 0;
	uint64_t v;
	if (s.len > 0) {
		const char *unit = memchr(units, s.at[s.len - 1], sizeof(units) - 1);
		if (unit != NULL) {
			shift = 10 * (unsigned)(unit - units + 1);
			s.len--;
		}
	}
	if (parse_digits(s, &v) < 0 || v > UINT64_MAX >> shift)
		return -1;
	v <<= shift;
	if (v < min || v > max)
		return -1;
	*bytes = v;
	return 0;
}

/* the unit at the front of `s`, in ms, and its length; 0: none */
static uint64_t
duration_unit(struct span s, size_t *len)
{
	static const struct {
		char name[3];
		uint64_t ms;
	} units[] = {
		{"ms", 1},
		{"s", 1000},
		{"m", 60 * UINT64_C(1000)},
		{"h", 3600 * UINT64_C(1000)},
		{"d", UINT64_C(24) * 3600 * 1000},
		{"w", UINT64_C(7) * 24 * 3600 * 1000},
	};
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (span_starts(s, span_of(units[i].name))) {
			*len = strlen(units[i].name);
			return units[i].ms;
		}
	return 0;
}

int
number_parse_duration(struct span s, uint64_t min, uint64_t max, uint64_t *ms)
{
	uint64_t sum = 0;
	if (s.len == 0)
		return -1;
	while (s.len > 0) {
		size_t digits = 0, unit_len = 0;
		uint64_t v;
		while (digits < s.len && s.at[digits] >= '0' && s.at[digits] <= '9')
			digits++;
		if (parse_digits(span_from(s.at, digits), &v) < 0)
			return -1;
		s = span_skip(s, digits);
		uint64_t unit = duration_unit(s, &unit_len);
		if (unit == 0 || __builtin_mul_overflow(v, unit, &v) ||
		    __builtin_add_overflow(sum, v, &sum))
			return -1;
		s = span_skip(s, unit_len);
	}
	if (sum < min || sum > max)
		return -1;
	*ms = sum;
	return 0;
}
