/* SPDX-License-Identifier: MIT */
/* Which points of a trend somebody means. */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "userspace/base/units.h"
#include "userspace/model/history/history.h"

#define ID_LEAST 4 /* digits; as in the store */

/* "2026-03-01", with or without " 14:02", in UTC. */
static int parse_moment(const char *text, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	if (end != NULL && (*end == ' ' || *end == 'T'))
		end = strptime(end + 1, "%H:%M", &tm);
	if (end == NULL || *end != '\0')
		return -EINVAL;
	/* tm_year counts from 1900; 292 years fit into nanoseconds. */
	if (tm.tm_year < 70 || tm.tm_year > 360)
		return -ERANGE;
	*ret_ns = (int64_t)timegm(&tm) * (int64_t)NS_PER_S;
	return 0;
}

int parse_since(const char *text, int64_t now_ns, int64_t *ret_ns)
{
	uint64_t ago = 0;
	if (parse_moment(text, ret_ns) == 0)
		return 0;
	const int r = parse_duration(text, &ago);
	if (r == 0)
		*ret_ns = now_ns >= 0 && ago < (uint64_t)now_ns ? now_ns - (int64_t)ago : 0;
	return r;
}

size_t trend_at(const struct trend *t, int64_t since_ns)
{
	size_t i = 0;
	while (i < t->n_points && t->points[i].created_ns < since_ns)
		i++;
	return i;
}

size_t trend_find(const struct trend *t, const char *text, size_t from)
{
	int64_t ns = 0;
	const size_t n = strlen(text);
	if (parse_moment(text, &ns) == 0) {
		const size_t i = trend_at(t, ns);
		return i > from ? i : from;
	}
	for (size_t i = from; n >= ID_LEAST && i < t->n_points; i++) {
		const struct point *p = &t->points[i];
		/* A point knows only the beginning of its id. */
		if (strncmp(p->id, text, n) == 0 ||
		    (*p->id != '\0' && strncmp(text, p->id, strlen(p->id)) == 0) ||
		    (p->commit != NULL && strncmp(p->commit, text, n) == 0))
			return i;
	}
	return t->n_points;
}

void trend_cut(struct trend *t, size_t from)
{
	const size_t n = from < t->n_points ? from : t->n_points;
	t->points += n;
	t->n_points -= n;
}
