/* SPDX-License-Identifier: MIT */
/* The difference between two pipelines: step by step, by name, and the rows of all steps as those of the
 * whole. A step without a breakdown on both sides is one row. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/units.h"
#include "userspace/model/compare/internal.h"

#define STEPS_MOST  ((size_t)1000) /* a document may have any number; nobody writes as many */
#define STEPS_NAMED ((size_t)8)
#define MAX_LINE    ((size_t)16 << 10)

/* --- which is which ------------------------------------------------------------------------- */

/* How many steps before @i have its name. */
static size_t ordinal_of(const struct session *s, size_t i)
{
	size_t n = 0;
	for (size_t k = 0; k < i; k++)
		n += strcmp(s->steps[k].name, s->steps[i].name) == 0;
	return n;
}

/* The @nth of that name, NULL: there is none. */
static struct session *step_of(const struct session *s, const char *name, size_t nth)
{
	for (size_t i = 0; i < s->n_steps; i++) {
		if (strcmp(s->steps[i].name, name) == 0 && nth-- == 0)
			return &s->steps[i].session;
	}
	return NULL;
}

/* --- what a step took ----------------------------------------------------------------------- */

/* A step that is not there took nothing. NAN: it was not captured. */
static double total_of(struct session *s)
{
	static const char *const ids[] = { "startup.ready", "time.wall" };
	for (size_t i = 0; s != NULL && i < sizeof(ids) / sizeof(*ids); i++) {
		const struct series *series = metrics_find(s, ids[i]);
		if (series != NULL && !isnan(series->summary.median))
			return series->summary.median;
	}
	return s == NULL ? 0 : (double)NAN;
}

static bool has_rows(const struct step_change *step)
{
	return step->comparison != NULL && step->comparison->has_contributions;
}

/* False: what one side took is not known. */
static bool set_totals(struct step_change *step, struct session *base, struct session *head)
{
	const double base_ns = total_of(base), head_ns = total_of(head);
	if (has_rows(step)) {
		step->base_ns = step->comparison->base_total_ns;
		step->head_ns = step->comparison->head_total_ns;
	} else if (isnan(base_ns) || isnan(head_ns)) {
		return false;
	} else {
		step->base_ns = llround(base_ns);
		step->head_ns = llround(head_ns);
	}
	step->delta_ns = step->head_ns - step->base_ns;
	return true;
}

static int add_step(struct comparison *c, const char *name, struct session *base,
		    struct session *head)
{
	struct step_change *step = &c->steps[c->n_steps++];
	int r = 0;
	step->name = name;
	if (base != NULL && head != NULL)
		r = comparison_build(base, head, c->level, &step->comparison);
	if (r < 0 || set_totals(step, base, head))
		return r;
	c->no_contributions =
		arena_printf(c->arena, "what step '%s' took was not captured on both sides", name);
	return c->no_contributions != NULL ? 0 : -ENOMEM;
}

/* In the order of head; what is gone comes behind. */
static int add_steps(struct comparison *c)
{
	const struct session *base = c->base, *head = c->head;
	int r = 0;
	c->steps = arena_alloc_array(c->arena, base->n_steps + head->n_steps, sizeof(*c->steps));
	if (c->steps == NULL)
		return -ENOMEM;
	for (size_t i = 0; r >= 0 && i < head->n_steps; i++) {
		struct session_step *step = &head->steps[i];
		r = add_step(c, step->name, step_of(base, step->name, ordinal_of(head, i)),
			     &step->session);
	}
	for (size_t i = 0; r >= 0 && i < base->n_steps; i++) {
		struct session_step *step = &base->steps[i];
		if (step_of(head, step->name, ordinal_of(base, i)) == NULL)
			r = add_step(c, step->name, &step->session, NULL);
	}
	return r;
}

/* --- their rows ----------------------------------------------------------------------------- */

static size_t count_rows(const struct step_change *step)
{
	return has_rows(step) ? step->comparison->n_contributions : 1;
}

static void add_rows(struct comparison *c, const struct step_change *step)
{
	struct contribution *to = c->contributions + c->n_contributions;
	const size_t n = count_rows(step);
	/* That it is not there is certain. */
	const double sure_ns = step->comparison == NULL ? (double)step->delta_ns : (double)NAN;
	if (has_rows(step))
		memcpy(to, step->comparison->contributions, n * sizeof(*to));
	else
		*to = (struct contribution){
			.kind = STEP_WHOLE,
			.cause = CAUSE_UNKNOWN,
			.process = "",
			.detail = step->name,
			.base_ns = step->base_ns,
			.head_ns = step->head_ns,
			.delta_ns = step->delta_ns,
			.low_ns = sure_ns,
			.high_ns = sure_ns,
			.is_in_base = step->comparison != NULL || step->head_ns == 0,
			.is_in_head = step->comparison != NULL || step->head_ns != 0,
		};
	/* What moved may have gone to another step. */
	for (size_t i = 0; i < n; i++) {
		to[i].step = step;
		to[i].counterpart = NULL;
	}
	c->n_contributions += n;
	c->base_total_ns += step->base_ns;
	c->head_total_ns += step->head_ns;
}

/* "build -1.02 ms, start +105 ms: means of the middle half of each side's runs". */
static int say_steps(struct comparison *c)
{
	_cleanup_(buf_done) struct buf line = { .limit = MAX_LINE };
	char delta[UNITS_BYTES];
	for (size_t i = 0; i < c->n_steps && i < STEPS_NAMED; i++)
		(void)buf_addf(&line, "%s%s %s%s", i > 0 ? ", " : "", c->steps[i].name,
			       c->steps[i].delta_ns > 0 ? "+" : "",
			       format_ns(delta, (double)c->steps[i].delta_ns));
	(void)buf_adds(&line, c->n_steps > STEPS_NAMED ? ", …" : "");
	(void)buf_adds(&line, "; means of the middle half of each side's runs");
	c->what_rows_are = arena_strdup(c->arena, buf_str(&line));
	return c->what_rows_are != NULL ? 0 : -ENOMEM;
}

int compare_steps(struct comparison *c)
{
	size_t n = 0;
	if (c->base->n_steps == 0 || c->head->n_steps == 0)
		return 0;
	c->no_contributions = c->base->n_steps + c->head->n_steps > STEPS_MOST
				      ? "too many steps to be compared"
				      : NULL;
	int r = c->no_contributions == NULL ? add_steps(c) : 0;
	if (r < 0 || c->no_contributions != NULL)
		return r;
	for (size_t i = 0; i < c->n_steps; i++)
		n += count_rows(&c->steps[i]);
	c->contributions = arena_alloc_array(c->arena, n, sizeof(*c->contributions));
	if (c->contributions == NULL)
		return -ENOMEM;
	c->n_contributions = 0;
	for (size_t i = 0; i < c->n_steps; i++)
		add_rows(c, &c->steps[i]);
	sort_contributions(c);
	c->has_contributions = true;
	return say_steps(c);
}

void steps_free(struct comparison *c)
{
	for (size_t i = 0; i < c->n_steps; i++)
		c->steps[i].comparison = comparison_free(c->steps[i].comparison);
}
