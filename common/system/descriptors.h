/*
 * descriptors - which of them a child keeps
 */
#ifndef COMMON_SYSTEM_DESCRIPTORS_H
#define COMMON_SYSTEM_DESCRIPTORS_H

#include <stddef.h>

#define DESCRIPTORS_FIRST 3 /* below are /dev/null and stderr, which stay */

/*
 * descriptors_keep - closes every descriptor from DESCRIPTORS_FIRST on but these (-1: none); sorts `kept`
 *
 * For a child that was forked beside connections of others: where it cannot be done the process ends.
 */
void descriptors_keep(int *kept, size_t count);

#endif
