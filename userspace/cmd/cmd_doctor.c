/* SPDX-License-Identifier: MIT */
/* doctor = survey -> table, or selftest -> table. The engine of the selftest is that of `ab`, the program
 * is startline itself with a known amount of work, so nothing has to be there but what is to be tested. */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/rights.h"
#include "userspace/base/stats.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/cmd/ab.h"
#include "userspace/cmd/arguments.h"
#include "userspace/cmd/cmd.h"
#include "userspace/cmd/output.h"
#include "userspace/collect/proc/survey.h"
#include "userspace/gate/power.h"
#include "userspace/model/metrics.h"
#include "userspace/view/report/report.h"

#define SELFTEST_LIMIT_NS (55 * NS_PER_S)

/* How the selftest calls this program: startline doctor SELFTEST_WORK ROUNDS. */
#define SELFTEST_WORK "--work"
#define METRIC	      "time.wall"
#define WORK_NS	      (15 * NS_PER_MS) /* longer than a time slice, short enough for many runs */
#define AA_MAX	      10
#define AA_SHARE      0.6 /* of the time there is */
#define PLANTED_MAX   6
#define PLANTED_LEAST 0.10
/* A slowdown at the edge of what can be proven is missed now and then by right. */
#define PLANTED_ABOVE 1.5

struct tally {
	size_t n, regressed, improved, unchanged, inconclusive, withheld, pairs, repeats;
	double ratio_sum;
};

struct values VEC(double);

struct selftest {
	char program[PATH_MAX], path[PATH_MAX];
	uint64_t start_ns, limit_ns;
	double round_ns; /* of work */
	uint64_t rounds;
	bool is_quiet;
	struct tally same, planted;
	struct values values; /* of comparisons with itself, each divided by their median */
	double wall_ns;	      /* median of the first */
	double effect, smallest;
};

enum { KEY_SELFTEST = OPTION_FIRST_FREE };

struct opts {
	struct output_options output;
	bool is_selftest;
};

static const struct argp_option options[] = {
	{ "selftest", KEY_SELFTEST, NULL, 0,
	  "prove the gate here with real runs, in at most a minute", 0 },
	{ 0 },
};

static const char doc[] =
	"Shows what this machine allows startline to do, what each missing piece costs, what "
	"would disturb a measurement now, and what to type against it."
	"\v"
	"EXAMPLES\n"
	"  startline doctor\n"
	"  sudo startline doctor\n"
	"  startline doctor --format json\n"
	"  startline doctor --selftest\n";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;
	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->output;
		return 0;
	case KEY_SELFTEST:
		o->is_selftest = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "doctor takes no arguments");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = { options, parse_option, "", doc, output_children, NULL, NULL };

static const char *const state_names[] = {
	[SURVEY_OK] = "ok",
	[SURVEY_LIMITED] = "limited",
	[SURVEY_MISSING] = "missing",
};

static const enum tone state_tones[] = {
	[SURVEY_OK] = TONE_GOOD,
	[SURVEY_LIMITED] = TONE_WARN,
	[SURVEY_MISSING] = TONE_BAD,
};

static const struct column columns[] = {
	{ .title = "what", .key = "name" },
	{ .title = "state", .key = "state" },
	{ .title = "found", .key = "found", .is_folded = true },
	{ .title = "costs", .key = "cost", .audience = FOR_PROGRAMS },
	{ .title = "metrics", .key = "metrics", .audience = FOR_PROGRAMS },
	{ .title = "causes", .key = "causes", .audience = FOR_PROGRAMS },
	{ .title = "do", .key = "remedy", .audience = FOR_PROGRAMS },
};

/* In text, what is missing is explained below the table: three sentences do not fit a row. */
static struct table *build(void)
{
	struct survey_row rows[SURVEY_ROWS_MAX];
	const size_t n = survey_machine(rows);
	struct table *t =
		table_new("What this machine allows", columns, sizeof(columns) / sizeof(*columns));
	const char *last = ""; /* several may have the same remedy */
	for (size_t i = 0; i < n; i++) {
		const struct survey_row *row = &rows[i];
		table_tone(t, state_tones[row->state]);
		table_textf(t, "%s%s", row->is_probe ? "probe: " : "", row->name);
		table_text(t, state_names[row->state]);
		table_text(t, row->found);
		table_text(t, row->cost);
		table_text(t, row->metrics);
		table_text(t, row->causes);
		table_text(t, row->remedy[0] != '\0' ? row->remedy : NULL);
		if (row->cost != NULL)
			table_note(t, "%s: %s", row->name, row->cost);
		if (row->remedy[0] != '\0' && strcmp(row->remedy, last) != 0)
			table_note(t, "  what to do: %s", row->remedy);
		last = row->remedy[0] != '\0' ? row->remedy : last;
	}
	return t;
}

/* --- the program ------------------------------------------------------------------------------ */

/* Does that much work, and ends. */
static void selftest_work(uint64_t rounds)
{
	volatile uint64_t state = 1;
	for (uint64_t i = 0; i < rounds; i++)
		state = state * 6364136223846793005u + 1442695040888963407u;
}

/* How many rounds take WORK_NS of CPU. */
static void calibrate(struct selftest *s)
{
	const uint64_t tried = 2000000; /* some milliseconds */
	const uint64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	selftest_work(tried);
	const uint64_t taken = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
	s->round_ns = taken > 0 ? (double)taken / (double)tried : 1;
	s->rounds = (uint64_t)((double)WORK_NS / s->round_ns);
}

/* --- comparisons ------------------------------------------------------------------------------ */

static bool has_time(const struct selftest *s, double share)
{
	return (double)(clock_ns(CLOCK_MONOTONIC) - s->start_ns) < share * (double)s->limit_ns;
}

/* What the three arms of a comparison of the program with itself scatter around, taken out. */
static int keep_values(struct selftest *s, const struct ab_result *result)
{
	struct session *const arms[] = { result->base, result->head, result->control };
	const struct series *base = metrics_find(result->base, METRIC);
	if (base == NULL || !(base->summary.median > 0))
		return 0;
	const double median = base->summary.median;
	if (s->values.n == 0)
		s->wall_ns = median;
	for (size_t i = 0; i < sizeof(arms) / sizeof(*arms); i++) {
		const struct series *series =
			arms[i] != NULL ? metrics_find(arms[i], METRIC) : NULL;
		for (size_t k = 0; series != NULL && k < series->n_values; k++) {
			if (series->values[k] > 0 &&
			    vec_push(&s->values, series->values[k] / median) < 0)
				return fail(-ENOMEM, "not enough memory for the selftest");
		}
	}
	return 0;
}

static void count(struct tally *t, const struct ab_result *result, const struct outcome *o)
{
	const struct judgement *j = &o->judgements[0];
	/* One that was cut short says nothing about the gate. */
	if (result->end == AB_OUT_OF_TIME && j->verdict == VERDICT_INCONCLUSIVE)
		return;
	t->n++;
	t->pairs += result->pairs;
	t->repeats += result->repeats;
	t->withheld += o->control_differs;
	t->ratio_sum += j->ratio;
	t->regressed += j->verdict == VERDICT_REGRESSED;
	t->improved += j->verdict == VERDICT_IMPROVED;
	t->unchanged += j->verdict == VERDICT_UNCHANGED;
	t->inconclusive += j->verdict == VERDICT_INCONCLUSIVE;
}

/* One comparison; head does @more rounds than base. */
static int compare(struct selftest *s, uint64_t more, struct tally *tally)
{
	char base_rounds[32], head_rounds[32], command[] = "doctor", work[] = SELFTEST_WORK;
	char *base[] = { s->program, command, work, base_rounds, NULL };
	char *head[] = { s->program, command, work, head_rounds, NULL };
	char metric[] = METRIC;
	const char *gate[] = { metric };
	const uint64_t gone = clock_ns(CLOCK_MONOTONIC) - s->start_ns;
	(void)snprintf(base_rounds, sizeof(base_rounds), "%" PRIu64, s->rounds);
	(void)snprintf(head_rounds, sizeof(head_rounds), "%" PRIu64, s->rounds + more);
	const struct ab_spec spec = {
		.record = { .probes = PROBE_AUTO,
			    .heap = { .kind = HEAP_COUNT },
			    .until = UNTIL_EXIT,
			    .user = rights_invoking(),
			    .output = OUTPUT_NOWHERE },
		.base = { .argv = base },
		.head = { .argv = head },
		.gate = { gate, 1 },
		.trace_path = s->path,
		.seed = random_fresh_seed(),
		.max_time_ns = s->limit_ns > gone ? s->limit_ns - gone : 1,
		.waiting.is_quiet = true,
	};
	struct ab_result result = { 0 };
	struct outcome outcome = { 0 };
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	int r = arena != NULL ? ab_run(&spec, &result) : -ENOMEM;
	(void)unlink(s->path);
	if (r >= 0 && result.end == AB_INTERRUPTED)
		r = -EINTR;
	else if (r >= 0 && (result.end == AB_FAILED || result.end == AB_CANNOT_RUN))
		r = fail(-ECHILD, "the selftest's own program failed: %s", result.reason);
	else if (r >= 0)
		r = ab_judge(&spec, &result, "", "base", arena, &outcome);
	if (r >= 0 && outcome.n_judgements == 1)
		count(tally, &result, &outcome);
	if (r >= 0 && more == 0 && outcome.n_judgements == 1)
		r = keep_values(s, &result);
	ab_result_done(&result);
	return r;
}

static size_t false_alarms(const struct selftest *s)
{
	return s->same.regressed + s->same.improved;
}

/* A first alarm may be the one in a thousand: twice as many tries tell. */
static int compare_with_itself(struct selftest *s)
{
	size_t all = AA_MAX;
	int r = 0;
	for (size_t i = 0; i < all && r >= 0 && has_time(s, AA_SHARE); i++) {
		progress(!s->is_quiet, "comparing a program with itself, %zu of %zu", i + 1, all);
		r = compare(s, 0, &s->same);
		if (false_alarms(s) > 0)
			all = 2 * AA_MAX;
	}
	return r;
}

static int plant(struct selftest *s)
{
	int r = 0;
	const double smallest = isnan(s->smallest) ? 1 : s->smallest;
	s->effect = fmax(PLANTED_LEAST, ceil(PLANTED_ABOVE * smallest * 100) / 100);
	const uint64_t more = (uint64_t)(s->effect * s->wall_ns / s->round_ns);
	for (size_t i = 0; i < PLANTED_MAX && r >= 0 && has_time(s, 1); i++) {
		progress(!s->is_quiet, "planting a slowdown, %zu of %d", i + 1, PLANTED_MAX);
		r = compare(s, more, &s->planted);
	}
	return r;
}

/* --- the answer ------------------------------------------------------------------------------- */

static const struct column answer_columns[] = {
	{ .title = "what", .key = "name" },
	{ .title = "state", .key = "state" },
	{ .title = "found", .key = "found", .is_folded = true },
};

static void row(struct table *t, const char *name, bool is_good, const char *otherwise)
{
	table_tone(t, is_good ? TONE_GOOD : TONE_BAD);
	table_text(t, name);
	table_text(t, is_good ? "ok" : otherwise);
}

static bool add_false_alarms(struct table *t, const struct selftest *s)
{
	const size_t n = s->same.n, alarms = false_alarms(s);
	const bool is_good = n > 0 && alarms <= 1;
	row(t, "false alarms", is_good && alarms == 0, is_good ? "limited" : "failed");
	if (n == 0)
		table_text(t, "no comparison was done in the time there was");
	else
		table_textf(t,
			    "%zu in %zu comparisons of a program with itself, %.1f pairs each: %zu "
			    "unchanged, %zu inconclusive; the true rate is below %.0f %%",
			    alarms, n, (double)s->same.pairs / (double)n, s->same.unchanged,
			    s->same.inconclusive, 100 * power_rate_bound(alarms, n));
	return is_good;
}

static bool add_planted(struct table *t, const struct selftest *s)
{
	const struct tally *p = &s->planted;
	/* One may be missed: 95 of 100 is what was asked for. */
	const bool is_good = p->n > 0 && p->regressed + 1 >= p->n && p->regressed > 0;
	row(t, "planted slowdown", is_good && p->regressed == p->n, is_good ? "limited" : "failed");
	if (p->n == 0)
		table_text(t, "none was planted: there was no time");
	else
		table_textf(t,
			    "+%.0f %% caught %zu of %zu times, %.1f pairs each; measured %+.1f %%",
			    100 * s->effect, p->regressed, p->n, (double)p->pairs / (double)p->n,
			    100 * (p->ratio_sum / (double)p->n - 1));
	return is_good;
}

static void add_effect(struct table *t, const struct selftest *s)
{
	const bool is_fine = s->smallest <= PLANTED_LEAST;
	row(t, "smallest effect", is_fine, "limited");
	if (isnan(s->smallest))
		table_text(t, "none up to +100 %: the runs scatter too much");
	else
		table_textf(t, "+%.0f %% is proven in 95 of 100 comparisons of %d pairs",
			    100 * s->smallest, AB_PAIRS);
}

static void add_noise(struct table *t, const struct selftest *s)
{
	char wall[UNITS_BYTES];
	struct summary all;
	summary_of(s->values.items, s->values.n, &all);
	const double noise = all.mad / all.median;
	row(t, "noise", noise <= 0.05, "limited");
	if (s->values.n == 0)
		table_text(t, NULL);
	else
		table_textf(
			t,
			"runs of %s scatter by %.1f %% (median absolute deviation of %zu runs); "
			"%zu disturbed pairs were repeated",
			format_ns(wall, s->wall_ns), 100 * noise, s->values.n,
			s->same.repeats + s->planted.repeats);
}

static bool add_control(struct table *t, const struct selftest *s)
{
	const size_t n = s->same.withheld + s->planted.withheld;
	row(t, "control", n == 0, "limited");
	table_textf(t, "differed from base in %zu of %zu comparisons%s", n,
		    s->same.n + s->planted.n, n > 0 ? ": their verdicts were withheld" : "");
	return true;
}

static struct table *answer(const struct selftest *s, bool *ret_holds)
{
	char time[UNITS_BYTES];
	struct table *t = table_new("Does the gate hold here?", answer_columns,
				    sizeof(answer_columns) / sizeof(*answer_columns));
	const bool is_calm = add_false_alarms(t, s);
	const bool is_sharp = add_planted(t, s);
	add_effect(t, s);
	add_noise(t, s);
	(void)add_control(t, s);
	*ret_holds = is_calm && is_sharp;
	table_note(t, "%s, in %s",
		   *ret_holds ? "the gate holds on this machine, now"
			      : "the gate does not hold on this machine, now: do not trust it here",
		   format_ns(time, (double)(clock_ns(CLOCK_MONOTONIC) - s->start_ns)));
	if (s->smallest > PLANTED_LEAST || isnan(s->smallest))
		table_note(t, "`startline doctor` says what disturbs it");
	return t;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* Recordings of the selftest are nobody's: they go to a directory that goes with them. */
static int make_place(char directory[static PATH_MAX])
{
	const char *parent = getenv("TMPDIR");
	(void)snprintf(directory, PATH_MAX, "%s/startline-selftest-XXXXXX",
		       parent != NULL && parent[0] == '/' ? parent : "/tmp");
	return mkdtemp(directory) != NULL ? 0
					  : fail(-errno, "'%s': %s", directory, strerror(errno));
}

static int run_all(struct selftest *s)
{
	calibrate(s);
	int r = compare_with_itself(s);
	if (r < 0)
		return r;
	progress(!s->is_quiet, "working out the smallest effect");
	s->smallest =
		power_smallest_effect(s->values.items, s->values.n, AB_PAIRS, random_fresh_seed());
	return plant(s);
}

/* Compares the program with itself (a verdict other than "unchanged" or "inconclusive" is a false
 * alarm), works out from the values measured which effect the gate can prove here, then plants one and
 * sees whether it is caught. Takes at most about @limit_ns. *ret_holds: no alarm was false, but one at
 * most, and what was planted was caught. *ret_table is the caller's. Negative errno, logged; -EINTR:
 * interrupted. */
static int selftest(uint64_t limit_ns, bool is_quiet, struct table **ret_table, bool *ret_holds)
{
	struct selftest s = { .start_ns = clock_ns(CLOCK_MONOTONIC),
			      .limit_ns = limit_ns,
			      .is_quiet = is_quiet,
			      .smallest = NAN };
	char directory[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", s.program, sizeof(s.program) - 1);
	if (n < 0)
		return fail(-errno, "/proc/self/exe: %s", strerror(errno));
	s.program[n] = '\0';
	int r = make_place(directory);
	if (r < 0)
		return r;
	if (snprintf(s.path, sizeof(s.path), "%s/selftest.slt", directory) < (int)sizeof(s.path))
		r = run_all(&s);
	else
		r = fail(-ENAMETOOLONG, "TMPDIR is too long");
	progress(!is_quiet, NULL);
	(void)unlink(s.path);
	(void)rmdir(directory);
	if (r >= 0)
		*ret_table = answer(&s, ret_holds);
	vec_done(&s.values);
	return r;
}

/* --- the command ------------------------------------------------------------------------------ */

int cmd_doctor(int argc, char **argv)
{
	struct opts o = { 0 };
	uint64_t rounds;
	/* The program that the selftest measures; not for users, so not an option. */
	if (argc == 3 && strcmp(argv[1], SELFTEST_WORK) == 0 && parse_u64(argv[2], &rounds) == 0) {
		selftest_work(rounds);
		return 0;
	}
	if (arguments_parse(&argp, argc, argv, 0, &o) != 0)
		return EXIT_USAGE;
	struct table *table = NULL;
	bool holds = true;
	int r = 0;
	if (o.is_selftest)
		r = selftest(SELFTEST_LIMIT_NS, o.output.is_quiet, &table, &holds);
	else
		table = build();
	if (r >= 0)
		r = output_table(&o.output, table);
	if (r == -EINTR)
		return EXIT_BY_SIGNAL + SIGINT;
	return r < 0 || !holds ? EXIT_STARTLINE : 0;
}
