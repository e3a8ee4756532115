/* SPDX-License-Identifier: MIT */
/* Which sources of names a module has, in order; each names what those before it did not. */
#include "userspace/stacks/symbols.h"

#include <errno.h>
#include <stdlib.h>

#include "userspace/base/clock.h"
#include "userspace/base/memory_limit.h"
#include "userspace/base/units.h"
#include "userspace/stacks/debug_file.h"
#include "userspace/stacks/debug_info.h"
#include "userspace/stacks/demangle.h"
#include "userspace/stacks/elf_packed.h"
#include "userspace/stacks/elf_plt.h"
#include "userspace/stacks/elf_symbols.h"
#include "userspace/stacks/go_table.h"
#include "userspace/stacks/kallsyms.h"
#include "userspace/stacks/module_file.h"
#include "userspace/stacks/perf_map.h"

#define LINES_NS_MAX (150 * NS_PER_MS)	 /* for the lines of one module; names are worth more */
#define MEMORY_MORE  ((size_t)192 << 20) /* 80 to unpack .gnu_debugdata, 32 of debug information */

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

static int tell(const struct job *j, size_t i, uint32_t depth, const struct debug_function *f)
{
	_cleanup_(buf_done) struct buf name = { .limit = DEMANGLED_MAX + MANGLED_MAX };
	const int r = demangle(f->name, &name);
	const struct code_function function = { .id = j->search.places[i].id,
						.depth = depth,
						.name = buf_str(&name),
						.file = f->file,
						.line = f->line };
	return r < 0 ? r : j->found(j->user, &function);
}

/* The name of what has the code is that of its symbol, which is there also without debug information. */
static int tell_place(const struct job *j, size_t i, const struct debug_place *place)
{
	struct debug_function outermost = { .name = NULL };
	if (place->n > 0)
		outermost = place->functions[0];
	if (j->search.names[i] != NULL)
		outermost.name = j->search.names[i];
	/* Without it nothing inside can be placed. */
	int r = outermost.name != NULL ? tell(j, i, 0, &outermost) : 1;
	for (size_t depth = 1; depth < place->n && r == 0; depth++)
		r = place->functions[depth].name == NULL
			    ? 1
			    : tell(j, i, (uint32_t)depth, &place->functions[depth]);
	return r < 0 ? r : 0;
}

static int tell_all(const struct job *j, const struct debug_place *places)
{
	static const struct debug_place nothing;
	const bool is_late = symbol_search_is_late(&j->search);
	bool is_whole = true;
	int r = 0;
	for (size_t i = 0; i < j->search.n && r == 0; i++) {
		r = tell_place(j, i, places != NULL ? &places[i] : &nothing);
		is_whole = is_whole && j->search.names[i] != NULL;
	}
	return r == 0 && is_late && !is_whole ? -ETIME : r;
}

/* ---- sources ---- */

static int find_packed(const struct job *j, const struct elf_image *image)
{
	_cleanup_(buf_done) struct buf data = { .limit = 0 };
	struct elf_image packed = { .elf = NULL };
	int r = 0;
	if (elf_unpack(image, &data, &packed))
		r = elf_symbols_find(&packed, SHT_SYMTAB, false, &j->search);
	(void)elf_end(packed.elf);
	return r;
}

static int find_names(const struct job *j, const struct elf_image *image,
		      const struct elf_image *debug)
{
	int r = elf_symbols_find(image, SHT_SYMTAB, true, &j->search);
	if (r == 0 && debug != NULL)
		r = elf_symbols_find(debug, SHT_SYMTAB, true, &j->search);
	if (r == 0)
		r = find_packed(j, image);
	if (r == 0)
		r = elf_symbols_find(image, SHT_DYNSYM, false, &j->search);
	if (r == 0)
		elf_plt_find(image, &j->search);
	return r;
}

static int find_in_opened(const struct job *j)
{
	const struct module_file *f = modules_open(j->modules, j->module, 0);
	if (f == NULL)
		return 0;
	struct elf_image image = { .elf = f->elf, .fd = f->fd };
	if (f->fd < 0)
		image.data = module_file_image(f, &image.n);
	_cleanup_(debug_file_close) struct elf_image debug = { .fd = -1 };
	const bool has_other = debug_file_open(j->module, &image, &debug);
	if (!has_other && f->fd >= 0 && elf_image_section(&image, ".debug_info") != NULL)
		(void)debug_file_use(f->fd, &debug);
	const int r = find_names(j, &image, has_other ? &debug : NULL);
	go_names_find(f, &j->search);
	struct debug_place *places =
		arena_alloc_array(j->search.names_arena, j->search.n, sizeof(*places));
	if (r == 0 && places != NULL && debug.elf != NULL)
		debug_info_find(&debug, &j->search, LINES_NS_MAX, places);
	return r < 0 ? r : tell_all(j, places);
}

static bool is_elsewhere(struct modules *modules, struct module *module)
{
	const struct module_file *f = modules_open(modules, module, 0);
	if (f == NULL || f->fd < 0 || module->identity.n_build_id < 2)
		return false;
	const struct elf_image image = { .elf = f->elf, .fd = f->fd };
	_cleanup_(debug_file_close) struct elf_image debug = { .fd = -1 };
	return elf_image_section(&image, ".debug_info") == NULL &&
	       !debug_file_open(module, &image, &debug);
}

bool symbols_are_elsewhere(struct modules *modules, struct module *module)
{
	struct memory_limit limit;
	if (module->type != MODULE_FILE)
		return false;
	memory_limit_init(&limit, MEMORY_MORE);
	memory_limit_begin(&limit);
	const bool is = is_elsewhere(modules, module);
	memory_limit_end(&limit);
	return is;
}

static int find_in_file(const struct job *j)
{
	struct memory_limit limit;
	memory_limit_init(&limit, MEMORY_MORE);
	memory_limit_begin(&limit);
	const int r = find_in_opened(j);
	memory_limit_end(&limit);
	return r;
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
			r = tell(j, i, 0, &(struct debug_function){ .name = name });
	}
	return r;
}

static int find_in_map(const struct job *j)
{
	const int fd = modules_names(j->modules, j->module);
	const int r = fd >= 0 ? perf_map_find(fd, &j->search) : 0;
	return r < 0 ? r : tell_all(j, NULL);
}

int symbols_find(struct modules *modules, struct module *module, struct code_place *places,
		 size_t n, uint64_t limit_ns, symbols_found *found, void *user)
{
	if (n == 0)
		return 0;
	_cleanup_(arena_freep) struct arena *arena = arena_new();
	_cleanup_free_ const char **names = calloc(n, sizeof(*names));
	if (arena == NULL || names == NULL)
		return -ENOMEM;
	qsort(places, n, sizeof(*places), by_offset);
	struct job job = { .modules = modules,
			   .module = module,
			   .search = { .places = places,
				       .n = n,
				       .names = names,
				       .names_arena = arena,
				       .until_ns = clock_ns(CLOCK_MONOTONIC) + limit_ns },
			   .found = found,
			   .user = user };
	switch (module->type) {
	case MODULE_FILE:
	case MODULE_VDSO:
		return find_in_file(&job);
	case MODULE_KERNEL:
		return find_in_kernel(&job);
	case MODULE_ANONYMOUS:
		return find_in_map(&job);
	case MODULE_PYTHON:
		return 0;
	}
	return 0;
}
