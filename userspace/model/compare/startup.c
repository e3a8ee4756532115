/* SPDX-License-Identifier: MIT */
/* The difference between two startup breakdowns, row by row. Rows are aligned by what they are:
 * phase, cause, process and object, with what differs from run to run taken out of the names. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/random.h"
#include "userspace/base/stats.h"
#include "userspace/model/compare/rows.h"

/* The same numbers each time the same two sessions are compared. */
#define BOOTSTRAP_SEED	   0x5ca1ab1e
#define BOOTSTRAP_SAMPLES  400
#define BOOTSTRAP_MIN_RUNS 3
#define CPU_WAIT_DISCOUNT  10
#define MOVED_TOLERANCE	   0.1 /* that two changes which cancel differ by at most */

/* --- words ---------------------------------------------------------------------------------- */

/* The object, if it has one; else "build_index in libfoo.so", "import shop.prices". */
static const char *detail_of(const struct breakdowns *b, const struct row *row)
{
	struct arena *arena = b->comparison->arena;
	const struct code_function *code = &row->code;
	const char *import = import_name(b->imports, row->import);
	const char *text = row->detail;
	if (row->detail[0] != '\0')
		return row->detail;
	if (code->name != NULL && code->module[0] != '\0')
		text = arena_printf(arena, "%s in %s", code->name, code->module);
	else if (code->name != NULL)
		text = code->name;
	else if (import != NULL)
		text = arena_printf(arena, "import %s", import);
	return text != NULL ? text : row->detail;
}

/* --- which runs ----------------------------------------------------------------------------- */

struct total {
	int64_t total_ns;
	size_t run;
};

static int by_total(const void *left, const void *right)
{
	const struct total *a = left, *b = right;
	if (a->total_ns != b->total_ns)
		return a->total_ns < b->total_ns ? -1 : 1;
	return a->run < b->run ? -1 : a->run > b->run;
}

static int64_t cpu_of(const struct run *run)
{
	int64_t cpu_ns = 0;
	for (size_t i = 0; i < run->n_segments; i++)
		cpu_ns += run->segments[i].cause == CAUSE_CPU ? run->segments[i].duration_ns : 0;
	return cpu_ns;
}

/* Where the whole is compared at equal speed of the CPUs, so is what it is made of: by as much as the whole counts
 * more or less, what was spent on a CPU does. */
static int set_factors(struct breakdowns *b, enum side side)
{
	const struct session *s = b->sessions[side];
	const struct change *c = compared_at_speed(b->comparison);
	const struct series *series = c == NULL ? NULL : side == BASE ? c->base : c->head;
	if (series == NULL || series->n_values != s->n_runs)
		return 0;
	double *factors = arena_alloc_array(b->comparison->arena, s->n_runs, sizeof(*factors));
	for (size_t i = 0; factors != NULL && i < s->n_runs; i++) {
		const double more_ns = series->values[i] * (speed_factor(c, series->speeds[i]) - 1);
		const double cpu_ns = (double)cpu_of(&s->runs[i]);
		factors[i] = cpu_ns > 0 ? fmax(0, 1 + more_ns / cpu_ns) : 1;
	}
	b->cpu_factors[side] = factors;
	return factors != NULL ? 0 : -ENOMEM;
}

static int64_t total_of(const struct breakdowns *b, enum side side, size_t i)
{
	const struct run *run = &b->sessions[side]->runs[i];
	const int64_t cpu_ns = b->cpu_factors[side] != NULL ? cpu_of(run) : 0;
	return run->startup_total_ns + breakdowns_cpu_ns(b, side, i, cpu_ns) - cpu_ns;
}

static int order_runs(struct breakdowns *b, enum side side)
{
	const struct session *s = b->sessions[side];
	_cleanup_free_ struct total *totals = calloc(s->n_runs + 1, sizeof(*totals));
	b->order[side] =
		arena_alloc_array(b->comparison->arena, s->n_runs + 1, sizeof(*b->order[side]));
	if (totals == NULL || b->order[side] == NULL)
		return -ENOMEM;
	size_t n = 0;
	for (size_t i = 0; i < s->n_runs; i++) {
		if (s->runs[i].has_segments && s->runs[i].startup_total_ns != UNKNOWN)
			totals[n++] = (struct total){ total_of(b, side, i), i };
	}
	qsort(totals, n, sizeof(*totals), by_total);
	for (size_t i = 0; i < n; i++)
		b->order[side][i] = totals[i].run;
	b->n[side] = n;
	return 0;
}

/* The middle half of @n: a quarter is left out at each end. */
static size_t middle_from(size_t n)
{
	return n / 4;
}

/* How many those are: at least one of any. */
static size_t middle_count(size_t n)
{
	const size_t count = n - 2 * middle_from(n);
	return count > 0 ? count : 1;
}

/* --- means that add up ---------------------------------------------------------------------- */

static int64_t middle_sum(const struct row *row, enum side side, size_t n)
{
	int64_t sum = 0;
	for (size_t i = middle_from(n); i < n - middle_from(n); i++)
		sum += row->runs_ns[side][i];
	return sum;
}

/* Rounding sums that run on, instead of each row, makes the rows add up to the total. */
static int64_t set_means(struct breakdowns *b, enum side side)
{
	const size_t n = b->n[side];
	const int64_t k = (int64_t)middle_count(n);
	int64_t sum = 0, before = 0;
	for (size_t i = 0; i < b->rows.n; i++) {
		struct contribution *c = &b->comparison->contributions[i];
		sum += middle_sum(&b->rows.items[i], side, n);
		const int64_t mean = (sum + k / 2) / k;
		*(side == BASE ? &c->base_ns : &c->head_ns) = mean - before;
		before = mean;
	}
	return before;
}

/* --- how sure ------------------------------------------------------------------------------- */

/* A sample of runs as large as there are, with replacement; sorted places, so that its middle half
 * can be taken as from the real one. */
static void draw_places(struct random *random, size_t *places, size_t n)
{
	size_t hits[1024] = { 0 };
	size_t at = 0;
	n = n < 1024 ? n : 1024;
	for (size_t i = 0; i < n; i++)
		hits[random_below(random, n)]++;
	for (size_t place = 0; place < n; place++)
		for (; hits[place] > 0; hits[place]--)
			places[at++] = place;
}

static double sampled_mean(const struct row *row, enum side side, const size_t *places, size_t n)
{
	double sum = 0;
	for (size_t i = middle_from(n); i < n - middle_from(n); i++)
		sum += (double)row->runs_ns[side][places[i]];
	return sum / (double)middle_count(n);
}

static int bootstrap(struct breakdowns *b)
{
	const size_t n[SIDES] = { b->n[BASE] < 1024 ? b->n[BASE] : 1024,
				  b->n[HEAD] < 1024 ? b->n[HEAD] : 1024 };
	_cleanup_free_ size_t *places =
		calloc(BOOTSTRAP_SAMPLES * (n[BASE] + n[HEAD]), sizeof(*places));
	double sample[BOOTSTRAP_SAMPLES];
	struct random random;
	if (places == NULL)
		return -ENOMEM;
	random_seed(&random, BOOTSTRAP_SEED);
	for (size_t i = 0; i < BOOTSTRAP_SAMPLES; i++) {
		size_t *drawn = places + i * (n[BASE] + n[HEAD]);
		draw_places(&random, drawn, n[BASE]);
		draw_places(&random, drawn + n[BASE], n[HEAD]);
	}
	for (size_t row = 0; row < b->rows.n; row++) {
		for (size_t i = 0; i < BOOTSTRAP_SAMPLES; i++) {
			const size_t *drawn = places + i * (n[BASE] + n[HEAD]);
			const struct row *r = &b->rows.items[row];
			sample[i] = sampled_mean(r, HEAD, drawn + n[BASE], n[HEAD]) -
				    sampled_mean(r, BASE, drawn, n[BASE]);
		}
		struct contribution *c = &b->comparison->contributions[row];
		c->low_ns = stats_quantile(sample, BOOTSTRAP_SAMPLES, 0.025);
		c->high_ns = stats_quantile(sample, BOOTSTRAP_SAMPLES, 0.975);
	}
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

/* How far the change is from none at least: the end of the interval that is nearer to 0. Who works
 * longer also waits longer for a CPU, by as much for each who wants it too, and for a quota: that wait
 * counts so much less that it does not hide where it comes from. */
static double proven(const struct contribution *c)
{
	const double least = c->low_ns > 0 ? c->low_ns : c->high_ns < 0 ? -c->high_ns : 0;
	return cause_is_cpu_wait(c->cause) ? least / CPU_WAIT_DISCOUNT : least;
}

/* What is proven to have changed most comes first: waiting for a CPU moves by more than many a real
 * change, back and forth. */
static int by_delta(const void *left, const void *right)
{
	const struct contribution *a = left, *b = right;
	if (proven(a) != proven(b))
		return proven(a) > proven(b) ? -1 : 1;
	const int64_t x = a->delta_ns < 0 ? -a->delta_ns : a->delta_ns;
	const int64_t y = b->delta_ns < 0 ? -b->delta_ns : b->delta_ns;
	if (x != y)
		return x > y ? -1 : 1;
	if (a->phase != b->phase)
		return a->phase < b->phase ? -1 : 1;
	return strcmp(a->detail, b->detail);
}

/* Rows of different objects, which is known where code is named. */
static bool may_be_moved(const struct contribution *from, const struct contribution *to)
{
	const double a = fabs((double)from->delta_ns), b = fabs((double)to->delta_ns);
	return to->counterpart == NULL && contribution_is_proven(to) && from->cause == to->cause &&
	       (from->delta_ns > 0) != (to->delta_ns > 0) &&
	       (from->function != NULL || from->import != NULL) &&
	       (to->function != NULL || to->import != NULL) &&
	       fabs(a - b) <= MOVED_TOLERANCE * fmax(a, b);
}

/* The rows must be in order. */
static void find_moves(struct comparison *c)
{
	for (size_t i = 0; i < c->n_contributions; i++) {
		struct contribution *from = &c->contributions[i];
		if (from->counterpart != NULL || !contribution_is_proven(from))
			continue;
		for (size_t k = i + 1; k < c->n_contributions; k++) {
			struct contribution *to = &c->contributions[k];
			if (!may_be_moved(from, to))
				continue;
			from->counterpart = to;
			to->counterpart = from;
			break;
		}
	}
}

void sort_contributions(struct comparison *c)
{
	if (c->n_contributions > 1)
		qsort(c->contributions, c->n_contributions, sizeof(*c->contributions), by_delta);
	find_moves(c);
}

static int fill(struct breakdowns *b)
{
	struct comparison *c = b->comparison;
	c->contributions = arena_alloc_array(c->arena, b->rows.n + 1, sizeof(*c->contributions));
	if (c->contributions == NULL)
		return -ENOMEM;
	c->n_contributions = b->rows.n;
	for (size_t i = 0; i < b->rows.n; i++) {
		const struct row *row = &b->rows.items[i];
		c->contributions[i] = (struct contribution){
			.phase = row->phase,
			.cause = row->cause,
			.process = row->process,
			.detail = detail_of(b, row),
			.has_object = row->detail[0] != '\0',
			.function = row->code.name,
			.module = row->code.name != NULL ? row->code.module
				  : row->is_library	 ? row->detail
							 : NULL,
			.import = import_name(b->imports, row->import),
			.low_ns = NAN,
			.high_ns = NAN,
			.is_in_base = row->is_in[BASE],
			.is_in_head = row->is_in[HEAD],
		};
	}
	c->base_total_ns = set_means(b, BASE);
	c->head_total_ns = set_means(b, HEAD);
	for (size_t i = 0; i < c->n_contributions; i++)
		c->contributions[i].delta_ns =
			c->contributions[i].head_ns - c->contributions[i].base_ns;
	int r = 0;
	if (b->n[BASE] >= BOOTSTRAP_MIN_RUNS && b->n[HEAD] >= BOOTSTRAP_MIN_RUNS)
		r = bootstrap(b);
	sort_contributions(c);
	/* One slow run must not carry them. */
	c->what_rows_are = b->cpu_factors[HEAD] == NULL
				   ? "means of the middle half of each side's runs"
				   : "means of the middle half of each side's runs, "
				     "at equal speed of the CPUs";
	c->has_contributions = true;
	return r;
}

static const char *missing(const struct breakdowns *b)
{
	if (b->sessions[BASE]->n_runs == 0 || b->sessions[HEAD]->n_runs == 0)
		return "metrics only: one side holds no recording";
	if (b->n[BASE] == 0)
		return "base was recorded without scheduler events";
	if (b->n[HEAD] == 0)
		return "head was recorded without scheduler events";
	return NULL;
}

int compare_startups(struct comparison *c, struct alignment *alignment)
{
	struct breakdowns b = { .comparison = c,
				.alignment = alignment,
				.sessions = { c->base, c->head } };
	int r = 0;
	for (int side = 0; side < SIDES && r == 0; side++)
		r = set_factors(&b, (enum side)side);
	for (int side = 0; side < SIDES && r == 0; side++)
		r = order_runs(&b, (enum side)side);
	if (r < 0)
		return r;
	c->no_contributions = missing(&b);
	if (c->no_contributions != NULL)
		return 0;
	r = rows_collect(&b);
	if (r == 0)
		r = fill(&b);
	rows_done(&b);
	return r;
}
