/* SPDX-License-Identifier: MIT */
/* Parameters: one scenario for each combination of the values of those that it uses. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/gate/config_internal.h"

#define SCENARIOS_MAX ((size_t)1000)
#define AXES_MAX      ((size_t)16)
#define PARAMETER_MAX ((size_t)64)
/* A scenario, its steps, their budgets, lists in them: nothing that means something is deeper. */
#define DEPTH_MAX 8
#define WORK_MAX  ((size_t)100000)

struct axis {
	const char *name;
	node *key;
	struct text_list values;
};

struct axes {
	struct axis items[AXES_MAX];
	size_t n;
};

/* --- the parameters ------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
	const size_t n =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	return n > 0 && n < PARAMETER_MAX && text[n] == '\0';
}

/* Whether "{NAME}" occurs in a text below @n. */
static int is_used(struct reader *r, node *n, const char *needle, unsigned int depth, bool *ret)
{
	int e = 0;
	if (++r->work > WORK_MAX)
		return node_error(r, n, "this file is too large: more than %zu values", WORK_MAX);
	if (n->type == YAML_SCALAR_NODE)
		*ret |= memmem(n->data.scalar.value, n->data.scalar.length, needle,
			       strlen(needle)) != NULL;
	if (depth == DEPTH_MAX)
		return 0;
	for (size_t i = 0; e == 0 && i < node_count(n) && !*ret; i++) {
		node *key = NULL, *value = NULL;
		if (node_is_list(n)) {
			value = node_item(r, n, i);
		} else {
			node_pair(r, n, i, &key, &value);
			e = is_used(r, key, needle, depth + 1, ret);
		}
		if (e == 0)
			e = is_used(r, value, needle, depth + 1, ret);
	}
	return e;
}

static struct axis *axis_find(struct axes *axes, const char *name)
{
	for (size_t i = 0; i < axes->n; i++) {
		if (strcmp(axes->items[i].name, name) == 0)
			return &axes->items[i];
	}
	return NULL;
}

/* Adds those of @matrix that the scenario uses; what a scenario defines for itself it has to use. */
static int read_axes(struct reader *r, node *matrix, node *scenario, bool is_own, struct axes *ret)
{
	if (!node_is_mapping(matrix))
		return node_error(r, matrix,
				  "expected parameters and their values, as in "
				  "'{ workers: [1, 2, 4] }'");
	for (size_t i = 0; i < node_count(matrix); i++) {
		struct axis axis = { 0 };
		char needle[PARAMETER_MAX + 3];
		bool uses = false;
		node *value;
		node_pair(r, matrix, i, &axis.key, &value);
		int e = node_text(r, axis.key, "the name of a parameter", &axis.name);
		if (e == 0 && !is_name(axis.name))
			e = node_error(r, axis.key,
				       "'%s' is no name for a parameter: letters, "
				       "digits, _ and -",
				       axis.name);
		if (e == 0)
			e = take_texts(r, matrix, axis.name, "a value, or a list of them",
				       &axis.values);
		if (e < 0)
			return e;
		if (axis.values.n == 0)
			return node_error(
				r, value,
				"'%s' has no values: write one, or a list as in '[1, 2, 4]'",
				axis.name);
		(void)snprintf(needle, sizeof(needle), "{%s}", axis.name);
		e = is_used(r, scenario, needle, 0, &uses);
		if (e < 0)
			return e;
		if (!uses && is_own)
			return node_error(r, axis.key,
					  "%s occurs nowhere in this scenario: write it into the "
					  "command",
					  needle);
		if (!uses || axis_find(ret, axis.name) != NULL)
			continue;
		if (ret->n == AXES_MAX)
			return node_error(r, axis.key, "more than %zu parameters", AXES_MAX);
		ret->items[ret->n++] = axis;
	}
	return 0;
}

/* --- cells ---------------------------------------------------------------------------------- */

static size_t count_cells(const struct axes *axes)
{
	size_t n = 1;
	for (size_t i = 0; i < axes->n && n <= SCENARIOS_MAX; i++)
		n *= axes->items[i].values.n;
	return n;
}

/* The last parameter changes fastest. */
static void fill_cell(const struct axes *axes, size_t cell, struct parameter *ret)
{
	for (size_t i = axes->n; i > 0; i--) {
		const struct axis *axis = &axes->items[i - 1];
		ret[i - 1] =
			(struct parameter){ axis->name, axis->values.items[cell % axis->values.n] };
		cell /= axis->values.n;
	}
}

/* "Suite [workers=2, mode=fast]", without the parameter @but. Parameters that the name has a place for
 * stand there. */
static const char *cell_name(struct reader *r, const struct scenario *s, const char *but)
{
	_cleanup_(buf_done) struct buf name;
	struct parameter used[AXES_MAX];
	struct reader in_name = { .parameters = used };
	char needle[PARAMETER_MAX + 3];
	size_t n = 0;
	buf_init(&name, (size_t)1 << 20);
	for (size_t i = 0; i < s->n_parameters; i++) {
		if (but == NULL || strcmp(but, s->parameters[i].name) != 0)
			used[in_name.n_parameters++] = s->parameters[i];
	}
	reader_put_in(&in_name, s->group, strlen(s->group), &name);
	for (size_t i = 0; i < in_name.n_parameters; i++) {
		(void)snprintf(needle, sizeof(needle), "{%s}", used[i].name);
		if (strstr(s->group, needle) == NULL)
			(void)buf_addf(&name, "%s%s=%s", n++ == 0 ? " [" : ", ", used[i].name,
				       used[i].value);
	}
	(void)buf_adds(&name, n > 0 ? "]" : "");
	return name.error < 0 ? NULL : arena_strdup(r->arena, buf_str(&name));
}

static int read_cell(struct reader *r, node *mapping, const struct scenario *defaults,
		     struct scenario_list *ret, struct spanning_list *spanning)
{
	struct scenario s = *defaults;
	const size_t before = spanning->n;
	const int e = scenario_read(r, mapping, &s, spanning);
	if (e < 0)
		return e;
	s.name = cell_name(r, &s, NULL);
	if (s.name == NULL)
		return reader_no_memory(r);
	for (size_t i = 0; i < ret->n; i++) {
		if (strcmp(ret->items[i].name, s.name) == 0)
			return node_error(
				r, mapping,
				"there is a scenario '%s' already, in line %d: give one of "
				"them another name",
				s.name, ret->items[i].line);
	}
	for (size_t i = before; i < spanning->n; i++)
		spanning->items[i].scenario = ret->n;
	return vec_push(ret, s) < 0 ? reader_no_memory(r) : 0;
}

/* --- budgets over cells --------------------------------------------------------------------- */

static const char *value_of(const struct scenario *s, const char *name)
{
	for (size_t i = 0; i < s->n_parameters; i++) {
		if (strcmp(s->parameters[i].name, name) == 0)
			return s->parameters[i].value;
	}
	return NULL;
}

/* Cells of one scenario have the same parameters in the same order. */
static bool differ_in(const struct scenario *a, const struct scenario *b, const char *name)
{
	for (size_t i = 0; i < a->n_parameters; i++) {
		if (strcmp(a->parameters[i].name, name) != 0 &&
		    strcmp(a->parameters[i].value, b->parameters[i].value) != 0)
			return false;
	}
	return true;
}

static int add_cell(struct reader *r, const struct spanning *b, const struct scenario *s,
		    size_t index, struct span *span)
{
	const char *value = value_of(s, b->budget.parameter);
	double x = 0;
	if (value == NULL || parse_double(value, &x) < 0 || x <= 0)
		return node_error(r, b->at, "{%s} is '%s' in a cell: it takes numbers above 0",
				  b->budget.parameter, value);
	span->scenarios[span->n] = index;
	span->x[span->n++] = x;
	return 0;
}

static int add_span(struct reader *r, const struct spanning *b, const struct scenario_list *all,
		    size_t first, struct span_list *ret)
{
	const struct scenario *own = &all->items[b->scenario];
	const char *parameter = b->budget.parameter;
	if (value_of(own, parameter) == NULL)
		return node_error(r, b->at,
				  "this scenario has no parameter {%s}: define it under "
				  "`matrix` and use it in the command",
				  parameter);
	/* The first of its row stands for it. */
	for (size_t i = first; i < b->scenario; i++) {
		if (differ_in(&all->items[i], own, parameter))
			return 0;
	}
	struct span span = { .budget = b->budget, .name = cell_name(r, own, parameter) };
	span.scenarios = arena_alloc_array(r->arena, all->n - first, sizeof(*span.scenarios));
	span.x = arena_alloc_array(r->arena, all->n - first, sizeof(*span.x));
	if (span.name == NULL || span.scenarios == NULL || span.x == NULL)
		return reader_no_memory(r);
	for (size_t i = b->scenario; i < all->n; i++) {
		const int e = differ_in(&all->items[i], own, parameter)
				      ? add_cell(r, b, &all->items[i], i, &span)
				      : 0;
		if (e < 0)
			return e;
	}
	if (span.n < 2)
		return node_error(r, b->at, "{%s} has one value: it takes at least two", parameter);
	return vec_push(ret, span) < 0 ? reader_no_memory(r) : 0;
}

/* By itself. */
static bool is_unjudged(const struct scenario *s)
{
	bool has_budgets = s->n_budgets > 0;
	for (size_t i = 0; i < s->n_steps; i++)
		has_budgets |= s->steps[i].n_budgets > 0;
	return !has_budgets && s->baseline == NULL && s->base_kind == BASE_NONE;
}

int matrix_read(struct reader *r, node *top, node *mapping, const struct scenario *defaults,
		struct scenario_list *ret, struct span_list *ret_spans)
{
	struct axes axes = { .n = 0 };
	struct spanning_list spanning = { 0 };
	struct parameter cell[AXES_MAX];
	const size_t first = ret->n;
	node *own = node_find(r, mapping, "matrix");
	int e = own != NULL ? read_axes(r, own, mapping, true, &axes) : 0;
	if (e == 0 && top != NULL)
		e = read_axes(r, top, mapping, false, &axes);
	if (e == 0)
		e = braces_check(r, top, own, mapping);
	const size_t n = count_cells(&axes);
	if (e == 0 && ret->n + n > SCENARIOS_MAX)
		e = node_error(r, mapping, "more than %zu scenarios", SCENARIOS_MAX);
	for (size_t i = 0; e == 0 && i < n; i++) {
		fill_cell(&axes, i, cell);
		struct reader in_cell = *r;
		in_cell.parameters = cell;
		in_cell.n_parameters = axes.n;
		e = read_cell(&in_cell, mapping, defaults, ret, &spanning);
		r->work = in_cell.work;
	}
	for (size_t i = first; e == 0 && spanning.n > 0 && i < ret->n; i++)
		ret->items[i].is_cell_only = is_unjudged(&ret->items[i]);
	for (size_t i = 0; e == 0 && i < spanning.n; i++)
		e = add_span(r, &spanning.items[i], ret, first, ret_spans);
	vec_done(&spanning);
	return e;
}
