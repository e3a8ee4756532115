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

int64_t resident_areas(const struct resident_look *look, enum memory_part part)
{
	int64_t sum = 0;
	for (size_t i = 0; i < look->n_parts; i++)
		if (look->parts[i].part == part &&
		    __builtin_add_overflow(sum, look->parts[i].areas, &sum))
			return INT64_MAX;
	return sum;
}

/* What two looks differ by. Numbers may come from a stored document, and be anything. */
struct change {
	double own, shared;
};

static double unshared(const struct change *c)
{
	const double lost = -c->shared, both = c->own < lost ? c->own : lost;
	return both > 0 ? both : 0;
}

static void change_by(struct change *c, int64_t rss, int64_t private_bytes, double sign)
{
	c->own += sign * (double)private_bytes;
	c->shared += sign * ((double)rss - (double)private_bytes);
}

int64_t resident_unshared(const struct resident_look looks[LOOK_COUNT], enum memory_part *ret_part)
{
	const struct resident_look *look[2] = { &looks[LOOK_READY], &looks[LOOK_END] };
	struct change all = { 0 }, by_part[PART_COUNT] = { 0 };
	double most = 0;
	*ret_part = PART_COUNT;
	if (!look[0]->is_known || !look[1]->is_known)
		return 0;
	for (int i = 0; i < 2; i++) {
		const double sign = i == 0 ? -1 : 1;
		change_by(&all, look[i]->rss_bytes, look[i]->private_bytes, sign);
		for (size_t k = 0; k < look[i]->n_parts; k++) {
			const struct resident_part *p = &look[i]->parts[k];
			change_by(&by_part[p->part % PART_COUNT], p->rss_bytes, p->private_bytes,
				  sign);
		}
	}
	for (enum memory_part part = 0; part < PART_COUNT; part++) {
		if (unshared(&by_part[part]) <= most)
			continue;
		most = unshared(&by_part[part]);
		*ret_part = part;
	}
	return unshared(&all) < 1e18 ? (int64_t)unshared(&all) : 0;
}

const char *memory_part_words(enum memory_part part)
{
	static const char *const words[PART_COUNT] = {
		[PART_HEAP] = "heap",
		[PART_ARENAS] = "malloc's arenas",
		[PART_MALLOC] = "large blocks",
		[PART_STACK] = "stack",
		[PART_THREAD_STACKS] = "thread stacks",
		[PART_LOADER] = "TLS, loader",
		[PART_FILE] = "file",
		[PART_SHARED] = "shared memory",
		[PART_NAMED] = "named",
		[PART_RUNTIME] = "runtime",
		[PART_ANONYMOUS] = "other anonymous",
		[PART_KERNEL] = "kernel's",
		[PART_OWN] = "startline's own",
	};
	return part < PART_COUNT ? words[part] : "";
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
