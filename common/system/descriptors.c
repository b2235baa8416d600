/*
 * descriptors - see descriptors.h
 */
#include "common/system/descriptors.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/system/fatal.h"

static int
compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void
descriptors_keep(int *kept, size_t count)
{
	unsigned from = DESCRIPTORS_FIRST;

	qsort(kept, count, sizeof(*kept), compare);
	for (size_t i = 0; i < count; i++) {
		if (kept[i] < (int)from)
			continue;
		if ((unsigned)kept[i] > from && close_range(from, (unsigned)kept[i] - 1, 0) != 0)
			_exit(EXIT_OS);
		from = (unsigned)kept[i] + 1;
	}
	if (close_range(from, ~0u, 0) != 0)
		_exit(EXIT_OS);
}
