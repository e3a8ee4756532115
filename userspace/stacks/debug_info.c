/* SPDX-License-Identifier: MIT */
/* Each unit of the program is gone through once, for all places that are in it, and only where its ranges
 * say that some are. A function is visited before those that were inlined into it, so that the chain of
 * a place grows from the outside in. */
#include "userspace/stacks/debug_info.h"

#include <setjmp.h>
#include <time.h>

#include <dwarf.h>
#include <elfutils/libdw.h>

#include "userspace/base/clock.h"
#include "userspace/stacks/elf_open.h"

enum {
	DEPTH_MAX = 256,     /* of entries in each other */
	RANGES_MAX = 100000, /* of one entry */
};
#define DEBUG_MAX  ((uint64_t)32 << 20) /* that is read into memory, or unpacked */
#define MAPPED_MAX ((uint64_t)4 << 30)

struct walker {
	const struct symbol_search *search;
	struct debug_place *places;
	Dwarf_Die *unit;
	Dwarf_Files *files;
	uint64_t until_ns;
	bool is_late;
};

static bool is_late(struct walker *w)
{
	w->is_late = w->is_late || clock_ns(CLOCK_MONOTONIC) > w->until_ns;
	return w->is_late;
}

static const char *keep(const struct walker *w, const char *text)
{
	return text != NULL ? arena_intern(w->search->names_arena, text) : NULL;
}

static const char *name_of(Dwarf_Die *die)
{
	static const unsigned int attributes[] = { DW_AT_linkage_name, DW_AT_MIPS_linkage_name,
						   DW_AT_name };
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++) {
		Dwarf_Attribute attribute;
		const char *name =
			dwarf_formstring(dwarf_attr_integrate(die, attributes[i], &attribute));
		if (name != NULL)
			return name;
	}
	return NULL;
}

static uint32_t number_of(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number = 0;
	if (dwarf_formudata(dwarf_attr(die, name, &attribute), &number) != 0 || number > INT32_MAX)
		return 0;
	return (uint32_t)number;
}

/* ---- chains ---- */

static void append(const struct walker *w, size_t i, Dwarf_Die *die)
{
	struct debug_place *place = &w->places[i];
	if (place->functions == NULL)
		place->functions = arena_alloc_array(w->search->names_arena, INLINED_MAX,
						     sizeof(*place->functions));
	if (place->functions == NULL || place->n == INLINED_MAX)
		return;
	if (place->n > 0) {
		/* The one around it is at the call. */
		struct debug_function *caller = &place->functions[place->n - 1];
		caller->line = number_of(die, DW_AT_call_line);
		caller->file = keep(
			w, dwarf_filesrc(w->files, number_of(die, DW_AT_call_file), NULL, NULL));
	}
	place->functions[place->n++] = (struct debug_function){ .name = keep(w, name_of(die)) };
}

static void add_line(const struct walker *w, size_t i)
{
	const struct debug_place *place = &w->places[i];
	int line = 0;
	if (place->n == 0)
		return;
	Dwarf_Line *at = dwarf_getsrc_die(w->unit, w->search->places[i].offset);
	struct debug_function *innermost = &place->functions[place->n - 1];
	if (at == NULL || dwarf_lineno(at, &line) != 0 || line <= 0)
		return;
	innermost->line = (uint32_t)line;
	innermost->file = keep(w, dwarf_linesrc(at, NULL, NULL));
}

/* ---- entries ---- */

/* Calls @use for each place that the entry covers. Returns how many there are. */
static size_t each_covered(const struct walker *w, Dwarf_Die *die,
			   void (*use)(const struct walker *w, size_t i, Dwarf_Die *die))
{
	Dwarf_Addr base, start, end;
	size_t n = 0, n_ranges = 0;
	for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &start, &end)) > 0;) {
		if (++n_ranges > RANGES_MAX)
			break;
		for (size_t i = symbol_search_from(w->search, start);
		     i < w->search->n && w->search->places[i].offset < end; i++, n++)
			if (use != NULL)
				use(w, i, die);
	}
	return n;
}

static void add_line_of(const struct walker *w, size_t i, Dwarf_Die *die)
{
	(void)die;
	add_line(w, i);
}

static bool visit(struct walker *w, Dwarf_Die *die)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_namespace:
	case DW_TAG_module:
		return true;
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
		return each_covered(w, die, append) > 0;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		return each_covered(w, die, NULL) > 0;
	default:
		return false;
	}
}

/* Goes through all below the unit, without recursion: @open are the entries around the present one. */
static void visit_unit(struct walker *w)
{
	Dwarf_Die open[DEPTH_MAX];
	size_t depth = 0;
	if (dwarf_child(w->unit, &open[0]) != 0)
		return;
	while (!is_late(w)) {
		Dwarf_Die *die = &open[depth];
		if (visit(w, die) && depth + 1 < DEPTH_MAX &&
		    dwarf_child(die, &open[depth + 1]) == 0) {
			depth++;
			continue;
		}
		while (dwarf_siblingof(&open[depth], &open[depth]) != 0)
			if (depth-- == 0)
				return;
	}
}

static void find_in_unit(struct walker *w, Dwarf_Die *unit)
{
	size_t n_files;
	if (each_covered(w, unit, NULL) == 0)
		return;
	w->unit = unit;
	if (dwarf_getsrcfiles(unit, &w->files, &n_files) != 0)
		w->files = NULL;
	visit_unit(w);
	(void)each_covered(w, unit, add_line_of);
}

/* Another file, which libdw would open by its path, is one that only root can name. */
static bool is_small(const struct elf_image *image)
{
	struct elf_sizes sizes;
	elf_measure(image->elf, &sizes);
	return sizes.debug_packed <= DEBUG_MAX &&
	       sizes.debug <= (image->is_mapped ? MAPPED_MAX : DEBUG_MAX) &&
	       (image->is_mapped || !sizes.has_other_file);
}

/* libdw has no other way out. */
static jmp_buf out_of_memory;

static __attribute__((noreturn)) void leave(void)
{
	longjmp(out_of_memory, 1);
}

static void find_in_all(struct walker *w, Dwarf *dwarf)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	while (!is_late(w) && dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0)
		find_in_unit(w, &die);
}

void debug_info_find(const struct elf_image *image, const struct symbol_search *search,
		     uint64_t limit_ns, struct debug_place *ret)
{
	struct walker w = { .search = search, .places = ret };
	/* Unpacks all there is. */
	Dwarf *dwarf = is_small(image) ? dwarf_begin_elf(image->elf, DWARF_C_READ, NULL) : NULL;
	if (dwarf == NULL)
		return;
	w.until_ns = clock_ns(CLOCK_MONOTONIC) + limit_ns;
	if (w.until_ns > search->until_ns)
		w.until_ns = search->until_ns;
	(void)dwarf_new_oom_handler(dwarf, leave);
	/* What was found until then stands. */
	if (setjmp(out_of_memory) == 0)
		find_in_all(&w, dwarf);
	(void)dwarf_end(dwarf);
}
