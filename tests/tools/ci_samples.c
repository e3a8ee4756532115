/* SPDX-License-Identifier: MIT */
/* Prints a verdict output of outcomes made by hand, for the readers of such outputs to be tested on.
 * usage: ci_samples FORMAT some|nasty|many|large|none */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/sample_outcomes.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/view/ci/ci.h"

#define MANY	    5000
#define LARGE	    300
#define LARGE_BYTES 20000

static int fill(struct samples *s, const char *what)
{
	if (strcmp(what, "some") == 0) {
		samples_some(s);
	} else if (strcmp(what, "nasty") == 0) {
		samples_nasty(s);
	} else if (strcmp(what, "many") == 0) {
		samples_many(s, MANY, "scenario");
	} else if (strcmp(what, "large") == 0) {
		_cleanup_(buf_done) struct buf text;
		buf_init(&text, LARGE_BYTES);
		(void)buf_pad(&text, '@', LARGE_BYTES);
		samples_many(s, LARGE, buf_str(&text));
		/* The samples outlive the buffer. */
		const char *copy = arena_strdup(s->base->arena, buf_str(&text));
		for (size_t i = 0; i < s->n; i++) {
			s->outcomes[i].command = s->outcomes[i].file = copy;
			s->outcomes[i].base_name = s->outcomes[i].judgements[0].reason = copy;
		}
	} else if (strcmp(what, "none") == 0) {
		(void)samples_new(s, 0);
	} else {
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct ci_output *output = argc >= 3 ? ci_output_find(argv[1]) : NULL;
	struct samples s = { 0 };
	if (output == NULL || fill(&s, argv[2]) < 0) {
		(void)fputs("usage: ci_samples FORMAT some|nasty|many|large|none\n", stderr);
		return 2;
	}
	const int r = output->print(s.outcomes, s.n, stdout);
	samples_done(&s);
	return r < 0 || fflush(stdout) != 0 ? 1 : 0;
}
