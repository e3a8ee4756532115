/* SPDX-License-Identifier: MIT */
/* Runs a step as often as its scenario says, or until its time is over. */

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "userspace/base/arena.h"
#include "userspace/base/clock.h"
#include "userspace/base/environment.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/cmd/check.h"
#include "userspace/cmd/heap_choice.h"
#include "userspace/cmd/measure.h"
#include "userspace/cmd/output.h"
#include "userspace/cmd/waiting.h"
#include "userspace/gate/sequence.h"

/* Runs that take longer than those before, and repeated ones. */
#define SPARE_TIME 1.25

/* --- how ------------------------------------------------------------------------------------ */

static int environment_of(struct check *c, const struct step *step, char *const **ret)
{
	char **environment = NULL;
	if (step->environment == NULL)
		return 0;
	environment = environment_with(NULL, step->environment);
	if (environment == NULL || !arena_adopt(c->arena, environment))
		return fail(-ENOMEM, "not enough memory for a scenario");
	*ret = environment;
	return 0;
}

int check_spec(struct check *c, const struct scenario *s, const struct step *step,
	       struct ready_rules *rules, struct collect_spec *ret)
{
	for (size_t i = 0; i < step->ready.n; i++) {
		const int r = ready_rules_add(rules, step->ready.items[i]);
		if (r < 0)
			return r;
	}
	*ret = (struct collect_spec){
		.argv = step->argv,
		.directory = step->directory,
		.follow_cgroup = s->follow_cgroup,
		.follows_containers = s->has_containers,
		.prepare = step->prepare,
		.load = step->load,
		.runs = (unsigned int)s->runs,
		.warmup = (unsigned int)s->warmup,
		.probes = PROBE_AUTO,
		.heap = heap_mode_for(s->heap, s->has_heap, scenario_judges_heap(s)),
		.stacks_hz = s->stacks_hz,
		.wait_stacks_ns = s->wait_stacks_ns,
		.debuginfod_ns = s->debuginfod_ns,
		.rules = rules->items,
		.n_rules = rules->n,
		.until = step->ready.n > 0 ? UNTIL_READY : UNTIL_EXIT,
		.timeout_ns = step->timeout_ns,
		.stop_signal = SIGTERM,
		.no_connect = step->no_connect,
		.user = rights_invoking(),
		/* Standard output is for the verdict; ten times the output of a test suite helps nobody. */
		.output = log_shows(LOG_INFO) ? OUTPUT_TO_STDERR : OUTPUT_NOWHERE,
	};
	if (ret->timeout_ns == 0 && ret->until == UNTIL_READY)
		ret->timeout_ns = READY_TIMEOUT_NS;
	return environment_of(c, step, &ret->environment);
}

/* --- how it ended --------------------------------------------------------------------------- */

static const char *how_it_ended(struct arena *arena, const struct collect_spec *spec,
				const struct collect_result *result)
{
	char time[UNITS_BYTES];
	switch (result->end) {
	case COLLECT_READY:
	case COLLECT_DURATION:
	case COLLECT_INTERRUPTED:
		return NULL;
	case COLLECT_TIMEOUT:
		return arena_printf(arena, "%s after %s%s%s: stopped it",
				    spec->until == UNTIL_READY ? "not ready" : "not done",
				    format_ns(time, (double)spec->timeout_ns),
				    result->missing[0] != '\0' ? ", without " : "",
				    result->missing);
	case COLLECT_NOT_FOUND:
	case COLLECT_NOT_EXECUTABLE:
		return arena_printf(arena, "cannot execute '%s': %s", spec->argv[0],
				    strerror(result->exec_errno));
	case COLLECT_HELPER_FAILED:
		return arena_intern(arena, result->helper);
	case COLLECT_EXITED:
		break;
	}
	const char *early = spec->until != UNTIL_READY ? ""
			    : result->was_ready	       ? ", while the load was on it"
						       : ", before it was ready";
	if (WIFSIGNALED(result->status))
		return arena_printf(arena, "killed by signal %d (%s)%s", WTERMSIG(result->status),
				    strsignal(WTERMSIG(result->status)), early);
	if (WEXITSTATUS(result->status) != 0 || *early != '\0')
		return arena_printf(arena, "exit status %d%s", WEXITSTATUS(result->status), early);
	return NULL;
}

static const char *say_failure(struct arena *arena, const struct step *step, unsigned int run,
			       const char *how, bool has_run)
{
	const char *hint = has_run && !log_shows(LOG_INFO) ? "; -v shows its output" : "";
	const char *text = step->name != NULL ? arena_printf(arena, "step %s, run %u: %s%s",
							     step->name, run, how, hint)
					      : arena_printf(arena, "run %u: %s%s", run, how, hint);
	return text != NULL ? text : how;
}

/* --- running -------------------------------------------------------------------------------- */

struct series_of_runs {
	struct check *check;
	const struct scenario *scenario;
	const struct step *step;
	struct measurement *measurement;
	struct collect_spec spec;
	unsigned int n_measured;
	size_t n_repeated; /* of those, measured again since the machine was busy */
	const char *failure, *cut;
};

static bool is_time_over(const struct series_of_runs *m, uint64_t start_ns)
{
	return m->scenario->max_time_ns != 0 && m->n_measured > 0 &&
	       clock_ns(CLOCK_MONOTONIC) - start_ns >= m->scenario->max_time_ns;
}

/* What was asked for and not run, and how long all would take. */
static int say_cut(struct series_of_runs *m, uint64_t start_ns)
{
	const struct scenario *s = m->scenario;
	char time[UNITS_BYTES];
	if (m->failure != NULL || m->n_measured >= s->runs || !is_time_over(m, start_ns))
		return 0;
	const double each = (double)(clock_ns(CLOCK_MONOTONIC) - start_ns) /
			    (double)(s->warmup + m->n_measured + m->n_repeated);
	m->cut = arena_printf(m->check->arena,
			      "the time limit of %s was reached after %u of %zu runs%s%s: write "
			      "`max_time: %.0f s` for all",
			      format_ns(time, (double)s->max_time_ns), m->n_measured, s->runs,
			      m->step->name != NULL ? " of step " : "",
			      m->step->name != NULL ? m->step->name : "",
			      ceil(SPARE_TIME * each * (double)(s->warmup + s->runs) / NS_PER_S));
	return m->cut != NULL ? 0 : fail(-ENOMEM, "not enough memory for a scenario");
}

/* A stored baseline met another machine: a run that was disturbed is measured once more, by the same
 * rule as a pair is, whatever came out. */
static int repeat_if_tainted(struct series_of_runs *m)
{
	struct session *last = NULL;
	if (m->scenario->baseline == NULL || m->n_measured == 0 ||
	    !sequence_may_repeat(m->n_repeated, m->n_measured - 1))
		return 0;
	int r = measurement_last(m->measurement, &last);
	if (r >= 0 && last->n_runs > 0 && last->runs[0].tainted != NULL) {
		r = measurement_drop(m->measurement, 1);
		m->n_repeated++;
		m->n_measured--;
	}
	(void)session_free(last);
	return r;
}

static int run_all(struct series_of_runs *m)
{
	const struct scenario *s = m->scenario;
	const uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
	const struct waiting waiting = {
		.name = s->name,
		.step = m->step->name,
		.at = m->check->at,
		.n = m->check->n,
		.start_ns = start_ns,
		.max_time_ns = s->max_time_ns,
		.is_quiet = m->check->is_quiet,
	};
	for (size_t run = 0;
	     run < s->warmup + s->runs + m->n_repeated && !is_time_over(m, start_ns); run++) {
		struct collect_result result;
		if (collector_is_interrupted()) {
			m->check->is_interrupted = true;
			return 0;
		}
		waiting_say(&waiting, "run", NULL, run, s->warmup + s->runs + m->n_repeated);
		int r = measurement_run(m->measurement, &m->spec, NULL, run < s->warmup, &result);
		waiting_clear(&waiting);
		if (r < 0)
			return r;
		/* How it ended says nothing about the program. */
		if (result.signal != 0) {
			m->check->is_interrupted = true;
			return measurement_drop(m->measurement, 1);
		}
		const char *how = how_it_ended(m->check->arena, &m->spec, &result);
		const bool has_run = result.has_begun && result.end != COLLECT_NOT_FOUND &&
				     result.end != COLLECT_NOT_EXECUTABLE;
		m->n_measured += run >= s->warmup && has_run;
		if (how != NULL)
			m->failure = say_failure(m->check->arena, m->step, (unsigned int)run + 1,
						 how, has_run || result.helper[0] != '\0');
		if (how != NULL)
			return 0;
		r = run >= s->warmup ? repeat_if_tainted(m) : 0;
		if (r < 0)
			return r;
	}
	return say_cut(m, start_ns);
}

static int measure(struct series_of_runs *m, struct session **ret)
{
	int r = measurement_new(&m->spec, NULL, &m->measurement);
	if (r < 0)
		return r;
	r = run_all(m);
	const int finished = measurement_finish(m->measurement);
	if (r >= 0)
		r = finished;
	if (r < 0 || m->n_measured == 0)
		return r;
	r = measurement_session(m->measurement, NULL, ret);
	return r < 0 ? r : check_keep(m->check, *ret);
}

int check_measure(struct check *c, const struct scenario *s, const struct step *step,
		  struct session **ret, const char **ret_failure, const char **ret_cut)
{
	struct series_of_runs m = { .check = c, .scenario = s, .step = step };
	struct ready_rules rules = { 0 };
	*ret = NULL;
	int r = check_spec(c, s, step, &rules, &m.spec);
	if (r >= 0)
		r = measure(&m, ret);
	*ret_failure = m.failure;
	*ret_cut = m.cut;
	(void)measurement_free(m.measurement);
	ready_rules_done(&rules);
	return r;
}
