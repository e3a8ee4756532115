/* SPDX-License-Identifier: MIT */
/* At each look the values of the gate alone are looked at (gate/look.h); what is judged and shown is read
 * in one go at the end. */

#include "userspace/cmd/ab.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/cmd/measure.h"
#include "userspace/cmd/output.h"
#include "userspace/gate/look.h"
#include "userspace/model/metrics.h"

/* Where things lie in a cache depends on the lower bits of their address: a page has them all. */
#define PAD_SPREAD 4096
/* Pairs that take longer than those before, and repeated ones. */
#define SPARE_TIME 1.25

struct ab {
	const struct ab_spec *spec;
	struct ab_result *result;
	struct measurement *measurement;
	struct sequence sequence;
	struct random pads;
	struct look *look;
	unsigned int runs_of_pair;
	uint64_t start_ns;
};

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
	struct waiting waiting = ab->spec->waiting;
	waiting.start_ns = ab->start_ns;
	waiting.max_time_ns = ab->spec->max_time_ns;
	/* Lines of the commands between them. */
	waiting.is_quiet |= ab->spec->record.output != OUTPUT_NOWHERE && !log_shows(LOG_INFO);
	if (arm == ARM_COUNT)
		waiting_clear(&waiting);
	else
		waiting_say(&waiting, is_warmup ? "warming up for pair" : "pair", arm_name(arm),
			    ab->sequence.pairs, ab->sequence.max_pairs);
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
	if (result->end == COLLECT_HELPER_FAILED)
		say_end(ab, AB_FAILED, "%s: %s", arm_name(arm), result->helper);
	else if (result->end == COLLECT_NOT_FOUND || result->end == COLLECT_NOT_EXECUTABLE)
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
		r = look_add(ab->look, arm, s);
		(void)session_free(s);
	}
	const bool counts = sequence_done(&ab->sequence, is_tainted);
	if (r < 0 || ab->sequence.at != 0)
		return r;
	look_settle(ab->look, counts);
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

/* Before the first look there is no verdict but of what is exact: how long it takes until then, by what the
 * pairs took so far. */
static void say_out_of_time(struct ab *ab)
{
	const struct sequence *s = &ab->sequence;
	const size_t first = s->max_pairs < sequence_looks[0] ? s->max_pairs : sequence_looks[0];
	char time[UNITS_BYTES];
	(void)format_ns(time, (double)ab->spec->max_time_ns);
	if (s->pairs >= first) {
		say_end(ab, AB_OUT_OF_TIME, "the time limit of %s was reached", time);
		return;
	}
	/* The first one was to warm up. */
	const double each = (double)(clock_ns(CLOCK_MONOTONIC) - ab->start_ns) /
			    (double)(1 + s->pairs + s->repeats);
	const double seconds =
		ceil(SPARE_TIME * each * (double)(1 + s->repeats + first) / NS_PER_S);
	ab->result->enough_s = (uint64_t)seconds;
	say_end(ab, AB_OUT_OF_TIME,
		"the time limit of %s was reached after %zu pair%s; a verdict takes %zu, about "
		"%.0f s",
		time, s->pairs, s->pairs == 1 ? "" : "s", first, seconds);
}

/* Between two pairs: negative errno; 1: that was the last one. */
static int between_pairs(struct ab *ab)
{
	bool is_decided = false;
	if (sequence_is_look(&ab->sequence)) {
		const int r = look_now(ab->look, &is_decided);
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
		say_out_of_time(ab);
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
		look_settle(ab->look, false);
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
	int r = look_new(&spec->gate, spec->measured_base, spec->good_below, &ab.look);
	if (r >= 0)
		r = measure(&ab);
	ret->pairs = ab.sequence.pairs;
	ret->repeats = ab.sequence.repeats;
	if (r >= 0 && ret->pairs > 0)
		r = load(&ab);
	(void)measurement_free(ab.measurement);
	(void)look_free(ab.look);
	return r;
}

/* The one place that says what an end means. */
static enum outcome_kind kind_of(const struct ab_result *r)
{
	static const enum outcome_kind without_verdict[] = {
		[AB_FAILED] = OUTCOME_TARGET_FAILED,
		[AB_CANNOT_RUN] = OUTCOME_TARGET_FAILED,
	};
	/* Of what was interrupted there may be enough. */
	if (r->end >= AB_FAILED)
		return without_verdict[r->end];
	return r->comparison != NULL ? OUTCOME_JUDGED : OUTCOME_CANNOT_JUDGE;
}

int ab_evidence(const struct ab_result *r, const char *label, struct arena *arena,
		struct against *ret, struct outcome *ret_outcome)
{
	ret_outcome->kind = kind_of(r);
	ret_outcome->reason = arena_intern(arena, r->reason);
	ret_outcome->pairs = r->pairs;
	ret_outcome->repeats = r->repeats;
	ret_outcome->seed = r->seed;
	*ret = (struct against){
		.label = label,
		.session = r->base,
		.head = r->head,
		.control = r->control,
		.comparison = r->comparison,
	};
	if (r->comparison != NULL) {
		if (ret_outcome->session == NULL)
			ret_outcome->session = r->head;
		ret_outcome->base = r->base;
		ret_outcome->control = r->control;
		ret_outcome->comparison = r->comparison;
		ret_outcome->base_name = label;
	}
	return ret_outcome->reason != NULL ? 0 : fail(-ENOMEM, "not enough memory for a verdict");
}

int ab_judge(const struct ab_spec *spec, const struct ab_result *r, const char *scenario,
	     const char *base_name, struct arena *arena, struct outcome *ret)
{
	struct step step = { .command = scenario };
	const struct scenario judged = {
		.name = scenario,
		.steps = &step,
		.n_steps = 1,
		.gate = spec->gate,
		.baseline_levels = LEVELS_BASELINE,
	};
	struct against against;
	const struct evidence evidence = {
		.scenario = &judged,
		.session = r->head,
		.against = &against,
		.n_against = 1,
		.gate = &against,
	};
	*ret = (struct outcome){ .scenario = scenario };
	int e = ab_evidence(r, base_name, arena, &against, ret);
	if (e < 0 || r->comparison == NULL)
		return e;
	e = judge_scenario(arena, &evidence, ret);
	return e < 0 ? fail(e, "not enough memory for a verdict") : 0;
}

void ab_result_done(struct ab_result *r)
{
	r->comparison = comparison_free(r->comparison);
	if (!r->is_base_borrowed)
		(void)session_free(r->base);
	r->base = NULL;
	r->head = session_free(r->head);
	r->control = session_free(r->control);
}
