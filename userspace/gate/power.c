/* SPDX-License-Identifier: MIT */
/* Tries, instead of formulas: the design has looks, a margin and a control, and the values are what
 * they are. */

#include "userspace/gate/power.h"

#include <math.h>
#include <stdlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/gate/sequence.h"
#include "userspace/model/metrics.h"

#define TRIES  100
#define CAUGHT 95
#define LEVEL  0.95

static const double ladder[] = { 0.03, 0.04, 0.05, 0.06, 0.08, 0.10, 0.12, 0.15,
				 0.20, 0.25, 0.30, 0.40, 0.50, 0.75, 1.00 };

struct
try {
	const double *values;
	size_t n;
	struct random random;
	double *drawn[ARM_COUNT];
	size_t n_drawn[ARM_COUNT];
};

static void draw(struct try *t, enum arm arm, double effect)
{
	const double value = t->values[random_below(&t->random, t->n)];
	t->drawn[arm][t->n_drawn[arm]++] = arm == ARM_HEAD ? value * (1 + effect) : value;
}

static enum verdict look(const struct try *t)
{
	static const struct metric metric = {
		.id = "time", .unit = UNIT_NS, .better = BETTER_LOWER, .class = CLASS_TIME
	};
	struct series series[ARM_COUNT];
	struct change gate, control;
	enum verdict verdict = VERDICT_INCONCLUSIVE;
	for (int arm = 0; arm < ARM_COUNT; arm++) {
		series[arm] = (struct series){ .id = metric.id,
					       .metric = &metric,
					       .values = t->drawn[arm],
					       .n_values = t->n_drawn[arm],
					       .is_interleaved = true };
		summary_of(series[arm].values, series[arm].n_values, &series[arm].summary);
	}
	if (change_of(&series[ARM_BASE], &series[ARM_HEAD], SEQUENCE_LEVEL, &gate) == 0 &&
	    change_of(&series[ARM_BASE], &series[ARM_CONTROL], SEQUENCE_LEVEL, &control) == 0)
		(void)sequence_judge(&gate, &control, 1, &verdict);
	return verdict;
}

static enum verdict try_once(struct try *t, size_t max_pairs, double effect)
{
	struct sequence sequence;
	enum verdict verdict = VERDICT_INCONCLUSIVE;
	sequence_init(&sequence, random_u64(&t->random), max_pairs);
	for (int arm = 0; arm < ARM_COUNT; arm++)
		t->n_drawn[arm] = 0;
	while (!sequence_is_over(&sequence)) {
		bool discard;
		const enum arm arm = sequence_next(&sequence, &discard);
		if (!discard)
			draw(t, arm, effect);
		(void)sequence_done(&sequence, false);
		if (sequence_is_look(&sequence)) {
			verdict = look(t);
			if (verdict != VERDICT_INCONCLUSIVE)
				break;
		}
	}
	return verdict;
}

double power_smallest_effect(const double *values, size_t n, size_t max_pairs, uint64_t seed)
{
	_cleanup_free_ double *room = calloc(ARM_COUNT * (max_pairs + 1), sizeof(*room));
	struct try t = { .values = values, .n = n };
	if (room == NULL || n == 0)
		return NAN;
	random_seed(&t.random, seed);
	for (int arm = 0; arm < ARM_COUNT; arm++)
		t.drawn[arm] = room + (size_t)arm * (max_pairs + 1);
	for (size_t i = 0; i < sizeof(ladder) / sizeof(*ladder); i++) {
		int caught = 0;
		for (int k = 0; k < TRIES && k - caught <= TRIES - CAUGHT; k++)
			caught += try_once(&t, max_pairs, ladder[i]) == VERDICT_REGRESSED;
		if (caught >= CAUGHT)
			return ladder[i];
	}
	return NAN;
}

/* Chance of at most @alarms of @n at that rate. */
static double chance(size_t alarms, size_t n, double rate)
{
	double term = pow(1 - rate, (double)n), sum = term;
	for (size_t k = 0; k < alarms; k++) {
		term *= (double)(n - k) / (double)(k + 1) * rate / (1 - rate);
		sum += term;
	}
	return sum;
}

double power_rate_bound(size_t alarms, size_t n)
{
	double low = 0, high = 1;
	if (alarms >= n)
		return 1;
	for (int i = 0; i < 60; i++) {
		const double middle = (low + high) / 2;
		if (chance(alarms, n, middle) > 1 - LEVEL)
			low = middle;
		else
			high = middle;
	}
	return high;
}
