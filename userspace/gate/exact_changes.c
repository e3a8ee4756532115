/* SPDX-License-Identifier: MIT */
/* The exact metrics of a comparison in a few words. */

#include "userspace/gate/exact_changes.h"

#include <math.h>
#include <stdio.h>

#include "userspace/base/units.h"

/* From nothing to something is more than any ratio. */
static double strength(const struct change *c)
{
	return c->base_value > 0 && c->head_value > 0 ? fabs(log(c->ratio)) : (double)INFINITY;
}

const char *exact_changes_text(const struct comparison *c, char *ret, size_t size)
{
	const struct change *most = NULL;
	char change[UNITS_BYTES], base[UNITS_BYTES], head[UNITS_BYTES];
	size_t n = 0;
	for (size_t i = 0; i < c->n_changes; i++) {
		const struct change *witness = &c->changes[i];
		if (witness->basis != BASIS_EXACT || metric_is(witness->id, METRIC_DETAIL))
			continue;
		n++;
		if (witness->base_value != witness->head_value &&
		    (most == NULL || strength(witness) > strength(most)))
			most = witness;
	}
	ret[0] = '\0';
	if (most != NULL && isfinite(strength(most)))
		(void)snprintf(ret, size, "work %s (%s)",
			       format_percent_signed(change, most->ratio - 1), most->id);
	else if (most != NULL)
		(void)snprintf(ret, size, "work changed (%s %s -> %s)", most->id,
			       format_count(base, most->base_value),
			       format_count(head, most->head_value));
	else if (n > 0)
		(void)snprintf(ret, size, "work unchanged (%zu %s)", n,
			       n == 1 ? "count agrees" : "counts agree");
	return ret;
}
