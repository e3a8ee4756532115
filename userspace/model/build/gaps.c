/* SPDX-License-Identifier: MIT */
/* Each gap between two moments is the first one's until `until_ns`, the second one's from `since_ns`
 * on, and what lies between is what both have in common. */
#include "userspace/model/build/gaps.h"

struct cut {
	uint64_t until_ns, since_ns;
};

static uint64_t middle(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns + (to_ns - from_ns) / 2;
}

static struct cut cut_at(uint64_t at_ns)
{
	return (struct cut){ at_ns, at_ns };
}

/* @b entered the kernel. */
static struct cut before_entry(const struct glimpse *a, const struct glimpse *b)
{
	const bool is_inside = b->since_ns <= a->at_ns; /* no entry between them was seen */
	const uint64_t left_ns = is_inside		  ? a->at_ns
				 : b->since_ns < b->at_ns ? b->since_ns
							  : b->at_ns;
	if (b->at_ns - left_ns < GAPS_CLOSE_NS)
		return cut_at(a->is_timer ? middle(a->at_ns, b->at_ns) : left_ns);
	if (a->is_timer && is_inside)
		return cut_at(b->at_ns);
	/* Until it left the kernel it was in @a's call, or in others soon after. */
	return (struct cut){ left_ns, b->at_ns };
}

static struct cut between(const struct glimpse *a, const struct glimpse *b)
{
	if (!b->is_timer)
		return before_entry(a, b);
	if (a->is_timer || b->at_ns - a->at_ns < GAPS_CLOSE_NS)
		return cut_at(middle(a->at_ns, b->at_ns));
	return cut_at(a->at_ns);
}

/* Since when the first moment stands for the thread. */
static uint64_t first_since(const struct glimpse *m, uint64_t from_ns)
{
	if (m->is_timer || m->at_ns - from_ns < GAPS_CLOSE_NS)
		return from_ns;
	if (m->since_ns <= from_ns || m->at_ns - m->since_ns >= GAPS_CLOSE_NS ||
	    m->since_ns > m->at_ns)
		return m->at_ns;
	return m->since_ns;
}

struct cutter {
	struct part_list *list;
	uint64_t at_ns; /* cut until then */
	size_t moment;	/* that the last part is about; SIZE_MAX: none */
};

/* What one moment stands for is one part, before and after it. */
static int cut_to(struct cutter *c, uint64_t to_ns, int node, size_t moment)
{
	const bool is_same = moment != SIZE_MAX && moment == c->moment;
	if (to_ns <= c->at_ns)
		return 0;
	const struct part part = { c->at_ns, to_ns, node, moment == SIZE_MAX && node >= 0 };
	c->at_ns = to_ns;
	c->moment = moment;
	if (!is_same)
		return vec_push(c->list, part);
	vec_last(c->list)->to_ns = to_ns;
	return 0;
}

int gaps_cut(const struct glimpse *moments, size_t n, uint64_t from_ns, uint64_t to_ns,
	     gaps_common *common, const void *context, struct part_list *ret)
{
	struct cutter c = { .list = ret, .at_ns = from_ns, .moment = SIZE_MAX };
	int rc = n > 0 ? cut_to(&c, first_since(&moments[0], from_ns), -1, SIZE_MAX) : 0;
	for (size_t i = 0; i + 1 < n && rc == 0; i++) {
		const struct glimpse *a = &moments[i], *b = &moments[i + 1];
		const struct cut cut = between(a, b);
		rc = cut_to(&c, cut.until_ns, a->node, i);
		if (rc == 0 && cut.since_ns > cut.until_ns)
			rc = cut_to(&c, cut.since_ns, common(context, a->node, b->node), SIZE_MAX);
		if (rc == 0)
			rc = cut_to(&c, b->at_ns, b->node, i + 1);
	}
	if (rc < 0)
		return rc;
	return n > 0 ? cut_to(&c, to_ns, moments[n - 1].node, n - 1)
		     : cut_to(&c, to_ns, -1, SIZE_MAX);
}
