/* SPDX-License-Identifier: MIT */
/* See region.h. Linux sets these bounds only together with others, so all are given: the same as it has
 * by now, found in the way in which it finds them (fs/binfmt_elf.c). */
#include "preload/region.h"

#include <linux/prctl.h>

#include "preload/sys.h"

enum { ARGUMENTS_LIMIT = 1 << 22 };

static void set_bounds_of_file(const struct region_image *image, struct prctl_mm_map *map)
{
	map->start_code = UINTPTR_MAX;
	for (size_t i = 0; i < image->n_headers; i++) {
		const Elf64_Phdr *p = &image->headers[i];
		const uint64_t start = image->bias + p->p_vaddr, end = start + p->p_filesz;
		const bool is_code = (p->p_flags & PF_X) != 0;
		if (p->p_type != PT_LOAD)
			continue;
		if (is_code && start < map->start_code)
			map->start_code = start;
		if (is_code && end > map->end_code)
			map->end_code = end;
		if (start > map->start_data)
			map->start_data = start;
		if (end > map->end_data)
			map->end_data = end;
	}
}

/* The stack's first word, the number of arguments: they, and a null, stand between it and @envp. */
static const long *stack_of(char *const *envp)
{
	const long *word = (const long *)(const void *)envp - 1;

	if (*word != 0)
		return NULL;
	for (long n = 0; n < ARGUMENTS_LIMIT; n++) {
		if (*--word == n)
			return word;
	}
	return NULL;
}

void region_set(const struct region_image *image, char *const *envp, const char *first,
		const char *start, const char *end)
{
	const long *stack = image->headers == NULL ? NULL : stack_of(envp);

	if (stack == NULL || *stack == 0)
		return;
	const char *const *argv = (const char *const *)(const void *)(stack + 1);
	const char *last = argv[*stack - 1];
	struct prctl_mm_map map = {
		.start_stack = (uintptr_t)stack,
		.arg_start = (uintptr_t)argv[0],
		.arg_end = (uintptr_t)first,
		.env_start = (uintptr_t)start,
		.env_end = (uintptr_t)end,
		.exe_fd = UINT32_MAX,
	};
	if (last + text_length(last) + 1 != first)
		return;
	set_bounds_of_file(image, &map);
	map.start_brk = map.brk = (uintptr_t)sys_call3(SYS_brk, 0, 0, 0);
	(void)sys_call6(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, (long)&map, sizeof(map), 0, 0);
}
