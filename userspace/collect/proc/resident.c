/* SPDX-License-Identifier: MIT */
/* Looks at one process: reads its mappings, adds up those that are the same part of its memory, and tells
 * the largest. What is not told by itself is summed, so that the parts always add up to the whole. */

#include "userspace/collect/proc/resident.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/rights.h"
#include "userspace/collect/proc/areas.h"
#include "userspace/collect/run/emit.h"

/* Files, shared memory and named areas that are told by themselves; the rest of a kind is one row. */
#define NAMED_MOST 24
#define TEXT_MAX   1024u
#define PATH_ROOM  96
#define STATUS_MAX 4096
/* Where a thread's stack is is asked of no more. */
#define THREADS_MOST 1024
/* smaps cuts each mapping's numbers to whole kB; the sums by the kernel are asked for where that may be
 * more than this part of the whole. */
#define CUT_PART 250
#define KIB	 1024ull

#define PRESENT ((uint64_t)1 << 63) /* in /proc/PID/pagemap */

struct row {
	enum sl_part part;
	const char *text; /* in the areas' names, or static */
	uint64_t areas, size;
	uint64_t rss, pss, private_bytes, dirty, swap;
};

struct rows VEC(struct row);
struct addresses VEC(uint64_t);

struct looking {
	pid_t pid;
	int memory_map; /* its pagemap; -1: not asked for yet, or not to be had */
};

static int open_of(pid_t pid, const char *name)
{
	char path[PATH_ROOM];
	/* A set-uid program's files are not the caller's. */
	_cleanup_(rights_give_back) struct rights before;
	(void)rights_take(0, 0, &before);
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A file that is no longer than a page as text; false: it cannot be read. */
static bool read_of(pid_t pid, const char *name, char text[static STATUS_MAX])
{
	_cleanup_close_ int fd = open_of(pid, name);
	const ssize_t n = fd < 0 ? -1 : read(fd, text, STATUS_MAX - 1);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The number of kB in the line that begins with @key; 0: there is none. */
static uint64_t kib_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	unsigned long long kib = 0;
	return at != NULL && sscanf(at + strlen(key), " %llu", &kib) == 1 ? kib * KIB : 0;
}

/* ---- hints ---- */

static int by_value(const void *left, const void *right)
{
	const uint64_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

/* Of threads that are in a system call, or stopped: "NUMBER SIX ARGUMENTS POINTER ADDRESS". */
static void read_stack_pointers(pid_t pid, struct addresses *ret)
{
	char path[PATH_ROOM];
	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	_cleanup_closedir_ DIR *threads = opendir(path);
	for (const struct dirent *d = threads != NULL ? readdir(threads) : NULL;
	     d != NULL && ret->n < THREADS_MOST; d = readdir(threads)) {
		char name[PATH_ROOM], text[STATUS_MAX];
		uint64_t pointer = 0;
		(void)snprintf(name, sizeof(name), "task/%.10s/syscall", d->d_name);
		if (d->d_name[0] == '.' || !read_of(pid, name, text))
			continue;
		if (sscanf(text, "%*d %*x %*x %*x %*x %*x %*x %" SCNx64, &pointer) == 1 ||
		    sscanf(text, "-1 %" SCNx64, &pointer) == 1)
			(void)vec_push(ret, pointer);
	}
	if (ret->n > 1)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_value);
}

/* Only where the page is there: reading it would put it there. */
static bool peek(void *data, uint64_t address, void *to, size_t n)
{
	struct looking *l = data;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct iovec here = { to, n };
	const struct iovec there = { (void *)(uintptr_t)address, n };
	uint64_t entry = 0;
	if (l->memory_map == -1)
		l->memory_map = open_of(l->pid, "pagemap");
	if (l->memory_map < 0 || pread(l->memory_map, &entry, sizeof(entry),
				       (off_t)(address / page * sizeof(entry))) != sizeof(entry))
		return false;
	return (entry & PRESENT) != 0 &&
	       process_vm_readv(l->pid, &here, 1, &there, 1, 0) == (ssize_t)n;
}

/* ---- rows ---- */

static bool is_told_by_name(enum sl_part part)
{
	return part == SL_PART_FILE || part == SL_PART_SHARED || part == SL_PART_NAMED ||
	       part == SL_PART_RUNTIME;
}

static void add(struct row *row, const struct row *more)
{
	row->areas += more->areas;
	row->size += more->size;
	row->rss += more->rss;
	row->pss += more->pss;
	row->private_bytes += more->private_bytes;
	row->dirty += more->dirty;
	row->swap += more->swap;
}

static struct row row_of(const struct areas *a, const struct area *area)
{
	const char *name = area->known_as != NULL ? area->known_as : area_name(a, area);
	return (struct row){
		.part = area->part,
		.text = is_told_by_name(area->part) ? name : "",
		.areas = 1,
		.size = area->end - area->start,
		.rss = area->rss,
		.pss = area->pss,
		.private_bytes = area->private_bytes,
		.dirty = area->dirty,
		.swap = area->swap,
	};
}

static int by_part(const void *left, const void *right)
{
	const struct row *a = left, *b = right;
	return a->part != b->part ? (a->part < b->part ? -1 : 1) : strcmp(a->text, b->text);
}

/* Within a part the largest first. */
static int by_size(const void *left, const void *right)
{
	const struct row *a = left, *b = right;
	if (a->part != b->part)
		return a->part < b->part ? -1 : 1;
	return a->rss != b->rss ? (a->rss > b->rss ? -1 : 1) : strcmp(a->text, b->text);
}

static size_t merge(struct row *rows, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && by_part(&rows[kept - 1], &rows[i]) == 0)
			add(&rows[kept - 1], &rows[i]);
		else
			rows[kept++] = rows[i];
	}
	return kept;
}

/* What stays of each part: its largest, and behind them one without a name for the others. */
static size_t cut(struct row *rows, size_t n)
{
	size_t kept = 0, in_part = 0;
	for (size_t i = 0; i < n; i++) {
		in_part = i > 0 && rows[i - 1].part == rows[i].part ? in_part + 1 : 0;
		if (in_part <= NAMED_MOST) {
			rows[kept] = rows[i];
			if (in_part == NAMED_MOST)
				rows[kept].text = "";
			kept++;
		} else {
			add(&rows[kept - 1], &rows[i]);
		}
	}
	return kept;
}

static int sum_up(const struct areas *a, struct rows *ret, struct row *all)
{
	*all = (struct row){ .part = SL_PART_ALL, .text = "" };
	if (vec_reserve(ret, a->list.n + 1) < 0)
		return -ENOMEM;
	vec_foreach(area, &a->list) {
		const struct row row = row_of(a, area);
		add(all, &row);
		/* What is not there at all needs no row. */
		if (row.rss > 0 || row.swap > 0)
			ret->items[ret->n++] = row;
	}
	if (ret->n == 0)
		return 0;
	qsort(ret->items, ret->n, sizeof(*ret->items), by_part);
	ret->n = merge(ret->items, ret->n);
	qsort(ret->items, ret->n, sizeof(*ret->items), by_size);
	ret->n = cut(ret->items, ret->n);
	return 0;
}

/* Of how many mappings a part of a kB may have been cut off: of half of one in the middle. */
static uint64_t n_cut(const struct areas *a)
{
	uint64_t n = 0;
	vec_foreach(area, &a->list)
		n += area->rss != area->private_bytes;
	return n;
}

/* The kernel's own sums; false: they cannot be read. */
static bool read_rollup(pid_t pid, struct row *all)
{
	char text[STATUS_MAX];
	if (!read_of(pid, "smaps_rollup", text))
		return false;
	all->rss = kib_after(text, "\nRss:");
	all->pss = kib_after(text, "\nPss:");
	all->dirty = kib_after(text, "\nPrivate_Dirty:");
	all->private_bytes = all->dirty + kib_after(text, "\nPrivate_Clean:");
	all->swap = kib_after(text, "\nSwap:");
	return true;
}

uint64_t resident_pss(const struct resident_whole *sums, const struct resident_whole *rollup,
		      uint64_t n_cut)
{
	const bool is_same = rollup->rss_bytes == sums->rss_bytes &&
			     rollup->pss_bytes >= sums->pss_bytes &&
			     rollup->pss_bytes - sums->pss_bytes <= n_cut * KIB;
	return is_same ? rollup->pss_bytes : sums->pss_bytes;
}

/* All other numbers are of whole pages, so nothing was cut off. */
static void uncut(pid_t pid, uint64_t n_cut, struct row *all)
{
	struct row rollup;
	if (n_cut * KIB / 2 > all->pss / CUT_PART && read_rollup(pid, &rollup))
		all->pss = resident_pss(&(struct resident_whole){ all->rss, all->pss },
					&(struct resident_whole){ rollup.rss, rollup.pss }, n_cut);
}

/* ---- events ---- */

struct telling {
	const struct resident_ask *ask;
	struct sink sink;
	pid_t pid;
	uint64_t time_ns;
};

static int tell(const struct telling *t, const struct row *row, int result)
{
	union {
		struct sl_resident resident;
		char bytes[sizeof(struct sl_resident) + TEXT_MAX + 8];
	} record = { .bytes = { 0 } };
	/* A path's end says more than its beginning. */
	const size_t n = strlen(row->text);
	const size_t cut_off = n > TEXT_MAX ? n - TEXT_MAX : 0;
	const size_t size = sizeof(record.resident) + n - cut_off + 1;
	record.resident = (struct sl_resident){
		.event = emit_header(SL_KIND_RESIDENT, size, t->time_ns, t->pid),
		.when = t->ask->when,
		.part = row->part,
		.result = result,
		.areas = (uint32_t)row->areas,
		.size_bytes = row->size,
		.rss_bytes = row->rss,
		.pss_bytes = row->pss,
		.private_bytes = row->private_bytes,
		.dirty_bytes = row->dirty,
		.swap_bytes = row->swap,
	};
	record.resident.event.flags |=
		(t->ask->is_ns ? SL_FLAG_NS_IDS : 0u) | (cut_off > 0 ? SL_FLAG_CUT : 0u);
	memcpy(record.bytes + sizeof(record.resident), row->text + cut_off, n - cut_off);
	return t->sink.event(t->sink.data, &record.resident.event);
}

static int tell_failed(const struct telling *t, int error, struct resident_sums *sums)
{
	/* It has ended, which is no failure. */
	if (error == -ENOENT || error == -ESRCH)
		return 0;
	sums->n_failed++;
	return tell(t, &(struct row){ .part = SL_PART_ALL, .text = "" }, error);
}

static int tell_all(const struct telling *t, const struct row *all, struct resident_sums *sums)
{
	char text[STATUS_MAX];
	sums->n_processes++;
	sums->rss_bytes += all->rss;
	sums->pss_bytes += all->pss;
	sums->private_bytes += all->private_bytes;
	int e = tell(t, all, 0);
	const uint64_t tables = read_of(t->pid, "status", text) ? kib_after(text, "\nVmPTE:") : 0;
	if (e >= 0 && tables > 0)
		e = tell(t, &(struct row){ .part = SL_PART_PAGE_TABLES, .text = "", .rss = tables },
			 0);
	return e;
}

static int look(const struct telling *t, struct areas *a, struct resident_sums *sums)
{
	struct looking looking = { .pid = t->pid, .memory_map = -1 };
	_cleanup_vec_ struct addresses pointers = { 0 };
	_cleanup_vec_ struct rows rows = { 0 };
	struct row all;
	read_stack_pointers(t->pid, &pointers);
	const struct areas_hints hints = {
		.stack_pointers = pointers.items,
		.n = pointers.n,
		.own_directory = t->ask->own_directory,
		.own_file = t->ask->own_file,
		.allocator = t->ask->allocator,
		.peek = peek,
		.data = &looking,
	};
	areas_sort_out(a, &hints);
	cleanup_close(&looking.memory_map);
	int e = sum_up(a, &rows, &all);
	if (e < 0)
		return e;
	uncut(t->pid, n_cut(a), &all);
	e = tell_all(t, &all, sums);
	for (size_t i = 0; e >= 0 && i < rows.n; i++) {
		const struct row *row = &rows.items[i];
		if (row->part == SL_PART_OWN) {
			sums->pss_bytes -= row->pss;
			sums->private_bytes -= row->private_bytes;
		}
		e = tell(t, row, 0);
	}
	return e;
}

int source_proc_resident(pid_t pid, const struct resident_ask *ask, struct resident_sums *sums,
			 struct sink sink)
{
	const struct telling told = { ask, sink, pid, now_ns() };
	if (ask->is_short) {
		struct row all = { .part = SL_PART_ALL, .text = "" };
		return read_rollup(pid, &all) ? tell_all(&told, &all, sums)
					      : tell_failed(&told, -errno, sums);
	}
	_cleanup_(areas_done) struct areas a = { 0 };
	_cleanup_close_ int fd = open_of(pid, "smaps");
	const int e = fd < 0 ? fd : areas_read(fd, &a);
	if (e < 0)
		return tell_failed(&told, e, sums);
	/* It ends just now, or executes something else: nothing is mapped any more, or yet. */
	return areas_have_code(&a) ? look(&told, &a, sums) : 0;
}
