/* SPDX-License-Identifier: MIT */
/* Files that were opened, or not there, the ones first that took most time. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/report/parts.h"

#define MAX_ROWS_FOR_PEOPLE 40
#define MAX_LABEL	    ((size_t)64 << 10)

static int by_time(const void *left, const void *right)
{
	const struct file *const *a = left;
	const struct file *const *b = right;
	const int64_t x = sum_known((*a)->open_ns, (*a)->wait_ns);
	const int64_t y = sum_known((*b)->open_ns, (*b)->wait_ns);
	return x != y ? (x > y ? -1 : 1) : strcmp((*a)->path, (*b)->path);
}

static void add_file(struct table *t, const struct run *run, const struct file *f,
		     struct buf *label)
{
	table_tone(t, f->opens == 0 && f->misses > 0 ? TONE_DIM : TONE_PLAIN);
	table_text(t, f->path);
	table_count(t, f->opens);
	table_count(t, f->misses);
	table_ns(t, f->open_ns);
	table_count(t, f->waits);
	table_ns(t, f->wait_ns);
	table_ns(t, f->first_ns);
	table_count(t, f->process == 0 ? UNKNOWN : f->process);
	table_text(t, process_label(run, f->process, label));
}

static int sorted_files(const struct run *run, const struct file ***ret)
{
	const struct file **files = calloc(run->n_files + 1, sizeof(*files));
	if (files == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < run->n_files; i++)
		files[i] = &run->files[i];
	qsort(files, run->n_files, sizeof(*files), by_time);
	*ret = files;
	return 0;
}

struct table *build_files(const struct session *s, size_t run_index)
{
	static const struct column columns[] = {
		{ .title = "file", .key = "path", .is_elastic = true },
		{ .title = "opens", .key = "opens", .align = ALIGN_RIGHT },
		{ .title = "failed", .key = "misses", .align = ALIGN_RIGHT },
		{ .title = "opening", .key = "open_ns", .align = ALIGN_RIGHT },
		{ .title = "", .key = "waits", .audience = FOR_PROGRAMS },
		{ .title = "waiting", .key = "wait_ns", .align = ALIGN_RIGHT },
		{ .title = "first", .key = "first_ns", .align = ALIGN_RIGHT },
		{ .title = "", .key = "process", .audience = FOR_PROGRAMS },
		{ .title = "by", .key = "command" },
	};
	const struct run *run = &s->runs[run_index];
	_cleanup_(buf_done) struct buf label = { .limit = MAX_LABEL };
	_cleanup_free_ const struct file **files = NULL;
	struct table *t = table_new("Files", columns, N_OF(columns));
	const int r = sorted_files(run, &files);
	table_fail(t, r);
	for (size_t i = 0; r == 0 && i < run->n_files; i++) {
		if (i >= MAX_ROWS_FOR_PEOPLE)
			table_audience(t, FOR_PROGRAMS);
		add_file(t, run, files[i], &label);
	}
	if (run->n_files > MAX_ROWS_FOR_PEOPLE)
		table_note(t, "and %zu more: --format csv", run->n_files - MAX_ROWS_FOR_PEOPLE);
	if (run->files_cut != UNKNOWN && run->files_cut > 0)
		table_note(t, "%lld opens of files that took less are not among these",
			   (long long)run->files_cut);
	if (!run->has_files)
		table_note(t, "files were not recorded: no kernel events");
	return t;
}
