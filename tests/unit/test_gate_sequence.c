/* SPDX-License-Identifier: MIT */
/* The design of an interleaved comparison. What it claims on noise: test_gate_simulation.c. */

#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "userspace/base/random.h"
#include "userspace/gate/sequence.h"

/* --- order ---------------------------------------------------------------------------------- */

static void first_pair_is_a_warm_up(void **state)
{
	(void)state;
	struct sequence s;
	bool is_discarded = false;
	sequence_init(&s, 23, 30);
	(void)sequence_next(&s, &is_discarded);
	assert_true(is_discarded);
	assert_false(sequence_done(&s, false));
	(void)sequence_next(&s, &is_discarded);
	assert_true(is_discarded);
	assert_false(sequence_done(&s, false));
	assert_int_equal(s.pairs, 0);
	(void)sequence_next(&s, &is_discarded);
	assert_false(is_discarded);
}

/* Runs a whole sequence; counts the arms that counted. */
static void run_all(struct sequence *s, size_t arms[static ARM_COUNT], size_t *ret_base_first)
{
	size_t pending[ARM_COUNT] = { 0 };
	memset(arms, 0, ARM_COUNT * sizeof(*arms));
	*ret_base_first = 0;
	while (!sequence_is_over(s)) {
		bool is_discarded = false;
		const bool is_first = s->at == 0;
		const enum arm arm = sequence_next(s, &is_discarded);
		*ret_base_first += is_first && arm == ARM_BASE && !is_discarded;
		pending[arm] += !is_discarded;
		if (sequence_done(s, false)) {
			for (int i = 0; i < ARM_COUNT; i++)
				arms[i] += pending[i];
			memset(pending, 0, sizeof(pending));
		}
	}
}

static void every_third_pair_has_a_control(void **state)
{
	(void)state;
	struct sequence s;
	size_t arms[ARM_COUNT], base_first;
	sequence_init(&s, 41, 30);
	run_all(&s, arms, &base_first);
	assert_int_equal(arms[ARM_BASE], 30);
	assert_int_equal(arms[ARM_HEAD], 30);
	assert_int_equal(arms[ARM_CONTROL], 10);
	assert_true(base_first > 5 && base_first < 25);
}

static void head_alone_has_no_other_arms(void **state)
{
	(void)state;
	struct sequence s;
	size_t arms[ARM_COUNT], base_first;
	sequence_init_alone(&s, 41, 12);
	run_all(&s, arms, &base_first);
	assert_int_equal(arms[ARM_BASE], 0);
	assert_int_equal(arms[ARM_HEAD], 12);
	assert_int_equal(arms[ARM_CONTROL], 0);
}

static void same_seed_same_order(void **state)
{
	(void)state;
	struct sequence a, b;
	sequence_init(&a, 7, 30);
	sequence_init(&b, 7, 30);
	while (!sequence_is_over(&a)) {
		bool discarded_a, discarded_b;
		assert_int_equal(sequence_next(&a, &discarded_a), sequence_next(&b, &discarded_b));
		assert_int_equal(sequence_done(&a, false), sequence_done(&b, false));
	}
	assert_true(sequence_is_over(&b));
}

static void tainted_pairs_are_repeated_a_bounded_number_of_times(void **state)
{
	(void)state;
	struct sequence s;
	size_t runs = 0;
	sequence_init(&s, 7, 10);
	while (!sequence_is_over(&s)) {
		bool is_discarded;
		(void)sequence_next(&s, &is_discarded);
		(void)sequence_done(&s, true);
		assert_true(++runs < 100);
	}
	assert_int_equal(s.pairs, 10);
	assert_int_equal(s.repeats, 2);
}

static void looks_are_at_fixed_numbers_of_pairs(void **state)
{
	(void)state;
	struct sequence s;
	size_t looks[8], n = 0;
	sequence_init(&s, 7, 30);
	while (!sequence_is_over(&s)) {
		bool is_discarded;
		(void)sequence_next(&s, &is_discarded);
		if (sequence_done(&s, false) && sequence_is_look(&s)) {
			assert_true(n < 8);
			looks[n++] = s.pairs;
		}
	}
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(looks[i], sequence_looks[i]);
}

/* --- noisy machines ----------------------------------------------------------------------- */

static const struct metric wall = {
	.id = "time.wall", .unit = UNIT_NS, .better = BETTER_LOWER, .class = CLASS_TIME
};

enum { PAIRS = 120 };

/* Whether two samples are called different at a look. */
static bool are_called_different(double *base, double *head, bool is_interleaved)
{
	for (size_t i = 0; sequence_looks[i] != 0 && sequence_looks[i] <= PAIRS; i++) {
		const size_t n = sequence_looks[i];
		struct series a = {
			.id = "time.wall", &wall, base, n, false, { 0 }, is_interleaved
		};
		struct series b = {
			.id = "time.wall", &wall, head, n, false, { 0 }, is_interleaved
		};
		struct change change;
		enum verdict verdict;
		summary_of(base, n, &a.summary);
		summary_of(head, n, &b.summary);
		assert_int_equal(change_of(&a, &b, SEQUENCE_LEVEL, &change), 0);
		if (sequence_judge(&change, NULL, 1, &verdict))
			return verdict != VERDICT_UNCHANGED;
	}
	return false;
}

/* A machine whose level wanders by @wave, with noise of @sigma on top. */
struct noisy {
	struct random random;
	double sigma, wave, level;
};

/* The level keeps to itself for some ten runs. */
static double noisy_run(struct noisy *r)
{
	enum { KEPT = 95 };
	const double kept = KEPT / 100.0;
	r->level = kept * r->level + sqrt(1 - kept * kept) * r->wave * random_normal(&r->random);
	return 1e7 * exp(r->level + r->sigma * random_normal(&r->random));
}

/* @slower is what head takes longer. Pairs in random order, as in a sequence. */
static bool is_called_different(struct noisy *r, double slower, bool is_interleaved)
{
	double base[PAIRS], head[PAIRS];
	r->level = r->wave * random_normal(&r->random);
	for (size_t i = 0; i < PAIRS; i++) {
		const bool is_head_first = random_below(&r->random, 2) == 0;
		const double first = noisy_run(r), second = noisy_run(r);
		base[i] = is_head_first ? second : first;
		head[i] = (is_head_first ? first : second) * slower;
	}
	return are_called_different(base, head, is_interleaved);
}

/* Runs that spread by 10 and 30 % leave the margin no work: by the level for calm machines alone, one
 * comparison in forty of a program with itself ends in a claim. */
static void noisy_machines_raise_no_alarms(void **state)
{
	(void)state;
	enum { TRIALS = 1500 };
	static const struct {
		double sigma, wave, slower;
	} rows[] = { { 0.06, 0, 1.1 }, { 0.1, 0, 1.1 }, { 0.3, 0, 2 }, { 0.08, 0.16, 1.1 } };
	for (size_t row = 0; row < sizeof(rows) / sizeof(*rows); row++) {
		struct noisy r = { .sigma = rows[row].sigma, .wave = rows[row].wave };
		size_t alarms = 0, caught = 0;
		random_seed(&r.random, 41);
		for (size_t i = 0; i < TRIALS; i++)
			alarms += is_called_different(&r, 1, true);
		for (size_t i = 0; i < TRIALS / 3; i++)
			caught += is_called_different(&r, rows[row].slower, true);
		print_message("noise %.0f %%, waves %.0f %%: alarms %zu of %d, %+.0f %% caught %zu "
			      "of %d\n",
			      100 * rows[row].sigma, 100 * rows[row].wave, alarms, TRIALS,
			      100 * (rows[row].slower - 1), caught, TRIALS / 3);
		assert_true(alarms * 200 <= TRIALS);
		assert_true(caught * 100 >= (size_t)(TRIALS / 3) * 99);
	}
}

/* What all runs of a while share drowns a change, unless runs are compared with those around them. */
static void without_blocks_waves_hide_a_change(void **state)
{
	(void)state;
	enum { TRIALS = 500 };
	struct noisy r = { .sigma = 0.08, .wave = 0.16 };
	size_t caught = 0;
	random_seed(&r.random, 41);
	for (size_t i = 0; i < TRIALS; i++)
		caught += is_called_different(&r, 1.1, false);
	print_message("without blocks +10 %% caught %zu of %d\n", caught, TRIALS);
	assert_true(caught * 100 <= (size_t)TRIALS * 90);
}

/* How often something happens that often does not, @more on average. */
static double small_count(struct random *r, double more)
{
	return floor(more - 4 * log(1 - random_uniform(r)));
}

/* Values that have no logarithm are under the same rules as those that have one. */
static void counts_with_zeros_raise_no_alarms(void **state)
{
	(void)state;
	enum { TRIALS = 1500 };
	struct random r;
	size_t alarms = 0, caught = 0;
	random_seed(&r, 41);
	for (size_t trial = 0; trial < TRIALS; trial++) {
		double base[PAIRS], head[PAIRS], larger[PAIRS];
		for (size_t i = 0; i < PAIRS; i++) {
			base[i] = small_count(&r, 0);
			head[i] = small_count(&r, 0);
			larger[i] = small_count(&r, 12);
		}
		alarms += are_called_different(base, head, true);
		caught += are_called_different(base, larger, true);
	}
	print_message("counts: alarms %zu, another dozen caught %zu of %d\n", alarms, caught,
		      TRIALS);
	assert_true(alarms * 200 <= TRIALS);
	assert_true(caught * 100 >= (size_t)TRIALS * 99);
}

/* Thirty runs of a base that was measured before make eight of head no more than a first look. */
static void few_runs_against_many_are_a_first_look(void **state)
{
	(void)state;
	enum { MANY = 30 };
	double base[MANY], head[MANY];
	struct series a = { .id = "time.wall", &wall, base, MANY, false, { 0 }, false };
	struct series b = { .id = "time.wall", &wall, head, 8, false, { 0 }, false };
	struct change change;
	enum verdict verdict;
	for (size_t i = 0; i < MANY; i++) {
		base[i] = 1e7 + (double)i * 10;
		head[i] = 1.1e7 + (double)i;
	}
	/* Two as before leave a p of 0.2 %, which would do at a later look. */
	head[0] = 0.9e7;
	head[1] = base[20] * 1.02 + 2;
	summary_of(base, MANY, &a.summary);
	summary_of(head, 8, &b.summary);
	assert_int_equal(change_of(&a, &b, SEQUENCE_LEVEL, &change), 0);
	assert_int_equal(verdict_of(&change), VERDICT_REGRESSED);
	assert_false(sequence_judge(&change, NULL, 1, &verdict));
	assert_int_equal(verdict, VERDICT_INCONCLUSIVE);
}

/* Of what should be high the interval is turned around: far below 0 is not far above. */
static void a_wide_interval_is_no_improvement(void **state)
{
	(void)state;
	static double base[] = { 0, 23, 23, 23, 41, 41, 41, 90 },
		      head[] = { 0, 0, 0, 23, 23, 41, 41, 41 };
	static const struct metric rate = {
		.id = "rate", .unit = UNIT_COUNT, .better = BETTER_HIGHER, .class = CLASS_SIZE
	};
	struct series a = { .id = "rate", &rate, base, 8, false, { 0 }, false };
	struct series b = { .id = "rate", &rate, head, 8, false, { 0 }, false };
	struct change change;
	summary_of(base, 8, &a.summary);
	summary_of(head, 8, &b.summary);
	assert_int_equal(change_of(&a, &b, SEQUENCE_LEVEL, &change), 0);
	assert_int_equal(change.basis, BASIS_DIFFERENCE);
	assert_true(change.difference_low < -change.base_value && change.difference_high >= 0);
	assert_int_equal(verdict_of(&change), VERDICT_INCONCLUSIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_pair_is_a_warm_up),
		cmocka_unit_test(every_third_pair_has_a_control),
		cmocka_unit_test(head_alone_has_no_other_arms),
		cmocka_unit_test(same_seed_same_order),
		cmocka_unit_test(tainted_pairs_are_repeated_a_bounded_number_of_times),
		cmocka_unit_test(looks_are_at_fixed_numbers_of_pairs),
		cmocka_unit_test(noisy_machines_raise_no_alarms),
		cmocka_unit_test(without_blocks_waves_hide_a_change),
		cmocka_unit_test(counts_with_zeros_raise_no_alarms),
		cmocka_unit_test(few_runs_against_many_are_a_first_look),
		cmocka_unit_test(a_wide_interval_is_no_improvement),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
