/* SPDX-License-Identifier: MIT */
/* What was judged gets its cause: of a change from the comparison it was seen in, of a budget that is over
 * from the session alone. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/cleanup.h"
#include "userspace/gate/cause.h"
#include "userspace/gate/judge_internal.h"

#define MAX_LINE ((size_t)16 << 10)

/* Of a session without a comparison. -ENOMEM. */
static int tell_alone(struct session *head, const char *id, struct buf *out)
{
	struct session *nothing = NULL;
	struct comparison *c = NULL;
	if (head == NULL || head->n_runs == 0 || !cause_is_told(id))
		return 0;
	int r = session_new(&nothing);
	if (r == 0)
		r = comparison_build(nothing, head, COMPARISON_LEVEL, &c);
	if (r == 0)
		cause_of_value(c, id, out);
	(void)comparison_free(c);
	(void)session_free(nothing);
	return r;
}

static bool is_over(const struct judgement *j)
{
	return j->is_budget && !j->is_below && (j->level == LEVEL_RED || j->level == LEVEL_YELLOW);
}

int judging_explain(struct judging *g, struct session *s, struct judgement *j)
{
	_cleanup_(buf_done) struct buf out = { .limit = MAX_LINE };
	const bool is_change = !j->is_budget && verdict_is_change(j->verdict);
	if (!is_change && !is_over(j))
		return 0;
	int r = 0;
	if (j->comparison != NULL)
		cause_of_change(j->comparison, j->metric, j->verdict, &out);
	else
		r = tell_alone(s, j->metric, &out);
	if (r < 0 || out.len == 0)
		return r;
	j->cause = arena_strdup(g->arena, buf_str(&out));
	return j->cause != NULL ? 0 : -ENOMEM;
}
