/* SPDX-License-Identifier: MIT */
/* The suspicion: a quarter of the runs of the slower side were tainted, what is proven of the difference is
 * waiting for a CPU, or the CPUs were slower there. The defence: whatever neither waits for neighbours nor
 * is slowed by them. */

#include "userspace/gate/disturbance.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/gate/exact_changes.h"
#include "userspace/gate/undisturbed.h"

/* Of the difference, what carries it or what makes it suspect. */
#define MOST 0.5
/* As few tainted runs do not move a median by much. */
#define TAINTED_SHARE 0.25

struct suspicion {
	const struct comparison *whole;
	const struct change *change;
	double ns; /* the difference; positive: slower */
};

static bool is_most(const struct suspicion *s, double part_ns)
{
	return part_ns / s->ns >= MOST;
}

/* Of proven rows in the direction of the difference: those that wait for a CPU, or the others. */
static double proven_rows(const struct suspicion *s, bool of_waits)
{
	const struct comparison *c = s->whole;
	double sum = 0;
	for (size_t i = 0; c->has_contributions && i < c->n_contributions; i++) {
		const struct contribution *row = &c->contributions[i];
		/* A quota, too: in a container others may have used it up. */
		const bool waits = cause_is_cpu_wait(row->cause);
		const bool is_along = s->ns > 0 ? row->low_ns > 0 : row->high_ns < 0;
		if (waits == of_waits && is_along && row->counterpart == NULL)
			sum += (double)row->delta_ns;
	}
	return sum;
}

static const char *const cpu_ids[] = { "cpu.user", "cpu.system" };
#define CPU_IDS (sizeof(cpu_ids) / sizeof(*cpu_ids))

static double proven_cpu_of(const struct comparison *whole)
{
	double sum = 0;
	for (size_t i = 0; whole != NULL && i < CPU_IDS; i++) {
		const struct change *c = comparison_find(whole, cpu_ids[i]);
		if (c != NULL && verdict_is_change(verdict_of(c)))
			sum += c->head_estimate - c->base_estimate;
	}
	return sum;
}

/* What of @whole the CPUs of the slower side may have cost, had they been as slow to the program as they were to a
 * loop; in the direction of the difference. */
static double slow_cpus_of(const struct comparison *whole, bool is_slower)
{
	const struct change *speed = whole != NULL ? comparison_find(whole, METRIC_SPEED) : NULL;
	double cpu_ns = 0;
	if (speed == NULL || !(speed->base_value > 0) || !(speed->head_value > 0))
		return 0;
	for (size_t i = 0; i < CPU_IDS; i++) {
		const struct change *c = comparison_find(whole, cpu_ids[i]);
		const double ns = c == NULL   ? (double)NAN
				  : is_slower ? c->head_value
					      : c->base_value;
		cpu_ns += isnan(ns) ? 0 : ns;
	}
	const double slower = is_slower ? 1 - speed->head_value / speed->base_value
					: speed->base_value / speed->head_value - 1;
	return is_slower == (slower > 0) ? cpu_ns * slower : 0;
}

static double slow_cpus(const struct suspicion *s)
{
	const bool is_slower = s->ns > 0;
	double sum = s->whole->n_steps == 0 ? slow_cpus_of(s->whole, is_slower) : 0;
	for (size_t i = 0; i < s->whole->n_steps; i++)
		sum += slow_cpus_of(s->whole->steps[i].comparison, is_slower);
	/* No more than all of a time that was spent on one CPU. */
	return is_slower ? fmin(sum, s->ns) : fmax(sum, s->ns);
}

/* Of a pipeline it is in its steps. */
static double proven_cpu(const struct suspicion *s)
{
	double sum = s->whole->n_steps == 0 ? proven_cpu_of(s->whole) : 0;
	for (size_t i = 0; i < s->whole->n_steps; i++)
		sum += proven_cpu_of(s->whole->steps[i].comparison);
	return sum;
}

/* One more exec among two is much, one more file among a thousand is not. */
static bool is_carried_by_counts(const struct suspicion *s)
{
	const double share = ratios_of(s->change).value - 1;
	for (size_t i = 0; i < s->whole->n_changes; i++) {
		const struct change *c = &s->whole->changes[i];
		if (is_witness(c) && verdict_is_change(verdict_of(c)) &&
		    (ratios_of(c).value - 1) / share >= MOST)
			return true;
	}
	return false;
}

/* Adds the runs of @s, and how many of them were tainted; returns by what the last one was, else @before. */
static const char *count_tainted(const struct session *s, const char *before, size_t *n,
				 size_t *n_runs)
{
	const char *what = before;
	for (size_t i = 0; i < s->n_runs; i++) {
		*n += s->runs[i].tainted != NULL;
		what = s->runs[i].tainted != NULL ? s->runs[i].tainted : what;
	}
	*n_runs += s->n_runs;
	return what;
}

static const char *taint_of(struct arena *arena, const struct suspicion *s)
{
	const bool is_slower = s->ns > 0;
	const struct session *side = is_slower ? s->whole->head : s->whole->base;
	size_t n = 0, n_runs = 0;
	const char *what = count_tainted(side, NULL, &n, &n_runs);
	for (size_t i = 0; i < side->n_steps; i++)
		what = count_tainted(&side->steps[i].session, what, &n, &n_runs);
	if (what == NULL || (double)n < TAINTED_SHARE * (double)n_runs)
		return NULL;
	return arena_printf(arena, "the machine was busy in %zu of %zu runs of %s (%s)", n, n_runs,
			    is_slower ? "head" : "base", what);
}

static bool is_of_cpu_time(const struct change *c)
{
	return strncmp(c->id, "cpu.", 4) == 0;
}

/* How much of it is known to be work, or waits of its own. */
static bool is_carried(const struct suspicion *s, bool is_total, double slow_ns)
{
	if (is_carried_by_counts(s))
		return true;
	return !is_of_cpu_time(s->change) &&
	       (is_most(s, proven_cpu(s) - slow_ns) ||
		(is_total && is_most(s, proven_rows(s, false) - slow_ns)));
}

static const char *what_it_is(struct arena *arena, double waits_ns, double slow_ns)
{
	char text[UNITS_BYTES];
	const bool is_slow = fabs(slow_ns) > fabs(waits_ns);
	return arena_printf(arena,
			    is_slow ? "the CPUs were slower (cpu.speed), by as much as %s of it"
				    : "%s of it is waiting for a CPU",
			    format_ns(text, fabs(is_slow ? slow_ns : waits_ns)));
}

int disturbance_of(struct arena *arena, const struct comparison *c, const struct change *change,
		   const char **ret)
{
	const struct suspicion s = { c, change, change->head_estimate - change->base_estimate };
	*ret = NULL;
	/* What was typed is a limit that somebody set, as that of a budget is. */
	if ((c->base->n_runs == 0 && c->base->n_steps == 0) ||
	    change->metric->class != CLASS_TIME || !isfinite(s.ns) || s.ns == 0)
		return 0;
	const bool is_total =
		metric_is(change->id, METRIC_TOTAL) || strcmp(change->id, UNDISTURBED) == 0;
	const double waits_ns = is_total ? proven_rows(&s, true) : 0, slow_ns = slow_cpus(&s);
	/* CPU time has no part in who else runs, only in how fast. */
	const char *taint = is_of_cpu_time(change) ? NULL : taint_of(arena, &s);
	if ((taint == NULL && !is_most(&s, waits_ns) && !is_most(&s, slow_ns)) ||
	    is_carried(&s, is_total, slow_ns))
		return 0;
	if (taint == NULL)
		taint = what_it_is(arena, waits_ns, slow_ns);
	*ret = arena_printf(arena,
			    "withheld: %s, and neither CPU time nor counts carry the difference; a "
			    "`base` to interleave with would tell, or another time",
			    taint != NULL ? taint : "");
	return *ret != NULL ? 0 : -ENOMEM;
}
