/* The design of an interleaved comparison, and what it claims on noise of known kinds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* --- simulation ----------------------------------------------------------------------------- */

/* The sanitizers look at the code, for which a hundredth of the trials will do; how often things
 * happen is asserted by the plain build. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHARE 100
#else
#define SHARE 1
#endif

/* Noise of 3 % that real machines make: see docs/statistics.md. */
enum noise { GAUSS, SKEW, OUTLIERS, BIMODAL, DRIFT, AUTOREGRESSIVE, SESSION, NOISES };
static const char *const noise_names[] = { "gauss",    "skew",	    "outliers", "bimodal",
					   "drift 8%", "AR(1) 0.7", "session" };

struct machine {
	struct random random;
	enum noise noise;
	double previous; /* AUTOREGRESSIVE */
	double session;	 /* SESSION: the same for both arms, since they are interleaved */
	size_t at, n;	 /* DRIFT: run number, of how many */
};

#define SIGMA 0.03

/* One run: a factor around 1. */
static double factor(struct machine *m)
{
	struct random *r = &m->random;
	const double z = random_normal(r);
	m->at++;
	switch (m->noise) {
	case GAUSS:
	case NOISES:
		break;
	case SKEW:
		return exp(fabs(z) * SIGMA * 1.6 - 0.6 * SIGMA);
	case OUTLIERS:
		if (random_uniform(r) < 0.1)
			return (1 + SIGMA * z) * (1.1 + 0.5 * random_uniform(r));
		break;
	case BIMODAL:
		return (1 + SIGMA * z) * (random_uniform(r) < 0.3 ? 1.08 : 1);
	case DRIFT:
		return (1 + SIGMA * z) * (1 + 0.08 * (double)m->at / (double)m->n);
	case AUTOREGRESSIVE:
		m->previous = 0.7 * m->previous + sqrt(1 - 0.49) * SIGMA * z;
		return 1 + m->previous;
	case SESSION:
		return (1 + SIGMA * z) * (1 + m->session);
	}
	return 1 + SIGMA * z;
}

static const struct metric wall = {
	.id = "time.wall", .unit = UNIT_NS, .better = BETTER_LOWER, .class = CLASS_TIME
};

enum { MOST_METRICS = 40, MOST_PAIRS = 30 };

/* What came of one comparison, whose metric 0 differs by the effect and whose others do not. */
struct outcome {
	bool is_red;	   /* metric 0 regressed and reached the level */
	bool is_any_alarm; /* some metric is called regressed */
	size_t pairs;
};

static double base[MOST_METRICS][MOST_PAIRS], head[MOST_METRICS][MOST_PAIRS];

static void measure_pair(struct machine *m, size_t pair, double effect, size_t n_metrics)
{
	for (size_t i = 0; i < n_metrics; i++) {
		const bool is_base_first = random_u64(&m->random) & 1;
		const double first = factor(m), second = factor(m);
		base[i][pair] = 1e8 * (is_base_first ? first : second);
		head[i][pair] = 1e8 * (is_base_first ? second : first) * (i == 0 ? 1 + effect : 1);
	}
}

/* One look; true: decided. */
static bool look(size_t pairs, size_t n_metrics, struct outcome *ret)
{
	static const struct levels levels = { 0.05, 0.10 };
	struct series series[MOST_METRICS][2] = { 0 };
	struct change changes[MOST_METRICS] = { 0 };
	enum verdict verdicts[MOST_METRICS];
	for (size_t i = 0; i < n_metrics; i++) {
		series[i][0] = (struct series){ "time.wall", &wall, base[i], pairs, false, { 0 } };
		series[i][1] = (struct series){ "time.wall", &wall, head[i], pairs, false, { 0 } };
		summary_of(base[i], pairs, &series[i][0].summary);
		summary_of(head[i], pairs, &series[i][1].summary);
		assert_int_equal(
			change_of(&series[i][0], &series[i][1], SEQUENCE_LEVEL, &changes[i]), 0);
	}
	const bool is_decided = sequence_judge(changes, NULL, n_metrics, verdicts);
	*ret = (struct outcome){ .pairs = pairs };
	ret->is_red = level_of(&changes[0], verdicts[0], &levels) == LEVEL_RED;
	for (size_t i = 0; i < n_metrics; i++)
		ret->is_any_alarm |= verdicts[i] == VERDICT_REGRESSED;
	return is_decided;
}

/* A whole comparison, with all its looks, until it is decided or @max_pairs are done. */
static struct outcome compare(struct machine *m, size_t max_pairs, double effect, size_t n_metrics)
{
	struct outcome outcome = { 0 };
	size_t pair = 0;
	m->session = SIGMA * random_normal(&m->random);
	m->previous = 0;
	m->at = 0;
	m->n = 2 * max_pairs * n_metrics;
	for (size_t i = 0; sequence_looks[i] != 0 && sequence_looks[i] <= max_pairs; i++) {
		while (pair < sequence_looks[i])
			measure_pair(m, pair++, effect, n_metrics);
		if (look(pair, n_metrics, &outcome))
			break;
	}
	return outcome;
}

struct tally {
	size_t red, alarms;
	double mean_pairs;
};

static struct tally repeat(enum noise noise, size_t max_pairs, double effect, size_t n_metrics,
			   size_t trials)
{
	struct machine m = { .noise = noise };
	struct tally tally = { 0 };
	random_seed(&m.random, 1000 + noise);
	for (size_t i = 0; i < trials; i++) {
		const struct outcome o = compare(&m, max_pairs, effect, n_metrics);
		tally.red += o.is_red;
		tally.alarms += o.is_any_alarm;
		tally.mean_pairs += (double)o.pairs / (double)trials;
	}
	return tally;
}

static void noise_alone_is_hardly_ever_called_a_regression(void **state)
{
	(void)state;
	enum { TRIALS = 10000 / SHARE };
	for (int noise = 0; noise < NOISES; noise++) {
		const struct tally t = repeat((enum noise)noise, 30, 0, 1, TRIALS);
		print_message("%-10s false alarms %zu of %d, pairs %.1f\n", noise_names[noise],
			      t.alarms, TRIALS, t.mean_pairs);
		assert_true(SHARE > 1 || t.alarms * 1000 <= TRIALS);
	}
}

static void ten_percent_are_caught(void **state)
{
	(void)state;
	enum { TRIALS = 4000 / SHARE };
	for (int noise = 0; noise < NOISES; noise++) {
		const bool is_hard = noise == OUTLIERS || noise == BIMODAL;
		const struct tally t =
			repeat((enum noise)noise, is_hard ? 16 : 12, 0.10, 1, TRIALS);
		print_message("%-10s caught %zu of %d, pairs %.1f\n", noise_names[noise], t.red,
			      TRIALS, t.mean_pairs);
		assert_true(SHARE > 1 || t.red * 100 >= TRIALS * (is_hard ? 95 : 97));
	}
}

static void forty_metrics_together_raise_no_more_alarms(void **state)
{
	(void)state;
	enum { TRIALS = 300 / SHARE };
	for (int noise = 0; noise < NOISES; noise++) {
		const struct tally t = repeat((enum noise)noise, 30, 0, MOST_METRICS, TRIALS);
		print_message("%-10s false alarms %zu of %d, pairs %.1f\n", noise_names[noise],
			      t.alarms, TRIALS, t.mean_pairs);
		assert_true(SHARE > 1 || t.alarms * 100 <= TRIALS);
	}
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
		cmocka_unit_test(noise_alone_is_hardly_ever_called_a_regression),
		cmocka_unit_test(ten_percent_are_caught),
		cmocka_unit_test(forty_metrics_together_raise_no_more_alarms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
