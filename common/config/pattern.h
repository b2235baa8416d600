/*
 * pattern - the regular expression of a rule, compiled (PCRE2)
 *
 * For lookup, which matches with it, and `culver check`, which says what is wrong with it.  As in Postfix's pcre_table(5) it is matched
 * without regard to case, `.` takes line ends too, and each flag changes one default.  Never by JIT: nothing here may write code.
 */
#ifndef COMMON_CONFIG_PATTERN_H
#define COMMON_CONFIG_PATTERN_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/config/rules.h"

/* pattern_bounds - what strangers send is matched within these: steps, depth, memory; NULL: no memory */
pcre2_match_context *pattern_bounds(void);
/* pattern_compile - NULL: said why; its groups are as many as the value names, or more */
pcre2_code *pattern_compile(const struct rules_reader *r, const struct rules_pattern *p);

#endif
