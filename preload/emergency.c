/* SPDX-License-Identifier: MIT */
/* Allocation where no allocator was found (real.h). */
#include <sys/mman.h>

#include "preload/real.h"
#include "preload/sys.h"

enum { EMERGENCY_HEADER = 64 };

void *emergency_alloc(size_t n, size_t alignment)
{
	const size_t lead = alignment > EMERGENCY_HEADER ? alignment : EMERGENCY_HEADER;
	size_t total;

	if (__builtin_add_overflow(n, lead + lead, &total))
		return NULL;
	const long at = sys_call6(SYS_mmap, 0, (long)total, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(at))
		return NULL;
	const uintptr_t p = ((uintptr_t)at + lead + lead - 1) & ~(uintptr_t)(lead - 1);
	*(size_t *)(p - sizeof(size_t)) = n;
	return (void *)p;
}

size_t emergency_size(const void *p)
{
	return *(const size_t *)((uintptr_t)p - sizeof(size_t));
}
