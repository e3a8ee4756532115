/* SPDX-License-Identifier: MIT */
/* The top of startline.yml. */

#include "userspace/gate/config.h"

#include <errno.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/gate/config_internal.h"

static int read_scenarios(struct reader *r, node *root, const struct scenario *defaults,
			  struct scenario_list *scenarios, struct span_list *spans)
{
	node *list = node_find(r, root, "scenarios");
	if (list == NULL)
		return node_error(r, root,
				  "`scenarios` is missing: a list of what to check, as in "
				  "'- { name: start, command: ./server, ready: accept }'");
	if (!node_is_list(list) || node_count(list) == 0)
		return node_error(r, list,
				  "expected a list of scenarios, as in '- { name: "
				  "start, command: ./server, ready: accept }'");
	for (size_t i = 0; i < node_count(list); i++) {
		const int e = matrix_read(r, node_find(r, root, "matrix"), node_item(r, list, i),
					  defaults, scenarios, spans);
		if (e < 0)
			return e;
	}
	return 0;
}

static int read_root(struct reader *r, struct config *c)
{
	static const char *const keys[] = { "scenarios", "store", COMMON_KEYS, "matrix", NULL };
	struct scenario_list scenarios = { 0 };
	struct span_list spans = { 0 };
	struct scenario defaults = {
		.budget_levels = LEVELS_BUDGET,
		.baseline_levels = LEVELS_BASELINE,
		.heap = { .kind = HEAP_COUNT },
	};
	node *root = yaml_document_get_root_node(r->document);
	if (root == NULL)
		return fail(-EINVAL, "%s:1:1: the file is empty: write 'scenarios:'", r->path);
	int e = retries_refuse(r, root);
	if (e == 0)
		e = node_check_keys(r, root, "this file", keys);
	if (e == 0)
		e = take_text(r, root, "store", "the URL or path of a store", &c->store);
	if (e == 0)
		e = scenario_read_common(r, root, &defaults);
	if (e == 0)
		e = read_scenarios(r, root, &defaults, &scenarios, &spans);
	if (e == 0) {
		c->n_scenarios = scenarios.n;
		c->n_spans = spans.n;
		c->scenarios = arena_memdup(r->arena, scenarios.items,
					    scenarios.n * sizeof(*scenarios.items));
		c->spans = spans.n == 0 ? NULL
					: arena_memdup(r->arena, spans.items,
						       spans.n * sizeof(*spans.items));
		if (c->scenarios == NULL || (spans.n > 0 && c->spans == NULL))
			e = reader_no_memory(r);
	}
	vec_done(&scenarios);
	vec_done(&spans);
	return e;
}

int config_parse(const char *text, size_t length, const char *path, struct config **ret)
{
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	struct config *c = arena != NULL ? arena_alloc(arena, sizeof(*c)) : NULL;
	struct reader r = { .arena = arena, .path = path };
	yaml_document_t document;
	if (c == NULL)
		return fail(-ENOMEM, "not enough memory for '%s'", path);
	c->path = arena_strdup(arena, path);
	if (c->path == NULL)
		return fail(-ENOMEM, "not enough memory for '%s'", path);
	int e = reader_open(&r, text, length, &document);
	if (e < 0)
		return e;
	e = read_root(&r, c);
	yaml_document_delete(&document);
	if (e < 0)
		return e;
	c->arena = take_ptr(arena);
	*ret = c;
	return 0;
}

int config_load(const char *path, struct config **ret)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, CONFIG_MAX);
	const int r = fs_read_file(path, &text);
	if (r == -ENOENT)
		return fail(
			r, "there is no '%s' here: `startline init` proposes one, -f names another",
			path);
	if (r == -EFBIG)
		return fail(-EINVAL, "'%s' is larger than %zu KiB: not a configuration", path,
			    CONFIG_MAX >> 10);
	if (r < 0)
		return fail(r, "cannot read '%s': %s", path, strerror(-r));
	return config_parse(buf_str(&text), text.len, path, ret);
}

struct config *config_free(struct config *c)
{
	if (c != NULL)
		(void)arena_free(c->arena);
	return NULL;
}
