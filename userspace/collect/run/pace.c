/* SPDX-License-Identifier: MIT */
/* Pure: what the tree has, what looks took, and the time come from outside. */
#include "userspace/collect/run/pace.h"

#include "userspace/base/units.h"

/* Less growth than this is no reason to look again. */
#define GROWTH_PART  50
#define GROWTH_BYTES (256u << 10)
/* Of the time since the command began. */
#define COST_PART 100
/* … and of a tree that for so long has had about the same, and that much more than was seen. */
#define STILL_COST_PART 50
#define STILL_NS	(10 * NS_PER_MS)
#define STILL_GAIN_PART 16
/* What a look will take before there was one: a process, and walking over its pages. */
#define PROCESS_NS (300 * NS_PER_US)
#define NS_PER_MIB (15 * NS_PER_US)
#define MIB	   (1u << 20)

static uint64_t expected_ns(const struct look_pace *p, uint64_t bytes, size_t n_processes)
{
	const uint64_t guess =
		n_processes * (uint64_t)PROCESS_NS + bytes / MIB * (uint64_t)NS_PER_MIB;
	return guess > p->cost_ns ? guess : p->cost_ns;
}

static bool sees_double(const struct look_pace *p, uint64_t bytes)
{
	return bytes / 2 >= p->doubled_bytes + GROWTH_BYTES / 2;
}

static bool has_more(const struct look_pace *p, uint64_t bytes, unsigned int part)
{
	return bytes >= p->seen_bytes + p->seen_bytes / part + GROWTH_BYTES;
}

static bool stands_still(struct look_pace *p, uint64_t bytes, uint64_t since_ns)
{
	const uint64_t change =
		bytes > p->still_bytes ? bytes - p->still_bytes : p->still_bytes - bytes;
	if (change > p->still_bytes / GROWTH_PART) {
		p->still_bytes = bytes;
		p->still_ns = since_ns;
	}
	return since_ns - p->still_ns >= STILL_NS;
}

bool look_is_due(struct look_pace *p, uint64_t bytes, size_t n_processes, uint64_t since_ns)
{
	const bool is_still = stands_still(p, bytes, since_ns);
	const uint64_t spent_ns = sees_double(p, bytes) ? 0 : p->spent_ns;
	const uint64_t cost_ns = spent_ns + expected_ns(p, bytes, n_processes);
	return has_more(p, bytes, GROWTH_PART) &&
	       (cost_ns <= since_ns / COST_PART ||
		(is_still && has_more(p, bytes, STILL_GAIN_PART) &&
		 cost_ns <= since_ns / STILL_COST_PART));
}

void look_was_taken(struct look_pace *p, uint64_t bytes, uint64_t found_bytes, uint64_t cost_ns)
{
	if (sees_double(p, bytes))
		p->doubled_bytes = bytes;
	else
		p->spent_ns += cost_ns;
	p->cost_ns = cost_ns;
	/* A process that executes something has no memory for a moment: what was not found is still to be seen. */
	p->seen_bytes = found_bytes < bytes / 2 ? found_bytes : bytes;
}
