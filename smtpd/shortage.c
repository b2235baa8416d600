/*
 * shortage - see the header; called by listener.c and accept.c
 */
#include "smtpd/shortage.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>

static _Atomic bool *shared;

void
shortage_start(void)
{
	void *at = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);

	/* without memory the sessions wait when they had better not: slower, and as safe */
	shared = at != MAP_FAILED ? at : NULL;
}

void
shortage_tell(uint64_t sessions, uint64_t max)
{
	if (shared != NULL)
		atomic_store_explicit(shared, sessions * 100 > max * SHORTAGE_PERCENT,
				      memory_order_relaxed);
}

bool
shortage_is(void)
{
	return shared != NULL && atomic_load_explicit(shared, memory_order_relaxed);
}
