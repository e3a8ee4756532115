/* SPDX-License-Identifier: MIT */
/* The exact metrics of a comparison in a few words. */

#include "userspace/gate/exact_changes.h"

#include <math.h>
#include <stdio.h>

#include "userspace/base/units.h"
#include "userspace/gate/verdict.h"

bool is_witness(const struct change *c)
{
	return c->basis == BASIS_EXACT && !metric_is(c->id, METRIC_DETAIL);
}

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
		if (!is_witness(witness))
			continue;
		n++;
		if (verdict_is_change(verdict_of(witness)) &&
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

static double cpu_of(const struct comparison *c, bool is_head)
{
	const struct change *user = comparison_find(c, "cpu.user");
	const struct change *system = comparison_find(c, "cpu.system");
	if (user == NULL || system == NULL || user->basis == BASIS_NONE ||
	    system->basis == BASIS_NONE || c->incomparable != NULL)
		return NAN;
	return is_head ? user->head_value + system->head_value
		       : user->base_value + system->base_value;
}

void witnesses_text(const struct comparison *c, struct buf *out)
{
	char work[128], base[UNITS_BYTES], head[UNITS_BYTES], change[UNITS_BYTES];
	size_t n = 0, n_differ = 0;
	for (size_t i = 0; i < c->n_changes; i++) {
		n += is_witness(&c->changes[i]);
		n_differ +=
			is_witness(&c->changes[i]) && verdict_is_change(verdict_of(&c->changes[i]));
	}
	(void)buf_adds(out, exact_changes_text(c, work, sizeof(work)));
	if (n_differ > 0)
		(void)buf_addf(out, ", %zu of %zu counts differ", n_differ, n);
	const double base_ns = cpu_of(c, false), head_ns = cpu_of(c, true);
	if (!isfinite(base_ns) || !isfinite(head_ns) || base_ns <= 0)
		return;
	(void)buf_addf(out, "%sCPU time %s -> %s (%s)", n > 0 ? "; " : "", format_ns(base, base_ns),
		       format_ns(head, head_ns),
		       format_percent_signed(change, head_ns / base_ns - 1));
}

void witnesses_line(const struct comparison *c, const char *before, struct buf *out)
{
	const size_t end = out->len;
	if (c == NULL)
		return;
	(void)buf_addf(out, "%switnesses: ", before);
	const size_t empty = out->len;
	witnesses_text(c, out);
	if (out->len == empty)
		buf_truncate(out, end);
}
