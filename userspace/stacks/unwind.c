/* SPDX-License-Identifier: MIT */
/* One walk from the innermost frame outwards. Each step needs a row of the code that the frame is in, and
 * a few words of the slice. The CFA must grow with every step, so that a walk comes to its end. */
#include "userspace/stacks/unwind.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/stacks/module_file.h"
#include "userspace/stacks/rows.h"

struct unwinder {
	struct spaces *spaces;
	struct modules *modules;
	struct rows *rows;
	struct module *kernel;
	void (*look_at_made)(void *data, struct made_frame *frame);
	void *made_data;
};

struct walk {
	struct unwinder *u;
	const struct snapshot *snapshot;
	struct unwound *ret;
	uint64_t bottom;		   /* address of the slice */
	const struct goroutine *goroutine; /* that may still be gone on with; NULL: none */
	uint64_t registers[N_REGISTERS];
	uint32_t known;	      /* bit: the register has its value of this frame */
	bool was_interrupted; /* this frame called nothing: RIP is where it is */
	bool is_by_code;      /* this frame was found by the look of code: it may be none at all */
	bool is_bare;	      /* this frame has nothing on the stack but its return address */
	bool is_scheduler; /* what it came from is over: the goroutine that it has is another one */
};

enum { ALL_KNOWN = (1 << N_REGISTERS) - 1 };

/* What outlives a call. */
enum {
	KNOWN_AFTER_CALL = 1 << REGISTER_RBX | 1 << REGISTER_RBP | 1 << REGISTER_R12 |
			   1 << REGISTER_R13 | 1 << REGISTER_R14 | 1 << REGISTER_R15 |
			   1 << REGISTER_RSP | 1 << REGISTER_RIP
};

const char *unwind_end_name(enum unwind_end end)
{
	static const char *const names[] = {
		[UNWIND_OUTERMOST] = "outermost", [UNWIND_NO_STACK] = "no stack",
		[UNWIND_NO_ROW] = "no row",	  [UNWIND_NO_CODE] = "no code",
		[UNWIND_NO_GROWTH] = "no growth", [UNWIND_TOO_MANY] = "too many frames",
	};
	return names[end];
}

struct unwinder *unwinder_new(struct spaces *spaces)
{
	struct unwinder *u = calloc(1, sizeof(*u));
	if (u == NULL)
		return NULL;
	u->spaces = spaces;
	u->modules = spaces_modules(spaces);
	u->rows = rows_new(u->modules);
	return u->rows != NULL ? u : unwinder_free(u);
}

struct unwinder *unwinder_free(struct unwinder *u)
{
	if (u == NULL)
		return NULL;
	rows_free(u->rows);
	free(u);
	return NULL;
}

void unwinder_set_made(struct unwinder *u, void (*look)(void *data, struct made_frame *frame),
		       void *data)
{
	u->look_at_made = look;
	u->made_data = data;
}

void unwinder_counts(const struct unwinder *u, uint64_t *ret_rows, uint64_t *ret_missed)
{
	rows_counts(u->rows, ret_rows, ret_missed);
	*ret_rows += *ret_missed;
}

static bool word_in(const uint8_t *slice, size_t n, uint64_t at, uint64_t *ret)
{
	if (n < WORD || at > n - WORD)
		return false;
	memcpy(ret, slice + at, WORD);
	return true;
}

static bool read_word(const struct walk *w, uint64_t address, uint64_t *ret)
{
	const struct snapshot *s = w->snapshot;
	const struct goroutine *g = s->goroutine;
	/* Of an address below it, too large. */
	return word_in(s->stack, s->n_stack, address - w->bottom, ret) ||
	       (g != NULL && word_in(g->stack, g->n_stack, address - g->bottom, ret));
}

static bool knows(const struct walk *w, uint8_t number)
{
	return (w->known >> number & 1) != 0;
}

/* False: there are too many already. */
static bool add_frame(struct unwound *ret, uint32_t module, uint64_t offset, uint64_t address)
{
	if (ret->n == FRAMES_MAX)
		return false;
	ret->frames[ret->n++] =
		(struct code_frame){ .module = module, .offset = offset, .address = address };
	return true;
}

/* ---- one step ---- */

/* Does that go on to the goroutine's stack, from elsewhere? It does so once. */
static bool is_over_there(struct walk *w, uint64_t from, uint64_t to)
{
	const struct goroutine *g = w->goroutine;
	if (g == NULL || to - g->bottom > g->n_stack || from - g->bottom <= g->n_stack)
		return false;
	w->goroutine = NULL;
	return true;
}

/* The CFA of this frame; OUTERMOST stands for success in what follows. */
static enum unwind_end find_cfa(struct walk *w, const struct row *row, uint64_t *ret)
{
	if (!knows(w, row->cfa_register))
		return UNWIND_NO_ROW;
	*ret = w->registers[row->cfa_register] + (uint64_t)(int64_t)row->cfa_offset;
	if ((row->flags & ROW_CFA_AT) && !read_word(w, *ret, ret))
		return UNWIND_NO_STACK;
	const uint64_t before = w->registers[REGISTER_RSP];
	return is_over_there(w, before, *ret) || *ret > before ? UNWIND_OUTERMOST
							       : UNWIND_NO_GROWTH;
}

static enum unwind_end step_by_row(struct walk *w, const struct row *row)
{
	static const uint8_t saved[N_SAVED] = SAVED_REGISTERS;
	uint64_t cfa = 0;
	const enum unwind_end r = find_cfa(w, row, &cfa);
	if (r != UNWIND_OUTERMOST)
		return r;
	const uint64_t frame_pointer = w->registers[REGISTER_RBP];
	const bool knows_frame_pointer = knows(w, REGISTER_RBP);
	w->known &= KNOWN_AFTER_CALL;
	for (size_t i = 0; i < N_SAVED; i++) {
		if (row->saved[i] == SAVED_UNCHANGED)
			continue;
		const bool by_rbp = (row->by_rbp >> i & 1) != 0;
		const uint64_t at =
			(by_rbp ? frame_pointer : cfa) + (uint64_t)((int64_t)row->saved[i] * WORD);
		if (row->saved[i] == SAVED_LOST || (by_rbp && !knows_frame_pointer) ||
		    !read_word(w, at, &w->registers[saved[i]]))
			w->known &= ~(1u << saved[i]);
	}
	w->registers[REGISTER_RSP] = cfa;
	w->was_interrupted = false;
	return knows(w, REGISTER_RIP) ? UNWIND_OUTERMOST : UNWIND_NO_STACK;
}

static enum unwind_end step_by_context(struct walk *w)
{
	static const uint8_t order[N_SIGNAL_REGISTERS] = SIGNAL_REGISTERS;
	const uint64_t context = w->registers[REGISTER_RSP] + SIGNAL_CONTEXT;
	const uint64_t before = w->registers[REGISTER_RSP];
	for (size_t i = 0; i < N_SIGNAL_REGISTERS; i++)
		if (!read_word(w, context + i * WORD, &w->registers[order[i]]))
			return UNWIND_NO_STACK;
	w->known = ALL_KNOWN;
	w->was_interrupted = true;
	if (is_over_there(w, before, w->registers[REGISTER_RSP]))
		return UNWIND_OUTERMOST;
	/* With a stack of its own for signals, what was interrupted may be anywhere. */
	if (w->registers[REGISTER_RSP] < before)
		return UNWIND_NO_STACK;
	return w->registers[REGISTER_RSP] > before ? UNWIND_OUTERMOST : UNWIND_NO_GROWTH;
}

/* Code without rows, which has one. */
static enum unwind_end step_by_frame_pointer(struct walk *w)
{
	const uint64_t rsp = w->registers[REGISTER_RSP], rbp = w->registers[REGISTER_RBP];
	if (!knows(w, REGISTER_RBP))
		return UNWIND_NO_ROW;
	uint64_t caller, outer;
	if (rbp < rsp || rbp % WORD != 0 || !read_word(w, rbp, &outer) ||
	    !read_word(w, rbp + WORD, &caller))
		return UNWIND_NO_STACK;
	w->known &=
		KNOWN_AFTER_CALL & ~(1u << REGISTER_RBX | 1u << REGISTER_R12 | 1u << REGISTER_R13 |
				     1u << REGISTER_R14 | 1u << REGISTER_R15);
	w->registers[REGISTER_RBP] = outer;
	w->registers[REGISTER_RSP] = rbp + FRAME_POINTER_CFA;
	w->registers[REGISTER_RIP] = caller;
	w->was_interrupted = false;
	return UNWIND_OUTERMOST;
}

/* ---- code made at run time ---- */

static bool read_made_word(const struct made_frame *frame, uint64_t at, uint64_t *ret)
{
	return read_word(frame->stack, at, ret);
}

static struct made_frame look_at_made(const struct walk *w, uint64_t address)
{
	struct made_frame frame = {
		.pid = w->snapshot->pid,
		.time_ns = w->snapshot->time_ns,
		.address = address,
		.is_innermost = w->was_interrupted,
		.knows_rbp = knows(w, REGISTER_RBP),
		.rsp = w->registers[REGISTER_RSP],
		.rbp = w->registers[REGISTER_RBP],
		.word = read_made_word,
		.stack = w,
	};
	if (w->u->look_at_made != NULL)
		w->u->look_at_made(w->u->made_data, &frame);
	return frame;
}

static enum unwind_end step_to_caller(struct walk *w, const struct made_frame *frame)
{
	if (frame->caller_rsp <= w->registers[REGISTER_RSP])
		return UNWIND_NO_GROWTH;
	w->known = 1u << REGISTER_RSP | 1u << REGISTER_RIP |
		   (uint32_t)frame->knows_caller_rbp << REGISTER_RBP;
	w->registers[REGISTER_RSP] = frame->caller_rsp;
	w->registers[REGISTER_RIP] = frame->caller_rip;
	w->registers[REGISTER_RBP] = frame->caller_rbp;
	w->was_interrupted = w->is_by_code = w->is_bare = false;
	return UNWIND_OUTERMOST;
}

/* ---- the walk ---- */

/* What code is there: a region and, where its file can be read, the address as its symbols count. */
struct place {
	const struct region *region;
	struct module *module;
	bool has_file;
	uint64_t offset;
};

static struct place find_place(struct walk *w, uint64_t address)
{
	const struct snapshot *s = w->snapshot;
	struct place place = { .offset = address };
	place.region = spaces_find(w->u->spaces, s->pid, s->time_ns, address);
	place.module = place.region != NULL ? place.region->module : NULL;
	if (place.module != NULL && place.module->type == MODULE_ANONYMOUS)
		modules_want_names(w->u->modules, place.module);
	if (place.module == NULL || place.module->type == MODULE_ANONYMOUS)
		return place;
	const uint64_t in_file = address - place.region->start + place.region->offset;
	const struct module_file *f = modules_look(w->u->modules, place.module, s->pid,
						   place.region->start, place.region->end);
	place.has_file = f != NULL && module_file_address(f, in_file, &place.offset);
	if (!place.has_file) {
		place.module = modules_unread(w->u->modules, place.module);
		place.offset = in_file;
	}
	return place;
}

/* runtime.asmcgocall notes which goroutine it came from, and below that how much of its stack was in use. */
static bool is_named(const struct walk *w, const struct goroutine *g)
{
	static const uint8_t places[] = { 8, 48 }; /* in older versions the latter */
	for (size_t i = 0; i < sizeof(places); i++) {
		const uint64_t at = w->registers[REGISTER_RSP] + places[i];
		uint64_t address, in_use;
		if (read_word(w, at, &address) && read_word(w, at - WORD, &in_use) &&
		    address == g->address && in_use == g->end - g->rsp)
			return true;
	}
	return false;
}

/* On with the stack of the goroutine, from where it said that it goes on. */
static enum unwind_end step_to_goroutine(struct walk *w, bool must_be_named)
{
	const struct goroutine *g = w->goroutine;
	if (g == NULL || g->rsp - g->bottom > g->end - g->bottom ||
	    (must_be_named && !is_named(w, g)))
		return UNWIND_NO_STACK;
	if (find_place(w, g->rip).region == NULL)
		return UNWIND_NO_CODE;
	w->goroutine = NULL;
	w->registers[REGISTER_RSP] = g->rsp;
	w->registers[REGISTER_RIP] = g->rip;
	w->known = 1 << REGISTER_RSP | 1 << REGISTER_RIP;
	/* It is where it goes on; as a rule at a place that is no call's. */
	w->was_interrupted = true;
	return UNWIND_OUTERMOST;
}

static enum unwind_end leave_by_row(struct walk *w, const struct row *row)
{
	if (row->flags & ROW_NONE)
		return UNWIND_NO_ROW;
	w->is_by_code = (row->flags & ROW_BY_CODE) != 0;
	w->is_bare = (row->flags & ROW_MAKES_FRAME) != 0;
	if (row->flags & (ROW_GOROUTINE | ROW_GOROUTINE_IF))
		return step_to_goroutine(w, (row->flags & ROW_GOROUTINE_IF) != 0);
	if (row->flags & ROW_CONTEXT)
		return step_by_context(w);
	if (row->flags & ROW_FRAME_POINTER)
		return step_by_frame_pointer(w);
	const enum unwind_end r = step_by_row(w, row);
	w->was_interrupted = (row->flags & ROW_SIGNAL) != 0;
	return r;
}

/* *ret_is_last: the frame is the outermost one, and the walk is done. */
static enum unwind_end walk_frame(struct walk *w, bool *ret_is_last)
{
	static const struct row without_file = { .flags = ROW_NONE },
				known = { .flags = ROW_IN_CALL };
	static const struct row bare = { .cfa_register = REGISTER_RSP,
					 .cfa_offset = WORD,
					 .saved = { SAVED_LOST, SAVED_UNCHANGED, SAVED_LOST,
						    SAVED_LOST, SAVED_LOST, SAVED_LOST,
						    RETURN_ADDRESS / WORD },
					 .flags = ROW_BY_CODE };
	const uint64_t address = w->registers[REGISTER_RIP];
	const struct place place = find_place(w, address - (w->was_interrupted ? 0 : 1));
	/* A return to where there is no code is none: the last step was wrong. */
	if (place.region == NULL && !w->was_interrupted)
		return UNWIND_NO_CODE;
	const struct row *row = &without_file;
	struct made_frame frame = { .has_caller = false };
	const bool is_made = place.module != NULL && place.module->type == MODULE_ANONYMOUS;
	if (is_made)
		frame = look_at_made(w, place.offset);
	if (frame.has_caller)
		row = &known;
	else if (place.has_file || is_made)
		row = rows_find(w->u->rows, place.module, place.offset, !w->was_interrupted,
				w->snapshot->pid);
	if (w->is_by_code && row != &without_file && !(row->flags & (ROW_IN_CALL | ROW_SIGNAL)))
		return UNWIND_NO_CODE;
	if (w->is_bare)
		row = &bare;
	/* The frame of a signal was not called: the code that returns from it begins there. */
	const bool is_between = (row->flags & ROW_SIGNAL) && !w->was_interrupted;
	if (!(row->flags & ROW_UNREAL) &&
	    !add_frame(w->ret, place.module != NULL ? place.module->id : 0,
		       frame.name != 0 ? frame.name : place.offset + is_between, address))
		return UNWIND_TOO_MANY;
	if (place.region == NULL)
		return UNWIND_NO_CODE;
	if (frame.has_caller)
		return step_to_caller(w, &frame);
	w->is_scheduler = w->is_scheduler || (row->flags & ROW_SCHEDULER);
	*ret_is_last = (row->flags & ROW_END) ||
		       (w->is_scheduler && (row->flags & ROW_GOROUTINE)) ||
		       ((row->flags & ROW_FRAME_POINTER) && knows(w, REGISTER_RBP) &&
			w->registers[REGISTER_RBP] == 0);
	return *ret_is_last ? UNWIND_OUTERMOST : leave_by_row(w, row);
}

static enum unwind_end walk_user(struct walk *w)
{
	bool is_last = false;
	enum unwind_end r = UNWIND_OUTERMOST;
	while (r == UNWIND_OUTERMOST && !is_last) {
		r = walk_frame(w, &is_last);
		/* Threads begin with a return address of 0 where no row says that they do. */
		is_last = is_last || w->registers[REGISTER_RIP] == 0;
	}
	return r;
}

static void add_kernel_frames(struct unwinder *u, const struct snapshot *s, struct unwound *ret)
{
	if (s->n_kernel > 0 && u->kernel == NULL)
		u->kernel = modules_intern(u->modules, MODULE_KERNEL, "", NULL, 0);
	const uint32_t module = u->kernel != NULL ? u->kernel->id : 0;
	/* Half of all is left for user space. */
	for (size_t i = 0; i < s->n_kernel && i < FRAMES_MAX / 2; i++)
		(void)add_frame(ret, module, s->kernel[i] - (i > 0 ? 1 : 0), s->kernel[i]);
	ret->n_kernel = ret->n;
}

void unwind(struct unwinder *u, const struct snapshot *snapshot, struct unwound *ret)
{
	struct walk w = { .u = u,
			  .snapshot = snapshot,
			  .ret = ret,
			  .bottom = snapshot->registers[REGISTER_RSP],
			  .goroutine = snapshot->goroutine,
			  .known = ALL_KNOWN,
			  .was_interrupted = true };
	ret->n = ret->n_kernel = 0;
	ret->end = UNWIND_OUTERMOST;
	add_kernel_frames(u, snapshot, ret);
	memcpy(w.registers, snapshot->registers, sizeof(w.registers));
	if (w.registers[REGISTER_RIP] != 0)
		ret->end = walk_user(&w);
}

struct module *unwinder_place(struct unwinder *u, pid_t pid, uint64_t time_ns, uint64_t address,
			      struct code_frame *ret)
{
	const struct snapshot snapshot = { .time_ns = time_ns, .pid = pid };
	struct walk w = { .u = u, .snapshot = &snapshot };
	const struct place place = find_place(&w, address);
	*ret = (struct code_frame){ .module = place.module != NULL ? place.module->id : 0,
				    .offset = place.offset };
	return place.module;
}
