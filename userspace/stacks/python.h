/* SPDX-License-Identifier: MIT */
/* The frames of CPython's interpreter, read from outside: which function and line of the program an
 * evaluation frame of the native stack stands for.
 *
 * Where things lie is known for 3.11 (its internal headers), and told by 3.13 itself (_Py_DebugOffsets at
 * the beginning of _PyRuntime, "xdebugpy"); of other versions nothing is read. What is read belongs to a
 * program that may run on meanwhile, or lie: each step is bounded, a pointer is only ever followed through
 * the reader, and a text that is none is refused. */
#ifndef USERSPACE_STACKS_PYTHON_H
#define USERSPACE_STACKS_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/base/buf.h"
#include "userspace/stacks/memory.h"

/* Offsets in the interpreter's structures; each at most 1 MiB. */
struct python_layout {
	uint32_t interpreters_head; /* in _PyRuntime */
	uint32_t interpreter_next, threads_head;
	uint32_t thread_next, native_thread_id, current_frame;
	uint32_t
		frame_of_cframe; /* current_frame leads to this member of a _PyCFrame; 0: to the frame */
	uint32_t previous, code, instruction, owner;
	uint32_t is_entry; /* 0: entries have a frame of their own, with an owner that says so */
	uint32_t filename, name, line_table, first_line, instructions;
	uint32_t text_length, text_state, ascii_text, other_text;
	uint32_t bytes_size, bytes;
};

/* What those are for which it is, for people. */
#define PYTHON_KNOWN "3.11 and 3.13"
bool python_layout_is_known(unsigned int version);
/* @version: 0x030b for 3.11; @runtime: the address of _PyRuntime. -ENOTSUP: not a version whose layout is
 * known; -EBADMSG: it has not what it says. */
int python_layout_of(unsigned int version, uint64_t runtime, struct memory_reader memory,
		     struct python_layout *ret);

struct python_place {
	uint64_t code;	 /* address of the code object */
	uint32_t offset; /* in bytes from its first instruction, or … */
#define PYTHON_NOT_BEGUN UINT32_MAX
	/* Outermost of those that one evaluation frame of the native stack runs. */
	bool is_entry;
};

/* What thread @tid (as its own pid namespace numbers it) is doing, innermost first, at most @max.
 * Returns how many; 0: it runs no Python, or none that could be read. Only of a thread that stands still
 * is that the truth. */
size_t python_walk(const struct python_layout *layout, uint64_t runtime, pid_t tid,
		   struct memory_reader memory, struct python_place *ret, size_t max);

/* A function of the program. */
struct python_code {
	struct buf name, file; /* UTF-8; qualified: "Class.method" */
	struct buf lines;      /* the table of its lines */
	int first_line;
};

/* Reads the code object at @code. The caller frees with python_code_done(), also after a failure. */
int python_code_read(const struct python_layout *layout, uint64_t code, struct memory_reader memory,
		     struct python_code *ret);
void python_code_done(struct python_code *code);
/* The line of the instruction at @offset; 0: it has none. */
int python_code_line(const struct python_code *code, uint32_t offset);

#endif
