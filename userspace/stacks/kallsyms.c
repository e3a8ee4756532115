/* SPDX-License-Identifier: MIT */
/* A line of it: "ffffffff81000000 T _text", for modules with "[name]" behind a tab. */
#include "userspace/stacks/kallsyms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/fs.h"

#define PATH	   "/proc/kallsyms"
#define FILE_LIMIT ((size_t)256 << 20) /* that of a distribution has 10 MB */

struct kernel_symbol {
	uint64_t address;
	const char *name;
};

bool kallsyms_is_readable(void)
{
	char line[256];
	bool is_readable = false;
	FILE *f = fopen(PATH, "re");
	if (f == NULL)
		return false;
	/* The first ones may be offsets of per-CPU data. */
	for (int i = 0; i < 1000 && !is_readable && fgets(line, sizeof(line), f) != NULL; i++)
		is_readable = strtoull(line, NULL, 16) != 0;
	(void)fclose(f);
	return is_readable;
}

static int by_address(const void *left, const void *right)
{
	const struct kernel_symbol *a = left, *b = right;
	return a->address < b->address ? -1 : a->address > b->address;
}

/* NULL: no function. Cuts @line up. */
static const char *read_line(char *line, uint64_t *ret_address)
{
	char *end;
	*ret_address = strtoull(line, &end, 16);
	if (end == line || *ret_address == 0 || end[0] != ' ' || end[1] == '\0' ||
	    strchr("tTwW", end[1]) == NULL || end[2] != ' ')
		return NULL;
	char *name = end + 3;
	name[strcspn(name, "\t ")] = '\0';
	return name;
}

int kallsyms_read(struct kallsyms *k)
{
	*k = (struct kallsyms){ .n = 0 };
	buf_init(&k->text, FILE_LIMIT);
	const int r = fs_read_file(PATH, &k->text);
	if (r < 0)
		return r;
	size_t n_lines = 0;
	for (const char *at = buf_str(&k->text); (at = strchr(at, '\n')) != NULL; at++)
		n_lines++;
	k->symbols = calloc(n_lines + 1, sizeof(*k->symbols));
	if (k->symbols == NULL)
		return -ENOMEM;
	char *rest = k->text.data, *line;
	while (k->n < n_lines && (line = strsep(&rest, "\n")) != NULL) {
		struct kernel_symbol *symbol = &k->symbols[k->n];
		symbol->name = read_line(line, &symbol->address);
		k->n += symbol->name != NULL;
	}
	qsort(k->symbols, k->n, sizeof(*k->symbols), by_address);
	return 0;
}

void kallsyms_done(struct kallsyms *k)
{
	free(k->symbols);
	buf_done(&k->text);
}

const char *kallsyms_name(const struct kallsyms *k, uint64_t address)
{
	size_t low = 0, high = k->n; /* the first symbol behind it */
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (k->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? k->symbols[low - 1].name : NULL;
}
