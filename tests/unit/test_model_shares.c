/* SPDX-License-Identifier: MIT */
/* Shares of functions, and that their intervals hold what they promise: a program of twenty functions
 * with known shares is sampled again and again, whatever it does when. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/arena.h"
#include "userspace/base/random.h"
#include "userspace/model/build/gaps.h"
#include "userspace/model/metrics.h"
#include "userspace/model/shares.h"

#define MS	    1000000
#define FUNCTIONS   20
#define ROUNDS	    500
#define PERIOD	    1.0
#define MAX_PIECES  40000
#define MAX_SAMPLES 8000
#define MAX_ROWS    (3 * MAX_SAMPLES)
#define CALLS_APART 0.06
#define LEAST_SEEN  3 /* samples that a share stands for */
#define THREADS	    8

static const double parts[FUNCTIONS] = { .30, .20, .12, .08, .06, .05, .04, .03,  .03,	.02,
					 .01, .01, .01, .01, .01, .01, .01, .004, .003, .003 };

/* main calls every one of them; stack i is function i in main, the last one main alone. */
static struct session *program(void)
{
	struct session *s = NULL;
	assert_int_equal(session_new(&s), 0);
	s->frames = arena_alloc_array(s->arena, FUNCTIONS + 1, sizeof(*s->frames));
	s->stacks = arena_alloc_array(s->arena, FUNCTIONS + 1, sizeof(*s->stacks));
	s->n_frames = FUNCTIONS + 1;
	s->n_stacks = FUNCTIONS + 1;
	for (int i = 0; i <= FUNCTIONS; i++)
		s->frames[i] = (struct frame){
			.function = i == FUNCTIONS ? "main" : arena_printf(s->arena, "f%d", i),
			.module = "/bin/x",
			.line = UNKNOWN
		};
	for (int i = 0; i <= FUNCTIONS; i++) {
		const int64_t frames[] = { i, FUNCTIONS };
		s->stacks[i].frames = arena_memdup(s->arena, frames, sizeof(frames));
		s->stacks[i].n_frames = i < FUNCTIONS ? 2 : 1;
	}
	return s;
}

/* ---- what it does when ---- */

static struct {
	int function;
	double takes;
	bool is_calling; /* one system call after another */
} pieces[MAX_PIECES];
static size_t n_pieces;

static void one(int function, double takes)
{
	if (n_pieces < MAX_PIECES) {
		pieces[n_pieces].function = function;
		pieces[n_pieces].is_calling = false;
		pieces[n_pieces++].takes = takes;
	}
}

/* Calls of functions by chance, on average @takes long. */
static void by_chance(struct random *r, double total, double takes)
{
	while (total > 0) {
		double u = random_uniform(r);
		int function = 0;
		while (function < FUNCTIONS - 1 && (u -= parts[function]) > 0)
			function++;
		const double length = -takes * log(1 - random_uniform(r));
		one(function, length);
		total -= length;
	}
}

/* Each function at one stretch, in any order. */
static void one_by_one(struct random *r, double total)
{
	int order[FUNCTIONS];
	for (int i = 0; i < FUNCTIONS; i++) {
		const size_t k = random_below(r, (size_t)i + 1);
		order[i] = order[k];
		order[k] = i;
	}
	for (int i = 0; i < FUNCTIONS; i++)
		one(order[i], parts[order[i]] * total);
}

static void calls_shorter_than_a_period(struct random *r)
{
	by_chance(r, 400, 0.05);
}

static void few_calls(struct random *r)
{
	by_chance(r, 12, 0.05);
}

static void calls_of_some_periods(struct random *r)
{
	by_chance(r, 400, 4);
}

static void three_phases(struct random *r)
{
	for (int i = 0; i < 3; i++)
		one_by_one(r, 400. / 3);
}

static void phases_then_short_calls(struct random *r)
{
	one_by_one(r, 200);
	by_chance(r, 400, 0.05);
}

/* One function reads, then others compute, for longer than the timer takes. */
static void reads_and_computing_in_turn(struct random *r)
{
	for (int i = 0; i < 100; i++) {
		one(1, 0.2 + random_uniform(r));
		pieces[n_pieces - 1].is_calling = true;
		by_chance(r, 3, 0.05);
	}
}

/* ---- sampling ---- */

static double next_timer(struct random *r)
{
	return PERIOD * (0.5 + random_uniform(r)); /* not quite regular, as is known of timers */
}

/* The moments at which it is looked at. */
static size_t take_samples(struct random *r, struct glimpse *all, double *ret_total)
{
	size_t n = 0;
	double begin = 0, timer = random_uniform(r), left = 0;
	for (size_t i = 0; i < n_pieces; i++) {
		const double end = begin + pieces[i].takes;
		double call = pieces[i].is_calling ? begin + CALLS_APART : INFINITY;
		while (n < MAX_SAMPLES && fmin(timer, call) < end) {
			const bool is_timer = timer < call;
			const double at = fmin(timer, call);
			all[n++] = (struct glimpse){ .at_ns = (uint64_t)(at * MS),
						     .since_ns = (uint64_t)(left * MS),
						     .is_timer = is_timer,
						     .node = pieces[i].function };
			left = is_timer ? left : at;
			timer += is_timer ? next_timer(r) : 0;
			call += is_timer ? 0 : CALLS_APART;
		}
		begin = end;
	}
	*ret_total = begin;
	return n;
}

static int common(const void *context, int a, int b)
{
	(void)context;
	return a == b ? a : FUNCTIONS;
}

static size_t cut(const struct glimpse *all, size_t n, double total, int64_t thread,
		  struct cpu_sample *rows)
{
	struct part_list list = { 0 };
	size_t n_rows = 0;
	assert_int_equal(gaps_cut(all, n, 0, (uint64_t)(total * MS), common, NULL, &list), 0);
	vec_foreach(part, &list) {
		assert_true(n_rows < MAX_ROWS);
		rows[n_rows++] =
			(struct cpu_sample){ .process = 1,
					     .thread = thread,
					     .stack = part->node,
					     .is_open = part->is_open,
					     .start_ns = (int64_t)part->from_ns,
					     .weight_ns = (int64_t)(part->to_ns - part->from_ns) };
	}
	vec_done(&list);
	return n_rows;
}

struct score {
	size_t n, n_inside;
};

/* What no sample met is as sure as none of so many is. */
static void judge(const struct share_list *list, const double truth[static FUNCTIONS], size_t n,
		  struct score *score)
{
	const double unseen = 1.96 * 1.96 / ((double)n + 1.96 * 1.96);
	double low[FUNCTIONS] = { 0 }, high[FUNCTIONS];
	for (int i = 0; i < FUNCTIONS; i++)
		high[i] = unseen;
	vec_foreach(share, list) {
		const int function = atoi(share->function + 1);
		if (strcmp(share->function, "main") == 0) {
			assert_int_equal(share->self_ns, 0);
			assert_true(share->total_high > 1 - 1e-9);
			continue;
		}
		assert_int_equal(share->self_ns, share->total_ns);
		low[function] = share->self_low;
		high[function] = share->self_high;
	}
	for (int i = 0; i < FUNCTIONS; i++) {
		if (parts[i] * (double)n < LEAST_SEEN)
			continue;
		score->n++;
		score->n_inside += low[i] <= truth[i] && truth[i] <= high[i];
	}
}

struct way {
	const char *name;
	void (*program_is)(struct random *r);
	int n_threads;
};

/* One run. */
static void judge_run(const struct session *s, const struct way *way, struct random *random,
		      struct score *score)
{
	static struct glimpse all[MAX_SAMPLES];
	static struct cpu_sample rows[MAX_ROWS];
	struct shares *shares = NULL;
	struct share_list list = { 0 };
	double truth[FUNCTIONS] = { 0 }, sum = 0;
	int64_t sum_ns = 0;
	size_t n_all = 0, n_taken = 0;
	assert_int_equal(shares_new(s, &shares), 0);
	for (int thread = 0; thread < way->n_threads; thread++) {
		double total = 0;
		n_pieces = 0;
		way->program_is(random);
		const size_t n = take_samples(random, all, &total);
		const size_t n_rows = cut(all, n, total, thread, rows);
		assert_int_equal(shares_add(shares, rows, n_rows), 0);
		for (size_t i = 0; i < n_pieces; i++)
			truth[pieces[i].function] += pieces[i].takes;
		sum += total;
		n_all += n;
	}
	for (int i = 0; i < FUNCTIONS; i++)
		truth[i] /= sum;
	assert_int_equal(shares_finish(shares, &list, &sum_ns, &n_taken), 0);
	assert_true(n_taken > 0 && n_taken <= n_all);
	assert_true(llabs(sum_ns - (int64_t)(sum * MS)) <= way->n_threads);
	judge(&list, truth, n_all, score);
	vec_done(&list);
	(void)shares_free(shares);
}

static double coverage_of(const struct way *way)
{
	struct session *s = program();
	struct score score = { 0 };
	struct random random;
	random_seed(&random, 11);
	for (int round = 0; round < ROUNDS; round++)
		judge_run(s, way, &random, &score);
	(void)session_free(s);
	const double coverage = (double)score.n_inside / (double)score.n;
	print_message("%s: %.3f of %zu shares inside\n", way->name, coverage, score.n);
	return coverage;
}

static void shares_lie_inside_their_intervals(void **state)
{
	(void)state;
	static const struct way ways[] = {
		{ "calls shorter than a period", calls_shorter_than_a_period, 1 },
		{ "the same in threads", few_calls, THREADS },
		{ "calls of some periods", calls_of_some_periods, 1 },
		{ "three phases", three_phases, 1 },
		{ "phases, then short calls", phases_then_short_calls, 1 },
		{ "reads and computing in turn", reads_and_computing_in_turn, 1 },
	};
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const double coverage = coverage_of(&ways[i]);
		assert_true(coverage > 0.93 && coverage < 0.975);
	}
}

/* ---- what counts as what ---- */

static struct share_list shares_of(const struct session *s, const struct cpu_sample *rows, size_t n)
{
	struct shares *shares = NULL;
	struct share_list list = { 0 };
	int64_t sum_ns = 0, self_ns = 0;
	size_t n_taken = 0;
	assert_int_equal(shares_new(s, &shares), 0);
	assert_int_equal(shares_add(shares, rows, n), 0);
	assert_int_equal(shares_finish(shares, &list, &sum_ns, &n_taken), 0);
	(void)shares_free(shares);
	vec_foreach(share, &list)
		self_ns += share->self_ns + share->open_ns;
	assert_int_equal(self_ns, sum_ns);
	return list;
}

static const struct share *find(const struct share_list *list, const char *function)
{
	vec_foreach(share, list) {
		if (share->function != NULL && strcmp(share->function, function) == 0)
			return share;
	}
	return NULL;
}

static void a_function_that_calls_itself_counts_once(void **state)
{
	(void)state;
	struct session *s = program();
	const int64_t frames[] = { 0, 1, 0, FUNCTIONS };
	s->stacks[0].frames = arena_memdup(s->arena, frames, sizeof(frames));
	s->stacks[0].n_frames = 4;
	const struct cpu_sample rows[] = { { .weight_ns = 7 }, { .start_ns = 1, .weight_ns = 4 } };
	struct share_list list = shares_of(s, rows, 2);
	assert_int_equal(find(&list, "f0")->total_ns, 11);
	assert_int_equal(find(&list, "f0")->self_ns, 11);
	assert_int_equal(find(&list, "f1")->total_ns, 11);
	assert_int_equal(find(&list, "f1")->self_ns, 0);
	vec_done(&list);
	(void)session_free(s);
}

static void what_is_open_is_nobodys_self(void **state)
{
	(void)state;
	struct session *s = program();
	const struct cpu_sample rows[] = { { .stack = 2, .weight_ns = 7, .is_open = true },
					   { .stack = 3, .start_ns = 1, .weight_ns = 4 } };
	struct share_list list = shares_of(s, rows, 2);
	assert_int_equal(find(&list, "f2")->open_ns, 7);
	assert_int_equal(find(&list, "f2")->self_ns, 0);
	assert_int_equal(find(&list, "main")->total_ns, 11);
	assert_int_equal(find(&list, "main")->n_total, 1);
	vec_done(&list);
	(void)session_free(s);
}

static void what_is_not_known_has_no_name(void **state)
{
	(void)state;
	struct session *s = program();
	s->frames[0].function = s->frames[1].function = s->frames[2].function = NULL;
	s->frames[1].offset = 5;
	s->frames[2].module = NULL;
	const struct cpu_sample rows[] = { { .stack = 0, .weight_ns = 1 },
					   { .stack = 1, .start_ns = 1, .weight_ns = 2 },
					   { .stack = 2, .start_ns = 2, .weight_ns = 4 },
					   { .stack = UNKNOWN, .start_ns = 3, .weight_ns = 8 },
					   { .stack = 9999, .start_ns = 4, .weight_ns = 16 } };
	struct share_list list = shares_of(s, rows, 5);
	assert_int_equal(list.n, 4);
	assert_true(list.items[0].frame == NULL && list.items[0].self_ns == 24);
	assert_int_equal(list.items[0].n_self, 0);
	assert_true(list.items[1].module == NULL && list.items[1].self_ns == 4);
	assert_string_equal(list.items[2].module, "/bin/x");
	assert_true(list.items[2].self_ns == 3 && !list.items[2].is_one_place);
	vec_done(&list);
	(void)session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_that_calls_itself_counts_once),
		cmocka_unit_test(what_is_open_is_nobodys_self),
		cmocka_unit_test(what_is_not_known_has_no_name),
		cmocka_unit_test(shares_lie_inside_their_intervals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
