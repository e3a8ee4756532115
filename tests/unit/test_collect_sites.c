/* SPDX-License-Identifier: MIT */
/* Call sites against a model that remembers everything, and sampled ones against the truth. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/collect/heap/blocks.h"
#include "userspace/collect/heap/sites.h"

enum { PIDS = 3, STACKS = 7, PLACES = 400, TOLD_MAX = 4096 };

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static double fraction(uint64_t *seed)
{
	return (double)(next(seed) >> 11) / (double)(1ull << 53);
}

struct told_sites {
	struct sl_site events[TOLD_MAX];
	size_t n;
};

static int take(void *data, const struct sl_event *event)
{
	struct told_sites *t = data;
	assert_int_equal(event->kind, SL_KIND_SITE);
	assert_true(t->n < TOLD_MAX);
	t->events[t->n++] = *(const struct sl_site *)event;
	return 0;
}

static const struct sl_site *find(const struct told_sites *t, uint32_t pid, uint32_t stack)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->events[i].event.pid == pid && t->events[i].stack == stack)
			return &t->events[i];
	return NULL;
}

static struct site_block block_of(pid_t pid, uint64_t address, uint64_t bytes, uint32_t stack)
{
	return (struct site_block){
		.owner = { .pid = pid, .told_pid = (uint32_t)pid + 1000 },
		.time_ns = 5,
		.address = address,
		.bytes = bytes,
		.stack = stack,
		.p = 1,
	};
}

/* ---- the model ---- */

struct truth {
	struct {
		uint32_t stack; /* 0: free */
		uint64_t bytes;
	} at[PIDS][PLACES];
	uint64_t live[PIDS][STACKS], total[PIDS][STACKS], n_total[PIDS][STACKS];
	uint64_t most[PIDS], tree_most;
	uint64_t at_peak[PIDS][STACKS], at_tree_peak[PIDS][STACKS];
	bool has_ended[PIDS];
};

static uint64_t live_of(const struct truth *t, int pid)
{
	uint64_t sum = 0;
	for (int k = 0; k < STACKS; k++)
		sum += t->live[pid][k];
	return sum;
}

static void note_peaks(struct truth *t)
{
	uint64_t tree = 0;
	for (int p = 0; p < PIDS; p++) {
		const uint64_t live = live_of(t, p);
		tree += live;
		if (live > t->most[p]) {
			t->most[p] = live;
			memcpy(t->at_peak[p], t->live[p], sizeof(t->live[p]));
		}
	}
	if (tree > t->tree_most) {
		t->tree_most = tree;
		memcpy(t->at_tree_peak, t->live, sizeof(t->live));
	}
}

static uint64_t address_of(int place)
{
	return 0x7f0000000010ull + (uint64_t)place * 48;
}

static void step(struct sites *s, struct truth *t, uint64_t *seed)
{
	const int pid = (int)(next(seed) % PIDS), place = (int)(next(seed) % PLACES);
	if (t->has_ended[pid])
		return;
	if (t->at[pid][place].stack != 0) {
		t->live[pid][t->at[pid][place].stack - 1] -= t->at[pid][place].bytes;
		t->at[pid][place].stack = 0;
		sites_freed(s, pid + 1, 9, address_of(place), false);
		return;
	}
	const uint32_t stack = (uint32_t)(next(seed) % STACKS);
	const uint64_t bytes = 1 + next(seed) % (next(seed) % 50 == 0 ? 100000 : 500);
	const struct site_block b = block_of(pid + 1, address_of(place), bytes, stack + 1);
	t->at[pid][place].stack = stack + 1;
	t->at[pid][place].bytes = bytes;
	t->live[pid][stack] += bytes;
	t->total[pid][stack] += bytes;
	t->n_total[pid][stack]++;
	assert_int_equal(sites_allocated(s, &b), 0);
	note_peaks(t);
}

static void end(struct sites *s, struct truth *t, int pid)
{
	t->has_ended[pid] = true;
	sites_image_ended(s, pid + 1, 77, SL_WHEN_EXIT);
	/* Its blocks are told as they were; of the tree they are no more. */
	memset(t->at[pid], 0, sizeof(t->at[pid]));
}

static void check(const struct told_sites *told, const struct truth *t, uint64_t left[PIDS][STACKS])
{
	for (int p = 0; p < PIDS; p++) {
		for (int k = 0; k < STACKS; k++) {
			const struct sl_site *e = find(told, (uint32_t)p + 1001, (uint32_t)k + 1);
			if (t->n_total[p][k] == 0) {
				assert_null(e);
				continue;
			}
			assert_non_null(e);
			assert_int_equal(e->sums[SL_SITE_TOTAL].blocks, t->n_total[p][k]);
			assert_int_equal(e->sums[SL_SITE_TOTAL].bytes, t->total[p][k]);
			assert_int_equal(e->sums[SL_SITE_TOTAL].error_bytes, 0);
			assert_int_equal(e->sums[SL_SITE_LIVE].bytes, left[p][k]);
			assert_int_equal(e->sums[SL_SITE_PEAK].bytes, t->at_peak[p][k]);
			assert_int_equal(e->sums[SL_SITE_TREE_PEAK].bytes, t->at_tree_peak[p][k]);
		}
	}
}

static void all_sums_are_those_of_a_model_that_remembers_everything(void **state)
{
	(void)state;
	for (uint64_t round = 1; round <= 60; round++) {
		static struct truth t;
		static struct told_sites told;
		uint64_t seed = round * 7919, left[PIDS][STACKS];
		struct sites *s = sites_new();
		memset(&t, 0, sizeof(t));
		told.n = 0;
		for (int i = 0; i < 3000; i++) {
			step(s, &t, &seed);
			if (i == 1500 && round % 2 == 0) {
				memcpy(left[1], t.live[1], sizeof(left[1]));
				end(s, &t, 1);
				memset(t.live[1], 0, sizeof(t.live[1]));
			}
		}
		for (int p = 0; p < PIDS; p++)
			if (!t.has_ended[p])
				memcpy(left[p], t.live[p], sizeof(left[p]));
		assert_int_equal(sites_tell_end(s, 99, (struct sink){ take, &told }), 0);
		check(&told, &t, left);
		assert_null(sites_free(s));
	}
}

static void readiness_tells_what_lives_then(void **state)
{
	(void)state;
	static struct told_sites told;
	struct sites *s = sites_new();
	const struct site_block one = block_of(1, 16, 4099, 3), two = block_of(2, 16, 23, 3);
	told.n = 0;
	assert_int_equal(sites_allocated(s, &one), 0);
	assert_int_equal(sites_allocated(s, &two), 0);
	sites_image_ended(s, 2, 50, SL_WHEN_EXEC);
	assert_int_equal(sites_tell_ready(s, 60, (struct sink){ take, &told }), 0);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.events[0].when, SL_WHEN_READY);
	assert_int_equal(told.events[0].event.time_ns, 60);
	assert_int_equal(told.events[0].sums[SL_SITE_LIVE].bytes, 4099);
	told.n = 0;
	assert_int_equal(sites_tell_end(s, 70, (struct sink){ take, &told }), 0);
	assert_int_equal(told.n, 2);
	assert_int_equal(told.events[1].when, SL_WHEN_EXEC);
	assert_int_equal(told.events[1].event.time_ns, 50);
	assert_null(sites_free(s));
}

static void frees_tell_of_temporaries_and_lifetimes(void **state)
{
	(void)state;
	static struct told_sites told;
	struct sites *s = sites_new();
	const struct site_block b = block_of(1, 32, 41, 1);
	told.n = 0;
	for (int i = 0; i < 23; i++) {
		assert_int_equal(sites_allocated(s, &b), 0);
		sites_freed(s, 1, 5 + 7, 32, i % 2 == 0);
	}
	sites_freed(s, 1, 20, 32, true); /* nobody's */
	sites_freed(s, 9, 20, 32, true); /* of nobody */
	assert_int_equal(sites_tell_end(s, 70, (struct sink){ take, &told }), 0);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.events[0].sums[SL_SITE_TEMPORARY].blocks, 12);
	assert_int_equal(told.events[0].lifetime_ns, 23 * 7);
	assert_int_equal(told.events[0].sums[SL_SITE_LIVE].blocks, 0);
	assert_int_equal(told.events[0].sums[SL_SITE_PEAK].bytes, 41);
	assert_null(sites_free(s));
}

/* Of blocks that are told of with what was live then, and the most until then. */
static void the_peak_is_when_the_counters_had_it(void **state)
{
	(void)state;
	static const struct {
		uint32_t stack;
		uint64_t bytes, live, peak;
		bool frees_first; /* the block of the first */
	} stories[] = {
		{ 1, 100, 100, 100, false },
		{ 2, 200, 1000, 1000, false },
		/* Between these two there were 1,500: the first was there still, and this one not yet. */
		{ 3, 300, 500, 1500, true },
		{ 3, 400, 900, 1500, false },
	};
	static struct told_sites told;
	struct sites *s = sites_new();
	told.n = 0;
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		struct site_block b = block_of(1, 16 * (i + 1), stories[i].bytes, stories[i].stack);
		b.live_bytes = stories[i].live;
		b.peak_bytes = stories[i].peak;
		if (stories[i].frees_first)
			sites_freed(s, 1, 5, 16, false);
		assert_int_equal(sites_allocated(s, &b), 0);
	}
	assert_int_equal(sites_tell_end(s, 70, (struct sink){ take, &told }), 0);
	assert_int_equal(told.events[0].peak_bytes, 1500);
	assert_int_equal(find(&told, 1001, 1)->sums[SL_SITE_PEAK].bytes, 100);
	assert_int_equal(find(&told, 1001, 2)->sums[SL_SITE_PEAK].bytes, 200);
	assert_int_equal(find(&told, 1001, 3)->sums[SL_SITE_PEAK].bytes, 0);
	assert_int_equal(find(&told, 1001, 3)->sums[SL_SITE_LIVE].bytes, 700);
	assert_null(sites_free(s));
}

static void a_block_at_a_live_address_replaces_it(void **state)
{
	(void)state;
	static struct told_sites told;
	struct sites *s = sites_new();
	struct site_block b = block_of(1, 32, 41, 1);
	told.n = 0;
	assert_int_equal(sites_allocated(s, &b), 0);
	b.stack = 2;
	assert_int_equal(sites_allocated(s, &b), 0);
	b.bytes = 0; /* what cannot be is left out */
	assert_int_equal(sites_allocated(s, &b), 0);
	assert_int_equal(sites_tell_end(s, 70, (struct sink){ take, &told }), 0);
	assert_int_equal(find(&told, 1001, 1)->sums[SL_SITE_LIVE].blocks, 0);
	assert_int_equal(find(&told, 1001, 2)->sums[SL_SITE_LIVE].blocks, 1);
	assert_null(sites_free(s));
}

/* ---- sampling ---- */

/* One heap of @n blocks: how far the estimate of its bytes is from the truth, in its own standard errors. */
static double deviation(uint64_t *seed, size_t n, uint64_t interval, double *ret_bias)
{
	static struct told_sites told;
	struct sites *s = sites_new();
	double truth = 0;
	told.n = 0;
	for (size_t i = 0; i < n; i++) {
		struct site_block b =
			block_of(1, 16 * (i + 1), 24 + next(seed) % (i % 10 == 0 ? 20000 : 300), 1);
		b.p = sites_probability(b.bytes, interval);
		truth += (double)b.bytes;
		if (fraction(seed) < b.p)
			assert_int_equal(sites_allocated(s, &b), 0);
	}
	assert_int_equal(sites_tell_end(s, 70, (struct sink){ take, &told }), 0);
	assert_null(sites_free(s));
	const double bytes = told.n > 0 ? (double)told.events[0].sums[SL_SITE_TOTAL].bytes : 0;
	const double error =
		told.n > 0 ? (double)told.events[0].sums[SL_SITE_TOTAL].error_bytes : 1;
	*ret_bias += bytes / truth - 1;
	return fabs(bytes - truth) / error;
}

static void estimates_have_no_bias_and_the_error_they_say(void **state)
{
	(void)state;
	uint64_t seed = 20261130;
	double bias = 0;
	int n_inside = 0;
	for (int i = 0; i < 1000; i++)
		n_inside += deviation(&seed, 2000, 20000, &bias) < 1.96;
	assert_in_range(n_inside, 930, 970);
	/* Some 120 samples each: the mean of 1,000 is within 1 % by four standard errors. */
	assert_true(fabs(bias / 1000) < 0.012);
}

/* All blocks at first, those of stack 1 kept and those of stack 2 freed; then samples stand for what lives. */
static void from_all_to_some(uint64_t *seed, double *ret_live, double *ret_error)
{
	enum { N = 3000, BYTES = 1000, INTERVAL = 20000 };
	static struct told_sites told;
	struct sites *s = sites_new();
	told.n = 0;
	for (int k = 0; k < 2 * N; k++) {
		struct site_block b = block_of(1, address_of(k), BYTES, 1 + k % 2);
		b.is_sampled = fraction(seed) < sites_probability(BYTES, INTERVAL);
		assert_int_equal(sites_allocated(s, &b), 0);
		if (k % 2 == 1)
			sites_freed(s, 1, 6, address_of(k), false);
	}
	sites_sample_from_now(s, 0, INTERVAL);
	/* One that its thread recorded before it knew, one of a process that is new, and half of the live ones go. */
	struct site_block late = block_of(1, 8, BYTES, 3), other = block_of(2, 8, BYTES, 3);
	assert_int_equal(sites_allocated(s, &late), 0);
	assert_int_equal(sites_allocated(s, &other), 0);
	for (int k = 0; k < N; k += 2)
		sites_freed(s, 1, 7, address_of(k), false);
	assert_int_equal(sites_tell_end(s, 70, (struct sink){ take, &told }), 0);
	assert_null(sites_free(s));
	const struct sl_site *kept = find(&told, 1001, 1), *freed = find(&told, 1001, 2);
	/* What was recorded stays what it was. */
	assert_int_equal(kept->sums[SL_SITE_TOTAL].bytes, N * BYTES);
	assert_int_equal(kept->sums[SL_SITE_TOTAL].error_bytes, 0);
	assert_int_equal(kept->sums[SL_SITE_PEAK].bytes, N * BYTES);
	assert_int_equal(freed->sums[SL_SITE_TOTAL].blocks, N);
	assert_int_equal(freed->sums[SL_SITE_LIVE].samples, 0);
	assert_null(find(&told, 1001, 3));
	assert_null(find(&told, 1002, 3));
	*ret_live = (double)kept->sums[SL_SITE_LIVE].bytes / (N * BYTES / 2.0);
	*ret_error = (double)kept->sums[SL_SITE_LIVE].error_bytes / (N * BYTES / 2.0);
}

static void samples_stand_for_what_was_recorded_before(void **state)
{
	(void)state;
	uint64_t seed = 20261201;
	double sum = 0;
	int n_inside = 0;
	for (int i = 0; i < 200; i++) {
		double live, error;
		from_all_to_some(&seed, &live, &error);
		sum += live;
		n_inside += fabs(live - 1) < 1.96 * error;
	}
	/* 75 samples each: the mean of 200 is within 3.3 % by four standard errors. */
	assert_true(fabs(sum / 200 - 1) < 0.033);
	assert_in_range(n_inside, 174, 200);
}

static void taking_out_leaves_the_others_where_they_are_found(void **state)
{
	(void)state;
	struct blocks b = { 0 };
	struct block found;
	uint64_t seed = 5;
	static bool is_in[2000];
	memset(is_in, 0, sizeof(is_in));
	for (int i = 0; i < 200000; i++) {
		const size_t k = next(&seed) % 2000;
		const struct block fresh = { .address = address_of((int)k), .bytes = k + 1 };
		if (is_in[k])
			assert_true(blocks_take(&b, fresh.address, &found) && found.bytes == k + 1);
		else
			assert_int_equal(blocks_put(&b, &fresh, &found), 0);
		is_in[k] = !is_in[k];
	}
	for (size_t k = 0; k < 2000; k++)
		assert_int_equal(blocks_take(&b, address_of((int)k), &found), is_in[k]);
	assert_int_equal(b.n, 0);
	blocks_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sums_are_those_of_a_model_that_remembers_everything),
		cmocka_unit_test(readiness_tells_what_lives_then),
		cmocka_unit_test(frees_tell_of_temporaries_and_lifetimes),
		cmocka_unit_test(the_peak_is_when_the_counters_had_it),
		cmocka_unit_test(a_block_at_a_live_address_replaces_it),
		cmocka_unit_test(estimates_have_no_bias_and_the_error_they_say),
		cmocka_unit_test(samples_stand_for_what_was_recorded_before),
		cmocka_unit_test(taking_out_leaves_the_others_where_they_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
