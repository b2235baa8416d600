/*
 * pattern - see pattern.h
 */
#include "common/config/pattern.h"

#include <stdio.h>

#define REASON_MAX 200
#define MATCH_STEPS_MAX 200000
#define MATCH_DEPTH_MAX 2000
#define MATCH_MEMORY_KB 4096

pcre2_match_context *
pattern_bounds(void)
{
	pcre2_match_context *bounds = pcre2_match_context_create(NULL);

	if (bounds == NULL)
		return NULL;
	(void)pcre2_set_match_limit(bounds, MATCH_STEPS_MAX);
	(void)pcre2_set_depth_limit(bounds, MATCH_DEPTH_MAX);
	(void)pcre2_set_heap_limit(bounds, MATCH_MEMORY_KB);
	return bounds;
}

static uint32_t
options_of(struct span flags)
{
	static const struct {
		char flag;
		uint32_t option;
	} known[] = {{'i', PCRE2_CASELESS}, {'m', PCRE2_MULTILINE}, {'s', PCRE2_DOTALL},
		     {'x', PCRE2_EXTENDED}, {'A', PCRE2_ANCHORED},  {'E', PCRE2_DOLLAR_ENDONLY},
		     {'U', PCRE2_UNGREEDY}}; /* X is the default of PCRE2 */
	uint32_t options = PCRE2_CASELESS | PCRE2_DOTALL;

	for (size_t i = 0; i < flags.len; i++)
		for (size_t n = 0; n < sizeof(known) / sizeof(known[0]); n++)
			if (flags.at[i] == known[n].flag)
				options ^= known[n].option;
	return options;
}

pcre2_code *
pattern_compile(const struct rules_reader *r, const struct rules_pattern *p)
{
	PCRE2_SIZE offset;
	uint32_t groups = 0;
	int error;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)p->pattern.at, p->pattern.len,
					 options_of(p->flags) | PCRE2_NEVER_BACKSLASH_C, &error,
					 &offset, NULL);

	if (code == NULL) {
		char reason[REASON_MAX], text[REASON_MAX + 40];

		if (pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof(reason)) < 0)
			snprintf(reason, sizeof(reason), "error %d", error);
		snprintf(text, sizeof(text), "the pattern is wrong: %s", reason);
		r->wrong(r->owner, p->line, p->pattern_column + (unsigned)offset, text);
		return NULL;
	}
	(void)pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &groups);
	if (p->highest_group <= groups)
		return code;
	r->wrong(r->owner, p->line, p->pattern_column,
		 "the value names a group that the pattern does not have");
	pcre2_code_free(code);
	return NULL;
}
