/* SPDX-License-Identifier: MIT */
/* See growth.h. */
#include "userspace/model/growth.h"

#include "userspace/base/capped_sum.h"
#include "userspace/model/session.h"

struct growth_sum growth_all(const struct growth_sum ways[GROWTH_WAYS])
{
	struct growth_sum all = { 0 };
	for (int i = 0; i < GROWTH_WAYS; i++) {
		if (ways[i].calls == UNKNOWN || ways[i].bytes == UNKNOWN)
			return (struct growth_sum){ UNKNOWN, UNKNOWN };
		all.calls = capped_sum(all.calls, ways[i].calls);
		all.bytes = capped_sum(all.bytes, ways[i].bytes);
	}
	return all;
}
