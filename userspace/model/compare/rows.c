/* SPDX-License-Identifier: MIT */
/* First all is told apart that may matter: time on the CPU and long waits by function, and by the module
 * of a language that was being loaded. Then what the runs do not prove to have changed goes back: from a
 * function to the module that was loaded, from there to the one that asked for it, and in the end
 * to the row that it would be in if nobody knew of code. */
#include "userspace/model/compare/rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/model/path_samples.h"

/* Of one run, 19 hours: what a document says beyond that does not count, so that sums over all runs
 * that fit into a document stay in range. */
#define RUN_NS_MAX (INT64_C(1) << 46)
/* Beyond that, objects are not told apart: their row has no detail, nor an import. */
#define ROWS_MAX 2000

static const struct code_function no_function = { NULL, NULL };

/* ---- rows ---- */

static uint64_t key_of(const struct row *row)
{
	static const uint64_t odd = 0x9e3779b97f4a7c15u;
	uint64_t key =
		((uint64_t)row->phase << 32 | (uint64_t)row->cause) + (uintptr_t)row->code.name;
	key = key * odd ^ (uint64_t)(row->import + 1);
	return ((key * odd ^ (uintptr_t)row->process) * odd) ^ (uintptr_t)row->detail;
}

static bool is_same_function(const struct row *a, const struct row *b)
{
	return a->code.name == b->code.name && a->code.module == b->code.module &&
	       a->phase == b->phase && a->cause == b->cause && a->process == b->process;
}

static struct row *find_row(struct breakdowns *b, const struct row *key)
{
	const int place = id_map_get(&b->index, key_of(key));
	for (size_t i = place >= 0 ? (size_t)place : b->rows.n; i < b->rows.n; i++) {
		struct row *row = &b->rows.items[i];
		if (is_same_function(row, key) && row->detail == key->detail &&
		    row->import == key->import && row->is_library == key->is_library)
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
	if (b->rows.n >= ROWS_MAX && (key->detail[0] != '\0' || key->import != NO_IMPORT)) {
		key->detail = arena_intern(arena, "");
		key->import = NO_IMPORT;
		key->is_library = false;
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

int64_t breakdowns_cpu_ns(const struct breakdowns *b, enum side side, size_t i, int64_t ns)
{
	return b->cpu_factors[side] != NULL
		       ? llround(fmin((double)ns * b->cpu_factors[side][i], (double)RUN_NS_MAX))
		       : ns;
}

static int add_time(struct breakdowns *b, enum side side, size_t place, struct row key, int64_t ns)
{
	struct row *row = row_of(b, &key);
	if (row == NULL)
		return -ENOMEM;
	row->runs_ns[side][place] +=
		key.cause == CAUSE_CPU ? breakdowns_cpu_ns(b, side, b->order[side][place], ns) : ns;
	row->is_in[side] = true;
	return 0;
}

/* ---- the runs ---- */

struct reader { /* of one run */
	struct breakdowns *b;
	enum side side;
	size_t place; /* in order */
	const struct run *run;
	struct sample_index samples;
	struct import_line imports;
};

/* @ns from @at_ns on, with one stack or none: cut where another module is loaded. */
static int add_part(struct reader *r, const struct segment *segment,
		    const struct cpu_sample *moment, struct row key, int64_t at_ns, int64_t ns)
{
	struct breakdowns *b = r->b;
	int rc = 0;
	while (ns > 0 && rc == 0) {
		int64_t until_ns = INT64_MAX;
		struct row row = key;
		row.import = import_at(&r->imports, segment, at_ns, &until_ns);
		const bool has_owner = row.import != NO_IMPORT || row.is_library;
		if (moment == NULL || b->code == NULL ||
		    !code_named(b->code, (int)r->side, r->run, moment, has_owner, &row.code))
			row.code = no_function;
		const int64_t part_ns = ns < until_ns - at_ns ? ns : until_ns - at_ns;
		rc = add_time(b, r->side, r->place, row, part_ns);
		at_ns += part_ns;
		ns -= part_ns;
	}
	return rc;
}

/* Time on the CPU, stack by stack. */
static int add_running(struct reader *r, const struct segment *segment, const struct row *key,
		       int64_t ns)
{
	const size_t i = (size_t)(segment - r->run->segments);
	int64_t at_ns = segment->start_ns;
	_cleanup_vec_ struct sample_rows parts = { 0 };
	int rc = r->b->code != NULL ? path_samples(r->run, &r->samples, i, i + 1, &parts) : 0;
	for (size_t k = 0; k < parts.n && ns > 0 && rc == 0; k++) {
		const int64_t weight_ns = parts.items[k].weight_ns;
		const int64_t part_ns = weight_ns < ns ? weight_ns : ns;
		rc = add_part(r, segment, &parts.items[k], *key, at_ns, part_ns);
		at_ns += part_ns;
		ns -= part_ns;
	}
	return rc < 0 ? rc : add_part(r, segment, NULL, *key, at_ns, ns);
}

/* A wait that was long enough for a stack is told by who waited; the others by what for alone. */
static int add_wait(struct reader *r, const struct segment *segment, const struct row *key,
		    int64_t ns)
{
	const struct cpu_sample moment = { .process = segment->process, .stack = segment->stack };
	if (segment->stack == UNKNOWN)
		return add_time(r->b, r->side, r->place, *key, ns);
	return add_part(r, segment, &moment, *key, segment->start_ns, ns);
}

static int read_run(struct reader *r)
{
	struct breakdowns *b = r->b;
	int64_t left_ns = RUN_NS_MAX;
	int rc = 0;
	for (size_t i = 0; i < r->run->n_segments && rc == 0; i++) {
		const struct segment *segment = &r->run->segments[i];
		const struct row key = {
			.phase = segment->phase,
			.cause = segment->cause,
			.process = aligned_process(b->alignment, r->run, segment->process),
			.detail = aligned_detail(b->alignment, segment),
			.is_library = segment_is_loading(segment),
			.import = NO_IMPORT,
		};
		const int64_t most_ns =
			segment->duration_ns < left_ns ? segment->duration_ns : left_ns;
		const int64_t duration_ns = most_ns > 0 ? most_ns : 0;
		left_ns -= duration_ns;
		const bool has_place =
			segment->start_ns >= 0 && segment->start_ns <= INT64_MAX - RUN_NS_MAX;
		if (segment->state == ACTIVITY_RUNNING && has_place)
			rc = add_running(r, segment, &key, duration_ns);
		else if (segment->state == ACTIVITY_BLOCKED && has_place)
			rc = add_wait(r, segment, &key, duration_ns);
		else
			rc = add_time(b, r->side, r->place, key, duration_ns);
	}
	return rc;
}

static int add_run(struct breakdowns *b, enum side side, size_t place)
{
	struct reader r = { .b = b,
			    .side = side,
			    .place = place,
			    .run = &b->sessions[side]->runs[b->order[side][place]] };
	int rc = b->code != NULL ? sample_index_of(r.run, &r.samples) : 0;
	if (rc == 0 && b->imports != NULL)
		rc = import_line_of(b->imports, r.run, &r.imports);
	if (rc == 0)
		rc = read_run(&r);
	vec_done(&r.samples);
	vec_done(&r.imports);
	return rc;
}

/* ---- what is proven ---- */

/* Adds a row's times of all runs, those of base first. */
static void sum_up(const struct breakdowns *b, const struct row *row, int64_t *ns)
{
	for (size_t i = 0; i < b->n[BASE]; i++)
		ns[i] += row->runs_ns[BASE][i];
	for (size_t i = 0; i < b->n[HEAD]; i++)
		ns[b->n[BASE] + i] += row->runs_ns[HEAD][i];
}

static double mean_change(const struct breakdowns *b, const int64_t *ns)
{
	double sums[SIDES] = { 0 };
	for (size_t i = 0; i < b->n[BASE] + b->n[HEAD]; i++)
		sums[i < b->n[BASE] ? BASE : HEAD] += (double)ns[i];
	return sums[HEAD] / (double)b->n[HEAD] - sums[BASE] / (double)b->n[BASE];
}

static int is_proven(const struct breakdowns *b, const int64_t *ns, bool *ret)
{
	return code_is_proven(ns, b->n[BASE], ns + b->n[BASE], b->n[HEAD], ret);
}

/* Whether the row's function takes more or less, in all calls and whatever was being loaded. */
static int is_function_proven(const struct breakdowns *b, const struct row *row, bool *ret)
{
	_cleanup_free_ int64_t *ns = calloc(b->n[BASE] + b->n[HEAD] + 1, sizeof(*ns));
	if (ns == NULL)
		return -ENOMEM;
	vec_foreach(other, &b->rows) {
		if (is_same_function(other, row))
			sum_up(b, other, ns);
	}
	return is_proven(b, ns, ret);
}

static int settle_functions(struct breakdowns *b)
{
	_cleanup_free_ bool *are_proven = calloc(b->rows.n + 1, sizeof(*are_proven));
	int rc = are_proven != NULL ? 0 : -ENOMEM;
	for (size_t i = 0; i < b->rows.n && rc == 0; i++) {
		if (b->rows.items[i].code.name != NULL)
			rc = is_function_proven(b, &b->rows.items[i], &are_proven[i]);
	}
	for (size_t i = 0; i < b->rows.n && rc == 0; i++) {
		if (!are_proven[i])
			b->rows.items[i].code = no_function;
	}
	return rc;
}

/* Which import each goes to: itself, one that asked for it, NO_IMPORT. What is not proven of a module is
 * its parent's, so that one of many small parts is named, too. */
static int settle_imports(struct breakdowns *b, int *into)
{
	const size_t n = import_count(b->imports), n_runs = b->n[BASE] + b->n[HEAD];
	const double least_ns = code_least_ns(b->sessions[BASE], b->sessions[HEAD]);
	_cleanup_free_ int64_t *ns = calloc((n + 1) * (n_runs + 1), sizeof(*ns));
	int rc = ns != NULL ? 0 : -ENOMEM;
	vec_foreach(row, &b->rows) {
		if (rc == 0 && row->import != NO_IMPORT && row->code.name == NULL)
			sum_up(b, row, ns + (size_t)row->import * n_runs);
	}
	for (size_t i = n; i-- > 0 && rc == 0;) {
		bool is = false;
		const int parent = import_parent(b->imports, (int)i);
		if (fabs(mean_change(b, ns + i * n_runs)) >= least_ns)
			rc = is_proven(b, ns + i * n_runs, &is);
		into[i] = is ? (int)i : parent;
		for (size_t k = 0; k < n_runs && !is && parent != NO_IMPORT; k++)
			ns[(size_t)parent * n_runs + k] += ns[i * n_runs + k];
	}
	/* Parents come before what they load. */
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (into[i] != NO_IMPORT && into[i] != (int)i)
			into[i] = into[into[i]];
	}
	return rc;
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

/* The import in which nearly all of the change of @row's function was, or NO_IMPORT. */
static int import_of_function(const struct breakdowns *b, const struct row_list *rows,
			      const struct row *row, int64_t *ns, size_t n_ns)
{
	double all = 0, most = 0;
	int import = NO_IMPORT;
	vec_foreach(other, rows) {
		if (!is_same_function(other, row))
			continue;
		memset(ns, 0, n_ns * sizeof(*ns));
		sum_up(b, other, ns);
		const double change = mean_change(b, ns);
		all += change;
		if (change * change > most * most) {
			most = change;
			import = other->import;
		}
	}
	return most / all >= 0.8 ? import : NO_IMPORT;
}

/* What is told no more goes to one row. A function is one, with the module it was called for if that is one. */
static int merge(struct breakdowns *b, const int *into)
{
	struct row_list rows = b->rows;
	const size_t n_runs = b->n[BASE] + b->n[HEAD];
	const char *nothing = arena_intern(b->comparison->arena, "");
	_cleanup_free_ int64_t *ns = calloc(n_runs + 1, sizeof(*ns));
	int rc = nothing != NULL && ns != NULL ? 0 : -ENOMEM;
	b->rows = (struct row_list){ 0 };
	id_map_done(&b->index);
	for (size_t i = 0; i < rows.n && rc == 0; i++) {
		struct row key = rows.items[i];
		if (key.code.name != NULL)
			key.import = import_of_function(b, &rows, &key, ns, n_runs);
		else if (key.import != NO_IMPORT)
			key.import = into[key.import];
		if (key.cause == CAUSE_CPU && (key.code.name != NULL || key.import != NO_IMPORT)) {
			key.detail = nothing;
			key.is_library = false;
		}
		memset(key.is_in, 0, sizeof(key.is_in));
		rc = add_row(b, &rows.items[i], key);
	}
	vec_done(&rows);
	return rc;
}

int rows_collect(struct breakdowns *b)
{
	int rc = code_names_new(b->comparison->arena, b->sessions[BASE], b->sessions[HEAD],
				&b->code);
	if (rc == 0)
		rc = import_names_new(b->comparison->arena, b->sessions[BASE], b->sessions[HEAD],
				      &b->imports);
	for (int side = 0; side < SIDES; side++)
		for (size_t i = 0; i < b->n[side] && rc == 0; i++)
			rc = add_run(b, (enum side)side, i);
	if (rc < 0 || (b->code == NULL && b->imports == NULL))
		return rc;
	_cleanup_free_ int *into = calloc(import_count(b->imports) + 1, sizeof(*into));
	if (into == NULL)
		return -ENOMEM;
	rc = settle_functions(b);
	if (rc == 0)
		rc = settle_imports(b, into);
	return rc < 0 ? rc : merge(b, into);
}

void rows_done(struct breakdowns *b)
{
	code_names_done(b->code);
	import_names_done(b->imports);
	vec_done(&b->rows);
	id_map_done(&b->index);
}
