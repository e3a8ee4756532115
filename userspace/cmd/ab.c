/* SPDX-License-Identifier: MIT */
/* At each look the values of the gate alone are judged, one run being read after the other; what the
 * report shows is read in one go at the end. */

#include "userspace/cmd/ab.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/cmd/measure.h"
#include "userspace/cmd/output.h"
#include "userspace/model/metrics.h"

/* Where things lie in a cache depends on the lower bits of their address: a page has them all. */
#define PAD_SPREAD 4096
#define GATE_MAX   256 /* declared by hand: more is a mistake */

struct values VEC(double);

struct gate { /* one metric of it */
	const char *id;
	const struct metric *metric;
	struct values values[ARM_COUNT];
	size_t n_counted[ARM_COUNT]; /* the rest is of the pair under way */
};

struct ab {
	const struct ab_spec *spec;
	struct ab_result *result;
	struct measurement *measurement;
	struct sequence sequence;
	struct random pads;
	struct gate *gate;
	size_t n_gate;
	unsigned int runs_of_pair;
	uint64_t start_ns;
};

/* --- the gate ------------------------------------------------------------------------------- */

static int gate_new(struct ab *ab)
{
	const struct ab_spec *spec = ab->spec;
	const char *main_id = spec->record.until == UNTIL_READY ? "startup.ready" : "time.wall";
	ab->n_gate = spec->gate.n > 0 ? spec->gate.n : 1;
	if (ab->n_gate > GATE_MAX)
		return fail(-EINVAL, "%zu metrics to judge are too many: at most %d", ab->n_gate,
			    GATE_MAX);
	ab->gate = calloc(ab->n_gate, sizeof(*ab->gate));
	if (ab->gate == NULL)
		return fail(-ENOMEM, "not enough memory for a comparison");
	for (size_t i = 0; i < ab->n_gate; i++) {
		const char *id = spec->gate.n > 0 ? spec->gate.items[i] : main_id;
		ab->gate[i].id = id;
		ab->gate[i].metric = metrics_row(id);
		if (ab->gate[i].metric == NULL)
			return fail(-EINVAL,
				    "there is no metric '%s': `startline report --format csv` "
				    "names those there are",
				    id);
	}
	return 0;
}

static void gate_free(struct ab *ab)
{
	for (size_t i = 0; ab->gate != NULL && i < ab->n_gate; i++) {
		for (int arm = 0; arm < ARM_COUNT; arm++)
			vec_done(&ab->gate[i].values[arm]);
	}
	free(ab->gate);
}

static int gate_add(struct ab *ab, enum arm arm, struct session *s)
{
	for (size_t i = 0; i < ab->n_gate; i++) {
		const struct series *series = metrics_find(s, ab->gate[i].id);
		for (size_t j = 0; series != NULL && j < series->n_values; j++) {
			if (vec_push(&ab->gate[i].values[arm], series->values[j]) < 0)
				return fail(-ENOMEM, "not enough memory for a comparison");
		}
	}
	return 0;
}

/* What the pair under way brought counts, or never was. */
static void gate_settle(struct ab *ab, bool counts)
{
	for (size_t i = 0; i < ab->n_gate; i++) {
		struct gate *g = &ab->gate[i];
		for (int arm = 0; arm < ARM_COUNT; arm++) {
			if (counts)
				g->n_counted[arm] = g->values[arm].n;
			else
				g->values[arm].n = g->n_counted[arm];
		}
	}
}

static struct series series_of(const struct gate *g, enum arm arm)
{
	struct series s = {
		.id = g->id,
		.metric = g->metric,
		.values = g->values[arm].items,
		.n_values = g->n_counted[arm],
		.is_interleaved = g->metric->get != NULL,
	};
	summary_of(s.values, s.n_values, &s.summary);
	return s;
}

/* Whether more runs may still tell something about a metric that is undecided. */
static bool gains_by_more(const struct change *c, const struct change *control, double fail)
{
	/* They do not capture what cannot be captured here. */
	return c->basis != BASIS_NONE &&
	       (fail <= 0 || sequence_control_differs(control) || !verdict_excludes(c, fail));
}

/* True when nothing is gained by going on. */
static int look(struct ab *ab, bool *ret_is_decided)
{
	const size_t n = ab->n_gate;
	_cleanup_free_ struct series *series = calloc(n * ARM_COUNT, sizeof(*series));
	_cleanup_free_ struct change *changes = calloc(2 * n, sizeof(*changes));
	_cleanup_free_ enum verdict *verdicts = calloc(n, sizeof(*verdicts));
	if (series == NULL || changes == NULL || verdicts == NULL)
		return fail(-ENOMEM, "not enough memory for a comparison");
	struct change *controls = changes + n;
	for (size_t i = 0; i < n; i++) {
		struct series *s = series + i * ARM_COUNT;
		const struct series *base = &s[ARM_BASE];
		for (int arm = 0; arm < ARM_COUNT; arm++)
			s[arm] = series_of(&ab->gate[i], (enum arm)arm);
		if (ab->spec->measured_base != NULL)
			base = metrics_find(ab->spec->measured_base, ab->gate[i].id);
		int r = change_of(base, &s[ARM_HEAD], SEQUENCE_LEVEL, &changes[i]);
		if (r >= 0)
			r = change_of(base, &s[ARM_CONTROL], SEQUENCE_LEVEL, &controls[i]);
		if (r < 0)
			return fail(r, "not enough memory for a comparison");
	}
	(void)sequence_judge(changes, controls, n, verdicts);
	*ret_is_decided = true;
	for (size_t i = 0; i < n; i++)
		*ret_is_decided &= verdicts[i] != VERDICT_INCONCLUSIVE ||
				   !gains_by_more(&changes[i], &controls[i], ab->spec->good_below);
	return 0;
}

/* --- running -------------------------------------------------------------------------------- */

static size_t stack_bytes(const struct ab_arm *arm)
{
	/* The kernel also puts the name of the program there (AT_EXECFN). */
	size_t n = strlen(arm->argv[0]);
	for (char *const *argument = arm->argv; *argument != NULL; argument++)
		n += strlen(*argument) + 1;
	return n;
}

size_t ab_pad(struct random *random, const struct ab_arm *arm, const struct ab_arm *other)
{
	const size_t own = stack_bytes(arm), others = stack_bytes(other);
	return 1 + random_below(random, PAD_SPREAD) + (own < others ? others - own : 0);
}

/* ARM_COUNT: no run is under way. */
static void show_progress(const struct ab *ab, enum arm arm, bool is_warmup)
{
	const bool is_shown = !ab->spec->is_quiet && ab->spec->record.output == OUTPUT_NOWHERE;
	if (arm == ARM_COUNT)
		progress(is_shown, NULL);
	else if (is_warmup)
		progress(is_shown, "warming up: %s", arm_name(arm));
	else
		progress(is_shown, "pair %zu of at most %zu: %s", ab->sequence.pairs + 1,
			 ab->sequence.max_pairs, arm_name(arm));
}

static void say_end(struct ab *ab, enum ab_end end, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void say_end(struct ab *ab, enum ab_end end, const char *format, ...)
{
	va_list args;
	ab->result->end = end;
	va_start(args, format);
	(void)vsnprintf(ab->result->reason, sizeof(ab->result->reason), format, args);
	va_end(args);
}

/* Whether a run is one to be measured; else how it ended is why everything ends. */
static bool is_usable(struct ab *ab, const struct collect_spec *spec, enum arm arm,
		      const struct collect_result *result)
{
	const char *name = spec->argv[0];
	if (result->signal != 0) {
		ab->result->signal = result->signal;
		say_end(ab, AB_INTERRUPTED, "interrupted");
		return false;
	}
	const int status = measurement_status(spec, result);
	if (status == 0)
		return true;
	if (result->end == COLLECT_NOT_FOUND || result->end == COLLECT_NOT_EXECUTABLE)
		say_end(ab, AB_CANNOT_RUN, "%s: cannot execute '%s': %s", arm_name(arm), name,
			strerror(result->exec_errno));
	else if (result->end == COLLECT_TIMEOUT)
		say_end(ab, AB_FAILED, "%s: '%s' took longer than its time limit", arm_name(arm),
			name);
	else if (result->end == COLLECT_EXITED && spec->until == UNTIL_READY)
		say_end(ab, AB_FAILED, "%s: '%s' ended before it was ready", arm_name(arm), name);
	else
		say_end(ab, AB_FAILED, "%s: '%s' failed with status %d", arm_name(arm), name,
			status);
	return false;
}

/* Negative errno; 1: everything ends here. */
static int run_next(struct ab *ab)
{
	const struct ab_spec *spec = ab->spec;
	bool discard;
	const enum arm arm = sequence_next(&ab->sequence, &discard);
	const struct ab_arm *own = arm == ARM_HEAD ? &spec->head : &spec->base;
	const struct ab_arm *other =
		arm == ARM_HEAD && spec->measured_base == NULL ? &spec->base : &spec->head;
	struct collect_spec record = spec->record;
	struct collect_result result;
	record.argv = own->argv;
	record.directory = own->directory;
	record.pad_bytes = ab_pad(&ab->pads, own, other);
	show_progress(ab, arm, discard);
	int r = measurement_run(ab->measurement, &record, arm_name(arm), discard, &result);
	show_progress(ab, ARM_COUNT, false);
	ab->runs_of_pair++;
	if (r < 0)
		return r;
	if (!is_usable(ab, &record, arm, &result))
		return 1;
	bool is_tainted = false;
	if (!discard) {
		struct session *s = NULL;
		r = measurement_last(ab->measurement, &s);
		if (r < 0)
			return r;
		is_tainted = s->runs[0].tainted != NULL;
		r = gate_add(ab, arm, s);
		(void)session_free(s);
	}
	const bool counts = sequence_done(&ab->sequence, is_tainted);
	if (r < 0 || ab->sequence.at != 0)
		return r;
	gate_settle(ab, counts);
	if (!counts && !discard)
		r = measurement_drop(ab->measurement, ab->runs_of_pair);
	ab->runs_of_pair = 0;
	return r;
}

static bool is_out_of_time(const struct ab *ab)
{
	const uint64_t limit = ab->spec->max_time_ns;
	return limit != 0 && clock_ns(CLOCK_MONOTONIC) - ab->start_ns >= limit;
}

/* Between two pairs: negative errno; 1: that was the last one. */
static int between_pairs(struct ab *ab)
{
	bool is_decided = false;
	if (sequence_is_look(&ab->sequence)) {
		const int r = look(ab, &is_decided);
		if (r < 0)
			return r;
	}
	if (is_decided) {
		ab->result->end = AB_DECIDED;
		return 1;
	}
	if (sequence_is_over(&ab->sequence)) {
		ab->result->end = AB_OPEN;
		return 1;
	}
	if (is_out_of_time(ab)) {
		char time[UNITS_BYTES];
		say_end(ab, AB_OUT_OF_TIME, "the time limit of %s was reached",
			format_ns(time, (double)ab->spec->max_time_ns));
		return 1;
	}
	return 0;
}

static int run_all(struct ab *ab)
{
	int r = 0;
	while (r == 0) {
		if (collector_is_interrupted()) {
			ab->result->signal = SIGINT;
			say_end(ab, AB_INTERRUPTED, "interrupted");
			break;
		}
		r = run_next(ab);
		if (r == 0 && ab->sequence.at == 0)
			r = between_pairs(ab);
	}
	/* A pair that was not completed does not count. */
	if (r >= 0 && ab->runs_of_pair > 0) {
		gate_settle(ab, false);
		r = measurement_drop(ab->measurement, ab->runs_of_pair);
	}
	return r < 0 ? r : 0;
}

static int record_seed(struct ab *ab)
{
	char seed[32];
	(void)snprintf(seed, sizeof(seed), "%llu", (unsigned long long)ab->sequence.seed);
	return measurement_fact(ab->measurement, "ab.seed", seed);
}

static int measure(struct ab *ab)
{
	struct collect_spec record = ab->spec->record;
	record.argv = ab->spec->head.argv;
	record.runs = 0;
	record.warmup = 0;
	int r = measurement_new(&record, ab->spec->trace_path, &ab->measurement);
	if (r < 0)
		return r;
	r = record_seed(ab);
	if (r >= 0)
		r = run_all(ab);
	const int finished = measurement_finish(ab->measurement);
	return r < 0 ? r : finished;
}

/* --- the result ----------------------------------------------------------------------------- */

static int load(struct ab *ab)
{
	struct ab_result *result = ab->result;
	struct measurement *m = ab->measurement;
	int r = measurement_session(m, arm_name(ARM_HEAD), &result->head);
	result->base = ab->spec->measured_base;
	result->is_base_borrowed = result->base != NULL;
	if (r >= 0 && result->base == NULL)
		r = measurement_session(m, arm_name(ARM_BASE), &result->base);
	if (r >= 0 && ab->spec->measured_base == NULL)
		r = measurement_session(m, arm_name(ARM_CONTROL), &result->control);
	if (r >= 0 && ab->spec->measured_base == NULL) {
		metrics_mark_interleaved(result->base);
		metrics_mark_interleaved(result->head);
		metrics_mark_interleaved(result->control);
	}
	if (r >= 0)
		r = comparison_build(result->base, result->head, SEQUENCE_LEVEL,
				     &result->comparison);
	return r;
}

static int judge(struct ab *ab)
{
	struct ab_result *result = ab->result;
	const size_t n = ab->n_gate;
	_cleanup_free_ struct change *changes = calloc(2 * n, sizeof(*changes));
	_cleanup_free_ enum verdict *verdicts = calloc(n, sizeof(*verdicts));
	result->metrics = calloc(n, sizeof(*result->metrics));
	if (changes == NULL || verdicts == NULL || result->metrics == NULL)
		return fail(-ENOMEM, "not enough memory for a comparison");
	for (size_t i = 0; i < n; i++) {
		const char *id = ab->gate[i].id;
		const struct series *base = metrics_find(result->base, id);
		const struct series *head = metrics_find(result->head, id);
		const struct series *control =
			result->control != NULL ? metrics_find(result->control, id) : NULL;
		int r = head != NULL ? change_of(base, head, SEQUENCE_LEVEL, &changes[i]) : -ENOMEM;
		if (r >= 0)
			r = change_of(base != NULL ? base : head, control, SEQUENCE_LEVEL,
				      &changes[n + i]);
		if (r < 0)
			return fail(r, "not enough memory for a comparison");
	}
	(void)sequence_judge(changes, changes + n, n, verdicts);
	for (size_t i = 0; i < n; i++) {
		result->metrics[i] = (struct ab_metric){ changes[i], changes[n + i], verdicts[i] };
		result->control_differs |= sequence_control_differs(&changes[n + i]);
	}
	result->n_metrics = n;
	return 0;
}

int ab_run(const struct ab_spec *spec, struct ab_result *ret)
{
	struct ab ab = { .spec = spec, .result = ret, .start_ns = clock_ns(CLOCK_MONOTONIC) };
	*ret = (struct ab_result){ .seed = spec->seed };
	const size_t max_pairs = spec->max_pairs != 0 ? spec->max_pairs : AB_PAIRS;
	if (spec->measured_base != NULL)
		sequence_init_alone(&ab.sequence, spec->seed, max_pairs);
	else
		sequence_init(&ab.sequence, spec->seed, max_pairs);
	/* Another sequence than the one that draws the order of the runs. */
	random_seed(&ab.pads, ~spec->seed);
	int r = gate_new(&ab);
	if (r >= 0)
		r = measure(&ab);
	ret->pairs = ab.sequence.pairs;
	ret->repeats = ab.sequence.repeats;
	if (r >= 0 && ret->pairs > 0)
		r = load(&ab);
	if (r >= 0 && ret->comparison != NULL)
		r = judge(&ab);
	(void)measurement_free(ab.measurement);
	gate_free(&ab);
	return r;
}

static enum outcome_kind kind_of(const struct ab_result *r)
{
	if (r->end == AB_FAILED)
		return OUTCOME_TARGET_FAILED;
	return r->end != AB_CANNOT_RUN && r->n_metrics > 0 ? OUTCOME_JUDGED : OUTCOME_CANNOT_JUDGE;
}

int ab_outcome(const struct ab_result *r, const char *scenario, const char *base_name,
	       const struct levels *levels, struct arena *arena, struct outcome *ret)
{
	*ret = (struct outcome){
		.scenario = scenario,
		.kind = kind_of(r),
		.reason = arena_intern(arena, r->reason),
		.session = r->head,
		.base = r->base,
		.control = r->control,
		.comparison = r->comparison,
		.base_name = base_name,
		.judgements = arena_alloc_array(arena, r->n_metrics + 1, sizeof(struct judgement)),
		.n_judgements = r->n_metrics,
		.pairs = r->pairs,
		.repeats = r->repeats,
		.seed = r->seed,
		.control_differs = r->control_differs,
	};
	if (ret->reason == NULL || ret->judgements == NULL)
		return fail(-ENOMEM, "not enough memory for a verdict");
	for (size_t i = 0; i < r->n_metrics; i++) {
		const struct ab_metric *m = &r->metrics[i];
		struct judgement *j = &ret->judgements[i];
		const int e = judge_change(arena, base_name, &m->change, m->verdict, levels, j);
		if (e < 0)
			return fail(e, "not enough memory for a verdict");
		j->scenario = scenario;
		if (sequence_control_differs(&m->control))
			judgement_withhold(j);
	}
	outcome_sort(ret);
	return 0;
}

void ab_result_done(struct ab_result *r)
{
	r->comparison = comparison_free(r->comparison);
	if (!r->is_base_borrowed)
		(void)session_free(r->base);
	r->base = NULL;
	r->head = session_free(r->head);
	r->control = session_free(r->control);
	free(take_ptr(r->metrics));
	r->n_metrics = 0;
}
