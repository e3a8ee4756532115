/* SPDX-License-Identifier: MIT */
/* Feeds arbitrary bytes to the reader of startline.yml: each is a list of whole scenarios, or a
 * mistake. */

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "tests/fuzz/fuzzing.h"
#include "userspace/gate/config.h"

static void check_step(const struct step *s)
{
	assert(s->command != NULL && s->argv != NULL && s->argv[0] != NULL);
}

static void check(const struct config *c)
{
	assert(c->n_scenarios > 0);
	for (size_t i = 0; i < c->n_scenarios; i++) {
		const struct scenario *s = &c->scenarios[i];
		assert(s->name != NULL && s->n_steps > 0 && s->runs > 0 && s->line > 0);
		assert(s->results == NULL || s->n_steps == 1);
		for (size_t k = 0; k < s->n_steps && s->results == NULL; k++)
			check_step(&s->steps[k]);
		for (size_t k = 0; k < s->n_budgets; k++)
			assert(!(s->budgets[k].low > s->budgets[k].high));
	}
	for (size_t i = 0; i < c->n_spans; i++) {
		assert(c->spans[i].n >= 2);
		for (size_t k = 0; k < c->spans[i].n; k++)
			assert(c->spans[i].scenarios[k] < c->n_scenarios && c->spans[i].x[k] > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = NULL;
	log_set_sink(silence, NULL);
	const int r = config_parse((const char *)data, size, "startline.yml", &c);
	assert(r == 0 || r == -EINVAL);
	if (r == 0)
		check(c);
	(void)config_free(c);
	return 0;
}
