/* SPDX-License-Identifier: MIT */
/* The cache: sets of four rows, where a new one takes the place of the one that was not used for
 * longest. */
#include "userspace/stacks/rows.h"

#include <stdlib.h>
#include <string.h>

#include "userspace/base/memory_limit.h"
#include "userspace/stacks/row_make.h"

enum {
	WAYS = 4,
	SETS = 1 << 15, /* with them 4 MiB */
	MODULE_SHIFT = 48,
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

const struct row *rows_find(struct rows *r, struct module *module, uint64_t address, pid_t pid)
{
	static const struct row none = { .flags = ROW_NONE };
	if (address >> MODULE_SHIFT != 0)
		return &none;
	const uint64_t key = (uint64_t)module->id << MODULE_SHIFT | address;
	struct row *set = r->sets[(key * UINT64_C(0x9e3779b97f4a7c15)) >> 49];
	size_t way = 0;
	while (way < WAYS && set[way].key != key)
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
		r->n_made++;
		way = WAYS - 1;
		/* An entry of ten bytes can ask libdw for gigabytes: by the number of a register. */
		memory_limit_begin(&r->limit);
		row_make(r->modules, module, address, pid, &row);
		memory_limit_end(&r->limit);
		row.key = key;
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
