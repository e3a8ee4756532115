/* SPDX-License-Identifier: MIT */
/* Processes that run CPython: which they are, and what their interpreter's frames say.
 *
 * A probe takes the frames when it takes the stack (python.h says where they are); here they get their
 * names and lines, read from the live process a moment later, and take the places of the evaluation
 * frames in the native stack. A code object may be gone by then, and another one in its place: a frame
 * comes with what the object pointed to, and is only believed if that is still so. */
#ifndef USERSPACE_STACKS_PYTHON_PROCESSES_H
#define USERSPACE_STACKS_PYTHON_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "userspace/stacks/python.h"
#include "userspace/stacks/spaces.h"
#include "userspace/stacks/symbols.h"
#include "userspace/stacks/unwind.h"

/* As a probe takes it. */
struct python_frame {
	uint64_t code;
	uint64_t names[3]; /* the three pointers that begin with .filename of the code object */
	uint32_t offset;   /* as in struct python_place */
	uint32_t is_entry;
};

/* What a probe needs to find the frames of a process. */
struct python_target {
	struct python_layout layout;
	uint64_t runtime; /* address of _PyRuntime */
};

struct python_processes;

/* NULL: no memory. @modules must live longer. */
struct python_processes *python_processes_new(struct modules *modules);
struct python_processes *python_processes_free(struct python_processes *p);
DEFINE_FREEP(struct python_processes, python_processes_free)

/* @pid has mapped code of @region. True: it is an interpreter whose frames can be read, by *ret. */
bool python_process_found(struct python_processes *p, pid_t pid, const struct region *region,
			  struct python_target *ret);
/* @child is a copy of @parent. True: that is one, and now the child is. */
bool python_process_forked(struct python_processes *p, pid_t child, pid_t parent,
			   struct python_target *ret);
/* It executes something else, or has ended. True: it was one. */
bool python_process_gone(struct python_processes *p, pid_t pid);

/* Appends which interpreters were met whose frames cannot be read: "Python 3.9, PyPy". "": none. */
void python_processes_unread(const struct python_processes *p, struct buf *ret);

/* One of those there are; 0: there is none. */
pid_t python_processes_any(const struct python_processes *p);

/* The code object at @code of @pid, as @memory has it: where the process itself may be gone when its frames
 * are looked at. */
void python_process_learn(struct python_processes *p, pid_t pid, uint64_t code,
			  struct memory_reader memory);
/* Puts @frames[0..@n), innermost first, in the places of the evaluation frames of @unwound. */
void python_process_merge(struct python_processes *p, pid_t pid, const struct python_frame *frames,
			  size_t n, struct unwound *unwound);

/* What a frame of a module of type MODULE_PYTHON is: *ret points into @p. False: it is none. */
bool python_process_name(const struct python_processes *p, uint64_t offset,
			 struct code_function *ret);

#endif
