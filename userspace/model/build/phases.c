/* SPDX-License-Identifier: MIT */
/* The phase of a process at an instant. Each image goes through exec, link, init and main at
 * its marks; a forked child goes on in the phase its parent was in. Off the spine (the process
 * that became ready and its ancestors) main is called child. */
#include "userspace/model/build/internal.h"

#include <stdlib.h>

static void add_step(struct builder *b, struct proc *p, uint64_t at_ns, enum phase phase,
		     bool is_own)
{
	/* Marks may come out of order from a hostile program: time never goes back. */
	if (p->steps.n > 0 && at_ns < vec_last(&p->steps)->at_ns)
		at_ns = vec_last(&p->steps)->at_ns;
	push(b, &p->steps, (struct step){ .at_ns = at_ns, .phase = phase, .is_own = is_own });
}

static const struct step *step_at(const struct proc *p, uint64_t at_ns, size_t *ret_index)
{
	size_t low = 0, high = p->steps.n;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (p->steps.items[middle].at_ns <= at_ns)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_index = low;
	return low == 0 ? NULL : &p->steps.items[low - 1];
}

static void add_image(struct builder *b, struct proc *p, const struct image_note *i)
{
	add_step(b, p, i->enter_ns, PHASE_EXEC, true);
	const bool has_linked = i->linked_ns != 0, has_main = i->main_ns != 0;
	if (!has_linked && !has_main) {
		add_step(b, p, i->done_ns, PHASE_MAIN, true);
		return;
	}
	add_step(b, p, i->done_ns, i->out.is_static ? PHASE_INIT : PHASE_LINK, true);
	if (has_linked)
		add_step(b, p, i->linked_ns, has_main ? PHASE_INIT : PHASE_MAIN, true);
	if (has_main)
		add_step(b, p, i->main_ns, PHASE_MAIN, true);
}

static void add_steps(struct builder *b, int index)
{
	struct proc *p = &b->procs.items[index];
	size_t ignored;
	const struct step *birth =
		p->parent < 0 ? NULL : step_at(&b->procs.items[p->parent], p->start_ns, &ignored);
	/* The command is born as a suspended launcher: until its exec there is nothing of it. */
	enum phase phase = index == 0 ? PHASE_EXEC : birth != NULL ? birth->phase : PHASE_MAIN;
	add_step(b, p, 0, phase, index == 0);
	for (size_t i = 0; i < p->images.n; i++)
		if (p->images.items[i].is_ok)
			add_image(b, p, &p->images.items[i]);
	if (index == 0 && p->images.n == 0)
		add_step(b, p, b->zero_ns, PHASE_MAIN, true);
}

void phases_finish(struct builder *b)
{
	for (size_t i = 0; i < b->procs.n; i++)
		add_steps(b, (int)i);
	b->is_spine = keep(b, calloc(b->procs.n, sizeof(bool)));
	if (b->is_spine == NULL)
		return;
	/* Parents have lower indices, so this ends. */
	for (int i = b->run->has_ready ? b->run->ready_process - 1 : 0; i >= 0;
	     i = b->procs.items[i].parent)
		b->is_spine[i] = true;
}

/* Link and init count as captured when every image that the path leads through had its marks. */
void phases_judge(struct builder *b)
{
	struct run *run = b->run;
	run->has_link_phase = run->has_init_phase = run->has_segments;
	for (size_t i = 0; i < run->n_segments; i++) {
		const struct segment *s = &run->segments[i];
		const int proc = s->process - 1;
		const struct image_note *image =
			image_at(&b->procs.items[proc], b->zero_ns + (uint64_t)s->start_ns);
		if (image == NULL || !b->is_spine[proc])
			continue;
		run->has_link_phase =
			run->has_link_phase && (image->out.is_static || image->linked_ns != 0);
		run->has_init_phase = run->has_init_phase && image->main_ns != 0;
	}
}

enum phase phase_at(const struct builder *b, int proc, uint64_t at_ns, uint64_t *ret_until)
{
	const struct proc *p = &b->procs.items[proc];
	size_t next;
	const struct step *step = step_at(p, at_ns, &next);
	*ret_until = next < p->steps.n ? p->steps.items[next].at_ns : FOREVER;
	const enum phase phase = step != NULL ? step->phase : PHASE_MAIN;
	const bool is_own = step != NULL && step->is_own;
	if (!b->is_spine[proc] && (phase == PHASE_MAIN || !is_own))
		return PHASE_CHILD;
	return phase;
}
