/* SPDX-License-Identifier: MIT */
/* The cache: sets of four rows, where a new one takes the place of the one that was not used for
 * longest. */
#include "userspace/stacks/rows.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/memory_limit.h"
#include "userspace/stacks/code.h"
#include "userspace/stacks/row_make.h"

enum {
	WAYS = 4,
	SETS = 1 << 15, /* with them 4 MiB */
	MODULE_SHIFT = 48,
	CALLER_SHIFT = 47, /* user space has no more bits */
};
#define MEMORY_MORE \
	((size_t)128 << 20) /* for files; they are charged 32 MiB, see modules_charge() */

struct rows {
	struct modules *modules;
	struct memory_limit limit;
	uint64_t n_found;
	uint64_t n_made;
	struct row sets[SETS][WAYS]; /* the latest first */
};

_Static_assert(sizeof(struct row) == 32, "two of them fill a cache line");
_Static_assert(MODULES_MAX < 1 << 16, "the key has 16 bits for the module");

struct rows *rows_new(struct modules *modules)
{
	struct rows *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->modules = modules;
	memory_limit_init(&r->limit, MEMORY_MORE);
	return r;
}

struct rows *rows_free(struct rows *r)
{
	free(r);
	return NULL;
}

/* Made code may be replaced by other. Where something is to go on behind a call that is hardly so; but where
 * a thread is each byte matters, and as many as tell are looked at again. */
static uint16_t look_at_code(const struct module *module, uint64_t address, bool is_caller,
			     pid_t pid)
{
	enum { LOOK = 32 };
	const struct code code = { .pid = pid };
	uint8_t bytes[LOOK];
	uint64_t hash = 0;
	if (module->type != MODULE_ANONYMOUS || is_caller)
		return 0;
	const size_t n = code_read(&code, address, bytes, sizeof(bytes));
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return (uint16_t)(hash >> 32);
}

static void make(struct rows *r, struct module *module, uint64_t address, bool is_caller, pid_t pid,
		 struct row *ret)
{
	r->n_made++;
	/* An entry of ten bytes can ask libdw for gigabytes: by the number of a register. */
	memory_limit_begin(&r->limit);
	row_make(r->modules, module, address, is_caller, pid, ret);
	memory_limit_end(&r->limit);
}

const struct row *rows_find(struct rows *r, struct module *module, uint64_t address, bool is_caller,
			    pid_t pid)
{
	static const struct row none = { .flags = ROW_NONE };
	if (address >> CALLER_SHIFT != 0)
		return &none;
	const uint64_t key = (uint64_t)module->id << MODULE_SHIFT |
			     (uint64_t)is_caller << CALLER_SHIFT | address;
	const uint16_t look = look_at_code(module, address, is_caller, pid);
	struct row *set = r->sets[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 49];
	size_t way = 0;
	while (way < WAYS && (set[way].key != key || set[way].look != look))
		way++;
	if (way == 0) {
		r->n_found++;
		return set;
	}
	struct row row;
	if (way < WAYS) {
		r->n_found++;
		row = set[way];
	} else {
		way = WAYS - 1;
		make(r, module, address, is_caller, pid, &row);
		row.key = key;
		row.look = look;
	}
	memmove(&set[1], &set[0], way * sizeof(*set));
	set[0] = row;
	return set;
}

void rows_counts(const struct rows *r, uint64_t *ret_found, uint64_t *ret_made)
{
	*ret_found = r->n_found;
	*ret_made = r->n_made;
}
