/* SPDX-License-Identifier: MIT */
/* Cuts a critical path from above: first by who of the children of the nearest common ancestor
 * has it, then each long part by its own children, down to single programs; these by phase, and
 * the phases by what was waited for. What is short stays together. The measure of "short" grows
 * until the rows are few enough. */

#include "userspace/view/report/cut.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/report/parts.h"
#include "userspace/view/report/stretch.h"

#define SHORT_OF_ONE  0.01 /* of the total: at first, for one program */
#define SHORT_OF_MANY 0.03 /* where programs take turns, less than this is only noise */
#define SHORT_GROWS   1.25
#define MAX_ROUNDS    21   /* from the smaller to the whole */
#define SPOILS	      0.25 /* of what is short: not so short that it may cost another its name */
/* Before what is short is joined: more pieces are not worth joining, the next measure is tried. */
#define MAX_PIECES 512
#define MAX_PHASES 8 /* of one program that keep their rows however short; more is back and forth */

struct cut {
	const struct run *run;
	const struct lineage *lineage;
	const int *kin_of;
	bool is_one_program;
	int top; /* that nearly all of the path descends from */
	int64_t short_ns, big_wait_ns;
	struct piece_list *pieces;
	/* By place in the lineage: the child it was last found below, and for which question. */
	int *child;
	uint64_t *asked_by, n_asked;
};

static int cut_by_program(struct cut *c, size_t from, size_t to);

static const struct segment *at(const struct cut *c, size_t i)
{
	return &c->run->segments[i];
}

static bool is_big_wait(const struct segment *s, int64_t least_ns)
{
	return s->state == ACTIVITY_BLOCKED && s->duration_ns >= least_ns;
}

static bool is_same_object(const struct segment *a, const struct segment *b)
{
	return a->state == b->state && a->cause == b->cause && strcmp(a->detail, b->detail) == 0;
}

static int common_of(const struct cut *c, size_t from, size_t to)
{
	int common = c->kin_of[from];
	for (size_t i = from + 1; i < to; i++) {
		if (c->kin_of[i] != c->kin_of[i - 1])
			common = lineage_common(c->lineage, common, c->kin_of[i]);
	}
	return common;
}

/* 1: too many pieces. */
static int add_piece(struct cut *c, struct piece piece)
{
	if (piece.from == piece.to)
		return 0;
	if (c->pieces->n >= MAX_PIECES)
		return 1;
	piece.kin = common_of(c, piece.from, piece.to);
	piece.own_ns = piece.ns;
	for (size_t i = piece.from; i < piece.to && !piece.is_many; i++)
		piece.is_many = c->kin_of[i] != piece.kin;
	return vec_push(c->pieces, piece);
}

/* --- cutting -------------------------------------------------------------------------------- */

/* Neighbours that go together, being too short for rows of their own. */
struct group {
	size_t from;
	int64_t ns;
};

static int end_group(struct cut *c, struct group *group, size_t to)
{
	const int rc =
		add_piece(c, (struct piece){ .from = group->from, .to = to, .ns = group->ns });
	*group = (struct group){ .from = to };
	return rc;
}

/* Waits that are long enough, and what is between them. */
static int cut_by_wait(struct cut *c, size_t from, size_t to)
{
	const int64_t least_ns = c->short_ns < c->big_wait_ns ? c->short_ns : c->big_wait_ns;
	struct group between = { .from = from };
	int rc = 0;
	for (size_t i = from; i < to && rc == 0;) {
		size_t end = i + 1;
		int64_t ns = at(c, i)->duration_ns;
		for (; end < to && is_same_object(at(c, i), at(c, end)); end++)
			ns = sum_known(ns, at(c, end)->duration_ns);
		if (at(c, i)->state != ACTIVITY_BLOCKED || ns < least_ns) {
			between.ns = sum_known(between.ns, ns);
			i = end;
			continue;
		}
		rc = end_group(c, &between, i);
		if (rc == 0)
			rc = add_piece(c, (struct piece){ .from = i,
							  .to = end,
							  .ns = ns,
							  .wait_ns = ns,
							  .is_wait = true,
							  .is_keeper = ns >= c->big_wait_ns });
		between.from = end;
		i = end;
	}
	return rc == 0 ? end_group(c, &between, to) : rc;
}

static size_t count_phases(const struct cut *c, size_t from, size_t to)
{
	size_t n = 1;
	for (size_t i = from + 1; i < to; i++)
		n += at(c, i)->phase != at(c, i - 1)->phase;
	return n;
}

static int cut_by_phase(struct cut *c, size_t from, size_t to)
{
	const bool keeps = c->is_one_program && count_phases(c, from, to) <= MAX_PHASES;
	struct group group = { .from = from };
	int rc = 0;
	for (size_t i = from; i < to && rc == 0;) {
		size_t end = i;
		int64_t ns = 0;
		bool has_big = keeps;
		for (; end < to && at(c, end)->phase == at(c, i)->phase; end++) {
			ns = sum_known(ns, at(c, end)->duration_ns);
			has_big = has_big || is_big_wait(at(c, end), c->big_wait_ns);
		}
		if (ns < c->short_ns && !has_big) {
			group.ns = sum_known(group.ns, ns);
			i = end;
			continue;
		}
		rc = end_group(c, &group, i);
		if (rc == 0)
			rc = cut_by_wait(c, i, end);
		group.from = end;
		i = end;
	}
	return rc == 0 ? end_group(c, &group, to) : rc;
}

/* The child of @above, or itself, to which the segment belongs; asked often of the same. */
static int child_of(struct cut *c, int above, size_t i)
{
	const int kin = c->kin_of[i];
	if (kin == above)
		return above;
	if (c->asked_by[kin] != c->n_asked) {
		c->asked_by[kin] = c->n_asked;
		c->child[kin] = lineage_towards(c->lineage, above, kin);
	}
	return c->child[kin];
}

/* The end of the neighbours from @from on that belong to the same child. */
static size_t end_of_child(struct cut *c, int above, size_t from, size_t to, int64_t *ret_ns,
			   bool *ret_has_big)
{
	const int child = child_of(c, above, from);
	size_t end = from;
	*ret_ns = 0;
	*ret_has_big = false;
	for (; end < to && child_of(c, above, end) == child; end++) {
		*ret_ns = sum_known(*ret_ns, at(c, end)->duration_ns);
		*ret_has_big = *ret_has_big || is_big_wait(at(c, end), c->big_wait_ns);
	}
	return end;
}

/* Recursion: as deep as the lineage at most. */
static int cut_below(struct cut *c, int above, size_t from, size_t to)
{
	struct group group = { .from = from };
	int rc = 0;
	for (size_t i = from; i < to && rc == 0;) {
		int64_t ns = 0;
		bool has_big = false;
		c->n_asked++;
		const size_t end = end_of_child(c, above, i, to, &ns, &has_big);
		if (ns < c->short_ns && !has_big) {
			group.ns = sum_known(group.ns, ns);
			i = end;
			continue;
		}
		rc = end_group(c, &group, i);
		if (rc == 0)
			rc = cut_by_program(c, i, end);
		group.from = end;
		i = end;
	}
	return rc == 0 ? end_group(c, &group, to) : rc;
}

static int cut_by_program(struct cut *c, size_t from, size_t to)
{
	bool is_one = true;
	for (size_t i = from + 1; i < to && is_one; i++)
		is_one = c->kin_of[i] == c->kin_of[from];
	return is_one ? cut_by_phase(c, from, to) : cut_below(c, common_of(c, from, to), from, to);
}

/* --- joining -------------------------------------------------------------------------------- */

static void join_at(const struct cut *c, size_t i)
{
	struct piece_list *pieces = c->pieces;
	struct piece *left = &pieces->items[i];
	const struct piece *right = left + 1;
	const struct piece *larger = left->ns >= right->ns ? left : right;
	const int64_t ns = sum_known(left->ns, right->ns);
	const bool is_same_wait = left->is_wait && right->is_wait &&
				  is_same_object(at(c, left->from), at(c, right->from));
	const int common = lineage_common(c->lineage, left->kin, right->kin);
	const int64_t own_ns =
		common == larger->kin ? sum_known(left->own_ns, right->own_ns) : larger->own_ns;
	const bool keeps_name = (double)own_ns >= STRETCH_NEARLY_ALL * (double)ns;
	left->is_many = left->is_many || right->is_many || left->kin != right->kin;
	left->own_ns = keeps_name ? own_ns : ns;
	left->kin = keeps_name ? larger->kin : common;
	left->is_wait = larger->is_wait;
	left->wait_ns = is_same_wait ? sum_known(left->wait_ns, right->wait_ns) : larger->wait_ns;
	left->is_keeper = left->is_keeper || right->is_keeper;
	left->to = right->to;
	left->ns = ns;
	memmove(left + 1, left + 2, (pieces->n - i - 2) * sizeof(*left));
	pieces->n--;
}

/* Not across phases where these are the rows, and not so much to a big wait that it is no longer
 * nearly all of its row. */
static bool is_joinable(const struct cut *c, const struct piece *piece, const struct piece *other)
{
	const double all_ns = (double)piece->ns + (double)other->ns;
	if (c->is_one_program && at(c, piece->from)->phase != at(c, other->from)->phase)
		return false;
	return !other->is_wait || !other->is_keeper ||
	       (double)other->wait_ns >= STRETCH_NEARLY_ALL * all_ns;
}

/* How well a short piece goes with a neighbour: best where both are of the same program, or of
 * one that is as far down as can be; then with one that is no wait; then with the longer. */
struct fit {
	int depth;
	bool is_wait;
	int64_t ns;
};

static const struct fit no_fit = { .depth = -1 };

/* Whether the longer of the two would go by the name of the whole path, which says nothing. */
static bool spoils(const struct cut *c, const struct piece *piece, const struct piece *other,
		   int common)
{
	const struct kin *kin = c->lineage->kin.items;
	const double all_ns = (double)piece->ns + (double)other->ns;
	return kin[common].depth <= kin[c->top].depth &&
	       kin[common].process != kin[other->kin].process &&
	       (double)other->own_ns < STRETCH_NEARLY_ALL * all_ns && other->ns >= c->short_ns &&
	       (double)piece->ns >= SPOILS * (double)c->short_ns;
}

static struct fit fit_of(const struct cut *c, const struct piece *piece, const struct piece *other)
{
	if (!is_joinable(c, piece, other))
		return no_fit;
	const int common = lineage_common(c->lineage, piece->kin, other->kin);
	if (spoils(c, piece, other, common))
		return no_fit;
	return (struct fit){ .depth = c->lineage->kin.items[common].depth,
			     .is_wait = other->is_wait,
			     .ns = other->ns };
}

static bool is_better(const struct fit *a, const struct fit *b)
{
	if (a->depth != b->depth)
		return a->depth > b->depth;
	if (a->is_wait != b->is_wait)
		return b->is_wait;
	return a->ns > b->ns;
}

/* Where the piece and the neighbour it fits best begin. */
static size_t best_join(const struct cut *c, size_t i, struct fit *ret)
{
	const struct piece *piece = &c->pieces->items[i];
	const struct fit left = i > 0 ? fit_of(c, piece, piece - 1) : no_fit;
	const struct fit right = i + 1 < c->pieces->n ? fit_of(c, piece, piece + 1) : no_fit;
	const bool is_right = is_better(&right, &left);
	*ret = is_right ? right : left;
	return is_right || i == 0 ? i : i - 1;
}

/* Pieces that are too short go into what is beside them: those of the same parent before those
 * that have only a distant one in common, the shortest first. */
static void join_short(const struct cut *c)
{
	while (c->pieces->n > 1) {
		size_t next = c->pieces->n;
		int depth = -1;
		int64_t ns = 0;
		for (size_t i = 0; i < c->pieces->n; i++) {
			const struct piece *piece = &c->pieces->items[i];
			struct fit fit = no_fit;
			if (piece->ns >= c->short_ns || piece->is_keeper)
				continue;
			const size_t join = best_join(c, i, &fit);
			if (fit.depth < 0 || fit.depth < depth ||
			    (fit.depth == depth && piece->ns >= ns && next < c->pieces->n))
				continue;
			next = join;
			depth = fit.depth;
			ns = piece->ns;
		}
		if (next == c->pieces->n)
			return;
		join_at(c, next);
	}
}

/* Whether people would see the same name, or the same phase and object, twice. */
static bool is_alike(const struct cut *c, const struct piece *a, const struct piece *b)
{
	const struct segment *x = at(c, a->from);
	const struct segment *y = at(c, b->from);
	const struct kin *kin = c->lineage->kin.items;
	if (a->is_wait != b->is_wait || a->is_many != b->is_many)
		return false;
	if (a->is_many)
		return !a->is_wait && kin[a->kin].process == kin[b->kin].process;
	return a->kin == b->kin && x->phase == y->phase && at(c, a->to - 1)->phase == x->phase &&
	       (!a->is_wait || is_same_object(x, y));
}

/* What was cut apart by something that is no longer there. */
static void join_alike(const struct cut *c)
{
	for (size_t i = 0; i + 1 < c->pieces->n;) {
		const struct piece *piece = &c->pieces->items[i];
		if (is_alike(c, piece, piece + 1))
			join_at(c, i);
		else
			i++;
	}
}

/* No measure was enough: the two neighbours that are shortest together, again and again. */
static void join_anything(const struct cut *c, size_t max_rows)
{
	struct piece_list *pieces = c->pieces;
	while (pieces->n > max_rows && pieces->n > 1) {
		size_t shortest = 0;
		int64_t least_ns = INT64_MAX;
		for (size_t i = 0; i + 1 < pieces->n; i++) {
			const int64_t ns = sum_known(pieces->items[i].ns, pieces->items[i + 1].ns);
			if (ns < least_ns) {
				least_ns = ns;
				shortest = i;
			}
		}
		join_at(c, shortest);
	}
}

/* The child of @above that has nearly all of the path; -1: there is none. */
static int heir_of(struct cut *c, int above, int64_t *sums_ns)
{
	int largest = -1;
	c->n_asked++;
	memset(sums_ns, 0, c->lineage->kin.n * sizeof(*sums_ns));
	for (size_t i = 0; i < c->run->n_segments; i++) {
		const int child = child_of(c, above, i);
		if (child == above || c->lineage->kin.items[child].parent != above)
			continue; /* not one of its descendants */
		sums_ns[child] = sum_known(sums_ns[child], at(c, i)->duration_ns);
		if (largest < 0 || sums_ns[child] > sums_ns[largest])
			largest = child;
	}
	const double enough = STRETCH_NEARLY_ALL * (double)c->run->startup_total_ns;
	return largest >= 0 && (double)sums_ns[largest] >= enough ? largest : -1;
}

static int find_top(struct cut *c)
{
	_cleanup_free_ int64_t *sums_ns = calloc(c->lineage->kin.n, sizeof(*sums_ns));
	if (sums_ns == NULL)
		return -ENOMEM;
	for (int heir = 0; heir >= 0; heir = heir_of(c, heir, sums_ns))
		c->top = heir;
	return 0;
}

/* --- all of it ------------------------------------------------------------------------------ */

static int64_t share_of(int64_t total_ns, double share)
{
	const double ns = (double)total_ns * share;
	return ns < 1 ? 1 : ns > 9e18 ? INT64_MAX : (int64_t)ns;
}

static int cut_all(struct cut *c, size_t max_rows)
{
	const int64_t total_ns = c->run->startup_total_ns;
	int rc = 1;
	c->big_wait_ns = share_of(total_ns, STRETCH_BIG_WAIT);
	double share = c->is_one_program ? SHORT_OF_ONE : SHORT_OF_MANY;
	for (int round = 0; round < MAX_ROUNDS; round++) {
		c->pieces->n = 0;
		c->short_ns = share_of(total_ns, share);
		share *= SHORT_GROWS;
		rc = cut_by_program(c, 0, c->run->n_segments);
		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		join_short(c);
		join_alike(c);
		if (c->pieces->n <= max_rows)
			return 0;
	}
	if (rc > 0) { /* a document whose parts are more than their total */
		c->pieces->n = 0;
		rc = vec_push(c->pieces, (struct piece){ .to = c->run->n_segments });
	}
	join_anything(c, max_rows);
	return rc;
}

int cut_path(const struct run *run, const struct lineage *lineage, const int *kin_of,
	     size_t max_rows, struct piece_list *ret)
{
	if (run->n_segments == 0)
		return 0;
	_cleanup_free_ int *child = calloc(lineage->kin.n, sizeof(*child));
	_cleanup_free_ uint64_t *asked_by = calloc(lineage->kin.n, sizeof(*asked_by));
	if (child == NULL || asked_by == NULL)
		return -ENOMEM;
	struct cut cut = { .run = run,
			   .lineage = lineage,
			   .kin_of = kin_of,
			   .is_one_program = true,
			   .pieces = ret,
			   .child = child,
			   .asked_by = asked_by };
	for (size_t i = 1; i < run->n_segments && cut.is_one_program; i++)
		cut.is_one_program = kin_of[i] == kin_of[0];
	const int rc = find_top(&cut);
	return rc < 0 ? rc : cut_all(&cut, max_rows);
}
