/* SPDX-License-Identifier: MIT */
/* Makes a screen of a critical path of up to millions of segments. First runs of neighbours that
 * are too short to matter become one, with the threshold raised until a few hundred are left. Then
 * the two neighbours whose union says least wrong are joined, again and again. */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "userspace/view/report_parts.h"
#include "userspace/view/stretch.h"

#define MAX_COARSE 400	/* what the second step, quadratic, is given */
#define NEGLIGIBLE 0.01 /* of the total: a loss not worth a row, however few there are */

/* What a joined row no longer says of its shorter part, in shares of that part's time. */
#define LOSS_OF_PHASE	4.0
#define LOSS_OF_CAUSE	1.0
#define LOSS_OF_PROCESS 0.5
#define LOSS_OF_DETAIL	0.25

/* How eagerly neighbours are joined in the first step: those shorter than @share of the total;
 * within one process and phase, or across them. */
struct level {
	double share;
	bool is_across;
};

static const struct level levels[] = {
	{ 0, false },	  { 0.0001, false }, { 0.0005, false }, { 0.001, false }, { 0.002, false },
	{ 0.0005, true }, { 0.001, true },   { 0.0025, true },	{ 0.005, true },  { 1.1, true },
};

static struct stretch stretch_of(const struct segment *s)
{
	struct stretch stretch = {
		.start_ns = s->start_ns,
		.duration_ns = s->duration_ns,
		.longest = s,
		.n_segments = 1,
		.process = s->process,
		.process_ns = s->duration_ns,
		.is_one_detail = true,
	};
	stretch.causes_ns[s->cause] = s->duration_ns;
	stretch.phases_ns[s->phase] = s->duration_ns;
	return stretch;
}

static bool is_same(const struct segment *a, const struct segment *b)
{
	return a->process == b->process && a->phase == b->phase && a->state == b->state &&
	       a->cause == b->cause && strcmp(a->detail, b->detail) == 0;
}

/* Who ran most of the union. A guess where three and more take turns, which is all a row needs. */
static void join_process(struct stretch *to, const struct stretch *s)
{
	if (to->process == s->process) {
		to->process_ns = sum_known(to->process_ns, s->process_ns);
	} else if (s->process_ns > to->process_ns) {
		to->process = s->process;
		to->process_ns = s->process_ns;
	}
}

static void join(struct stretch *to, const struct stretch *s)
{
	to->is_one_detail = to->is_one_detail && s->is_one_detail &&
			    to->longest->cause == s->longest->cause &&
			    strcmp(to->longest->detail, s->longest->detail) == 0;
	join_process(to, s);
	to->duration_ns = sum_known(to->duration_ns, s->duration_ns);
	to->n_segments += s->n_segments;
	for (int i = 0; i < CAUSE_COUNT; i++)
		to->causes_ns[i] = sum_known(to->causes_ns[i], s->causes_ns[i]);
	for (int i = 0; i < PHASE_COUNT; i++)
		to->phases_ns[i] = sum_known(to->phases_ns[i], s->phases_ns[i]);
	if (s->longest->duration_ns > to->longest->duration_ns)
		to->longest = s->longest;
}

/* --- first step ----------------------------------------------------------------------------- */

struct coarse {
	const struct run *run;
	const struct level *level;
	const struct segment *last; /* that went into the last stretch */
	bool is_last_small, is_last_uniform;
};

static bool can_join(const struct coarse *c, const struct segment *s, bool is_small)
{
	if (c->is_last_uniform && is_same(c->last, s))
		return true;
	if (!c->is_last_small || !is_small)
		return false;
	return c->level->is_across ||
	       (c->last->process == s->process && c->last->phase == s->phase);
}

/* Fills @ret with at most MAX_COARSE stretches; 1 when there would be more. */
static int join_small(struct coarse *c, struct stretch_list *ret)
{
	const double threshold = c->level->share * (double)c->run->startup_total_ns;
	ret->n = 0;
	for (size_t i = 0; i < c->run->n_segments; i++) {
		const struct segment *s = &c->run->segments[i];
		if (s->duration_ns <= 0)
			continue;
		const struct stretch own = stretch_of(s);
		const bool is_small = (double)s->duration_ns < threshold;
		if (ret->n > 0 && can_join(c, s, is_small)) {
			c->is_last_uniform = c->is_last_uniform && is_same(c->last, s);
			c->is_last_small = c->is_last_small && is_small;
			join(vec_last(ret), &own);
		} else if (ret->n == MAX_COARSE) {
			return 1;
		} else {
			c->is_last_uniform = true;
			c->is_last_small = is_small;
			if (vec_push(ret, own) < 0)
				return -ENOMEM;
		}
		c->last = s;
	}
	return 0;
}

/* --- second step ---------------------------------------------------------------------------- */

int stretch_phase(const struct stretch *s)
{
	int largest = 0;
	for (int i = 1; i < PHASE_COUNT; i++) {
		if (s->phases_ns[i] > s->phases_ns[largest])
			largest = i;
	}
	return largest;
}

int stretch_cause(const struct stretch *s)
{
	int largest = 0;
	for (int i = 1; i < CAUSE_COUNT; i++) {
		if (s->causes_ns[i] > s->causes_ns[largest])
			largest = i;
	}
	return largest;
}

/* How much of the truth, as a time, the union of neighbours hides. */
static double loss_of(const struct stretch *a, const struct stretch *b)
{
	double loss = 0;
	if (stretch_phase(a) != stretch_phase(b))
		loss += LOSS_OF_PHASE;
	if (stretch_cause(a) != stretch_cause(b))
		loss += LOSS_OF_CAUSE;
	if (a->process != b->process)
		loss += LOSS_OF_PROCESS;
	if (strcmp(a->longest->detail, b->longest->detail) != 0)
		loss += LOSS_OF_DETAIL;
	return loss * (double)(a->duration_ns < b->duration_ns ? a->duration_ns : b->duration_ns);
}

/* The first of the two neighbours to join next, their loss in @ret_loss. */
static size_t cheapest_of(const struct stretch_list *list, bool keeps_phases, double *ret_loss)
{
	size_t cheapest = 0;
	*ret_loss = INFINITY;
	for (size_t i = 0; i + 1 < list->n; i++) {
		const struct stretch *a = &list->items[i];
		const struct stretch *b = &list->items[i + 1];
		if (keeps_phases && stretch_phase(a) != stretch_phase(b))
			continue;
		const double loss = loss_of(a, b);
		if (loss < *ret_loss) {
			*ret_loss = loss;
			cheapest = i;
		}
	}
	return cheapest;
}

/* Down to @max_rows in any case; then on while nothing is lost that matters. The phases are what a
 * reader looks for first: as long as there is room, even a short one keeps its row. */
static void join_cheapest(struct stretch_list *list, size_t max_rows, double negligible_ns)
{
	while (list->n > 1) {
		const bool has_room = list->n <= max_rows;
		double loss = 0;
		const size_t i = cheapest_of(list, has_room, &loss);
		if (has_room && loss >= negligible_ns)
			return;
		join(&list->items[i], &list->items[i + 1]);
		memmove(&list->items[i + 1], &list->items[i + 2],
			(list->n - i - 2) * sizeof(*list->items));
		list->n--;
	}
}

int stretches_of(const struct run *run, size_t max_rows, struct stretch_list *ret)
{
	int rc = 1;
	for (size_t i = 0; i < N_OF(levels) && rc == 1; i++) {
		struct coarse coarse = { .run = run, .level = &levels[i] };
		rc = join_small(&coarse, ret);
	}
	if (rc < 0)
		return rc;
	join_cheapest(ret, max_rows, NEGLIGIBLE * (double)run->startup_total_ns);
	return 0;
}
