/* SPDX-License-Identifier: MIT */
/* For each sample of a thread, which functions are in its stack; for each function, its time and how
 * often neighbours differ. */
#include "userspace/model/shares.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/stats.h"
#include "userspace/model/function_table.h"

#define REACH	  3
#define N_LAST	  (REACH + 1)
#define MAX_RATIO 1.5 /* of the variance to that of independent throws: beyond it is chance */
#define EVIDENCE  1.5 /* standard deviations that tell samples from independent throws */

/* The weights of dk, as the header says. */
static const double weights[REACH] = { 76. / 60, -67. / 60, 21. / 60 };

struct tally {
	int64_t ns;
	size_t n;
	double squares; /* of the weights of what is in it */
	double differ[REACH];
};

struct function {
	struct tally self, total;
	int64_t open_ns;
	size_t mark; /* the last sample that it was seen in */
};

struct function_list VEC(struct function);

/* One of the last few of a thread. */
struct seen {
	int *functions; /* in the stack, each once, the innermost first */
	size_t n, cap;
	int self; /* -1: not known */
	double weight_ns;
};

struct shares {
	const struct session *session;
	struct function_table names;
	struct function_list functions; /* of the same places */
	struct seen last[N_LAST];
	size_t n_last;		     /* of this thread, the newest at n_samples % N_LAST */
	size_t n_samples, n_moments; /* of which a stack was taken */
	size_t mark;
	double squares, pairs[REACH];
	int64_t sum_ns;
};

int shares_new(const struct session *s, struct shares **ret)
{
	struct shares *shares = calloc(1, sizeof(*shares));
	if (shares == NULL)
		return -ENOMEM;
	shares->session = s;
	if (function_table_init(&shares->names, s) < 0) {
		(void)shares_free(shares);
		return -ENOMEM;
	}
	*ret = shares;
	return 0;
}

struct shares *shares_free(struct shares *shares)
{
	if (shares == NULL)
		return NULL;
	for (size_t i = 0; i < N_LAST; i++)
		free(shares->last[i].functions);
	vec_done(&shares->functions);
	function_table_done(&shares->names);
	free(shares);
	return NULL;
}

/* ---- functions ---- */

/* What was counted of a function of the table; -ENOMEM. */
static int counted(struct shares *shares, int function)
{
	while (function >= 0 && shares->functions.n <= (size_t)function)
		if (vec_push(&shares->functions, (struct function){ 0 }) < 0)
			return -ENOMEM;
	return function;
}

/* ---- samples ---- */

static int add_function(struct seen *seen, int function)
{
	if (seen->n == seen->cap) {
		const size_t cap = seen->cap == 0 ? 64 : 2 * seen->cap;
		int *grown = reallocarray(seen->functions, cap, sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		seen->functions = grown;
		seen->cap = cap;
	}
	seen->functions[seen->n++] = function;
	return 0;
}

static int look(struct shares *shares, const struct cpu_sample *row, struct seen *seen)
{
	const struct stack *stack = session_stack(shares->session, row->stack);
	seen->n = 0;
	seen->self = -1;
	shares->mark++;
	for (size_t i = 0; stack != NULL && i < stack->n_frames; i++) {
		const int function =
			counted(shares, function_table_at(&shares->names, stack->frames[i]));
		if (function == -ENOMEM)
			return function;
		if (function < 0)
			continue;
		struct function *f = &shares->functions.items[function];
		if (seen->n == 0 && !row->is_open)
			seen->self = function;
		if (f->mark == shares->mark)
			continue;
		f->mark = shares->mark;
		if (add_function(seen, function) < 0)
			return -ENOMEM;
	}
	if (seen->n > 0)
		return 0;
	seen->self = counted(shares, function_table_add(&shares->names, NULL));
	return seen->self < 0 ? seen->self : add_function(seen, seen->self);
}

/* Functions in one of the two and not in the other. */
static void compare(struct shares *shares, const struct seen *a, const struct seen *b, size_t apart)
{
	/* What a heavy one stands for is as unsure as it is long, whatever its neighbours weigh. */
	const double square = (a->weight_ns * a->weight_ns + b->weight_ns * b->weight_ns) / 2;
	struct function *all = shares->functions.items;
	shares->pairs[apart] += square;
	if (a->self != b->self) {
		if (a->self >= 0)
			all[a->self].self.differ[apart] += square;
		if (b->self >= 0)
			all[b->self].self.differ[apart] += square;
	}
	shares->mark++;
	for (size_t i = 0; i < a->n; i++) {
		all[a->functions[i]].mark = shares->mark;
		all[a->functions[i]].total.differ[apart] += square;
	}
	for (size_t i = 0; i < b->n; i++) {
		struct function *f = &all[b->functions[i]];
		f->total.differ[apart] += f->mark == shares->mark ? -square : square;
	}
}

static void count_in(struct tally *t, int64_t ns, bool is_moment)
{
	t->ns += ns;
	t->n += is_moment;
	t->squares += (double)ns * (double)ns;
}

static void count(struct shares *shares, const struct seen *seen, int64_t ns, bool is_open)
{
	struct function *all = shares->functions.items;
	shares->sum_ns += ns;
	shares->squares += seen->weight_ns * seen->weight_ns;
	const bool is_moment =
		!is_open && seen->self >= 0 && shares->names.names.items[seen->self].frame != NULL;
	shares->n_moments += is_moment;
	for (size_t i = 0; i < seen->n; i++)
		count_in(&all[seen->functions[i]].total, ns, is_moment);
	if (seen->self >= 0)
		count_in(&all[seen->self].self, ns, is_moment);
	if (is_open && seen->n > 0)
		all[seen->functions[0]].open_ns += ns;
}

static int add_sample(struct shares *shares, const struct cpu_sample *row, int64_t ns)
{
	struct seen *seen = &shares->last[shares->n_samples % N_LAST];
	const int rc = look(shares, row, seen);
	if (rc < 0)
		return rc;
	seen->weight_ns = (double)ns;
	count(shares, seen, ns, row->is_open);
	for (size_t k = 1; k <= REACH && k <= shares->n_last; k++)
		compare(shares, seen, &shares->last[(shares->n_samples - k) % N_LAST], k - 1);
	shares->n_samples++;
	shares->n_last++;
	return 0;
}

int shares_add(struct shares *shares, const struct cpu_sample *rows, size_t n)
{
	int rc = 0;
	shares->n_last = 0;
	for (size_t i = 0; i < n && rc == 0;) {
		const struct cpu_sample *row = &rows[i];
		int64_t ns = 0;
		if (i > 0 &&
		    (row->process != rows[i - 1].process || row->thread != rows[i - 1].thread))
			shares->n_last = 0;
		/* What was cut by phase is one sample. */
		for (; i < n && rows[i].process == row->process && rows[i].thread == row->thread &&
		       rows[i].start_ns == row->start_ns && rows[i].stack == row->stack;
		     i++)
			ns += rows[i].weight_ns > 0 ? rows[i].weight_ns : 0;
		if (ns > 0)
			rc = add_sample(shares, row, ns);
	}
	return rc;
}

int shares_add_run(struct shares *shares, const struct run *run, bool is_critical)
{
	_cleanup_free_ struct cpu_sample *rows =
		reallocarray(NULL, run->n_samples + 1, sizeof(*rows));
	size_t n = 0;
	if (rows == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < run->n_samples; i++)
		if (run->samples[i].is_critical == is_critical)
			rows[n++] = run->samples[i];
	return shares_add(shares, rows, n);
}

/* ---- shares ---- */

static struct share_interval wilson(double p, double n)
{
	const struct stats_interval i = stats_share_interval(p, n);
	return (struct share_interval){ i.low, i.high };
}

/* How many more neighbours are alike than chance makes, in standard deviations: the root of a count has
 * one of a half. @n samples. Counted are those both in the function, or both out of it if that is rarer. */
static double evidence(double p, double n, double differ, double pairs)
{
	const double rarer = fmin(p, 1 - p);
	const double alike = fmax(rarer - differ / pairs / 2, 0);
	return 2 * sqrt(n) * (sqrt(alike) - rarer);
}

/* By how neighbours differ. */
static double variance_of(const struct share_sample *s)
{
	double variance = 0;
	for (int k = 0; k < REACH; k++)
		variance += weights[k] * s->differ[k] * s->squares / s->pairs[k];
	return fmax(variance, s->differ[0] / 12);
}

struct share_interval share_interval(const struct share_sample *s)
{
	if (!(s->weight > 0) || !(s->squares > 0))
		return (struct share_interval){ 0, 1 };
	const double p = fmin(fmax(s->share, 0), 1);
	const double n = s->weight * s->weight / s->squares; /* were they of one weight */
	const double equal = p * (1 - p) * s->squares;
	if (!(equal > 0))
		return wilson(p, n);
	/* If each was a throw of its own. A share that comes of few heavy ones is less sure. */
	const double alone = fmax(equal, (1 - p) * (1 - p) * s->own_squares +
						 p * p * (s->squares - s->own_squares));
	double variance = alone;
	/* There are fewer pairs than samples; of very few nothing can be said. */
	if (s->pairs[REACH - 1] > 0) {
		const double z = evidence(p, n, s->differ[0], s->pairs[0]);
		if (z > EVIDENCE)
			variance = fmin(variance_of(s), alone);
		else if (z < -EVIDENCE)
			variance = fmin(fmax(variance_of(s), alone), MAX_RATIO * alone);
	}
	return wilson(p, n / fmax(variance / equal, 1e-6));
}

static void set_interval(const struct shares *shares, const struct tally *t, double *low,
			 double *high)
{
	const double sum = (double)shares->sum_ns;
	const double p = sum > 0 ? fmin((double)t->ns / sum, 1) : 0;
	struct share_sample sample = {
		.share = p,
		.weight = sum,
		.squares = shares->squares,
		.own_squares = t->squares,
	};
	memcpy(sample.differ, t->differ, sizeof(sample.differ));
	memcpy(sample.pairs, shares->pairs, sizeof(sample.pairs));
	const struct share_interval i = share_interval(&sample);
	*low = i.low;
	*high = i.high;
}

static int by_name(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "");
}

static int largest_first(const void *left, const void *right)
{
	const struct share *a = left, *b = right;
	if (a->self_ns != b->self_ns)
		return a->self_ns > b->self_ns ? -1 : 1;
	if (a->total_ns != b->total_ns)
		return a->total_ns > b->total_ns ? -1 : 1;
	const int order = by_name(a->function, b->function);
	return order != 0 ? order : by_name(a->module, b->module);
}

int shares_finish(struct shares *shares, struct share_list *ret, int64_t *ret_ns, size_t *ret_n)
{
	for (size_t i = 0; i < shares->functions.n; i++) {
		const struct function *f = &shares->functions.items[i];
		const struct function_name *name = &shares->names.names.items[i];
		struct share share = {
			.function = name->frame != NULL ? name->frame->function : NULL,
			.module = name->frame != NULL ? name->frame->module : NULL,
			.frame = name->frame,
			.is_one_place = name->is_one_place,
			.self_ns = f->self.ns,
			.total_ns = f->total.ns,
			.open_ns = f->open_ns,
			.n_self = f->self.n,
			.n_total = f->total.n,
		};
		set_interval(shares, &f->self, &share.self_low, &share.self_high);
		set_interval(shares, &f->total, &share.total_low, &share.total_high);
		if (vec_push(ret, share) < 0)
			return -ENOMEM;
	}
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), largest_first);
	*ret_ns = shares->sum_ns;
	*ret_n = shares->n_moments;
	return 0;
}
