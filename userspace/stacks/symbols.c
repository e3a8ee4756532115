/* SPDX-License-Identifier: MIT */
/* Which sources of names a module has, in order; each names what those before it did not. */
#include "userspace/stacks/symbols.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/stacks/demangle.h"
#include "userspace/stacks/elf_symbols.h"
#include "userspace/stacks/kallsyms.h"
#include "userspace/stacks/module_file.h"

struct job {
	struct modules *modules;
	struct module *module;
	struct symbol_search search;
	symbols_found *found;
	void *user;
};

static int by_offset(const void *left, const void *right)
{
	const struct code_place *a = left, *b = right;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int tell(const struct job *j, size_t i, const char *mangled)
{
	_cleanup_(buf_done) struct buf name = { .limit = DEMANGLED_MAX + MANGLED_MAX };
	const int r = demangle(mangled, &name);
	const struct code_function function = { .id = j->search.places[i].id,
						.name = buf_str(&name) };
	return r < 0 ? r : j->found(j->user, &function);
}

static int tell_all(const struct job *j)
{
	int r = 0;
	for (size_t i = 0; i < j->search.n && r == 0; i++)
		if (j->search.names[i] != NULL)
			r = tell(j, i, j->search.names[i]);
	return r;
}

static int find_in_file(struct job *j)
{
	const struct module_file *f = modules_open(j->modules, j->module, 0);
	if (f == NULL)
		return 0;
	const struct elf_image image = { .elf = f->elf, .fd = f->fd };
	int r = elf_symbols_find(&image, SHT_SYMTAB, true, &j->search);
	if (r == 0)
		r = elf_symbols_find(&image, SHT_DYNSYM, false, &j->search);
	return r < 0 ? r : tell_all(j);
}

static int find_in_kernel(const struct job *j)
{
	_cleanup_(kallsyms_done) struct kallsyms kernel;
	int r = 0;
	if (kallsyms_read(&kernel) < 0)
		return 0;
	for (size_t i = 0; i < j->search.n && r == 0; i++) {
		const char *name = kallsyms_name(&kernel, j->search.places[i].offset);
		if (name != NULL)
			r = tell(j, i, name);
	}
	return r;
}

int symbols_find(struct modules *modules, struct module *module, struct code_place *places,
		 size_t n, symbols_found *found, void *user)
{
	if (n == 0)
		return 0;
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_free_ const char **names = calloc(n, sizeof(*names));
	if (arena == NULL || names == NULL)
		return -ENOMEM;
	qsort(places, n, sizeof(*places), by_offset);
	struct job job = {
		.modules = modules,
		.module = module,
		.search = { .places = places, .n = n, .names = names, .names_arena = arena },
		.found = found,
		.user = user
	};
	switch (module->type) {
	case MODULE_FILE:
	case MODULE_VDSO:
		return find_in_file(&job);
	case MODULE_KERNEL:
		return find_in_kernel(&job);
	case MODULE_ANONYMOUS:
		return 0;
	}
	return 0;
}
