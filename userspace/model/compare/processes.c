/* SPDX-License-Identifier: MIT */
/* Benchmarks of another tool. Rounds of one process share its addresses, its hash seed, its CPU and its minute,
 * so thousands of them say no more about the next process than one does. Each process is therefore
 * one value, the median of what it measured, and what is compared are processes.
 *
 * There are few of them. How much they differ is therefore not taken from them alone: what was known
 * before, from the store or by default, counts as if it had been seen in some processes more (Smyth 2004:
 * a moderated t). From PROCESSES_ALONE a side they speak for themselves; from PROCESSES_RANKED on nothing
 * needs to be assumed about their distribution. docs/statistics.md has what that gives. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/base/stats_shift.h"
#include "userspace/base/stats_student.h"
#include "userspace/model/compare/internal.h"

#define PROCESSES_LEVEL	 0.95
#define PROCESSES_ALONE	 8
#define PROCESSES_RANKED 12
/* Processes of one benchmark differ so where nothing else is known: measured in docs/statistics.md. What is counted
 * depends on less. */
#define SIGMA_OF_TIMES	0.10
#define SIGMA_OF_COUNTS 0.01
#define DF_OF_DEFAULT	4.0
#define TOGETHER_MIN	4 /* benchmarks that tell of each other */
/* Each session is held against a median that its neighbours are part of, so they are not independent. */
#define DF_PER_SESSION 0.6
#define MAD_TO_SIGMA   1.4826
#define IQR_TO_SIGMA   (1 / 1.349)

struct side {
	double *centres; /* logarithms, of each process with values */
	size_t n;
	double within; /* spread in a process, the median of all; NAN: one value each */
};
struct sides {
	struct side base, head;
};

static void sides_done(struct sides *s)
{
	free(s->base.centres);
	free(s->head.centres);
}

/* --- processes to values -------------------------------------------------------------------- */

static int side_of_summary(const struct summary *s, struct side *ret)
{
	const double centre = !isnan(s->median) ? s->median : s->mean;
	const double spread = !isnan(s->q3 - s->q1) ? (s->q3 - s->q1) * IQR_TO_SIGMA : s->stddev;
	ret->centres = calloc(1, sizeof(*ret->centres));
	if (ret->centres == NULL)
		return -ENOMEM;
	ret->n = 1;
	ret->centres[0] = log(centre);
	ret->within = spread / centre;
	return 0;
}

/* The values of process @i, which begin at *at: as many as there are, whatever a document says. */
static size_t values_of(const struct series *s, size_t i, size_t *at)
{
	const size_t left = s->n_values - *at;
	const double n = s->processes[i];
	const size_t taken = n >= 0 && n < (double)left ? (size_t)n : left;
	*at += taken;
	return taken;
}

/* Puts the logarithms of v[0..n) that were captured into @logs. */
static size_t take_logs(const double *v, size_t n, double *logs)
{
	size_t taken = 0;
	for (size_t i = 0; i < n; i++) {
		if (!isnan(v[i]))
			logs[taken++] = log(v[i]);
	}
	return taken;
}

static int side_of_values(const struct series *s, struct side *ret)
{
	_cleanup_free_ double *logs = calloc(s->n_values + 1, sizeof(*logs));
	_cleanup_free_ double *spreads = calloc(s->n_processes, sizeof(*spreads));
	size_t n_spreads = 0;
	ret->centres = calloc(s->n_processes, sizeof(*ret->centres));
	if (logs == NULL || spreads == NULL || ret->centres == NULL)
		return -ENOMEM;
	for (size_t i = 0, at = 0; i < s->n_processes; i++) {
		const double *first = s->values + at;
		const size_t n = take_logs(first, values_of(s, i, &at), logs);
		if (n == 0)
			continue;
		ret->centres[ret->n++] = stats_median(logs, n);
		if (n > 1)
			spreads[n_spreads++] = MAD_TO_SIGMA * stats_mad(logs, n);
	}
	ret->within = stats_median(spreads, n_spreads);
	return 0;
}

static int side_of(const struct series *s, struct side *ret)
{
	return s->is_summary ? side_of_summary(&s->summary, ret) : side_of_values(s, ret);
}

static int sides_of(const struct change *c, struct sides *ret)
{
	const int r = side_of(c->base, &ret->base);
	return r < 0 ? r : side_of(c->head, &ret->head);
}

static bool is_positive(const struct series *s)
{
	const struct summary *summary = &s->summary;
	if (!s->is_summary)
		return summary->min > 0;
	return (!isnan(summary->median) ? summary->median : summary->mean) > 0;
}

static bool have_processes(const struct change *c)
{
	return c->base->n_processes > 0 && c->head->n_processes > 0;
}

bool may_compare_processes(const struct change *c)
{
	return have_processes(c) && is_positive(c->base) && is_positive(c->head);
}

bool is_counted(const struct change *c)
{
	return have_processes(c) && c->metric->class == CLASS_SIZE &&
	       c->metric->better == BETTER_LOWER;
}

/* --- how much they differ ------------------------------------------------------------------- */

static double squares_around(const struct side *s, double mean)
{
	double sum = 0;
	for (size_t i = 0; i < s->n; i++)
		sum += (s->centres[i] - mean) * (s->centres[i] - mean);
	return sum;
}

/* A process that is noisy within will hardly be less so from one to the next. */
static void expect(const struct change *c, const struct sides *s, double least,
		   struct process_spread *ret)
{
	const struct known_noise *known = c->base->noise.n > 0 ? &c->base->noise : &c->head->noise;
	ret->before = fmax(is_counted(c) ? SIGMA_OF_COUNTS : SIGMA_OF_TIMES,
			   fmax(s->base.within, s->head.within));
	ret->df_before = DF_OF_DEFAULT;
	if (known->n > 0) {
		ret->is_known = true;
		ret->before = known->sigma;
		ret->df_before = fmax(1, DF_PER_SESSION * (double)known->n);
		ret->seen = fmax(ret->seen, known->sigma);
	}
	ret->before = fmax(ret->before, least);
}

static void spread_of(const struct change *c, const struct sides *s, double base_mean,
		      double head_mean, double least, struct process_spread *ret)
{
	const double df = (double)(s->base.n + s->head.n - 2);
	const double squares =
		squares_around(&s->base, base_mean) + squares_around(&s->head, head_mean);
	*ret = (struct process_spread){ .n_base = s->base.n, .n_head = s->head.n };
	ret->own = df > 0 ? sqrt(squares / df) : (double)NAN;
	ret->seen = fmax(fmax(least, ret->own), fmax(s->base.within, s->head.within));
	if (s->base.n < PROCESSES_ALONE || s->head.n < PROCESSES_ALONE)
		expect(c, s, least, ret);
	ret->df = df + ret->df_before;
	ret->sigma = sqrt((squares + ret->df_before * ret->before * ret->before) / ret->df);
	/* A few may look quieter than all benchmarks together, and are not. */
	if (ret->df_before > 0)
		ret->sigma = fmax(ret->sigma, least);
	ret->is_by_rank = s->base.n >= PROCESSES_RANKED && s->head.n >= PROCESSES_RANKED;
}

static double standard_error(const struct process_spread *p)
{
	return p->sigma * sqrt(1 / (double)p->n_base + 1 / (double)p->n_head);
}

/* --- what follows --------------------------------------------------------------------------- */

static int interval(const struct change *c, const struct sides *s, double alpha, double *ret_low,
		    double *ret_high)
{
	struct stats_shift shift;
	if (c->processes.is_by_rank) {
		const int r = stats_shift_of(s->base.centres, s->base.n, s->head.centres, s->head.n,
					     1, 1 - 2 * alpha, &shift);
		*ret_low = exp(shift.low);
		*ret_high = exp(shift.high);
		return r;
	}
	const double half =
		stats_student_quantile(alpha, c->processes.df) * standard_error(&c->processes);
	*ret_low = c->ratio * exp(-half);
	*ret_high = c->ratio * exp(half);
	return 0;
}

int change_interval(const struct change *c, double alpha, double *ret_low, double *ret_high)
{
	_cleanup_(sides_done) struct sides s = { 0 };
	const int r = sides_of(c, &s);
	return r < 0 ? r : interval(c, &s, alpha, ret_low, ret_high);
}

int change_beyond(const struct change *c, double margin, double *ret_above, double *ret_below)
{
	_cleanup_(sides_done) struct sides s = { 0 };
	const int r = sides_of(c, &s);
	if (r < 0)
		return r;
	const double above = log(1 + margin), below = -log(1 - margin), shift = log(c->ratio);
	if (c->processes.is_by_rank) {
		*ret_above =
			stats_p_above(s.base.centres, s.base.n, s.head.centres, s.head.n, 1, above);
		*ret_below =
			stats_p_above(s.head.centres, s.head.n, s.base.centres, s.base.n, 1, below);
		return 0;
	}
	const double error = standard_error(&c->processes), df = c->processes.df;
	*ret_above = stats_student_above((shift - above) / error, df);
	*ret_below = stats_student_above((-shift - below) / error, df);
	return 0;
}

/* Of ranks the shift in their middle, else the ratio of geometric means; the two values that are shown
 * have that ratio. */
static int set_ratio(struct change *c, const struct sides *s, double base_mean, double head_mean)
{
	struct stats_shift shift = { .shift = head_mean - base_mean };
	int r = 0;
	if (c->processes.is_by_rank)
		r = stats_shift_of(s->base.centres, s->base.n, s->head.centres, s->head.n, 1,
				   PROCESSES_LEVEL, &shift);
	c->ratio = exp(shift.shift);
	c->base_value = exp((base_mean + head_mean - shift.shift) / 2);
	c->head_value = exp((base_mean + head_mean + shift.shift) / 2);
	c->base_estimate = c->base_value;
	c->head_estimate = c->head_value;
	return r;
}

int compare_processes(struct change *c, double least)
{
	_cleanup_(sides_done) struct sides s = { 0 };
	double above = NAN, below = NAN;
	int r = sides_of(c, &s);
	if (r < 0)
		return r;
	const double base_mean = stats_mean(s.base.centres, s.base.n);
	const double head_mean = stats_mean(s.head.centres, s.head.n);
	spread_of(c, &s, base_mean, head_mean, least, &c->processes);
	r = set_ratio(c, &s, base_mean, head_mean);
	if (r >= 0)
		r = interval(c, &s, (1 - PROCESSES_LEVEL) / 2, &c->low, &c->high);
	if (r >= 0)
		r = change_beyond(c, 0, &above, &below);
	c->basis = BASIS_SHIFT;
	c->level = PROCESSES_LEVEL;
	c->difference = c->head_value - c->base_value;
	c->difference_low = c->base_value * (c->low - 1);
	c->difference_high = c->base_value * (c->high - 1);
	c->p = fmin(1, 2 * fmin(above, below));
	return r;
}

/* --- all benchmarks together ---------------------------------------------------------------- */

/* What the benchmarks of a comparison show of the noise of their day: by how much their processes differ; of
 * one process a side, by how much the benchmarks' changes differ from each other, since most of them will
 * not have changed. */
static double noise_of_all(const struct comparison *c, enum metric_class class, double *shifts)
{
	double squares = 0, ones = 0;
	size_t n = 0, n_shifts = 0;
	for (size_t i = 0; i < c->n_changes; i++) {
		const struct change *change = &c->changes[i];
		const struct process_spread *p = &change->processes;
		if (p->n_base == 0 || change->metric->class != class)
			continue;
		n += !isnan(p->own);
		squares += isnan(p->own) ? 0 : p->own * p->own;
		ones = 1 / (double)p->n_base + 1 / (double)p->n_head;
		shifts[n_shifts++] = log(change->ratio);
	}
	if (n > 0)
		return sqrt(squares / (double)n);
	return n_shifts >= TOGETHER_MIN ? MAD_TO_SIGMA * stats_mad(shifts, n_shifts) / sqrt(ones)
					: 0;
}

/* What the store knows of all of them: a spike that one has had may be the next one's. */
static double known_of_all(const struct comparison *c, enum metric_class class)
{
	double squares = 0;
	size_t n = 0;
	for (size_t i = 0; i < c->n_changes; i++) {
		const struct change *change = &c->changes[i];
		const struct series *base = change->base;
		if (change->processes.n_base == 0 || change->metric->class != class ||
		    base->noise.n == 0)
			continue;
		squares += base->noise.sigma * base->noise.sigma;
		n++;
	}
	return n > 0 ? sqrt(squares / (double)n) : 0;
}

int compare_processes_together(struct comparison *c)
{
	static const enum metric_class classes[] = { CLASS_TIME, CLASS_SIZE, CLASS_RATIO };
	_cleanup_free_ double *shifts = calloc(c->n_changes + 1, sizeof(*shifts));
	int r = shifts != NULL ? 0 : -ENOMEM;
	for (size_t k = 0; r >= 0 && k < sizeof(classes) / sizeof(*classes); k++) {
		const double least =
			fmax(noise_of_all(c, classes[k], shifts), known_of_all(c, classes[k]));
		for (size_t i = 0; r >= 0 && least > 0 && i < c->n_changes; i++) {
			struct change *change = &c->changes[i];
			if (change->processes.df_before > 0 &&
			    change->metric->class == classes[k] && least > change->processes.before)
				r = compare_processes(change, least);
			if (change->metric->class == classes[k])
				change->processes.seen = fmax(change->processes.seen, least);
		}
	}
	return r;
}
