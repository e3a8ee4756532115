/* SPDX-License-Identifier: MIT */
/* A start beside neighbours, as recorded ones were: the same work within 2 %, and waits for a CPU that
 * come in waves and take from a tenth of it to ten times as long; or work that takes up to 1.6 times as long
 * while others use the same cores, of which the measured speed tells. What is claimed there, and how soon. */

#include <math.h>
#include <string.h>

#include "tests/unit/cmocka.h"
#include "tests/unit/sample_noise.h"
#include "userspace/gate/sequence.h"
#include "userspace/gate/undisturbed.h"

enum { TIME, OWN, METRICS, SPEED = METRICS, VALUES };

static const struct metric rows[METRICS] = {
	{ .id = "time.wall", .better = BETTER_LOWER, .class = CLASS_TIME },
	{ .id = UNDISTURBED, .better = BETTER_LOWER, .class = CLASS_TIME },
};

struct neighbours {
	struct random random;
	double wave;
	double waits; /* as shares of the work; 0: there are none */
	bool is_own;  /* the program's own threads are what it waits for */
	bool has_cores_shared;
	double slowed; /* how much of that it feels: 1 is as much as the loop that tells */
	double slows;  /* head slows its own cores by so much */
};

struct arms {
	double values[ARM_COUNT][VALUES][MOST_PAIRS];
	size_t n[ARM_COUNT];
};

/* The share of the time in which others are on the core: in waves, and mostly all of it or nothing. */
static double shared_part(struct neighbours *m)
{
	m->wave = 0.7 * m->wave + 0.7 * random_normal(&m->random);
	const double part = 0.5 + m->wave;
	return part < 0 ? 0 : part > 1 ? 1 : part;
}

static void share_cores(struct neighbours *m, bool is_head, double values[static VALUES])
{
	const double longer = 1 + 0.6 * shared_part(m), slows = 1 + (is_head ? m->slows : 0);
	values[SPEED] = 9e5 / longer / slows * (1 + 0.015 * random_normal(&m->random));
	values[TIME] *= pow(longer, m->slowed) * slows;
	values[OWN] = values[TIME];
}

static void run_one(struct neighbours *m, bool is_head, double effect, double values[static VALUES])
{
	struct random *r = &m->random;
	values[SPEED] = 9e5 * (1 + 0.015 * random_normal(r));
	const double outlier = random_uniform(r) < 0.05 ? 0.1 * random_uniform(r) : 0;
	const double work = 3.2e8 * (1 + effect) * (1 + 0.016 * random_normal(r) + outlier);
	if (m->has_cores_shared) {
		values[TIME] = work;
		share_cores(m, is_head, values);
		return;
	}
	m->wave = 0.7 * m->wave + 0.7 * random_normal(r);
	const double waited = work * m->waits * exp(m->wave);
	values[TIME] = work + waited;
	values[OWN] = m->is_own ? values[TIME] : work;
}

static void changes_of(struct arms *a, enum arm arm, struct series series[static METRICS * 2],
		       struct change ret[static METRICS])
{
	for (size_t i = 0; i < METRICS; i++) {
		const enum arm sides[] = { ARM_BASE, arm };
		for (size_t k = 0; k < 2; k++) {
			struct series *s = &series[i * 2 + k];
			*s = (struct series){ .id = rows[i].id,
					      .metric = &rows[i],
					      .values = a->values[sides[k]][i],
					      .n_values = a->n[sides[k]],
					      .is_interleaved = true,
					      .speeds = i == OWN ? a->values[sides[k]][SPEED]
								 : NULL };
			summary_of(s->values, s->n_values, &s->summary);
		}
		assert_int_equal(
			change_of(&series[i * 2], &series[i * 2 + 1], SEQUENCE_LEVEL, &ret[i]), 0);
	}
}

struct ended {
	enum verdict time, own; /* own: where it settled the time; else inconclusive */
	size_t pairs;
};

static bool look(struct arms *a, struct ended *ret)
{
	struct series series[METRICS * 4];
	struct change changes[METRICS], controls[METRICS];
	enum verdict verdicts[METRICS];
	changes_of(a, ARM_HEAD, series, changes);
	changes_of(a, ARM_CONTROL, series + METRICS * 2, controls);
	const bool is_settled = undisturbed_judge(changes, controls, 1, verdicts) == TIME;
	ret->time = verdicts[TIME];
	ret->own = is_settled ? verdicts[OWN] : VERDICT_INCONCLUSIVE;
	return is_settled || ret->time != VERDICT_INCONCLUSIVE;
}

static struct ended compare(struct neighbours *m, double effect_of_head)
{
	static struct arms arms;
	struct ended result = { VERDICT_INCONCLUSIVE, VERDICT_INCONCLUSIVE, 0 };
	struct sequence s;
	memset(arms.n, 0, sizeof(arms.n));
	sequence_init(&s, random_u64(&m->random), MOST_PAIRS);
	while (!sequence_is_over(&s)) {
		bool is_discarded = false;
		double values[VALUES];
		const enum arm arm = sequence_next(&s, &is_discarded);
		run_one(m, arm == ARM_HEAD, arm == ARM_HEAD ? effect_of_head : 0, values);
		for (size_t i = 0; i < VALUES && !is_discarded; i++)
			arms.values[arm][i][arms.n[arm]] = values[i];
		arms.n[arm] += !is_discarded;
		const bool is_pair = sequence_done(&s, false);
		result.pairs = s.pairs;
		if (is_pair && sequence_is_look(&s) && look(&arms, &result))
			break;
	}
	return result;
}

struct tally {
	size_t time[VERDICT_COUNT], own[VERDICT_COUNT];
	double pairs;
};

static struct tally repeat_with(struct neighbours m, double effect, size_t trials)
{
	struct tally t = { 0 };
	random_seed(&m.random, 23);
	for (size_t i = 0; i < trials; i++) {
		const struct ended e = compare(&m, effect);
		t.time[e.time]++;
		t.own[e.own]++;
		t.pairs += (double)e.pairs / (double)trials;
	}
	print_message(
		"waits %.1f%s, slowed %.1f, %+.0f %%: of %zu regressed %zu by time and %zu undisturbed, "
		"improved %zu and %zu, unchanged %zu and %zu; %.1f pairs\n",
		m.waits, m.is_own ? " of its own" : "", m.slowed, 100 * effect, trials,
		t.time[VERDICT_REGRESSED], t.own[VERDICT_REGRESSED], t.time[VERDICT_IMPROVED],
		t.own[VERDICT_IMPROVED], t.time[VERDICT_UNCHANGED], t.own[VERDICT_UNCHANGED],
		t.pairs);
	return t;
}

static struct tally repeat(double waits, bool is_own, double effect, size_t trials)
{
	return repeat_with((struct neighbours){ .waits = waits, .is_own = is_own }, effect, trials);
}

static void ten_percent_of_work_are_caught_beside_neighbours(void **state)
{
	(void)state;
	enum { TRIALS = 1000 / SHARE };
	static const double waits[] = { 0.3, 0.6, 1, 5 };
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		const struct tally t = repeat(waits[i], false, 0.1, TRIALS);
		assert_true((t.own[VERDICT_REGRESSED] + t.time[VERDICT_REGRESSED]) * 100 >=
			    (size_t)TRIALS * 99);
		assert_true(t.pairs < 12);
	}
}

static void neighbours_alone_are_no_change(void **state)
{
	(void)state;
	enum { TRIALS = 4000 / SHARE };
	static const double waits[] = { 0.1, 0.3, 1, 5 };
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		const struct tally t = repeat(waits[i], false, 0, TRIALS);
		const size_t alarms = t.time[VERDICT_REGRESSED] + t.own[VERDICT_REGRESSED] +
				      t.time[VERDICT_IMPROVED] + t.own[VERDICT_IMPROVED];
		assert_true(alarms * 1000 <= TRIALS);
		assert_true((t.own[VERDICT_UNCHANGED] + t.time[VERDICT_UNCHANGED]) * 100 >=
			    (size_t)TRIALS * 95);
	}
}

static void a_program_that_waits_for_itself_is_not_excused(void **state)
{
	(void)state;
	const struct tally t = repeat(1, true, 0, 200 / SHARE);
	for (int i = 0; i < VERDICT_COUNT; i++)
		assert_true(i == VERDICT_INCONCLUSIVE || t.own[i] == 0);
}

static void it_is_not_asked_where_the_time_is_calm(void **state)
{
	(void)state;
	const struct tally t = repeat(0.01, false, 0.1, 200 / SHARE);
	assert_int_equal(t.own[VERDICT_REGRESSED], 0);
	assert_true(t.time[VERDICT_REGRESSED] >= 195 / SHARE);
}

static const double slowed[] = { 0, 0.3, 1, 1.3 };
#define SLOWED (sizeof(slowed) / sizeof(*slowed))

static void ten_percent_of_work_are_caught_on_shared_cores(void **state)
{
	(void)state;
	enum { TRIALS = 1000 / SHARE };
	for (size_t i = 0; i < SLOWED; i++) {
		const struct tally t = repeat_with(
			(struct neighbours){ .has_cores_shared = true, .slowed = slowed[i] }, 0.1,
			TRIALS);
		assert_true((t.own[VERDICT_REGRESSED] + t.time[VERDICT_REGRESSED]) * 100 >=
			    (size_t)TRIALS * 97);
		assert_true(t.pairs < 14);
	}
}

static void shared_cores_alone_are_no_change(void **state)
{
	(void)state;
	enum { TRIALS = 4000 / SHARE };
	for (size_t i = 0; i < SLOWED; i++) {
		const struct tally t = repeat_with(
			(struct neighbours){ .has_cores_shared = true, .slowed = slowed[i] }, 0,
			TRIALS);
		const size_t alarms = t.time[VERDICT_REGRESSED] + t.own[VERDICT_REGRESSED] +
				      t.time[VERDICT_IMPROVED] + t.own[VERDICT_IMPROVED];
		assert_true(alarms * 1000 <= TRIALS);
	}
}

/* Its own threads on the other half of the core, say, or instructions that make it run slower. */
static void a_program_that_slows_its_own_cores_is_not_excused(void **state)
{
	(void)state;
	enum { TRIALS = 400 / SHARE };
	const struct tally t = repeat_with(
		(struct neighbours){ .has_cores_shared = true, .slowed = 1, .slows = 0.25 }, 0,
		TRIALS);
	assert_true((t.time[VERDICT_UNCHANGED] + t.own[VERDICT_UNCHANGED]) * 50 <= TRIALS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_percent_of_work_are_caught_beside_neighbours),
		cmocka_unit_test(neighbours_alone_are_no_change),
		cmocka_unit_test(a_program_that_waits_for_itself_is_not_excused),
		cmocka_unit_test(it_is_not_asked_where_the_time_is_calm),
		cmocka_unit_test(ten_percent_of_work_are_caught_on_shared_cores),
		cmocka_unit_test(shared_cores_alone_are_no_change),
		cmocka_unit_test(a_program_that_slows_its_own_cores_is_not_excused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
