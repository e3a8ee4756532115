/* SPDX-License-Identifier: MIT */
/* Sums over the parts of resident memory. */
#include "userspace/model/resident.h"

int64_t resident_sum(const struct resident_look *look, enum memory_part part)
{
	int64_t sum = 0;
	for (size_t i = 0; i < look->n_parts; i++)
		if (look->parts[i].part == part &&
		    __builtin_add_overflow(sum, look->parts[i].rss_bytes, &sum))
			return INT64_MAX;
	return sum;
}

int64_t resident_malloc(const struct resident_look *look)
{
	int64_t sum = 0;
	for (enum memory_part part = PART_HEAP; part <= PART_MALLOC; part++)
		if (__builtin_add_overflow(sum, resident_sum(look, part), &sum))
			return INT64_MAX;
	return sum;
}

int64_t resident_own_pss(const struct resident_look *look)
{
	int64_t sum = 0;
	for (size_t i = 0; i < look->n_parts; i++)
		if (look->parts[i].part == PART_OWN &&
		    __builtin_add_overflow(sum, look->parts[i].pss_bytes, &sum))
			return 0;
	return sum;
}
