/* SPDX-License-Identifier: MIT */
/* One text for both: what is done, and by how long that took how long the rest may take. */

#include "userspace/cmd/waiting.h"

#include <math.h>
#include <stdio.h>

#include "userspace/base/clock.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"

#define NAME_MAX_BYTES 200 /* as long as a name of a baseline */

double waiting_left_ns(uint64_t elapsed_ns, uint64_t max_time_ns, size_t done, size_t all)
{
	const double elapsed = (double)elapsed_ns, limit = (double)max_time_ns;
	if (done == 0 || done >= all)
		return NAN;
	const double left = elapsed / (double)done * (double)(all - done);
	if (max_time_ns == 0 || elapsed + left <= limit)
		return left;
	return limit > elapsed ? limit - elapsed : 0;
}

static void name_it(const struct waiting *w, char text[static NAME_MAX_BYTES])
{
	char place[48] = "";
	text[0] = '\0';
	if (w->n > 1)
		(void)snprintf(place, sizeof(place), ", %zu of %zu", w->at, w->n);
	if (w->name != NULL)
		(void)snprintf(text, NAME_MAX_BYTES, "%s%s%s%s: ", w->name, place,
			       w->step != NULL ? ", step " : "", w->step != NULL ? w->step : "");
}

void waiting_say(const struct waiting *w, const char *what, const char *arm, size_t done,
		 size_t all)
{
	char name[NAME_MAX_BYTES], left[48] = "";
	const double left_ns =
		waiting_left_ns(clock_ns(CLOCK_MONOTONIC) - w->start_ns, w->max_time_ns, done, all);
	if (w->is_quiet)
		return;
	name_it(w, name);
	if (isfinite(left_ns))
		(void)snprintf(left, sizeof(left), ", at most %.0f s left",
			       ceil(left_ns / (double)NS_PER_S));
	/* Between the lines of the commands, which -v shows, a line that is replaced would be lost. */
	if (log_shows(LOG_INFO))
		log_info("%s%s %zu of at most %zu%s%s%s", name, what, done + 1, all,
			 arm != NULL ? ", " : "", arm != NULL ? arm : "", left);
	else
		progress(true, "%s%s %zu of at most %zu%s%s%s", name, what, done + 1, all,
			 arm != NULL ? ", " : "", arm != NULL ? arm : "", left);
}

void waiting_clear(const struct waiting *w)
{
	progress(!w->is_quiet && !log_shows(LOG_INFO), NULL);
}
