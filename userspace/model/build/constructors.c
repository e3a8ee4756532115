/* SPDX-License-Identifier: MIT */
/* Which constructor of a library its time went to: the outermost function of it that the loader has called,
 * by the stacks that were taken meanwhile. Names come after the runs. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <string.h>

#include "userspace/model/place.h"

#define LEAST_NS      1000000 /* shorter ones nobody asks about */
#define MAX_LIBRARIES 64
#define MAX_NAMES     64 /* of constructors of one library */

struct named {
	const struct frame *frame; /* one of its places */
	int64_t ns;
};

/* One library in hand. */
struct constructed {
	struct session *s;
	const struct library *library;
	const char *label;
	bool is_program;
	int64_t end_ns;
	struct named names[MAX_NAMES];
	size_t n_names;
};

static bool begins(const struct frame *f, const char *name)
{
	const char *slash = f->module != NULL ? strrchr(f->module, '/') : NULL;
	return slash != NULL && strncmp(slash + 1, name, strlen(name)) == 0;
}

static bool is_loader(const struct frame *f)
{
	return begins(f, "ld-");
}

/* A program's own are called by libc, as its main function is. */
static const struct frame *constructor_in(const struct constructed *c, const struct stack *stack)
{
	for (size_t k = stack->n_frames; k-- > 1;) {
		const struct frame *f = session_frame(c->s, stack->frames[k - 1]);
		const struct frame *caller = session_frame(c->s, stack->frames[k]);
		if (f == NULL || caller == NULL || f->function == NULL || f->module == NULL)
			continue;
		const bool is_called = is_loader(caller) || (c->is_program && !stack->is_cut &&
							     begins(caller, "libc.") &&
							     strcmp(f->function, "main") != 0);
		if (is_called && module_label(c->s->arena, f->module) == c->label)
			return f;
	}
	return NULL;
}

static bool is_same(const struct frame *a, const struct frame *b)
{
	return strcmp(a->function, b->function) == 0;
}

static void add(struct constructed *c, int64_t place, int64_t ns)
{
	const struct stack *stack = session_stack(c->s, place);
	const struct frame *f = stack != NULL ? constructor_in(c, stack) : NULL;
	size_t i = 0;
	while (f != NULL && i < c->n_names && !is_same(c->names[i].frame, f))
		i++;
	if (f == NULL || i == MAX_NAMES)
		return;
	if (i == c->n_names)
		c->names[c->n_names++] = (struct named){ .frame = f };
	c->names[i].ns += ns;
}

/* Destructors have the same callers. */
static bool is_then(const struct constructed *c, int process, enum phase phase, int64_t at_ns)
{
	const struct library *l = c->library;
	if (process != l->process)
		return false;
	return l->is_late ? at_ns >= l->start_ns && at_ns < c->end_ns : phase == PHASE_INIT;
}

static int64_t known(int64_t ns)
{
	return ns != UNKNOWN ? ns : 0;
}

static bool is_of_program(const struct session *s, const struct run *run, const struct library *l,
			  const char *label)
{
	const struct process *p = l->process > 0 && (size_t)l->process <= run->n_processes
					  ? &run->processes[l->process - 1]
					  : NULL;
	return p != NULL && p->exe != NULL && module_label(s->arena, p->exe) == label;
}

static int name_constructor(struct session *s, const struct run *run, struct library *l)
{
	struct constructed c = {
		.s = s,
		.library = l,
		.label = module_label(s->arena, l->path),
		.end_ns = l->start_ns + known(l->search_ns) + known(l->map_ns) +
			  known(l->relocate_ns) + l->init_ns,
	};
	c.is_program = is_of_program(s, run, l, c.label);
	for (size_t i = 0; i < run->n_samples; i++)
		if (is_then(&c, run->samples[i].process, run->samples[i].phase,
			    run->samples[i].start_ns))
			add(&c, run->samples[i].stack, run->samples[i].weight_ns);
	for (size_t i = 0; i < run->n_segments; i++)
		if (run->segments[i].state == ACTIVITY_BLOCKED &&
		    is_then(&c, run->segments[i].process, run->segments[i].phase,
			    run->segments[i].start_ns))
			add(&c, run->segments[i].stack, run->segments[i].duration_ns);
	const struct named *most = NULL;
	for (size_t i = 0; i < c.n_names; i++)
		if (most == NULL || c.names[i].ns > most->ns)
			most = &c.names[i];
	if (most == NULL)
		return 0;
	const char *function = most->frame->function;
	l->constructor = arena_strndup(s->arena, function, function_length(function));
	l->constructor_ns = most->ns < l->init_ns ? most->ns : l->init_ns;
	return l->constructor != NULL ? 0 : -ENOMEM;
}

/* "libfoo.so: its constructors took 52.1 ms, 51.8 ms of it in fill_tables" */
static int tell(struct session *s, struct run *run)
{
	int64_t ns;
	const struct library *worst = slowest_constructors(run, &ns);
	for (size_t i = 0; worst != NULL && worst->constructor != NULL && i < run->n_findings;
	     i++) {
		struct finding *f = &run->findings[i];
		if (strcmp(f->id, SLOW_CONSTRUCTOR) != 0)
			continue;
		f->evidence = arena_printf(s->arena, "%s, %.1f ms of it in %s", f->evidence,
					   (double)worst->constructor_ns / 1e6, worst->constructor);
		if (f->evidence == NULL)
			return -ENOMEM;
	}
	return 0;
}

int constructors_name(struct session *s, struct run *run)
{
	size_t n = 0;
	int r = 0;
	for (size_t i = 0; r >= 0 && i < run->n_libraries && n < MAX_LIBRARIES; i++) {
		if (run->libraries[i].init_ns < LEAST_NS)
			continue;
		r = name_constructor(s, run, &run->libraries[i]);
		n++;
	}
	return r < 0 || n == 0 ? r : tell(s, run);
}
