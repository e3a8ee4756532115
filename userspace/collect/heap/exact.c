/* SPDX-License-Identifier: MIT */
/* See exact.h. */
#include "userspace/collect/heap/exact.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bpf/exact.h"
#include "userspace/base/fs.h"
#include "userspace/base/rights.h"
#include "userspace/base/tick_clock.h"
#include "userspace/base/units.h"
#include "userspace/base/vec.h"
#include "userspace/collect/heap/blocks.h"
#include "userspace/collect/heap/exact_files.h"
#include "userspace/collect/heap/row_store.h"
#include "userspace/collect/run/emit.h"
#include "userspace/stacks/unwind.h"

#define PERIOD_NS (2 * NS_PER_MS)

/* BLOCK records of a run; some 200 MB, of which a quarter is left in the file. */
#define BLOCKS_MAX 4000000u

enum {
	DEPTH_MAX = 1024, /* frames of a stack; the shims make fewer */
	/* Each takes 64 to 128 bytes of startline's memory. */
	MOST_BLOCKS = 1 << 25,
	CUT_PART = 100, /* where no more than this part of all stacks is cut it is not told */
};

struct exact {
	struct exact_target target;
	struct exact_users users;
	struct row_store *rows;
	int timer;
	struct exact_files files;
	struct VEC(
		struct exact_ring *) waiting; /* a heap while records are taken: the oldest first */
	uint64_t next_ns;		      /* no record that was read is older */
	int error;			      /* that nobody could be told of yet */
	struct tick_clock clock;
	struct exact_lost lost; /* by images that have ended; n_garbled and n_stacks: by all */
	uint64_t n_blocks;	/* that were told */
};

/* ---- files ---- */

int exact_new(const struct exact_target *target, const struct exact_users *users,
	      struct exact **ret)
{
	const struct itimerspec every = { .it_interval.tv_nsec = PERIOD_NS,
					  .it_value.tv_nsec = PERIOD_NS };
	struct exact *x = calloc(1, sizeof(*x));
	if (x == NULL)
		return -ENOMEM;
	_cleanup_(rights_give_back) struct rights before;
	int r = rights_take(target->uid, target->gid, &before);
	x->target = *target;
	x->users = *users;
	if (x->target.most_blocks == 0)
		x->target.most_blocks = MOST_BLOCKS;
	x->files.directory =
		r < 0 ? -1 : open(target->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	x->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	x->rows = row_store_new(x->files.directory, target->uid == rights_uid());
	if (r >= 0 && (x->files.directory < 0 || x->timer < 0 ||
		       timerfd_settime(x->timer, 0, &every, NULL) < 0))
		r = -errno;
	if (r >= 0 && x->rows == NULL)
		r = -ENOMEM;
	tick_clock_look(&x->clock, __rdtsc(), now_ns());
	if (r >= 0 && target->shim_path != NULL)
		row_store_add_path(x->rows, target->shim_path);
	if (r >= 0 && target->program != NULL)
		r = row_store_add_program(x->rows, target->program);
	if (r < 0) {
		(void)exact_free(x);
		return r;
	}
	*ret = x;
	return 0;
}

struct exact *exact_free(struct exact *x)
{
	if (x == NULL)
		return NULL;
	exact_files_done(&x->files);
	vec_done(&x->waiting);
	(void)row_store_free(x->rows);
	if (x->files.directory >= 0)
		(void)close(x->files.directory);
	if (x->timer >= 0)
		(void)close(x->timer);
	free(x);
	return NULL;
}

int exact_fd(const struct exact *x)
{
	return x->timer;
}

void exact_add_module(struct exact *x, struct modules *modules, struct module *module, pid_t pid)
{
	_cleanup_(rights_give_back) struct rights before;

	if (rights_take(x->target.uid, x->target.gid, &before) >= 0)
		row_store_add(x->rows, modules, module, pid);
}

int exact_fetch(struct exact *x)
{
	_cleanup_(rights_give_back) struct rights before;
	uint64_t n_ticks;
	(void)!read(x->timer, &n_ticks, sizeof(n_ticks));
	int r = rights_take(x->target.uid, x->target.gid, &before);
	tick_clock_look(&x->clock, __rdtsc(), now_ns());
	if (r >= 0)
		r = exact_files_find(&x->files);
	for (size_t i = 0; i < x->files.list.n && r >= 0; i++)
		r = exact_file_fetch(x->files.list.items[i]);
	x->next_ns = 0;
	return r < 0 ? r : 0;
}

/* ---- stacks ---- */

static bool is_shims(const struct exact *x, const struct module *module)
{
	return module != NULL && x->target.shim_path != NULL &&
	       strcmp(module->path, x->target.shim_path) == 0;
}

/* The STACK of a node. Callers first; those that are known already end the search. */
static int stack_of(struct exact *x, struct exact_file *f, uint32_t number, uint64_t time_ns,
		    uint32_t *ret)
{
	struct sl_exact_node nodes[DEPTH_MAX];
	uint32_t numbers[DEPTH_MAX];
	size_t n = 0;
	*ret = 0;
	if (f->stacks == NULL)
		f->stacks = calloc(SL_EXACT_NODES + 1, sizeof(*f->stacks));
	if (f->stacks == NULL)
		return -ENOMEM;
	while (number >= 1 && number <= SL_EXACT_NODES && f->stacks[number] == 0) {
		if (n == DEPTH_MAX ||
		    !exact_file_read_at(f, SL_EXACT_NODES_AT + (number - 1) * sizeof(*nodes),
					&nodes[n], sizeof(*nodes)) ||
		    nodes[n].is_there == 0)
			return 0;
		numbers[n] = number;
		number = nodes[n++].caller;
	}
	bool is_cut = number == SL_EXACT_CUT;
	uint32_t stack = number >= 1 && number <= SL_EXACT_NODES ? f->stacks[number] - 1 : 0;
	*x->users.told_ns = time_ns;
	while (n-- > 0) {
		const uint64_t address = nodes[n].address & ~SL_EXACT_INTERRUPTED;
		const bool is_call = (nodes[n].address & SL_EXACT_INTERRUPTED) == 0;
		struct code_frame frame;
		struct module *module = unwinder_place(x->users.unwinder, f->pid, time_ns,
						       address - is_call, &frame);
		if (!is_shims(x, module)) {
			const int r = intern_called(x->users.intern, stack, &frame, is_cut, &stack);
			if (r < 0)
				return r;
			is_cut = false;
		}
		f->stacks[numbers[n]] = stack + 1;
	}
	*ret = stack;
	return 0;
}

/* ---- records ---- */

static int tell_block(struct exact *x, const struct exact_file *f, uint64_t time_ns,
		      uint64_t address, uint64_t bytes, uint32_t stack)
{
	struct sl_block e = {
		.event = emit_header(SL_KIND_BLOCK, sizeof(e), time_ns, f->pid),
		.address = address,
		.bytes = bytes,
		.stack = stack,
	};
	if (!x->target.keeps_blocks)
		return 0;
	if (x->n_blocks == BLOCKS_MAX) {
		x->lost.n_blocks++;
		return 0;
	}
	x->n_blocks++;
	e.event.flags |= SL_FLAG_NS_IDS;
	return x->users.sink->event(x->users.sink->data, &e.event);
}

static int take_record(struct exact *x, struct exact_ring *ring)
{
	struct exact_file *f = ring->file;
	const struct exact_record *record = &ring->records[ring->next++];
	const uint64_t time_ns = tick_clock_ns(&x->clock, record->clock);
	if (record->kind == SL_EXACT_FREED) {
		sites_freed(x->users.sites, f->pid, time_ns, record->address,
			    record->address == ring->last_new);
		ring->last_new = 0;
		return tell_block(x, f, time_ns, record->address, 0, 0);
	}
	if (record->kind == 0) {
		/* Nobody waits for room. */
		x->lost.n_garbled++;
		exact_file_stop(f);
		return 0;
	}
	struct site_block block = {
		.owner = { .pid = f->pid, .told_pid = (uint32_t)f->pid, .flags = SL_FLAG_NS_IDS },
		.time_ns = time_ns,
		.address = record->address,
		.bytes = record->bytes,
		.p = 1,
		.is_sampled = record->kind == SL_EXACT_SAMPLED,
	};
	int r = stack_of(x, f, record->node, time_ns, &block.stack);
	ring->last_new = record->address;
	x->lost.n_stacks++;
	if (r >= 0)
		r = sites_allocated(x->users.sites, &block);
	return r < 0 ? r : tell_block(x, f, time_ns, block.address, block.bytes, block.stack);
}

/* Where the next ones will be looked for is on its way from memory while those before are taken: of many blocks that
 * is what takes longest. */
static bool has_record(const struct exact *x, struct exact_ring *ring)
{
	if (ring->next < ring->n_records)
		return true;
	const bool has_some = exact_ring_decode(ring);
	const struct blocks *blocks = sites_blocks(x->users.sites, ring->file->pid);
	for (size_t i = 0; i < ring->n_records && blocks != NULL; i++)
		blocks_expect(blocks, ring->records[i].address);
	return has_some;
}

static uint64_t clock_of(const struct exact_ring *ring)
{
	return ring->records[ring->next].clock;
}

/* Moves the ring at @at to where it belongs in the heap. */
static void sift(struct exact *x, size_t at)
{
	struct exact_ring **rings = x->waiting.items;
	for (size_t child = 2 * at + 1; child < x->waiting.n; child = 2 * at + 1) {
		if (child + 1 < x->waiting.n && clock_of(rings[child + 1]) < clock_of(rings[child]))
			child++;
		if (clock_of(rings[at]) <= clock_of(rings[child]))
			return;
		struct exact_ring *ring = rings[at];
		rings[at] = rings[child];
		rings[child] = ring;
		at = child;
	}
}

/* The rings that have records, of @only or of all. */
static int gather(struct exact *x, struct exact_file *only)
{
	x->waiting.n = 0;
	vec_foreach(f, &x->files.list)
		for (size_t i = 0; i < exact_file_n_rings(*f) && (only == NULL || *f == only); i++)
			if (has_record(x, &(*f)->rings[i]) &&
			    vec_push(&x->waiting, &(*f)->rings[i]) < 0)
				return -ENOMEM;
	for (size_t i = x->waiting.n / 2; i-- > 0;)
		sift(x, i);
	return 0;
}

static uint64_t second_of(const struct exact *x)
{
	uint64_t second = UINT64_MAX;
	for (size_t i = 1; i < 3 && i < x->waiting.n; i++)
		if (clock_of(x->waiting.items[i]) < second)
			second = clock_of(x->waiting.items[i]);
	return second;
}

/* Records of all rings in the order in which they were made, up to @until_ns. */
static int take(struct exact *x, struct exact_file *only, uint64_t until_ns)
{
	const uint64_t until = tick_clock_ticks(&x->clock, until_ns);
	int n = 0, r = gather(x, only);
	while (r >= 0 && x->waiting.n > 0) {
		struct exact_ring *ring = x->waiting.items[0];
		const uint64_t second = second_of(x), last = second < until ? second : until;
		if (clock_of(ring) > until)
			break;
		while (r >= 0 && has_record(x, ring) && clock_of(ring) <= last) {
			r = take_record(x, ring);
			n++;
		}
		if (!has_record(x, ring))
			x->waiting.items[0] = x->waiting.items[--x->waiting.n];
		sift(x, 0);
	}
	x->next_ns = x->waiting.n == 0 ? UINT64_MAX
				       : tick_clock_ns(&x->clock, clock_of(x->waiting.items[0]));
	return r < 0 ? r : n;
}

/* Images that found no room sample from then on. */
static void tell_over(struct exact *x)
{
	vec_foreach(f, &x->files.list) {
		if ((*f)->header.is_over == 0 || (*f)->is_told_over)
			continue;
		(*f)->is_told_over = true;
		sites_sample_from_now(x->users.sites, (*f)->pid, x->target.sample_bytes);
	}
}

/* Where more blocks are live than are to be kept, who has most of them samples from now on. */
static void bound_blocks(struct exact *x)
{
	pid_t pid;
	if (sites_n_blocks(x->users.sites, &pid) <= x->target.most_blocks)
		return;
	vec_foreach(f, &x->files.list) {
		if ((*f)->pid != pid || !(*f)->has_header)
			continue;
		/* Who goes on all the same is not read. */
		for (size_t i = 0; i < SL_EXACT_RINGS && (*f)->is_told_over; i++)
			exact_ring_stop(&(*f)->rings[i]);
		exact_file_stop(*f);
	}
	tell_over(x);
}

int exact_take(struct exact *x, uint64_t until_ns)
{
	if (x->error < 0)
		return x->error;
	if (x->next_ns > until_ns)
		return 0;
	const int r = take(x, NULL, until_ns);
	if (r >= 0 && x->next_ns == UINT64_MAX)
		tell_over(x);
	if (r > 0)
		bound_blocks(x);
	return r;
}

/* ---- the end ---- */

/* Sums of hostile numbers may wrap; that is harmless. */
static void add_lost(struct exact_lost *to, const struct exact_lost *from)
{
	to->n_stopped += from->n_stopped;
	to->n_garbled += from->n_garbled;
	to->n_unrecorded += from->n_unrecorded;
	to->n_refused += from->n_refused;
	to->n_blocks += from->n_blocks;
	to->n_cut += from->n_cut;
	to->n_stacks += from->n_stacks;
	to->n_waits += from->n_waits;
	to->waited_ns += from->waited_ns;
}

static void add_image_lost(struct exact_lost *to, const struct sl_exact *header)
{
	const struct exact_lost lost = {
		.n_stopped = header->is_over != 0,
		.n_unrecorded = header->n_unrecorded,
		.n_refused = header->n_refused,
		.n_cut = header->n_cut,
		.n_waits = header->n_waits,
		.waited_ns = header->waited_ns,
	};
	add_lost(to, &lost);
}

static bool is_image(const struct exact *x, struct exact_file *f, pid_t pid, uint64_t time_ns)
{
	if (!f->has_header)
		(void)exact_file_read_header(f);
	return f->has_header && f->pid == pid &&
	       tick_clock_ns(&x->clock, f->header.clock) < time_ns;
}

static int end_file(struct exact *x, size_t i)
{
	struct exact_file *f = x->files.list.items[i];
	int r = exact_file_fetch(f);
	if (r >= 0)
		r = take(x, f, UINT64_MAX);
	add_image_lost(&x->lost, &f->header);
	exact_files_remove(&x->files, i);
	/* Of others nothing was looked at. */
	x->next_ns = 0;
	return r;
}

void exact_image_ended(struct exact *x, pid_t pid, uint64_t time_ns)
{
	_cleanup_(rights_give_back) struct rights before;
	int r = rights_take(x->target.uid, x->target.gid, &before);
	if (r >= 0)
		r = exact_files_find(&x->files);
	for (size_t i = x->files.list.n; i-- > 0 && r >= 0;)
		if (is_image(x, x->files.list.items[i], pid, time_ns))
			r = end_file(x, i);
	if (r < 0)
		x->error = r;
}

void exact_lost(const struct exact *x, struct exact_lost *to)
{
	add_lost(to, &x->lost);
	vec_foreach(f, &x->files.list)
		if ((*f)->has_header)
			add_image_lost(to, &(*f)->header);
}

int exact_tell_lost(const struct exact_lost *lost, struct sink sink)
{
	char waited[UNITS_BYTES];
	const struct {
		uint64_t n;
		const char *text;
	} notes[] = {
		{ lost->n_unrecorded, "calls in signal handlers could not be recorded" },
		{ lost->n_stopped,
		  "processes allocated faster than was read, with too many threads or more blocks "
		  "than are kept, or without the processor's clock: from then on their call sites "
		  "are estimated from samples (--on-overrun slow waits instead)" },
		{ lost->n_garbled,
		  "threads recorded what makes no sense: of these, call sites lack what came "
		  "later" },
		{ lost->n_refused,
		  "allocations have no stack: there were too many different ones" },
	};
	int r = 0;
	if (lost->n_unrecorded > 0)
		r = emit_drops(sink, SL_SOURCE_COLLECT, SL_KIND_SITE, lost->n_unrecorded);
	if (r >= 0 && lost->n_blocks > 0)
		r = emit_drops(sink, SL_SOURCE_COLLECT, SL_KIND_BLOCK, lost->n_blocks);
	if (r >= 0 && lost->n_blocks > 0)
		r = emit_meta(sink, "note",
			      "%llu allocations and frees were not kept (--raw): the first %u of a "
			      "run are",
			      (unsigned long long)lost->n_blocks, BLOCKS_MAX);
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]) && r >= 0; i++)
		if (notes[i].n > 0)
			r = emit_meta(sink, "note", "%llu %s", (unsigned long long)notes[i].n,
				      notes[i].text);
	if (r >= 0 && lost->n_cut > lost->n_stacks / CUT_PART)
		r = emit_meta(sink, "note",
			      "the stacks of %llu of %llu allocations could not be followed to "
			      "their outermost function",
			      (unsigned long long)lost->n_cut, (unsigned long long)lost->n_stacks);
	if (r >= 0 && lost->n_waits > 0)
		r = emit_meta(sink, "note",
			      "threads waited %llu times until there was room to record, %s in all "
			      "(--on-overrun slow): times are longer by that",
			      (unsigned long long)lost->n_waits,
			      format_ns(waited, (double)lost->waited_ns));
	return r;
}
