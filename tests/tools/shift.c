/* SPDX-License-Identifier: MIT */
/* Prints what base/stats_shift.h makes of samples, for tests/corpus/statistics_check to compare with
 * what other programs make of them.
 * Standard input, per line: LEVEL ; BASE ... ; HEAD ...
 * Standard output, per line: is_exact p p_above shift low high (of the logarithms) */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/stats_shift.h"

#define MOST 1000

/* Logarithms of the numbers of @text. */
static size_t read_values(const char *text, double *values)
{
	size_t n = 0;
	for (char *end = NULL; n < MOST; text = end) {
		const double value = strtod(text, &end);
		if (end == text)
			break;
		values[n++] = log(value);
	}
	return n;
}

static int print_shift(char *line)
{
	static double base[MOST], head[MOST];
	struct stats_shift s;
	char *first = strchr(line, ';');
	char *second = first != NULL ? strchr(first + 1, ';') : NULL;
	if (second == NULL)
		return -1;
	*first = *second = '\0';
	const double level = strtod(line, NULL);
	const size_t n_base = read_values(first + 1, base), n_head = read_values(second + 1, head);
	if (stats_shift_of(base, n_base, head, n_head, 1, level, &s) < 0)
		return -1;
	(void)printf("%d %.17g %.17g %.17g %.17g %.17g\n", s.is_exact, s.p,
		     stats_p_above(base, n_base, head, n_head, 1, 0), s.shift, s.low, s.high);
	return 0;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	int r = 0;
	while (r == 0 && getline(&line, &size, stdin) > 0)
		r = print_shift(line);
	free(line);
	return r < 0 || ferror(stdin) || fflush(stdout) != 0 ? 1 : 0;
}
