/* SPDX-License-Identifier: MIT */
/* What other designs would claim on the same noise: why docs/statistics.md chose none of them. */

#include <math.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_noise.h"
#include "userspace/base/stats_shift.h"
#include "userspace/gate/sequence.h"

enum { TRIALS = 4000 / SHARE, PAIRS = 12 };

/* One-sided p of Wilcoxon's signed ranks, exact: that differences[0..n) lie above 0. */
static double signed_rank_p(const double *differences, size_t n)
{
	enum { MOST_SUM = MOST_PAIRS * (MOST_PAIRS + 1) / 2 };
	double ways[MOST_SUM + 1] = { 1 }, p = 0;
	size_t sum = 0;
	for (size_t i = 0; i < n; i++) {
		size_t rank = 1;
		for (size_t k = 0; k < n; k++)
			rank += fabs(differences[k]) < fabs(differences[i]);
		sum += differences[i] > 0 ? rank : 0;
		for (size_t w = MOST_SUM; w > i; w--)
			ways[w] += ways[w - i - 1];
	}
	for (size_t w = sum; w <= MOST_SUM; w++)
		p += ways[w];
	return p / exp2((double)n);
}

/* Logarithms of @n pairs in random order. */
static void draw_pairs(struct machine *m, double effect, size_t n, double *base, double *head)
{
	machine_begin(m, n);
	for (size_t i = 0; i < n; i++) {
		const bool is_base_first = random_u64(&m->random) & 1;
		m->run++;
		const double first = log(factor(m, 0));
		m->run++;
		const double second = log(factor(m, 0));
		base[i] = is_base_first ? first : second;
		head[i] = (is_base_first ? second : first) + log(1 + effect);
	}
}

static void a_paired_test_would_lose_where_there_are_outliers(void **state)
{
	(void)state;
	static const struct {
		enum noise noise;
		double effect;
	} rows[] = { { GAUSS, 0.10 }, { AUTOREGRESSIVE, 0.05 }, { OUTLIERS, 0.10 } };
	const double alpha = (1 - SEQUENCE_LEVEL) / 2;
	size_t paired[3] = { 0 }, unpaired[3] = { 0 };
	for (int row = 0; row < 3; row++) {
		struct machine m;
		machine_init(&m, rows[row].noise);
		for (int i = 0; i < TRIALS; i++) {
			double base[PAIRS], head[PAIRS], differences[PAIRS];
			draw_pairs(&m, rows[row].effect, PAIRS, base, head);
			for (int k = 0; k < PAIRS; k++)
				differences[k] = head[k] - base[k] - log(1 + GATE_MARGIN);
			paired[row] += signed_rank_p(differences, PAIRS) <= alpha;
			unpaired[row] += stats_p_above(base, PAIRS, head, PAIRS, 1,
						       log(1 + GATE_MARGIN)) <= alpha;
		}
		print_message("%-10s %+.0f %%: paired %.0f %%, unpaired %.0f %%\n",
			      noise_names[rows[row].noise], rows[row].effect * 100,
			      percent(paired[row], TRIALS), percent(unpaired[row], TRIALS));
	}
	assert_true(SHARE > 1 || paired[2] < unpaired[2]);
}

/* Each side has a session of its own: how often a plain test calls the same program slower. */
static void a_stored_baseline_cannot_decide(void **state)
{
	(void)state;
	for (size_t n = 10; n <= 20; n += 10) {
		struct machine m;
		size_t alarms = 0;
		machine_init(&m, SESSION);
		for (int i = 0; i < TRIALS; i++) {
			double base[MOST_PAIRS], head[MOST_PAIRS], unused[MOST_PAIRS];
			draw_pairs(&m, 0, n, base, unused);
			draw_pairs(&m, 0, n, unused, head);
			alarms += stats_p_above(base, n, head, n, 1, 0) <= 0.025;
		}
		print_message("sessions apart, %zu runs: called slower %.0f %%\n", n,
			      percent(alarms, TRIALS));
		assert_true(SHARE > 1 || alarms * 5 > TRIALS);
	}
}

static void an_estimate_above_the_limit_is_no_gate(void **state)
{
	(void)state;
	struct machine m;
	size_t caught = 0, peeked = 0;
	machine_init(&m, GAUSS);
	for (int i = 0; i < TRIALS; i++) {
		double base[MOST_PAIRS], head[MOST_PAIRS], sum = 0;
		draw_pairs(&m, 0.10, MOST_PAIRS, base, head);
		for (int k = 0; k < MOST_PAIRS; k++)
			sum += head[k] - base[k];
		caught += sum / MOST_PAIRS > log(1.10);
		draw_pairs(&m, 0, MOST_PAIRS, base, head);
		bool is_claimed = false;
		for (size_t n = 5; n <= MOST_PAIRS && !is_claimed; n++)
			is_claimed = stats_p_above(base, n, head, n, 1, 0) <= 0.025 ||
				     stats_p_above(head, n, base, n, 1, 0) <= 0.025;
		peeked += is_claimed;
	}
	print_message("+10 %% by an estimate above 10 %%: %.0f %%; tested after each pair: %.0f %% "
		      "false claims\n",
		      percent(caught, TRIALS), percent(peeked, TRIALS));
	assert_true(SHARE > 1 || caught * 100 < 55 * TRIALS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_paired_test_would_lose_where_there_are_outliers),
		cmocka_unit_test(a_stored_baseline_cannot_decide),
		cmocka_unit_test(an_estimate_above_the_limit_is_no_gate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
