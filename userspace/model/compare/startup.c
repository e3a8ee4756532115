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
#include "userspace/base/vec.h"
#include "userspace/model/build/id_map.h"
#include "userspace/model/compare/internal.h"
#include "userspace/model/path_samples.h"

/* The same numbers each time the same two sessions are compared. */
#define BOOTSTRAP_SEED	   0x5ca1ab1e
#define BOOTSTRAP_SAMPLES  400
#define BOOTSTRAP_MIN_RUNS 3
/* Of one run, 19 hours: what a document says beyond that does not count, so that sums over all runs
 * that fit into a document stay in range. */
#define RUN_NS_MAX (INT64_C(1) << 46)
/* Beyond that, objects are not told apart: their row has no detail. */
#define ROWS_MAX 2000

enum side { BASE, HEAD, SIDES };

struct row {
	enum phase phase;
	enum cause cause;
	const char *process, *detail; /* interned */
	struct code_function code;    /* name NULL: no row of a function */
	int64_t *runs_ns[SIDES];      /* per run */
	bool is_in[SIDES];
};

struct row_list VEC(struct row);

struct breakdowns {
	struct comparison *comparison;
	struct alignment *alignment;
	const struct session *sessions[SIDES];
	size_t *order[SIDES]; /* indices of runs with a breakdown, by total */
	size_t n[SIDES];
	struct row_list rows;
	struct id_map index;	 /* key -> place in rows; of rows of one key the first */
	struct code_names *code; /* NULL: a side has no stacks */
};

/* --- rows ----------------------------------------------------------------------------------- */

static uint64_t key_of(const struct row *row)
{
	static const uint64_t odd = 0x9e3779b97f4a7c15u;
	const uint64_t key =
		((uint64_t)row->phase << 32 | (uint64_t)row->cause) + (uintptr_t)row->code.name;
	return ((key * odd ^ (uintptr_t)row->process) * odd) ^ (uintptr_t)row->detail;
}

static struct row *find_row(struct breakdowns *b, const struct row *key)
{
	const int place = id_map_get(&b->index, key_of(key));
	for (size_t i = place >= 0 ? (size_t)place : b->rows.n; i < b->rows.n; i++) {
		struct row *row = &b->rows.items[i];
		if (row->phase == key->phase && row->cause == key->cause &&
		    row->process == key->process && row->detail == key->detail &&
		    row->code.name == key->code.name && row->code.module == key->code.module)
			return row;
	}
	return NULL;
}

static struct row *row_of(struct breakdowns *b, struct row *key)
{
	struct row *row = find_row(b, key);
	if (row != NULL)
		return row;
	struct arena *arena = b->comparison->arena;
	if (b->rows.n >= ROWS_MAX && key->detail[0] != '\0') {
		key->detail = arena_intern(arena, "");
		return key->detail != NULL ? row_of(b, key) : NULL;
	}
	for (int side = 0; side < SIDES; side++) {
		key->runs_ns[side] =
			arena_alloc_array(arena, b->n[side] + 1, sizeof(*key->runs_ns[side]));
		if (key->runs_ns[side] == NULL)
			return NULL;
	}
	if (vec_push(&b->rows, *key) < 0)
		return NULL;
	if (id_map_get(&b->index, key_of(key)) < 0 &&
	    id_map_set(&b->index, key_of(key), (int)b->rows.n - 1) < 0)
		return NULL;
	return &b->rows.items[b->rows.n - 1];
}

static int add_time(struct breakdowns *b, enum side side, size_t place, struct row key, int64_t ns)
{
	struct row *row = row_of(b, &key);
	if (row == NULL)
		return -ENOMEM;
	row->runs_ns[side][place] += ns;
	row->is_in[side] = true;
	return 0;
}

/* Time on the CPU, by function where that may be worth it. */
static int add_code(struct breakdowns *b, enum side side, size_t place,
		    const struct sample_index *index, const struct segment *segment,
		    const struct row *key, int64_t ns)
{
	const struct run *run = &b->sessions[side]->runs[b->order[side][place]];
	const size_t i = (size_t)(segment - run->segments);
	_cleanup_vec_ struct sample_rows parts = { 0 };
	int rc = path_samples(run, index, i, i + 1, &parts);
	for (size_t k = 0; k < parts.n && ns > 0 && rc == 0; k++) {
		const int64_t weight_ns = parts.items[k].weight_ns;
		const int64_t part_ns = weight_ns < ns ? weight_ns : ns;
		struct row row = *key;
		if (!code_named(b->code, (int)side, run, &parts.items[k], &row.code))
			row.code = (struct code_function){ NULL, NULL };
		rc = add_time(b, side, place, row, part_ns);
		ns -= part_ns;
	}
	return rc < 0 || ns == 0 ? rc : add_time(b, side, place, *key, ns);
}

static int add_run(struct breakdowns *b, enum side side, size_t place)
{
	const struct run *run = &b->sessions[side]->runs[b->order[side][place]];
	_cleanup_vec_ struct sample_index index = { 0 };
	int64_t left_ns = RUN_NS_MAX;
	int rc = b->code != NULL ? sample_index_of(run, &index) : 0;
	for (size_t i = 0; i < run->n_segments && rc == 0; i++) {
		const struct segment *segment = &run->segments[i];
		const struct row key = {
			.phase = segment->phase,
			.cause = segment->cause,
			.process = aligned_process(b->alignment, run, segment->process),
			.detail = aligned_detail(b->alignment, segment),
		};
		const int64_t most_ns =
			segment->duration_ns < left_ns ? segment->duration_ns : left_ns;
		const int64_t duration_ns = most_ns > 0 ? most_ns : 0;
		left_ns -= duration_ns;
		if (b->code != NULL && segment->state == ACTIVITY_RUNNING)
			rc = add_code(b, side, place, &index, segment, &key, duration_ns);
		else
			rc = add_time(b, side, place, key, duration_ns);
	}
	return rc;
}

/* --- functions ------------------------------------------------------------------------------ */

static bool is_same_function(const struct row *a, const struct row *b)
{
	return a->code.name == b->code.name && a->code.module == b->code.module &&
	       a->phase == b->phase && a->process == b->process;
}

/* The times of @row's function in a run, in all calls. */
static int64_t function_ns(const struct row_list *rows, const struct row *row, enum side side,
			   size_t place)
{
	int64_t ns = 0;
	vec_foreach(other, rows) {
		if (other->code.name != NULL && is_same_function(other, row))
			ns += other->runs_ns[side][place];
	}
	return ns;
}

static int is_row_proven(struct breakdowns *b, const struct row_list *rows, const struct row *row,
			 bool *ret)
{
	_cleanup_free_ int64_t *ns = calloc(b->n[BASE] + b->n[HEAD] + 1, sizeof(*ns));
	if (ns == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < b->n[BASE]; i++)
		ns[i] = function_ns(rows, row, BASE, i);
	for (size_t i = 0; i < b->n[HEAD]; i++)
		ns[b->n[BASE] + i] = function_ns(rows, row, HEAD, i);
	return code_is_proven(ns, b->n[BASE], ns + b->n[BASE], b->n[HEAD], ret);
}

static int add_row(struct breakdowns *b, const struct row *row, struct row key)
{
	struct row *to = row_of(b, &key);
	if (to == NULL)
		return -ENOMEM;
	for (int side = 0; side < SIDES; side++) {
		for (size_t i = 0; i < b->n[side]; i++)
			to->runs_ns[side][i] += row->runs_ns[side][i];
		to->is_in[side] = to->is_in[side] || row->is_in[side];
	}
	return 0;
}

/* Functions whose change the runs bear out become rows, the others go back to the rest. */
static int settle_functions(struct breakdowns *b)
{
	struct row_list rows = b->rows;
	int rc = 0;
	if (b->code == NULL)
		return 0;
	b->rows = (struct row_list){ 0 };
	id_map_done(&b->index);
	for (size_t i = 0; i < rows.n && rc == 0; i++) {
		struct row key = rows.items[i];
		bool is_proven = false;
		if (key.code.name != NULL)
			rc = is_row_proven(b, &rows, &key, &is_proven);
		if (is_proven)
			key.detail = arena_intern(b->comparison->arena, "");
		else
			key.code = (struct code_function){ NULL, NULL };
		memset(key.is_in, 0, sizeof(key.is_in));
		if (rc == 0)
			rc = key.detail != NULL ? add_row(b, &rows.items[i], key) : -ENOMEM;
	}
	vec_done(&rows);
	return rc;
}

/* "build_index in libfoo.so" */
static const char *function_detail(struct arena *arena, const struct row *row)
{
	if (row->code.name == NULL || row->code.module[0] == '\0')
		return row->code.name != NULL ? row->code.name : row->detail;
	const char *text = arena_printf(arena, "%s in %s", row->code.name, row->code.module);
	return text != NULL ? text : row->code.name;
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
			totals[n++] = (struct total){ s->runs[i].startup_total_ns, i };
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
 * longer also waits longer for a CPU where there are too few: that wait counts half, so that it does
 * not hide where it comes from. */
static double proven(const struct contribution *c)
{
	const double least = c->low_ns > 0 ? c->low_ns : c->high_ns < 0 ? -c->high_ns : 0;
	return c->cause == CAUSE_RUNQUEUE ? least / 2 : least;
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

void sort_contributions(struct comparison *c)
{
	if (c->n_contributions > 1)
		qsort(c->contributions, c->n_contributions, sizeof(*c->contributions), by_delta);
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
			.detail = function_detail(c->arena, row),
			.function = row->code.name,
			.module = row->code.name != NULL ? row->code.module : NULL,
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
	c->what_rows_are = "means of the middle half of each side's runs";
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
		r = order_runs(&b, (enum side)side);
	if (r < 0)
		return r;
	c->no_contributions = missing(&b);
	if (c->no_contributions != NULL)
		return 0;
	r = code_names_new(c->arena, c->base, c->head, &b.code);
	for (int side = 0; side < SIDES; side++)
		for (size_t i = 0; i < b.n[side] && r == 0; i++)
			r = add_run(&b, (enum side)side, i);
	if (r == 0)
		r = settle_functions(&b);
	if (r == 0)
		r = fill(&b);
	code_names_done(b.code);
	vec_done(&b.rows);
	id_map_done(&b.index);
	return r;
}
