/* SPDX-License-Identifier: MIT */
/* What the rows of a critical path hold, and whose they are. */

#include "userspace/view/report/stretch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/report/cut.h"
#include "userspace/view/report/parts.h"

/* Per place in the lineage, for the row in hand; all zero between rows. */
struct shares {
	const struct lineage *lineage;
	int64_t *own_ns, *all_ns; /* in the program itself; with its descendants */
	bool *is_seen;
	struct VEC(int) seen;
	size_t *row_of; /* by process: the last row, from 1, it was counted in */
};

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

static void add_segment(struct stretch *to, const struct segment *s)
{
	if (s->duration_ns <= 0)
		return;
	if (to->longest == NULL) {
		to->start_ns = s->start_ns;
		to->longest = s;
		to->is_one_detail = true;
	}
	to->is_one_detail = to->is_one_detail && to->longest->cause == s->cause &&
			    strcmp(to->longest->detail, s->detail) == 0;
	to->duration_ns = sum_known(to->duration_ns, s->duration_ns);
	to->causes_ns[s->cause] = sum_known(to->causes_ns[s->cause], s->duration_ns);
	to->phases_ns[s->phase] = sum_known(to->phases_ns[s->phase], s->duration_ns);
	if (s->duration_ns > to->longest->duration_ns)
		to->longest = s;
}

/* --- whose it is ---------------------------------------------------------------------------- */

static int see(struct shares *shares, int kin)
{
	if (shares->is_seen[kin])
		return 0;
	shares->is_seen[kin] = true;
	return vec_push(&shares->seen, kin);
}

static int add_share(struct shares *shares, int kin, int64_t ns)
{
	shares->own_ns[kin] = sum_known(shares->own_ns[kin], ns);
	return see(shares, kin);
}

/* Gives to each what its descendants have. */
static int add_up(struct shares *shares)
{
	const struct kin *all = shares->lineage->kin.items;
	const size_t n_own = shares->seen.n;
	for (size_t i = 0; i < n_own; i++) {
		const int64_t ns = shares->own_ns[shares->seen.items[i]];
		for (int kin = shares->seen.items[i];; kin = all[kin].parent) {
			shares->all_ns[kin] = sum_known(shares->all_ns[kin], ns);
			if (see(shares, kin) < 0)
				return -ENOMEM;
			if (kin == 0)
				break;
		}
	}
	return 0;
}

/* The child with most of the row; -1: none has a part. */
static int largest_child(const struct shares *shares, int above)
{
	int largest = -1;
	for (size_t i = 0; i < shares->seen.n; i++) {
		const int kin = shares->seen.items[i];
		if (kin != above && shares->lineage->kin.items[kin].parent == above &&
		    (largest < 0 || shares->all_ns[kin] > shares->all_ns[largest]))
			largest = kin;
	}
	return largest;
}

/* As far down as nearly all of the row goes; then to a program, as only these have names. */
static int owner_of(const struct shares *shares)
{
	const double enough = STRETCH_NEARLY_ALL * (double)shares->all_ns[0];
	int owner = 0;
	for (int depth = 0; depth <= LINEAGE_DEPTH; depth++) {
		const int child = largest_child(shares, owner);
		const bool is_name = shares->lineage->kin.items[owner].is_leaf && owner != 0;
		if (child < 0 || (is_name && (double)shares->all_ns[child] < enough))
			break;
		owner = child;
	}
	return owner;
}

static size_t count_others(struct shares *shares, size_t row, int process)
{
	size_t n = 0;
	for (size_t i = 0; i < shares->seen.n; i++) {
		const int id = shares->lineage->kin.items[shares->seen.items[i]].process;
		if (shares->own_ns[shares->seen.items[i]] <= 0 || shares->row_of[id] == row)
			continue;
		shares->row_of[id] = row;
		n += id != process && id != 0;
	}
	return n;
}

static void forget(struct shares *shares)
{
	vec_foreach(kin, &shares->seen) {
		shares->own_ns[*kin] = 0;
		shares->all_ns[*kin] = 0;
		shares->is_seen[*kin] = false;
	}
	shares->seen.n = 0;
}

/* --- all rows ------------------------------------------------------------------------------- */

static int add_row(const struct run *run, const int *kin_of, const struct piece *piece,
		   struct shares *shares, struct stretch_list *ret)
{
	struct stretch row = { .from = piece->from, .to = piece->to };
	for (size_t i = piece->from; i < piece->to; i++) {
		add_segment(&row, &run->segments[i]);
		if (run->segments[i].duration_ns > 0 &&
		    add_share(shares, kin_of[i], run->segments[i].duration_ns) < 0)
			return -ENOMEM;
	}
	if (row.longest == NULL)
		return 0;
	if (add_up(shares) < 0)
		return -ENOMEM;
	const struct kin *owner = &shares->lineage->kin.items[owner_of(shares)];
	row.process = owner->process;
	row.image = owner->image;
	row.n_others = count_others(shares, ret->n + 1, owner->process);
	forget(shares);
	return vec_push(ret, row);
}

static int add_rows(const struct run *run, const int *kin_of, const struct piece_list *pieces,
		    const struct lineage *lineage, struct stretch_list *ret)
{
	_cleanup_free_ int64_t *own_ns = calloc(lineage->kin.n, sizeof(*own_ns));
	_cleanup_free_ int64_t *all_ns = calloc(lineage->kin.n, sizeof(*all_ns));
	_cleanup_free_ bool *is_seen = calloc(lineage->kin.n, sizeof(*is_seen));
	_cleanup_free_ size_t *row_of = calloc(lineage->n_processes + 1, sizeof(*row_of));
	if (own_ns == NULL || all_ns == NULL || is_seen == NULL || row_of == NULL)
		return -ENOMEM;
	struct shares shares = { .lineage = lineage,
				 .own_ns = own_ns,
				 .all_ns = all_ns,
				 .is_seen = is_seen,
				 .row_of = row_of };
	int rc = 0;
	for (size_t i = 0; i < pieces->n && rc == 0; i++)
		rc = add_row(run, kin_of, &pieces->items[i], &shares, ret);
	vec_done(&shares.seen);
	return rc;
}

int stretches_of(const struct run *run, size_t max_rows, struct stretch_list *ret)
{
	_cleanup_(lineage_done) struct lineage lineage = { 0 };
	_cleanup_free_ int *kin_of = calloc(run->n_segments + 1, sizeof(*kin_of));
	_cleanup_vec_ struct piece_list pieces = { 0 };
	if (kin_of == NULL || lineage_of(run, &lineage) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < run->n_segments; i++)
		kin_of[i] =
			lineage_at(&lineage, run->segments[i].process, run->segments[i].start_ns);
	const int rc = cut_path(run, &lineage, kin_of, max_rows, &pieces);
	return rc < 0 ? rc : add_rows(run, kin_of, &pieces, &lineage, ret);
}
