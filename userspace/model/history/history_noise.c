/* SPDX-License-Identifier: MIT */
/* Each point against the median of the five around it: what has changed for good over the months is in that
 * median, and a spike that was gone the next time is all noise. */

#include <math.h>
#include <string.h>

#include "userspace/base/stats.h"
#include "userspace/model/history/history.h"

#define WINDOW	   5 /* fewer points know no better than the default does */
#define POINTS_MAX ((size_t)50)
/* The variance of a normal value minus the median of five, it among them. */
#define VARIANCE_LEFT 0.887
/* Medians that are rounded may be all the same, and the next one is not. */
#define SIGMA_MIN 0.005

/* The logarithms of the last values that have one. */
static size_t last_of(const struct trend *t, double logs[static POINTS_MAX])
{
	size_t n = 0;
	for (size_t i = t->n_points; i > 0 && n < POINTS_MAX; i--) {
		if (t->points[i - 1].median > 0)
			logs[n++] = log(t->points[i - 1].median);
	}
	return n;
}

/* At the ends of logs[0..n) the window is moved, not shortened. */
static double away_from_neighbours(const double *logs, size_t n, size_t i)
{
	const size_t before = i < WINDOW / 2 ? 0 : i - WINDOW / 2;
	const size_t first = before + WINDOW > n ? n - WINDOW : before;
	double window[WINDOW];
	memcpy(window, logs + first, sizeof(window));
	return logs[i] - stats_median(window, WINDOW);
}

struct known_noise trend_noise(const struct trend *t, size_t n_processes)
{
	double logs[POINTS_MAX], squares = 0;
	const size_t n = last_of(t, logs);
	if (n < WINDOW)
		return (struct known_noise){ 0 };
	for (size_t i = 0; i < n; i++)
		squares += pow(away_from_neighbours(logs, n, i), 2);
	const double sigma = fmax(sqrt(squares / (double)n / VARIANCE_LEFT), SIGMA_MIN);
	return (struct known_noise){ .sigma = sigma * sqrt((double)n_processes), .n = n };
}
