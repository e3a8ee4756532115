/* SPDX-License-Identifier: MIT */
/* A table says where the object of a metric is looked for: among the rows of the breakdown, the counted
 * objects, or what each process took. */

#include "userspace/gate/cause.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/base/utf8.h"
#include "userspace/gate/undisturbed.h"
#include "userspace/model/place.h"

#define WHAT_MAX    ((size_t)96) /* columns of an object's name: a line or so */
#define NAMED_MAX   3		 /* objects of a count */
#define MOST_SHARE  0.8		 /* of a growth: nearly all of it */
#define SMALL_SHARE 0.1		 /* … and not worth a word */

struct telling {
	const struct comparison *c;
	const char *id;
	bool is_change; /* else a value by itself */
	int sign;	/* the direction of the change: rows of the other one are no cause */
	struct buf *out;
};

/* --- texts ---------------------------------------------------------------------------------- */

/* Cut in the middle: what tells two paths apart is at their ends. */
static void add_name(struct buf *out, const char *name)
{
	const size_t n = strlen(name);
	if (text_width(name, n) <= WHAT_MAX) {
		(void)buf_adds(out, name);
		return;
	}
	size_t head, tail;
	text_fit_ends(name, n, WHAT_MAX, &head, &tail);
	(void)buf_add(out, name, head);
	(void)buf_addf(out, "...%s", name + tail);
}

static void add_program(struct buf *out, const char *line)
{
	_cleanup_(buf_done) struct buf label = { .limit = (size_t)64 << 10 };
	program_label(line, &label);
	add_name(out, label.len > 0 ? buf_str(&label) : "?");
}

/* "+30.1 MB", of a change; "30.1 MB" of a value. */
static void add_amount(const struct telling *t, enum unit unit, double amount)
{
	char text[UNITS_BYTES];
	(void)buf_addf(t->out, "%s%s", t->is_change && amount > 0 ? "+" : "",
		       value_format(text, unit, amount));
}

/* --- the breakdown -------------------------------------------------------------------------- */

void contribution_what(const struct contribution *c, struct buf *out)
{
	_cleanup_(buf_done) struct buf what = { .limit = (size_t)64 << 10 };
	if (c->detail[0] == '\0' || c->cause == CAUSE_CHILD)
		program_label(c->detail[0] != '\0' ? c->detail : c->process, &what);
	else
		(void)buf_adds(&what, c->detail);
	if (c->function != NULL && c->has_object)
		(void)buf_addf(&what, " in %s", c->function);
	if (c->import != NULL && (c->function != NULL || c->has_object))
		(void)buf_addf(&what, ", import %s", c->import);
	add_name(out, buf_str(&what));
}

void cause_of_row(const struct contribution *row, struct buf *out)
{
	char delta[UNITS_BYTES];
	(void)buf_addf(out, "%s%s %s in %s", row->delta_ns > 0 ? "+" : "",
		       format_ns(delta, (double)row->delta_ns), contribution_cause(row),
		       contribution_phase(row));
	const size_t n = out->len;
	(void)buf_adds(out, ": ");
	contribution_what(row, out);
	if (out->len == n + strlen(": "))
		buf_truncate(out, n);
}

/* Of the library that a row is about, what loading it took in @s, mean over the runs; and whether it is
 * there at all. */
static bool loading_of(const struct comparison *c, const struct session *s, const char *label,
		       double *ret_relocate_ns, double *ret_init_ns)
{
	bool is_there = false;
	*ret_relocate_ns = *ret_init_ns = 0;
	for (size_t r = 0; r < s->n_runs; r++) {
		for (size_t i = 0; i < s->runs[r].n_libraries; i++) {
			const struct library *l = &s->runs[r].libraries[i];
			const char *name = l->path != NULL ? module_label(c->arena, l->path) : NULL;
			if (name == NULL || strcmp(name, label) != 0)
				continue;
			is_there = true;
			*ret_relocate_ns += l->relocate_ns == UNKNOWN
						    ? (double)NAN
						    : (double)l->relocate_ns / (double)s->n_runs;
			*ret_init_ns += l->init_ns == UNKNOWN
						? (double)NAN
						: (double)l->init_ns / (double)s->n_runs;
		}
	}
	return is_there;
}

/* ", not loaded before" or nothing; what of the loading were relocations and constructors. */
static void add_library(const struct telling *t, const struct contribution *row)
{
	double relocate_ns, init_ns, before_ns, unused_ns;
	char relocate[UNITS_BYTES], init[UNITS_BYTES];
	if (row->module == NULL || row->function != NULL ||
	    (row->phase != PHASE_LINK && row->phase != PHASE_INIT) ||
	    !loading_of(t->c, t->c->head, row->detail, &relocate_ns, &init_ns))
		return;
	const bool is_new = !loading_of(t->c, t->c->base, row->detail, &before_ns, &unused_ns);
	(void)buf_addf(t->out, " (%srelocations %s, constructors %s)",
		       is_new ? "not loaded before; " : "", format_ns(relocate, relocate_ns),
		       format_ns(init, init_ns));
}

static bool is_of_phase(const struct contribution *row, const char *phase)
{
	return phase == NULL || strcmp(contribution_phase(row), phase) == 0;
}

/* A proven row that is small beside what else went that way is not why. */
#define WORTH_SHARE 0.1

static bool may_be_cause(const struct telling *t, const struct contribution *row, const char *phase)
{
	const bool is_wait_of_others =
		strcmp(t->id, UNDISTURBED) == 0 && row->cause == CAUSE_RUNQUEUE;
	return is_of_phase(row, phase) && (double)row->delta_ns * t->sign > 0 && !is_wait_of_others;
}

/* Of those that go the way of the whole the first that is proven, and else the largest. */
static const struct contribution *first_row(const struct telling *t, const char *phase)
{
	const struct contribution *largest = NULL, *moved = NULL;
	for (size_t i = 0; i < t->c->n_contributions; i++) {
		const struct contribution *row = &t->c->contributions[i];
		if (!may_be_cause(t, row, phase))
			continue;
		const struct contribution **to = row->counterpart == NULL ? &largest : &moved;
		if (*to == NULL || llabs(row->delta_ns) > llabs((*to)->delta_ns))
			*to = row;
	}
	for (size_t i = 0; largest != NULL && i < t->c->n_contributions; i++) {
		const struct contribution *row = &t->c->contributions[i];
		if (may_be_cause(t, row, phase) && row->counterpart == NULL &&
		    contribution_is_proven(row) &&
		    (double)llabs(row->delta_ns) >= WORTH_SHARE * (double)llabs(largest->delta_ns))
			return row;
	}
	return largest != NULL ? largest : moved;
}

static void tell_row(const struct telling *t, const char *phase)
{
	if (!t->is_change || !t->c->has_contributions)
		return;
	const struct contribution *row = first_row(t, phase);
	if (row == NULL)
		return;
	/* Below three runs a side nothing is known about how sure it is. */
	if (!isnan(row->low_ns) && !contribution_is_proven(row))
		(void)buf_adds(t->out, "probably ");
	cause_of_row(row, t->out);
	add_library(t, row);
}

static void tell_total(const struct telling *t, const char *phase)
{
	/* The breakdown ends where the command was ready. */
	const struct change *total = comparison_total(t->c);
	if (t->is_change && (total == NULL || strcmp(total->id, t->id) != 0))
		return;
	tell_row(t, phase);
}

/* --- counted objects ------------------------------------------------------------------------ */

enum rank { MOST_OF_IT, NEW_OR_GONE, MORE_OF_THE_SAME, RANKS };

/* What is new is likelier to be looked for than more of what there was, but for what is most of it all. */
static enum rank rank_of(const struct telling *t, const struct object_row *row)
{
	const struct change *change = comparison_find(t->c, t->id);
	const double all = change != NULL ? change->head_value - change->base_value : (double)NAN;
	if (fabs(row->head - row->base) > fabs(all) / 2)
		return MOST_OF_IT;
	return row->base == 0 || row->head == 0 ? NEW_OR_GONE : MORE_OF_THE_SAME;
}

static void add_object(const struct telling *t, const struct object_row *row)
{
	char count[UNITS_BYTES];
	const double delta = row->head - row->base;
	if (strncmp(t->id, "proc.", strlen("proc.")) == 0)
		add_program(t->out, row->name);
	else
		add_name(t->out, row->name);
	(void)buf_addf(t->out, " %s%s", t->is_change && delta > 0 ? "+" : "",
		       format_count(count, delta));
}

static void tell_objects(const struct telling *t, const char *verb)
{
	size_t n = 0;
	for (int rank = 0; rank < RANKS; rank++) {
		for (size_t i = 0; i < t->c->n_objects; i++) {
			const struct object_row *row = &t->c->objects[i];
			if (strcmp(row->metric, t->id) != 0 || rank_of(t, row) != (enum rank)rank ||
			    (row->head - row->base) * t->sign <= 0 || n++ >= NAMED_MAX)
				continue;
			(void)buf_addf(t->out, "%s ", n == 1 ? verb : ",");
			add_object(t, row);
		}
	}
	if (n > NAMED_MAX)
		(void)buf_addf(t->out, " and %zu more", n - NAMED_MAX);
	if (n == 0 && t->is_change)
		(void)buf_adds(t->out, "which objects is not known");
}

/* --- what each process took ----------------------------------------------------------------- */

static const struct memory_row *row_of(const struct telling *t, const char *id, const char *process)
{
	for (size_t i = 0; i < t->c->n_memory; i++) {
		const struct memory_row *row = &t->c->memory[i];
		if (strcmp(row->metric, id) == 0 && row->kind == NULL && row->delta != UNKNOWN &&
		    (process != NULL ? strcmp(row->process, process) == 0
				     : (double)row->delta * t->sign > 0))
			return row;
	}
	return NULL;
}

/* The process that took most of it; NULL: not known. */
static const struct memory_row *tell_process(const struct telling *t, const char *id)
{
	const struct memory_row *row = row_of(t, id, NULL);
	const struct metric *metric = metrics_row(id);
	if (row == NULL || metric == NULL) {
		(void)buf_adds(t->out, "which process is not known");
		return NULL;
	}
	add_amount(t, metric->unit, (double)row->delta);
	(void)buf_addc(t->out, ' ');
	add_program(t->out, row->process);
	return row;
}

static void tell_owner(const struct telling *t, const char *unused)
{
	(void)unused;
	(void)tell_process(t, t->id);
}

/* When the process took it, as far as readiness tells. */
static void add_when(const struct telling *t, const struct memory_row *grown)
{
	const struct memory_row *ready = row_of(t, "mem.ready_rss", grown->process);
	if (ready == NULL || t->c->head->n_runs == 0 || !t->c->head->runs[0].has_ready) {
		(void)buf_adds(t->out, "; when is not known (no --ready)");
		return;
	}
	const double share = (double)ready->delta / (double)grown->delta;
	(void)buf_adds(t->out, share >= MOST_SHARE	 ? ", before it was ready"
			       : share <= 1 - MOST_SHARE ? ", after it was ready"
							 : ", before and after it was ready");
}

/* Of what is anonymous malloc gave out what is known by itself. */
static void add_heap(const struct telling *t, const struct memory_row *of)
{
	const struct memory_row *heap = row_of(t, "heap.peak", of->process);
	if (heap == NULL) {
		(void)buf_adds(t->out, " (its heap was not counted)");
		return;
	}
	const double share = (double)heap->delta / (double)of->delta;
	(void)buf_adds(t->out, " (heap ");
	add_amount(t, UNIT_BYTES, (double)heap->delta);
	(void)buf_adds(t->out, share < MOST_SHARE ? ", the rest not through malloc: stacks or "
						    "mappings of its own)"
						  : ")");
}

static const char *kind_words(const char *kind)
{
	return strcmp(kind, "anonymous") == 0 ? "anonymous memory"
	       : strcmp(kind, "file") == 0    ? "mapped files"
					      : "shared memory";
}

/* What the growth is made of; small parts are left out. */
static void add_kinds(const struct telling *t, const struct memory_row *grown)
{
	size_t n = 0;
	for (size_t i = 0; i < t->c->n_memory; i++) {
		const struct memory_row *row = &t->c->memory[i];
		if (row->kind == NULL || strcmp(row->metric, grown->metric) != 0 ||
		    strcmp(row->process, grown->process) != 0 || row->delta == UNKNOWN ||
		    (double)row->delta * t->sign < SMALL_SHARE * fabs((double)grown->delta))
			continue;
		(void)buf_addf(t->out, "%s %s ", n++ == 0 ? ";" : ",", kind_words(row->kind));
		add_amount(t, UNIT_BYTES, (double)row->delta);
		if (strcmp(row->kind, "anonymous") == 0)
			add_heap(t, row);
	}
	if (n > 0)
		return;
	(void)buf_adds(t->out, "; of which kind is not known");
	add_heap(t, grown);
}

static void tell_memory(const struct telling *t, const char *unused)
{
	(void)unused;
	const struct memory_row *grown = tell_process(t, "mem.peak_rss");
	if (grown == NULL)
		return;
	add_when(t, grown);
	add_kinds(t, grown);
}

/* The functions whose part in the change is proven, the largest first; then what is left. */
static void tell_sites(const struct telling *t)
{
	size_t n_rows = 0, n_named = 0;
	for (size_t i = 0; i < t->c->n_sites; i++) {
		const struct site_row *row = &t->c->sites[i];
		if (strcmp(row->metric, t->id) != 0)
			continue;
		n_rows++;
		if (row->function == NULL || (double)row->delta * t->sign <= 0 ||
		    n_named == NAMED_MAX)
			continue;
		(void)buf_adds(t->out, n_named++ == 0 ? ": " : ", ");
		add_name(t->out, row->function);
		(void)buf_addc(t->out, ' ');
		add_amount(t, UNIT_BYTES, (double)row->delta);
	}
	if (n_rows > 0 && n_named == 0)
		(void)buf_adds(t->out, "; no single call site is proven to hold it");
}

static void tell_heap(const struct telling *t, const char *unused)
{
	(void)unused;
	if (tell_process(t, t->id) == NULL)
		return;
	if (strcmp(t->id, "heap.ready") == 0)
		(void)buf_adds(t->out, " at ready");
	if (t->c->has_sites)
		tell_sites(t);
	else
		(void)buf_adds(t->out, "; " COMPARE_NO_CALL_SITES);
}

/* --- metrics -------------------------------------------------------------------------------- */

static const struct {
	const char *id; /* or how it begins, where a '*' ends it */
	void (*tell)(const struct telling *t, const char *argument);
	const char *argument;
} tellers[] = {
	{ "startup.exec", tell_row, "exec" },
	{ "startup.link", tell_row, "link" },
	{ "startup.init", tell_row, "init" },
	{ "startup.main", tell_row, "main" },
	{ "startup.child", tell_row, "child" },
	{ UNDISTURBED, tell_row, NULL },
	{ "startup.ready", tell_total, NULL },
	{ "time.wall", tell_total, NULL },
	{ "suite.time", tell_total, NULL },
	{ "files.opens", tell_objects, "opened" },
	{ "files.misses", tell_objects, "missed" },
	{ "proc.execs", tell_objects, "executed" },
	{ "proc.count", tell_objects, "process" },
	{ "net.connects", tell_objects, "connected to" },
	{ "heap.*", tell_heap, NULL },
	{ "mem.*", tell_memory, NULL },
	{ "cpu.user", tell_owner, NULL },
	{ "cpu.system", tell_owner, NULL },
	{ "faults.*", tell_owner, NULL },
	{ "io.*", tell_owner, NULL },
	{ "proc.threads_peak", tell_owner, NULL },
};

static bool is_id(const char *pattern, const char *id)
{
	const size_t n = strlen(pattern);
	return pattern[n - 1] == '*' ? strncmp(pattern, id, n - 1) == 0 : strcmp(pattern, id) == 0;
}

/* -1: nothing is told of it; "heap.site[…]" does so itself. */
static int teller_of(const char *id)
{
	for (size_t i = 0; strchr(id, '[') == NULL && i < sizeof(tellers) / sizeof(*tellers); i++) {
		if (is_id(tellers[i].id, id))
			return (int)i;
	}
	return -1;
}

bool cause_is_told(const char *id)
{
	return teller_of(id) >= 0;
}

static void tell_here(const struct telling *t)
{
	const int i = teller_of(t->id);
	if (i >= 0)
		tellers[i].tell(t, tellers[i].argument);
}

/* --- steps ---------------------------------------------------------------------------------- */

/* How the step's part in the metric changed; NAN: not known. */
static double delta_in(const struct telling *t, const struct step_change *step)
{
	if (metric_is(t->id, METRIC_TOTAL))
		return t->c->has_contributions ? (double)step->delta_ns : (double)NAN;
	const struct change *change =
		step->comparison != NULL ? comparison_find(step->comparison, t->id) : NULL;
	return change != NULL ? change->head_estimate - change->base_estimate : (double)NAN;
}

static const struct step_change *most_changed(const struct telling *t)
{
	const struct step_change *most = NULL;
	for (size_t i = 0; i < t->c->n_steps; i++) {
		const struct step_change *step = &t->c->steps[i];
		const double delta = delta_in(t, step) * t->sign;
		if (delta > 0 && (most == NULL || delta > delta_in(t, most) * t->sign))
			most = step;
	}
	return most;
}

/* What a step calls it that is a total: it may end when it is ready. */
static const char *id_in(const struct telling *t, const struct step_change *step)
{
	const struct change *total = comparison_total(step->comparison);
	return metric_is(t->id, METRIC_TOTAL) && total != NULL ? total->id : t->id;
}

/* Which step it is, and of that what it is. */
static void tell_step(const struct telling *t)
{
	_cleanup_(buf_done) struct buf own = { .limit = (size_t)64 << 10 };
	const struct step_change *step = most_changed(t);
	const struct metric *metric = metrics_row(t->id);
	if (step == NULL || metric == NULL)
		return;
	(void)buf_adds(t->out, "step ");
	add_name(t->out, step->name);
	(void)buf_addc(t->out, ' ');
	add_amount(t, metric->unit, delta_in(t, step));
	if (step->comparison == NULL)
		(void)buf_adds(t->out, step->delta_ns > 0 ? ", which was not there before"
							  : ", which is not there any more");
	else
		tell_here(
			&(struct telling){ step->comparison, id_in(t, step), true, t->sign, &own });
	if (own.len > 0)
		(void)buf_addf(t->out, ": %s", buf_str(&own));
}

static void tell(const struct telling *t)
{
	if (t->c->n_steps > 0)
		tell_step(t);
	else
		tell_here(t);
}

/* Which way the verdict goes: medians may go the other one. */
static bool is_less(const struct change *change, enum verdict verdict)
{
	const bool is_less_worse = change->metric->better == BETTER_HIGHER;
	if (verdict == VERDICT_REGRESSED || verdict == VERDICT_IMPROVED)
		return (verdict == VERDICT_REGRESSED) == is_less_worse;
	return change->basis != BASIS_NONE && ratios_of(change).value < 1;
}

void cause_of_change(const struct comparison *c, const char *id, enum verdict verdict,
		     struct buf *out)
{
	const struct change *change = comparison_find(c, id);
	const int sign = change != NULL && is_less(change, verdict) ? -1 : 1;
	tell(&(struct telling){ c, id, true, sign, out });
}

void cause_of_value(const struct comparison *c, const char *id, struct buf *out)
{
	tell(&(struct telling){ c, id, false, 1, out });
}
