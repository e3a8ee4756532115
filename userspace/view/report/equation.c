/* SPDX-License-Identifier: MIT */
/* The first line of a report. One unit for the whole line, and terms rounded so that what is
 * printed adds up to what is printed (the method of the largest remainder). */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/units.h"
#include "userspace/base/utf8.h"
#include "userspace/base/vec.h"
#include "userspace/view/report/heaviest.h"
#include "userspace/view/report/parts.h"

#define BIG_SHARE    0.05 /* of the total: a cause that gets a term of its own */
#define MAX_DETAIL   64	  /* columns */
#define MAX_FUNCTION 32	  /* likewise */
#define HOT_OF_CPU   0.2  /* the function that is named: of the path's time on a CPU … */
#define HOT_OF_ALL   0.1  /* … and of all */
#define MAX_LINE     8192

struct term {
	const char *label;
	const char *detail; /* or NULL */
	int64_t ns;
	int64_t units; /* rounded */
	int64_t remainder;
	enum phase phase; /* PHASE_COUNT: it is none */
};

struct term_list VEC(struct term);

/* Printed as whole "units": 0.1 ms, with the total somewhere in 10..99.9 ms, and so on. */
struct scale {
	const char *name;
	int64_t unit_ns;    /* of the name */
	int64_t quantum_ns; /* one in the last printed place */
	int decimals;
};

static int64_t rounded(int64_t ns, int64_t quantum_ns)
{
	return ns / quantum_ns + (ns % quantum_ns * 2 >= quantum_ns);
}

static struct scale scale_of(int64_t total_ns)
{
	static const struct scale scales[] = {
		{ "ns", 1, 1, 0 },
		{ "us", 1000, 10, 2 },
		{ "us", 1000, 100, 1 },
		{ "us", 1000, 1000, 0 },
		{ "ms", 1000000, 10000, 2 },
		{ "ms", 1000000, 100000, 1 },
		{ "ms", 1000000, 1000000, 0 },
		{ "s", 1000000000, 10000000, 2 },
		{ "s", 1000000000, 100000000, 1 },
		{ "s", 1000000000, 1000000000, 0 },
	};
	/* The first in which the rounded total has at most three digits. */
	for (size_t i = 0; i < N_OF(scales); i++) {
		if (rounded(total_ns, scales[i].quantum_ns) <= 999)
			return scales[i];
	}
	return scales[N_OF(scales) - 1];
}

static void add_units(struct buf *out, int64_t units, const struct scale *scale)
{
	const int64_t per_unit = scale->unit_ns / scale->quantum_ns;
	if (scale->decimals == 0)
		(void)buf_addf(out, "%" PRId64, units);
	else
		(void)buf_addf(out, "%" PRId64 ".%0*" PRId64, units / per_unit, scale->decimals,
			       units % per_unit);
}

/* --- terms ---------------------------------------------------------------------------------- */

/* Keeps the waits that are big enough for a term of their own. */
static void keep_big(struct wait_list *waits, int64_t least_ns)
{
	size_t n = 0;
	for (size_t i = 0; i < waits->n; i++) {
		if (waits->items[i].sum_ns >= least_ns)
			waits->items[n++] = waits->items[i];
	}
	waits->n = n;
}

static bool has_own_term(const struct wait_list *big, const struct segment *s)
{
	if (s->state == ACTIVITY_RUNNING)
		return false;
	for (size_t i = 0; i < big->n; i++) {
		const struct wait_sum *w = &big->items[i];
		if (w->cause == s->cause && strcmp(w->detail, s->detail) == 0)
			return true;
	}
	return false;
}

static int collect_terms(const struct run *run, int64_t total_ns, struct term_list *ret)
{
	_cleanup_vec_ struct wait_list big = { 0 };
	int64_t phases[PHASE_COUNT] = { 0 };
	int64_t rest_ns = total_ns;
	const int rc = waits_sum(run, &big);
	if (rc < 0)
		return rc;
	const double least_ns = (double)total_ns * BIG_SHARE;
	keep_big(&big, least_ns < 1 ? 1 : (int64_t)least_ns);
	for (size_t i = 0; i < run->n_segments; i++) {
		const struct segment *s = &run->segments[i];
		if (s->duration_ns <= 0)
			continue;
		rest_ns -= s->duration_ns < rest_ns ? s->duration_ns : rest_ns;
		if (!has_own_term(&big, s))
			phases[s->phase] = sum_known(phases[s->phase], s->duration_ns);
	}
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		if (phases[phase] > 0 &&
		    vec_push(ret, (struct term){ .label = phase_name((enum phase)phase),
						 .ns = phases[phase],
						 .phase = (enum phase)phase }) < 0)
			return -ENOMEM;
	}
	vec_foreach(w, &big) {
		if (vec_push(ret, (struct term){ .label = cause_name(w->cause),
						 .detail = w->detail,
						 .ns = w->sum_ns,
						 .phase = PHASE_COUNT }) < 0)
			return -ENOMEM;
	}
	/* Only a damaged document leaves a rest: say so rather than not add up. */
	if (rest_ns > 0 && vec_push(ret, (struct term){ .label = cause_name(CAUSE_UNKNOWN),
							.ns = rest_ns,
							.phase = PHASE_COUNT }) < 0)
		return -ENOMEM;
	return 0;
}

/* Rounds every term so that they sum to @total_units: down first, then those with the largest
 * remainder up, one unit each. */
static void round_terms(struct term_list *terms, int64_t total_units, int64_t quantum_ns)
{
	int64_t missing = total_units;
	vec_foreach(term, terms) {
		term->units = term->ns / quantum_ns;
		term->remainder = term->ns % quantum_ns;
		missing -= term->units;
	}
	for (size_t round = 0; missing > 0 && round < terms->n; round++, missing--) {
		struct term *largest = NULL;
		vec_foreach(term, terms) {
			if (largest == NULL || term->remainder > largest->remainder)
				largest = term;
		}
		if (largest == NULL)
			return;
		largest->units++;
		largest->remainder = -1;
	}
}

/* --- the function --------------------------------------------------------------------------- */

/* The one function that is worth a word in the first line, and the phase it ran in. */
struct hot {
	enum phase phase; /* PHASE_COUNT: there is none */
	int64_t ns;
	struct buf name;
};

/* Of the path's time on a CPU, and of all of it. */
static int64_t least_of_function(const struct run *run)
{
	int64_t running_ns = 0;
	for (size_t i = 0; i < run->n_segments; i++)
		if (run->segments[i].state == ACTIVITY_RUNNING)
			running_ns = sum_known(running_ns, run->segments[i].duration_ns);
	const double of_cpu = HOT_OF_CPU * (double)running_ns;
	const double of_all = HOT_OF_ALL * (double)run->startup_total_ns;
	return (int64_t)(of_cpu > of_all ? of_cpu : of_all);
}

static void hot_done(struct hot *hot)
{
	buf_done(&hot->name);
}

static int find_hot(const struct session *s, const struct run *run, struct hot *ret)
{
	const struct heaviest h = { .s = s, .run = run };
	const int64_t least_ns = least_of_function(run);
	ret->phase = PHASE_COUNT;
	if (!run->has_samples || least_ns <= 0)
		return 0;
	for (int phase = 0; phase < PHASE_COUNT; phase++) {
		_cleanup_(buf_done) struct buf name = { .limit = MAX_LINE };
		/* The loader's functions are the same for every library. */
		const int64_t ns = phase == PHASE_LINK
					   ? 0
					   : heaviest_in_phase(&h, (enum phase)phase, least_ns,
							       MAX_FUNCTION, &name);
		if (ns < 0)
			return (int)ns;
		if (ns <= ret->ns)
			continue;
		ret->phase = (enum phase)phase;
		ret->ns = ns;
		buf_clear(&ret->name);
		(void)buf_adds(&ret->name, buf_str(&name));
	}
	return ret->name.error;
}

/* --- the line ------------------------------------------------------------------------------- */

static const char *verb_of(const struct session *s, const struct run *run)
{
	const char *reason = run->exit_reason == NULL ? "" : run->exit_reason;
	if (run->has_ready)
		return "ready in ";
	if (strcmp(reason, "timeout") == 0)
		return s->design.ready.n > 0 ? "not ready at the --timeout: "
					     : "still running at the --timeout: ";
	if (strcmp(reason, "interrupted") == 0)
		return "interrupted after ";
	if (strcmp(reason, "duration") == 0)
		return "recorded ";
	if (strcmp(reason, "truncated") == 0)
		return "still running where the recording breaks off, after ";
	if (s->design.ready.n > 0)
		return "ended before it was ready, after ";
	return strcmp(reason, "signal") == 0 ? "killed after " : "done in ";
}

/* Long ones without their middle: what tells two paths apart is at their ends. */
static void add_detail(struct buf *line, const char *detail, size_t n)
{
	size_t head = n, tail = n;
	if (text_width(detail, n) > MAX_DETAIL)
		text_fit_ends(detail, n, MAX_DETAIL, &head, &tail);
	(void)buf_add(line, detail, head);
	(void)buf_adds(line, head < n ? "..." : "");
	(void)buf_add(line, detail + tail, n - tail);
}

static void add_term(struct buf *line, const struct term *term, const struct scale *scale)
{
	(void)buf_adds(line, term->label);
	if (term->detail != NULL && term->detail[0] != '\0') {
		const size_t n = strlen(term->detail);
		(void)buf_addc(line, ' ');
		add_detail(line, term->detail, n);
	}
	(void)buf_addc(line, ' ');
	add_units(line, term->units, scale);
}

/* An estimate: it is no term of the sum. */
static void add_hot(struct buf *line, const struct hot *hot, const struct term *term,
		    const struct scale *scale)
{
	if (term->phase != hot->phase || hot->phase == PHASE_COUNT)
		return;
	(void)buf_addf(line, " (%s ~", buf_str(&hot->name));
	const int64_t units = rounded(hot->ns, scale->quantum_ns);
	add_units(line, units < term->units ? units : term->units, scale);
	(void)buf_addc(line, ')');
}

static int add_equation(const struct session *s, const struct run *run, struct buf *line)
{
	_cleanup_vec_ struct term_list terms = { 0 };
	_cleanup_(hot_done) struct hot hot = { .name.limit = MAX_LINE };
	int64_t total_ns = run->startup_total_ns;
	int rc = collect_terms(run, total_ns, &terms);
	if (rc == 0)
		rc = find_hot(s, run, &hot);
	if (rc < 0)
		return rc;
	int64_t sum_ns = 0;
	vec_foreach(term, &terms)
		sum_ns = sum_known(sum_ns, term->ns);
	if (sum_ns > total_ns)
		total_ns = sum_ns; /* a damaged document */

	const struct scale scale = scale_of(total_ns);
	const int64_t total_units = rounded(total_ns, scale.quantum_ns);
	round_terms(&terms, total_units, scale.quantum_ns);
	add_units(line, total_units, &scale);
	(void)buf_addf(line, " %s", scale.name);
	const char *before = " = ";
	vec_foreach(term, &terms) {
		if (term->units == 0)
			continue;
		(void)buf_adds(line, before);
		add_term(line, term, &scale);
		add_hot(line, &hot, term, &scale);
		before = " + ";
	}
	return line->error;
}

const char *report_equation(const struct session *s, size_t run_index)
{
	if (run_index >= s->n_runs)
		return "nothing was recorded";
	const struct run *run = &s->runs[run_index];
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	char text[UNITS_BYTES];
	(void)buf_adds(&line, verb_of(s, run));
	if (run->startup_total_ns == UNKNOWN || run->startup_total_ns < 0)
		(void)buf_adds(&line, "an unknown time");
	else if (run->has_segments)
		(void)add_equation(s, run, &line);
	else
		(void)buf_addf(&line, "%s (no breakdown: no scheduler events)",
			       format_ns(text, (double)run->startup_total_ns));
	const char *result = arena_strdup(s->arena, buf_str(&line));
	return result == NULL ? "" : result;
}
