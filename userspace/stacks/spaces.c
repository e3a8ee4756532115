/* SPDX-License-Identifier: MIT */
/* A space is one program in one process; exec begins another one. Those of a process stand in a list,
 * newest first, each with the time from which and until which it was there, so that a snapshot that comes
 * late finds its own. */
#include "userspace/stacks/spaces.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/clock.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/stacks/proc_maps.h"

enum {
	BUCKETS = 4096, /* a power of two */
	/* What was read is read again no sooner than after this, and so many times what it took. */
	READ_AGAIN_NS = NS_PER_MS,
	READ_AGAIN_PART = 20,
};

struct space {
	struct space *next; /* of the same bucket; of one process: the newest first */
	struct space *next_ended;
	pid_t pid;
	uint64_t from_ns;
	uint64_t until_ns; /* UINT64_MAX: it is there */
	uint64_t read_ns;  /* from /proc, when last; 0: all was told */
	uint64_t read_again_ns;
	struct region_list regions; /* by address, none over another */
};

struct spaces {
	struct modules *modules;
	struct space *buckets[BUCKETS];
	struct space *first_ended; /* oldest first */
	struct space *last_ended;
	size_t n_ended;
	size_t n_regions;
	uint64_t n_refused;
	struct space *last; /* that was asked for */
	size_t last_region;
};

struct spaces *spaces_new(struct modules *modules)
{
	struct spaces *s = calloc(1, sizeof(*s));
	if (s != NULL)
		s->modules = modules;
	return s;
}

static struct space **bucket_of(struct spaces *s, pid_t pid)
{
	return &s->buckets[(size_t)pid % BUCKETS];
}

static void free_space(struct spaces *s, struct space *space)
{
	struct space **link = bucket_of(s, space->pid);
	while (*link != space)
		link = &(*link)->next;
	*link = space->next;
	if (s->last == space)
		s->last = NULL;
	s->n_regions -= space->regions.n;
	vec_done(&space->regions);
	free(space);
}

struct spaces *spaces_free(struct spaces *s)
{
	if (s == NULL)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++)
		while (s->buckets[i] != NULL)
			free_space(s, s->buckets[i]);
	free(s);
	return NULL;
}

/* That the process has now; NULL: none. */
static struct space *current_space(const struct spaces *s, pid_t pid)
{
	for (struct space *space = s->buckets[(size_t)pid % BUCKETS]; space != NULL;
	     space = space->next)
		if (space->pid == pid)
			return space->until_ns == UINT64_MAX ? space : NULL;
	return NULL;
}

static struct space *add_space(struct spaces *s, pid_t pid, uint64_t from_ns)
{
	struct space *space = calloc(1, sizeof(*space));
	if (space == NULL)
		return NULL;
	space->pid = pid;
	space->from_ns = from_ns;
	space->until_ns = UINT64_MAX;
	space->next = *bucket_of(s, pid);
	*bucket_of(s, pid) = space;
	return space;
}

static void end_space(struct spaces *s, struct space *space, uint64_t time_ns)
{
	space->until_ns = time_ns;
	if (s->last_ended != NULL)
		s->last_ended->next_ended = space;
	else
		s->first_ended = space;
	s->last_ended = space;
	s->n_ended++;
}

static void forget_oldest(struct spaces *s)
{
	struct space *oldest = s->first_ended;
	s->first_ended = oldest->next_ended;
	if (s->first_ended == NULL)
		s->last_ended = NULL;
	s->n_ended--;
	free_space(s, oldest);
}

/* Makes room for @n regions more. False: there is none. */
static bool has_room(struct spaces *s, size_t n)
{
	while (s->n_ended > ENDED_SPACES_MAX || (s->n_ended > 0 && s->n_regions + n > MAPPINGS_MAX))
		forget_oldest(s);
	if (s->n_regions + n <= MAPPINGS_MAX)
		return true;
	s->n_refused += n;
	return false;
}

/* ---- regions ---- */

/* The first region that ends behind @address. */
static size_t first_behind(const struct region_list *regions, uint64_t address)
{
	size_t low = 0, high = regions->n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (regions->items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert_at(struct region_list *regions, size_t at, const struct region *region)
{
	if (vec_reserve(regions, regions->n + 1) < 0)
		return -ENOMEM;
	memmove(&regions->items[at + 1], &regions->items[at],
		(regions->n - at) * sizeof(*regions->items));
	regions->items[at] = *region;
	regions->n++;
	return 0;
}

static void remove_at(struct region_list *regions, size_t at)
{
	regions->n--;
	memmove(&regions->items[at], &regions->items[at + 1],
		(regions->n - at) * sizeof(*regions->items));
}

/* Takes [start, end) out of what is there. */
static int cut_out(struct region_list *regions, uint64_t start, uint64_t end)
{
	size_t at = first_behind(regions, start);
	if (at < regions->n && regions->items[at].start < start) {
		struct region right = regions->items[at];
		regions->items[at++].end = start;
		if (right.end > end) {
			right.offset += end - right.start;
			right.start = end;
			return insert_at(regions, at, &right);
		}
	}
	while (at < regions->n && regions->items[at].end <= end)
		remove_at(regions, at);
	if (at < regions->n && regions->items[at].start < end) {
		struct region *region = &regions->items[at];
		region->offset += end - region->start;
		region->start = end;
	}
	return 0;
}

static enum module_type type_of(const char *path)
{
	if (strcmp(path, "[vdso]") == 0)
		return MODULE_VDSO;
	/* Made at run time, though it has the name of a file. */
	static const char *const made[] = { "//anon", "/memfd:", "/dev/zero", "/SYSV",
					    "/anon_hugepage" };
	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		if (strncmp(path, made[i], strlen(made[i])) == 0)
			return MODULE_ANONYMOUS;
	return path[0] == '/' ? MODULE_FILE : MODULE_ANONYMOUS;
}

static struct module *module_of(struct spaces *s, pid_t pid, const struct mapping *mapping)
{
	const enum module_type type = type_of(mapping->path);
	if (type == MODULE_ANONYMOUS)
		return modules_intern(s->modules, type, "[JIT]", NULL, pid);
	return modules_intern(s->modules, type, mapping->path, &mapping->identity, 0);
}

static int add_mapping(struct spaces *s, struct space *space, const struct mapping *mapping)
{
	const struct region region = { .start = mapping->address,
				       .end = mapping->address + mapping->length,
				       .offset = mapping->offset,
				       .module = module_of(s, space->pid, mapping) };
	const size_t before = space->regions.n;
	if (region.end <= region.start)
		return 0;
	if (!has_room(s, 2))
		return -ENOSPC;
	int r = cut_out(&space->regions, region.start, region.end);
	if (r == 0)
		r = insert_at(&space->regions, first_behind(&space->regions, region.start),
			      &region);
	s->n_regions += space->regions.n - before;
	return r;
}

/* Adds what it has now. */
static void read_maps(struct spaces *s, struct space *space)
{
	struct mapping mapping;
	struct proc_maps maps;
	space->read_ns = clock_ns(CLOCK_MONOTONIC);
	if (proc_maps_begin(&maps, space->pid) == 0)
		while (proc_maps_next(&maps, &mapping))
			(void)add_mapping(s, space, &mapping);
	proc_maps_end(&maps);
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	space->read_again_ns = now + READ_AGAIN_NS + (now - space->read_ns) * READ_AGAIN_PART;
}

/* One of which nothing was told: as it is now. */
static struct space *read_space(struct spaces *s, pid_t pid, uint64_t from_ns)
{
	struct space *space = add_space(s, pid, from_ns);
	if (space != NULL)
		read_maps(s, space);
	return space;
}

/* ---- what is told ---- */

int spaces_map(struct spaces *s, pid_t pid, uint64_t time_ns, const struct mapping *mapping)
{
	struct space *space = current_space(s, pid);
	if (space == NULL)
		space = read_space(s, pid, *bucket_of(s, pid) == NULL ? 0 : time_ns);
	return space == NULL ? -ENOMEM : add_mapping(s, space, mapping);
}

int spaces_fork(struct spaces *s, pid_t child, pid_t parent, uint64_t time_ns)
{
	if (child == parent)
		return 0;
	spaces_exit(s, child, time_ns); /* one of the same number, whose end was missed */
	struct space *of_parent = current_space(s, parent);
	if (of_parent == NULL)
		of_parent = read_space(s, parent, time_ns);
	if (of_parent == NULL)
		return -ENOMEM;
	if (!has_room(s, of_parent->regions.n))
		return -ENOSPC;
	struct space *space = add_space(s, child, time_ns);
	if (space == NULL || vec_reserve(&space->regions, of_parent->regions.n) < 0)
		return -ENOMEM;
	if (of_parent->regions.n > 0)
		memcpy(space->regions.items, of_parent->regions.items,
		       of_parent->regions.n * sizeof(*space->regions.items));
	space->regions.n = of_parent->regions.n;
	s->n_regions += space->regions.n;
	return 0;
}

void spaces_exit(struct spaces *s, pid_t pid, uint64_t time_ns)
{
	struct space *space = current_space(s, pid);
	if (space != NULL)
		end_space(s, space, time_ns);
	(void)has_room(s, 0);
}

int spaces_exec(struct spaces *s, pid_t pid, uint64_t time_ns)
{
	spaces_exit(s, pid, time_ns);
	return add_space(s, pid, time_ns) == NULL ? -ENOMEM : 0;
}

/* ---- what is asked ---- */

bool spaces_have(const struct spaces *s, pid_t pid)
{
	return current_space(s, pid) != NULL;
}

static struct space *space_at(struct spaces *s, pid_t pid, uint64_t time_ns)
{
	if (s->last != NULL && s->last->pid == pid && s->last->from_ns <= time_ns &&
	    time_ns < s->last->until_ns)
		return s->last;
	bool is_known = false;
	for (struct space *space = *bucket_of(s, pid); space != NULL; space = space->next) {
		if (space->pid != pid)
			continue;
		is_known = true;
		if (space->from_ns <= time_ns && time_ns < space->until_ns)
			return space;
	}
	return is_known ? NULL : read_space(s, pid, 0);
}

static const struct region *region_at(const struct space *space, uint64_t address)
{
	const size_t at = first_behind(&space->regions, address);
	const struct region *region = at < space->regions.n ? &space->regions.items[at] : NULL;
	return region != NULL && region->start <= address ? region : NULL;
}

/* Where the kernel does not tell of mappings a library that was loaded since is only found by reading again. */
static bool is_outdated(const struct space *space, uint64_t time_ns)
{
	return space->read_ns != 0 && space->until_ns == UINT64_MAX && time_ns > space->read_ns &&
	       clock_ns(CLOCK_MONOTONIC) >= space->read_again_ns;
}

const struct region *spaces_find(struct spaces *s, pid_t pid, uint64_t time_ns, uint64_t address)
{
	struct space *space = space_at(s, pid, time_ns);
	s->last = space;
	if (space == NULL)
		return NULL;
	const struct region *region = region_at(space, address);
	if (region != NULL || !is_outdated(space, time_ns))
		return region;
	read_maps(s, space);
	return region_at(space, address);
}

struct modules *spaces_modules(const struct spaces *s)
{
	return s->modules;
}

uint64_t spaces_n_refused(const struct spaces *s)
{
	return s->n_refused;
}
