/* SPDX-License-Identifier: MIT */
/* The interpreter's frames have a frame pointer, and the method. Those of compiled code have a size: the
 * return address is just below its end, and below that what RBP was. Before a method has set its frame up,
 * and when it has taken it down, the last instructions tell how far that is. What is taken for a return
 * address must be code of the JVM, which alone calls such code. */
#include "userspace/stacks/hotspot_frames.h"

#include <string.h>

#include "userspace/stacks/x86_64.h"

#define FRAME_MOST  (UINT64_C(1) << 20)
#define BEGIN_BYTES 64u		/* before an address, that show what was done to the stack */
#define PUSHED_MOST (6u * WORD) /* above a frame of the size told */

/* See frame_x86.hpp of OpenJDK: from RBP, the same from 8 to 25. */
enum { INTERPRETER_SENDER_RSP = -1 * WORD, INTERPRETER_METHOD = -3 * WORD };

struct code_cache {
	const struct hotspot_heap *heaps;
	size_t n_heaps;
	struct memory_reader memory;
};

static bool is_code(const struct code_cache *c, uint64_t address)
{
	return hotspot_heap_of(c->heaps, c->n_heaps, address - 1) != NULL;
}

/* Its caller is at @cfa, if a return to code stands below that; its RBP is what it is, or below that. */
static bool leave_at(const struct code_cache *c, struct made_frame *f, uint64_t cfa,
		     bool has_saved_rbp)
{
	uint64_t caller = 0;
	if (!f->word(f, cfa - WORD, &caller) || !is_code(c, caller))
		return false;
	f->caller_rip = caller;
	f->caller_rsp = cfa;
	f->caller_rbp = f->rbp;
	f->knows_caller_rbp =
		has_saved_rbp ? f->word(f, cfa - 2 * WORD, &f->caller_rbp) : f->knows_rbp;
	return f->has_caller = true;
}

/* At the @words-th word of the stack is what may be a return. */
static bool may_be_near(const struct code_cache *c, const struct made_frame *f, unsigned int words)
{
	uint64_t caller = 0;
	return f->word(f, f->rsp + (words - 1) * WORD, &caller) && is_code(c, caller);
}

/* The last instructions of a method, behind which the frame is no more what it was told to be. */
static bool leave_end(const struct code_cache *c, struct made_frame *f)
{
	uint8_t code[7];
	/* Reading code costs more than all the rest, and is not often needed. */
	if ((!may_be_near(c, f, 1) && !may_be_near(c, f, 2)) ||
	    c->memory.read(c->memory.data, f->address, code, sizeof(code)) < 0)
		return false;
	const bool is_pop = code[0] == 0x5d; /* pop %rbp */
	const bool is_return =
		code[0] == 0xc3 ||
		/* cmp ...(%r15),%rsp; ja ...; ret: whether it is to stop at the safepoint */
		(code[0] == 0x49 && code[1] == 0x3b && (code[2] & 0x3fu) == 0x27) ||
		(code[0] == 0x0f && code[1] == 0x87 && code[6] == 0xc3);
	return (is_pop || is_return) && leave_at(c, f, f->rsp + (is_pop ? 2 : 1) * WORD, is_pop);
}

/* Of @n bytes of a method before the address the last that make room for its frame, of @bytes with the return
 * address and RBP: push %rbp; sub $...,%rsp, or sub $...,%rsp; mov %rbp,...(%rsp). *ret_saved: RBP is saved
 * by then. */
static bool makes_room(const uint8_t *code, size_t n, uint64_t bytes, bool *ret_saved)
{
	for (size_t at = n; at-- > 0;) {
		const size_t size = n - at < 4 || code[at] != 0x48 || code[at + 2] != 0xec ? 0
				    : code[at + 1] == 0x83				   ? 4
				    : code[at + 1] == 0x81				   ? 7
											   : 0;
		uint32_t room = 0;
		if (size == 0 || n - at < size)
			continue;
		memcpy(&room, &code[at + 3], size - 3);
		const bool is_pushed = at > 0 && code[at - 1] == 0x55;
		if (room + (is_pushed ? 2 : 1) * WORD != bytes)
			continue;
		*ret_saved = is_pushed || n - at - size >= (room < 0x80 + WORD ? 5 : 8);
		return true;
	}
	return false;
}

/* The first instructions, before the frame is complete. */
static bool leave_begin(const struct code_cache *c, const struct hotspot_blob *blob,
			struct made_frame *f)
{
	uint8_t code[BEGIN_BYTES];
	const uint64_t done = f->address - blob->code, bytes = (uint64_t)blob->frame_words * WORD;
	const size_t n = done < sizeof(code) ? (size_t)done : sizeof(code);
	bool is_saved = false;
	if (c->memory.read(c->memory.data, f->address - n, code, n) < 0)
		return false;
	if (makes_room(code, n, bytes, &is_saved))
		return leave_at(c, f, f->rsp + bytes, is_saved);
	const bool is_pushed = n > 0 && code[n - 1] == 0x55;
	return leave_at(c, f, f->rsp + (is_pushed ? 2 : 1) * WORD, is_pushed);
}

static void leave_compiled(const struct code_cache *c, const struct hotspot_blob *blob,
			   struct made_frame *f)
{
	const bool is_complete =
		blob->complete >= 0 && f->address >= blob->code + (uint64_t)blob->complete;
	const uint64_t cfa = f->rsp + (uint64_t)blob->frame_words * WORD;
	if (f->is_innermost && (is_complete ? leave_end(c, f) : leave_begin(c, blob, f)))
		return;
	if (blob->frame_words >= 2 && leave_at(c, f, cfa, true))
		return;
	/* With words pushed above it, the frame pointer may still be one. */
	if (f->knows_rbp && f->rbp % WORD == 0 && f->rbp >= f->rsp && f->rbp < cfa + PUSHED_MOST)
		(void)leave_at(c, f, f->rbp + FRAME_POINTER_CFA, true);
}

void hotspot_leave(const struct hotspot_blob *blob, const struct hotspot_heap *heaps,
		   size_t n_heaps, struct memory_reader memory, struct made_frame *frame)
{
	const struct code_cache cache = { heaps, n_heaps, memory };
	switch (blob->kind) {
	case HOTSPOT_THUNK:
		(void)leave_at(&cache, frame, frame->rsp + WORD, false);
		break;
	case HOTSPOT_STUB:
	case HOTSPOT_COMPILED:
		if (blob->frame_words > 0)
			leave_compiled(&cache, blob, frame);
		break;
	case HOTSPOT_INTERPRETER:
		break;
	}
}

bool hotspot_interpreted(const struct made_frame *frame, uint64_t *ret_method)
{
	return frame->knows_rbp && frame->rbp >= frame->rsp && frame->rbp % WORD == 0 &&
	       frame->word(frame, frame->rbp + (uint64_t)INTERPRETER_METHOD, ret_method);
}

void hotspot_leave_interpreted(struct made_frame *frame)
{
	struct made_frame *f = frame;
	uint64_t rsp = 0;
	f->knows_caller_rbp = f->word(f, f->rbp, &f->caller_rbp);
	f->has_caller = f->knows_caller_rbp && f->word(f, f->rbp + WORD, &f->caller_rip);
	f->caller_rsp = f->rbp + FRAME_POINTER_CFA;
	/* Where its caller's stack ended before room was made for arguments and variables. */
	if (f->word(f, f->rbp + (uint64_t)INTERPRETER_SENDER_RSP, &rsp) && rsp % WORD == 0 &&
	    rsp > f->caller_rsp && rsp - f->caller_rsp < FRAME_MOST)
		f->caller_rsp = rsp;
}
