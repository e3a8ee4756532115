/* SPDX-License-Identifier: MIT */
/* What was seen and what was not: per process why, per run whether any record is missing,
 * proven by sequence numbers, and whether the machine was busy with something else. */
#include "userspace/model/build/internal.h"

#include <string.h>

#include "userspace/trace/kinds.h"

void coverage_cover(struct builder *b, const struct sl_cover *e)
{
	int proc = -1;
	if (e->ns_pid != 0)
		proc = process_lookup_ns(b, e->ns_pid, e->event.time_ns);
	if (proc < 0)
		proc = process_of(b, &e->event);
	/* Of no process, it is about the image that startline is about to execute. */
	if (proc < 0 && source_of(&e->event) == SL_SOURCE_COLLECT && b->procs.n > 0)
		proc = 0;
	if (proc < 0)
		return;
	if (e->next != 0)
		b->procs.items[proc].cover_next = e;
	else
		b->procs.items[proc].cover = e;
}

bool coverage_is_in(const struct sl_cover *c)
{
	return c->reason == SL_COVER_COUNTED || c->reason == SL_COVER_OWN_ALLOCATOR ||
	       c->reason == SL_COVER_OFF || c->reason == SL_COVER_DEEPBIND ||
	       (c->reason == SL_COVER_SANITIZER && c->next == 0);
}

static const char *const reasons[] = {
	[SL_COVER_COUNTED] = "counted",
	[SL_COVER_STATIC] = "static",
	[SL_COVER_SECURE] = "secure-exec",
	[SL_COVER_SANITIZER] = "sanitizer",
	[SL_COVER_32BIT] = "32-bit",
	[SL_COVER_CHROOT] = "chroot",
	[SL_COVER_OWN_ALLOCATOR] = "own allocator",
	[SL_COVER_OFF] = "switched off",
	[SL_COVER_DEEPBIND] = "deepbind",
	[SL_COVER_USER] = "dropped to another user",
};

/* @allocator: the name by which it tells of itself, or NULL. */
static const char *reason_text(struct builder *b, const struct sl_cover *c, const char *allocator)
{
	if (c->reason >= sizeof(reasons) / sizeof(reasons[0]) || reasons[c->reason] == NULL)
		return "not counted";
	if (c->reason != SL_COVER_OFF && c->reason != SL_COVER_DEEPBIND &&
	    c->reason != SL_COVER_OWN_ALLOCATOR)
		return reasons[c->reason];
	const char *why = text_of(b->arena, &c->event, c->text);
	if (c->reason == SL_COVER_OWN_ALLOCATOR && allocator != NULL)
		why = allocator;
	const char *text =
		why[0] == '\0' ? NULL : arena_printf(b->arena, "%s: %s", reasons[c->reason], why);
	return text != NULL ? text : reasons[c->reason];
}

static const struct image_note *last_image(const struct proc *p)
{
	return image_at(p, FOREVER);
}

/* The counters of a process may be those of images before its last one. */
static bool counts_last_image(const struct proc *p)
{
	const struct image_note *image = last_image(p);
	if (image == NULL || image->linked_ns != 0 || image->main_ns != 0)
		return true;
	vec_foreach(note, &p->heaps) {
		if (note->since_ns >= image->done_ns)
			return true;
	}
	return false;
}

/* Nothing tells why: it may have been killed in the loader, or executed by a call past the hooks, with
 * another environment. */
static const char unknown[] = "unknown";

/* Whether the shim is in what @p runs at last, counting or not, as far as can be told. */
static bool is_in(const struct proc *p, const char *coverage)
{
	static const char *const words[] = { "counted", "blocks allocated unseen", unknown,
					     "no allocation after fork" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(coverage, words[i]) == 0)
			return true;
	}
	return p->cover != NULL && coverage_is_in(p->cover);
}

/* What no shim can be in; NULL: any other image. */
static const char *kind_of_image(const struct image *image)
{
	if (image->is_static)
		return "static";
	if (image->is_secure)
		return "secure-exec";
	return image->is_32bit ? "32-bit" : NULL;
}

/* The shim goes from parent to child: what it was not in cannot hand it on. Parents come first, so
 * theirs is known. NULL: the parent is not to blame. */
static const char *parents_reason(struct builder *b, const struct proc *p)
{
	static const char prefix[] = "parent: ";
	if (p->parent < 0)
		return NULL;
	const struct proc *parent = &b->procs.items[p->parent];
	const struct image_note *image = image_at(parent, p->start_ns);
	const char *reason = image == NULL ? NULL : kind_of_image(&image->out);
	if (reason == NULL && image == last_image(parent))
		reason = parent->out.coverage_heap;
	if (reason == NULL || is_in(parent, reason))
		return NULL;
	if (strncmp(reason, prefix, strlen(prefix)) == 0)
		return reason;
	return arena_printf(b->arena, "%s%s", prefix, reason);
}

/* Blocks that no hook saw allocated; a child of fork frees what its parent allocated. */
static bool frees_unseen_blocks(const struct proc *p)
{
	return last_image(p) != NULL && p->out.heap.calls[SL_HEAP_UNMATCHED] > 0;
}

static const char *heap_coverage(struct builder *b, const struct proc *p)
{
	const struct facts *f = b->facts;
	const struct image_note *image = last_image(p);

	if (p->out.heap.is_known && counts_last_image(p) &&
	    (p->cover == NULL || p->cover->reason == SL_COVER_COUNTED))
		return frees_unseen_blocks(p) ? "blocks allocated unseen" : "counted";
	/* What the kernel says of this image is proven; the other may be of the one before. */
	if (image != NULL && kind_of_image(&image->out) != NULL)
		return kind_of_image(&image->out);
	if (p->cover != NULL && p->cover->reason != SL_COVER_COUNTED)
		return reason_text(b, p->cover, p->out.allocator.name);
	if (f->shim != NULL) {
		const char *text = arena_printf(b->arena, "no shim: %s",
						f->shim[0] != '\0' ? f->shim : "not recorded");
		return text != NULL ? text : "no shim";
	}
	/* A child that never executed anything shares its parent's lane until it allocates. */
	if (image == NULL && p->parent >= 0)
		return "no allocation after fork";
	if (p->cover != NULL)
		return "not counted: its counters were not found";
	/* It was killed there, or a library is missing. */
	if (image != NULL && p->shim_open_ns >= image->done_ns && p->shim_open_ns != 0)
		return "never left the loader";
	const char *reason = parents_reason(b, p);
	return reason != NULL ? reason : unknown;
}

static const char *kernel_coverage(struct builder *b)
{
	const char *why = b->facts->bpf;
	if (why == NULL)
		return "bpf";
	const char *text =
		arena_printf(b->arena, "no bpf: %s", why[0] != '\0' ? why : "not recorded");
	return text != NULL ? text : "no bpf";
}

/* ---- losses ---- */

static void add_loss(struct builder *b, unsigned int source, const char *kind, uint64_t count)
{
	struct run *run = b->run;
	struct loss *losses =
		keep(b, arena_alloc_array(b->arena, run->n_losses + 1, sizeof(struct loss)));
	if (losses == NULL)
		return;
	if (run->n_losses > 0)
		memcpy(losses, run->losses, run->n_losses * sizeof(struct loss));
	losses[run->n_losses++] = (struct loss){
		.source = source == SL_SOURCE_SHIM ? "shim" : "bpf",
		.kind = kind,
		.count = counter(count),
	};
	run->losses = losses;
}

/* What one producer should have and has not. Before the last run only those count that
 * were heard of in it: a gap shows when the next record comes. */
static uint64_t missing_from(const struct facts *f, const struct producer *p, bool is_last)
{
	const bool is_active = p->run == f->run;
	const uint64_t before = is_active ? p->next_before : p->next;
	uint64_t next = p->next;
	if (is_last && p->tally != UINT64_MAX && p->tally > next)
		next = p->tally;
	const uint64_t expected = next - before;
	const uint64_t seen = is_active ? p->n_seen : 0;
	return expected > seen ? expected - seen : 0;
}

/* Records of @source that this run should have and has not. *ret_has_tally: every producer of
 * that source said how many there were. */
static uint64_t missing_of(const struct facts *f, unsigned int source, bool is_last,
			   bool *ret_has_tally)
{
	const size_t n = is_last ? f->producers.n : f->active.n;
	uint64_t missing = 0;
	*ret_has_tally = true;
	for (size_t i = 0; i < n; i++) {
		const size_t index = is_last ? i : (size_t)f->active.items[i];
		const struct producer *p = &f->producers.items[index];
		if (p->source != source)
			continue;
		*ret_has_tally = *ret_has_tally && p->tally != UINT64_MAX;
		missing += missing_from(f, p, is_last);
	}
	return missing;
}

static uint64_t dropped(const struct facts *f, unsigned int source)
{
	uint64_t sum = 0;
	for (unsigned int kind = 0; kind < SL_KIND_LIMIT; kind++)
		if (__builtin_add_overflow(sum, f->drops[source][kind], &sum))
			return UINT64_MAX;
	return sum;
}

static const char *loss_name(unsigned int source, unsigned int kind)
{
	const struct kind *k = kind_of(kind);
	if (k != NULL)
		return k->name;
	/* A whole probe was, by the kernel: links_skipped(). */
	return source == SL_SOURCE_BPF && kind == SL_KIND_NONE ? "skipped" : "unknown";
}

/* DROPS are of the whole recording. They are told by kind where they can only be of this run:
 * it is the only one, or its gaps explain all of them. */
static void list_losses(struct builder *b, unsigned int source, uint64_t missing)
{
	const struct facts *f = b->facts;
	const uint64_t n_dropped = dropped(f, source);
	if (missing == 0)
		return;
	if (n_dropped == 0 || n_dropped > missing) {
		add_loss(b, source, "unknown", missing);
		return;
	}
	for (unsigned int kind = 0; kind < SL_KIND_LIMIT; kind++) {
		if (f->drops[source][kind] > 0)
			add_loss(b, source, loss_name(source, kind), f->drops[source][kind]);
	}
	if (missing > n_dropped)
		add_loss(b, source, "unknown", missing - n_dropped);
}

static void say_incomplete(struct builder *b, const char *why)
{
	if (b->run->incomplete != NULL)
		return;
	b->run->is_complete = false;
	b->run->incomplete = why;
}

void producers_finish(struct builder *b, bool is_last)
{
	const struct facts *f = b->facts;
	struct run *run = b->run;
	bool has_bpf_tally, has_shim_tally;
	uint64_t bpf = missing_of(f, SL_SOURCE_BPF, is_last, &has_bpf_tally);
	uint64_t shim = missing_of(f, SL_SOURCE_SHIM, is_last, &has_shim_tally);
	/* With one run the producers' own count stands even where it exceeds the gaps. */
	const bool is_only = is_last && f->n_runs == 1;
	if (is_only && dropped(f, SL_SOURCE_BPF) > bpf)
		bpf = dropped(f, SL_SOURCE_BPF);
	if (is_only && dropped(f, SL_SOURCE_SHIM) > shim)
		shim = dropped(f, SL_SOURCE_SHIM);

	const uint64_t lost = bpf + shim;
	run->is_complete = true;
	run->lost_bpf = f->bpf == NULL ? counter(bpf) : UNKNOWN;
	run->lost_shim = f->shim == NULL ? counter(shim) : UNKNOWN;
	list_losses(b, SL_SOURCE_BPF, bpf);
	list_losses(b, SL_SOURCE_SHIM, shim);
	const char *text =
		arena_printf(b->arena, "%llu records were lost", (unsigned long long)lost);
	if (f->trace->n_damaged > 0)
		say_incomplete(b, "a part of the recording is damaged");
	if (lost > 0)
		say_incomplete(b, text != NULL ? text : "records were lost");
	if (is_last && (f->trace->is_truncated || !f->has_end))
		say_incomplete(b, "the recording has no end: startline was killed, or the file "
				  "was cut");
	if (f->trace->n_unknown > 0)
		say_incomplete(b, "it holds records that this version does not know");
	if (!has_bpf_tally || !has_shim_tally)
		say_incomplete(b, "a source did not say how many records it produced");
	if (f->bpf != NULL && f->shim != NULL)
		say_incomplete(b, "no source was there");
}

/* ---- contention ---- */

#define PRESSURE_PERCENT 10
#define STEAL_PERCENT	 2

static uint64_t grown(uint64_t before, uint64_t after)
{
	return before == SL_UNKNOWN || after == SL_UNKNOWN || after < before ? 0 : after - before;
}

static const char *taint(struct builder *b)
{
	const struct sl_host *first = b->host_first, *last = b->host_last;
	if (first == NULL || first == last || last->event.time_ns <= first->event.time_ns)
		return NULL;
	const double wall = (double)(last->event.time_ns - first->event.time_ns);
	const int64_t cpus = b->facts->session->host.cpus > 0 ? b->facts->session->host.cpus : 1;
	const double pressure =
		100 * (double)grown(first->cpu_pressure_ns, last->cpu_pressure_ns) / wall;
	const double steal =
		100 * (double)grown(first->steal_ns, last->steal_ns) / wall / (double)cpus;
	const double throttled = (double)grown(first->throttled_ns, last->throttled_ns) / 1e6;

	if (throttled > 0)
		return arena_printf(b->arena, "held back %.1f ms by its CPU quota", throttled);
	if (steal > STEAL_PERCENT)
		return arena_printf(b->arena, "the hypervisor took %.0f %% of the CPU time", steal);
	if (pressure > PRESSURE_PERCENT)
		return arena_printf(b->arena,
				    "tasks waited for a CPU during %.0f %% of the run (PSI)",
				    pressure);
	return NULL;
}

void coverage_finish(struct builder *b)
{
	const char *kernel = kernel_coverage(b);
	vec_foreach(p, &b->procs) {
		p->out.coverage_heap = heap_coverage(b, p);
		p->out.coverage_kernel = kernel;
		p->out.own_allocator = own_allocator(b, p);
	}
	b->run->tainted = taint(b);
}
