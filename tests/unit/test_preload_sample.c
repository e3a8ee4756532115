/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "preload/sample.h"
#include "tests/unit/cmocka.h"

enum { DRAWS = 200003, MEAN = 524288, THREADS = 4, ROUNDS = 20011 };

static struct sampled *table_new(void)
{
	struct sampled *table = calloc(1, sizeof(*table));

	assert_non_null(table);
	return table;
}

static const void *block(uintptr_t n)
{
	return (const void *)(0x555500000010 + 48 * n);
}

static size_t filter_sum(const struct sampled *table)
{
	size_t sum = 0;

	for (size_t i = 0; i < SAMPLE_CLASSES; i++)
		sum += table->filter[i];
	return sum;
}

/* Of @DRAWS draws; six standard errors are never exceeded by chance, and the seed is fixed. */
static void draws_are_exponential(void **state)
{
	(void)state;
	static const double quantiles[] = { 0.01, 0.1, 0.5, 0.9, 0.99 };
	size_t below[5] = { 0 };
	uint64_t random = 7;
	double sum = 0;

	for (int i = 0; i < DRAWS; i++) {
		const double draw = (double)sample_draw(&random, MEAN);
		assert_true(draw >= 0);
		sum += draw;
		for (int k = 0; k < 5; k++)
			below[k] += draw < -log1p(-quantiles[k]) * MEAN;
	}
	assert_true(fabs(sum / DRAWS / MEAN - 1) < 6 / sqrt(DRAWS));
	for (int k = 0; k < 5; k++) {
		const double q = quantiles[k];
		assert_true(fabs((double)below[k] / DRAWS - q) < 6 * sqrt(q * (1 - q) / DRAWS));
	}
}

static void a_block_is_sampled_with_its_own_probability(void **state)
{
	(void)state;
	static const int sizes[] = { 24, 1032, 40, 65544, 24, 600000 };
	size_t n[6] = { 0 };
	uint64_t random = 11;
	__s64 left = sample_draw(&random, MEAN);

	for (int i = 0; i < DRAWS; i++) {
		for (int k = 0; k < 6; k++) {
			left -= sizes[k];
			if (left < 0) {
				n[k]++;
				left = sample_draw(&random, MEAN);
			}
		}
	}
	for (int k = 0; k < 6; k++) {
		const double p = -expm1(-(double)sizes[k] / MEAN);
		assert_true(fabs((double)n[k] - p * DRAWS) < 6 * sqrt(DRAWS * p * (1 - p)));
	}
}

static void any_mean_and_any_state_can_be_drawn_from(void **state)
{
	(void)state;
	for (int bits = 0; bits <= 40; bits++) {
		uint64_t random = 0;
		for (int i = 0; i < 1009; i++) {
			const __s64 draw = sample_draw(&random, 1ull << bits);
			assert_true(draw >= 0 && draw <= (__s64)(45ull << bits));
		}
	}
	uint64_t random = UINT64_MAX;
	assert_int_equal(sample_draw(&random, 0), 0);
}

static void a_mean_that_makes_no_sense_is_bounded(void **state)
{
	(void)state;
	const struct sl_tree none = { 0 }, hostile = { .sample_bytes = UINT64_MAX };

	assert_int_equal(sample_bytes_of(&none), 0);
	assert_int_equal(sample_bytes_of(&hostile), 1ull << 40);
}

static void what_was_added_is_removed_once(void **state)
{
	(void)state;
	struct sampled *table = table_new();
	uint64_t note = 0;

	assert_false(sample_may_have(block(1)));
	assert_true(sampled_add(table, block(1), 23));
	assert_false(sample_may_have(block(1)));
	sample_filter_set(table);
	assert_true(sample_may_have(block(1)));
	assert_false(sample_may_have(block(2)));
	assert_false(sampled_remove(table, block(2), &note));
	assert_true(sampled_remove(table, block(1), &note));
	assert_int_equal(note, 23);
	assert_false(sample_may_have(block(1)));
	assert_false(sampled_remove(table, block(1), &note));
	free(table);
}

static void a_block_whose_free_was_not_seen_is_taken_over(void **state)
{
	(void)state;
	struct sampled *table = table_new();
	uint64_t note = 0;

	assert_true(sampled_add(table, block(1), 23));
	assert_true(sampled_add(table, block(1), 41));
	assert_true(sampled_remove(table, block(1), &note));
	assert_int_equal(note, 41);
	assert_false(sampled_remove(table, block(1), &note));
	assert_int_equal(filter_sum(table), 0);
	free(table);
}

static void a_full_table_takes_no_more_and_loses_nothing(void **state)
{
	(void)state;
	struct sampled *table = table_new();
	const uintptr_t n = 4 * SAMPLE_SETS * SAMPLE_WAYS;
	unsigned char *is_in = calloc(n, 1);
	size_t n_in = 0;
	uint64_t note = 0;

	assert_non_null(is_in);
	for (uintptr_t i = 0; i < n; i++)
		n_in += is_in[i] = sampled_add(table, block(i), i);
	assert_true(n_in > SAMPLE_SETS * SAMPLE_WAYS * 99 / 100);
	assert_true(n_in <= SAMPLE_SETS * SAMPLE_WAYS);
	for (uintptr_t i = 0; i < n; i++) {
		note = i;
		assert_int_equal(sampled_remove(table, block(i), &note), is_in[i]);
		assert_int_equal(note, i);
	}
	assert_int_equal(filter_sum(table), 0);
	free(is_in);
	free(table);
}

/* All in one class: then each of its blocks has to be looked for, and none is missed. */
static void a_class_that_overflows_stays_taken(void **state)
{
	(void)state;
	struct sampled *table = table_new();
	uint64_t note = 0;
	size_t n_in = 0;

	for (uintptr_t i = 1; i <= 997; i++)
		n_in += sampled_add(table, (const void *)(i << 20), i);
	assert_true(n_in > SAMPLE_STUCK);
	assert_int_equal(table->filter[0], SAMPLE_STUCK);
	for (uintptr_t i = 1; i <= 997; i++)
		n_in -= sampled_remove(table, (const void *)(i << 20), &note);
	assert_int_equal(n_in, 0);
	assert_int_equal(table->filter[0], SAMPLE_STUCK);
	free(table);
}

struct work {
	struct sampled *table;
	uintptr_t first;
};

static void *add_and_remove(void *data)
{
	const struct work *w = data;
	uint64_t note = 0;

	for (uintptr_t i = 0; i < ROUNDS; i++) {
		const void *p = block(w->first + i % 97 * THREADS);
		if (!sampled_add(w->table, p, i) || !sampled_remove(w->table, p, &note) ||
		    note != i)
			return NULL;
	}
	return data;
}

static void threads_do_not_disturb_each_other(void **state)
{
	(void)state;
	struct sampled *table = table_new();
	struct work work[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		work[i] = (struct work){ table, (uintptr_t)i };
		assert_int_equal(pthread_create(&threads[i], NULL, add_and_remove, &work[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *result = NULL;
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_non_null(result);
	}
	assert_int_equal(filter_sum(table), 0);
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draws_are_exponential),
		cmocka_unit_test(a_block_is_sampled_with_its_own_probability),
		cmocka_unit_test(any_mean_and_any_state_can_be_drawn_from),
		cmocka_unit_test(a_mean_that_makes_no_sense_is_bounded),
		cmocka_unit_test(what_was_added_is_removed_once),
		cmocka_unit_test(a_block_whose_free_was_not_seen_is_taken_over),
		cmocka_unit_test(a_full_table_takes_no_more_and_loses_nothing),
		cmocka_unit_test(a_class_that_overflows_stays_taken),
		cmocka_unit_test(threads_do_not_disturb_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
