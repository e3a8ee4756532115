/* SPDX-License-Identifier: MIT */
/* Findings about what resident memory consists of: from looks at mappings, which happen at readiness, near the
 * peak, and before startline ends the tree. */
#include "userspace/model/build/resident_findings.h"

#include <string.h>

#include "userspace/base/units.h"

/* Below it nobody need look for what has the memory: as for the heap (heap_findings.c). */
#define MAPPING_MIN   32000000
#define MAPPING_SHARE 0.5
/* glibc has up to eight arenas a CPU. Two are what the remedy leaves; with fewer than twice that, and for less
 * memory, nobody gives up that threads do not wait for each other. */
#define ARENAS_MIN     4
#define ARENAS_FREE    16000000
#define ARENAS_SHARE   0.5	/* of the arenas is free */
#define ARENAS_OF_RSS  0.1	/* … and that is so much of the process */
#define UNSHARED_MIN   16000000 /* all workers together, and … */
#define UNSHARED_SHARE 0.1	/* … of what was shared at readiness */

/* "redis-server[123]" */
static const char *process_label(struct builder *b, const struct proc *p)
{
	const char *exe = p->out.exe == NULL ? "process" : p->out.exe;
	const char *slash = strrchr(exe, '/');
	return arena_printf(b->arena, "%s[%lld]", slash != NULL ? slash + 1 : exe,
			    (long long)p->out.pid);
}

/* ---- one mapping has most of it ---- */

/* A heap is one, too, but what is in it is asked of `sites`; a runtime's is made to hold all. */
static bool is_one_mapping(const struct resident_part *part)
{
	switch (part->part) {
	case PART_FILE:
	case PART_SHARED:
	case PART_NAMED:
		return part->name[0] != '\0';
	case PART_MALLOC:
	case PART_ANONYMOUS:
		return part->areas == 1;
	case PART_HEAP:
	case PART_ARENAS:
	case PART_STACK:
	case PART_THREAD_STACKS:
	case PART_LOADER:
	case PART_RUNTIME:
	case PART_KERNEL:
	case PART_OWN:
	case PART_COUNT:
		break;
	}
	return false;
}

static const char *mapping_remedy(enum memory_part part)
{
	if (part == PART_FILE)
		return "read what is needed of it and when it is needed; where it is mapped only to be "
		       "read, its pages go by themselves as memory gets short";
	if (part == PART_SHARED)
		return "make it smaller, or take it as it is used";
	return "take it later or smaller, or touch only what is needed of it (--heap sample "
	       "--view site-calls tells who asked for a block)";
}

static const char *mapping_name(struct builder *b, const struct resident_part *part)
{
	if (part->part == PART_MALLOC)
		return "one mapping of malloc's large blocks";
	return part->name[0] != '\0' ? arena_printf(b->arena, "%s", part->name)
				     : "one anonymous mapping";
}

bool dominant_mapping(struct builder *b, struct finding *ret)
{
	const struct proc *in = NULL;
	const struct resident_part *most = NULL;
	const struct resident_look *whole = NULL;
	char part[UNITS_BYTES], all[UNITS_BYTES];
	vec_foreach(p, &b->procs) {
		const bool is_ready = p->out.looks[LOOK_READY].is_known;
		const struct resident_look *look = &p->out.looks[is_ready ? LOOK_READY : LOOK_PEAK];
		for (size_t i = 0; look->is_known && i < look->n_parts; i++) {
			const struct resident_part *one = &look->parts[i];
			/* Once, whoever shares it: a library is not large because many have it. */
			if (!is_one_mapping(one) || one->pss_bytes < MAPPING_MIN ||
			    (double)one->pss_bytes < MAPPING_SHARE * (double)look->pss_bytes ||
			    (most != NULL && one->pss_bytes <= most->pss_bytes))
				continue;
			in = p;
			most = one;
			whole = look;
		}
	}
	if (most == NULL)
		return false;
	ret->cost_ns = UNKNOWN;
	ret->evidence =
		arena_printf(b->arena, "%s is %s of the %s that %s has resident %s",
			     mapping_name(b, most), format_bytes(part, (double)most->pss_bytes),
			     format_bytes(all, (double)whole->pss_bytes), process_label(b, in),
			     whole == &in->out.looks[LOOK_READY] ? "when ready" : "at its peak");
	ret->remedy = mapping_remedy(most->part);
	return true;
}

/* ---- an arena for each thread ---- */

/* All that is live may lie in the arenas, so at least that is free in them. Of a forked process it is not known
 * what of it is its parent's. */
static int64_t free_in_arenas(const struct proc *p, int64_t in_arenas)
{
	const struct heap *heap = &p->out.heap;
	if (!heap->is_known || heap->ready_bytes == UNKNOWN || p->out.n_images == 0)
		return 0;
	return in_arenas > heap->ready_bytes ? in_arenas - heap->ready_bytes : 0;
}

bool thread_arenas(struct builder *b, struct finding *ret)
{
	const struct proc *in = NULL;
	int64_t most = 0, resident = 0, n = 0;
	char has[UNITS_BYTES], live[UNITS_BYTES];
	vec_foreach(p, &b->procs) {
		const struct resident_look *look = &p->out.looks[LOOK_READY];
		const int64_t in_arenas = look->is_known ? resident_sum(look, PART_ARENAS) : 0;
		const int64_t unused = free_in_arenas(p, in_arenas);
		const int64_t areas = resident_areas(look, PART_ARENAS);
		if (areas < ARENAS_MIN || unused < ARENAS_FREE || unused <= most ||
		    (double)unused < ARENAS_SHARE * (double)in_arenas ||
		    (double)unused < ARENAS_OF_RSS * (double)look->rss_bytes)
			continue;
		in = p;
		most = unused;
		resident = in_arenas;
		n = areas;
	}
	if (in == NULL)
		return false;
	ret->cost_ns = UNKNOWN;
	ret->evidence = arena_printf(
		b->arena,
		"%s has %s resident in %lld areas of malloc's arenas for threads when ready, of "
		"which at most %s can be live",
		process_label(b, in), format_bytes(has, (double)resident), (long long)n,
		format_bytes(live, (double)(resident - most)));
	ret->remedy =
		"run it with MALLOC_ARENA_MAX=2: threads share arenas then, and may wait for each "
		"other in malloc; or have fewer threads";
	return true;
}

/* ---- workers that write to what they inherited ---- */

bool unshared_pages(struct builder *b, struct finding *ret)
{
	const struct proc *in = NULL;
	int64_t sum = 0, most = 0, n = 0;
	enum memory_part where = PART_COUNT;
	char one[UNITS_BYTES], all[UNITS_BYTES], shared[UNITS_BYTES];
	vec_foreach(p, &b->procs) {
		enum memory_part part;
		const int64_t bytes = p->parent < 0 ? 0 : resident_unshared(p->out.looks, &part);
		if (bytes <= 0 || __builtin_add_overflow(sum, bytes, &sum))
			continue;
		n++;
		if (bytes <= most)
			continue;
		in = p;
		most = bytes;
		where = part;
	}
	if (in == NULL || sum < UNSHARED_MIN || b->run->ready_shared_bytes <= 0 ||
	    (double)sum < UNSHARED_SHARE * (double)b->run->ready_shared_bytes)
		return false;
	ret->cost_ns = UNKNOWN;
	ret->evidence = arena_printf(
		b->arena,
		"after readiness %lld process%s unshared %s together, of %s that were shared; most %s: "
		"%s, mainly its %s",
		(long long)n, n == 1 ? "" : "es", format_bytes(all, (double)sum),
		format_bytes(shared, (double)b->run->ready_shared_bytes), process_label(b, in),
		format_bytes(one, (double)most), memory_part_words(where));
	ret->remedy =
		"do not write to what was made before the fork: reference counts and marks of a "
		"collector do (CPython: gc.freeze() before it), and so does an allocator whose "
		"free blocks lie between; or make it later, in the worker that needs it";
	return true;
}
