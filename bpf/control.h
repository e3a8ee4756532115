/* SPDX-License-Identifier: MIT */
/* How the collector tells the kernel programs what to do, beside their settings and counters
 * (bpf/common.bpf.h): what it writes into a task's storage, and what a walk over the tasks is for.
 * No part of a recording. */
#ifndef SL_CONTROL_H
#define SL_CONTROL_H

#include "bpf/schema.h"

/* task_head.flags */
#define TASK_TRACKED   0x1u  /* set by the collector or inherited; without it nothing is recorded */
#define TASK_ROOT      0x2u  /* set by the collector: the command itself, not yet executed */
#define TASK_ANNOUNCED 0x4u  /* its TASK event was written */
#define TASK_COMPAT    0x8u  /* 32-bit: its system call numbers are others */
#define TASK_ENDED     0x10u /* its EXIT event was written */
#define TASK_NEW       0x20u /* has not run yet */
#define TASK_FORKED    0x40u /* its process was forked and has not executed anything since */

/* What the storage of a recorded task begins with. */
struct task_head {
	__u32 flags; /* TASK_* */
	__u16 nr;    /* system call, if in_syscall */
	__u16 in_syscall;
	__u64 probe_ns;	   /* in probes; see overhead.bpf.h */
	__u32 probe_calls; /* system calls that were looked at */
	__u32 probe_hits;  /* runs of all other programs */
};

/* Why the collector reads the iterator over all tasks. */
enum task_walk {
	WALK_ANNOUNCE = 1, /* TASK for what the collector has marked */
	WALK_SUM = 2,	   /* first half of a snapshot: add up the threads */
	WALK_EMIT = 3,	   /* second half: tell */
	WALK_NAMES = 4,	   /* print the names of wait places */
};

/* What a probe in an interpreter is told, as its cookie: where in struct pt_regs the register is that points to
 * a module's name, and which interpreter that is, in struct sl_import. */
#define IMPORT_COOKIE(interpreter, offset) ((__u64)(interpreter) << 8 | (offset))
#define IMPORT_INTERPRETER(cookie)	   ((__u16)((cookie) >> 8))
#define IMPORT_REGISTER(cookie)		   ((cookie)&0xff)

/* Return addresses that are kept of a place where threads sleep, from the innermost outwards. */
#define PLACE_FRAMES 6

/* ---- snapshots of stacks ---- */

/* In the order of the numbers that DWARF gives the registers of x86-64; 16: the instruction pointer. */
#define SNAPSHOT_REGISTERS 17

/* What a thread's user registers and the innermost part of its stack were when it entered a system
 * call, or left one. Goes to the collector by a ring of its own and no further: it is the memory of a
 * process. */
struct stack_snapshot {
	__u64 time_ns;
	__u64 since_ns; /* as in SAMPLE */
	__u32 pid, tid;
	__u32 own_pid, own_tid; /* the same as startline's pid namespace counts */
	__u16 reason;		/* enum sl_sample_reason */
	__u16 syscall;
	__u32 n_bytes; /* of the stack, from the stack pointer upwards */
	__u64 registers[SNAPSHOT_REGISTERS];
	__u8 bytes[];
};

/* As its reason: its bytes are python_frame_taken, of the next sample of that thread by the timer (syscall
 * 1), or of its next snapshot (0). */
#define SNAPSHOT_PYTHON 0xffffu

/* Likewise, of a thread whose goroutine waits on its own stack while the thread is on another one. RSP and RIP are
 * where it goes on, if that is on its stack; RAX is its address, RDX the end of its stack, RCX where the bytes
 * begin. */
#define SNAPSHOT_GOROUTINE 0xfffdu
#define GOROUTINE_BYTES	   (16u << 10)

/* As its reason: the call that it leaves has added memory; since_ns: so many bytes (bpf/memory_growth.bpf.c). */
#define SNAPSHOT_GROWTH 0xfffbu
#define GROWTH_LEAST	(128u << 10) /* what malloc grows its heap by */
/* Likewise: its memory has become resident by so many bytes since the last of these, by page faults. */
#define SNAPSHOT_TOUCHED 0xfffau

/* ---- frames of CPython ---- */

/* Offsets as in struct python_layout (userspace/stacks/python.h). */
struct python_process {
	__u64 runtime;
	__u32 interpreters_head, interpreter_next, threads_head;
	__u32 thread_next, native_thread_id, current_frame, frame_of_cframe;
	__u32 previous, code, instruction, owner, is_entry;
	__u32 filename, name, line_table, instructions;
};

#define PYTHON_FRAMES 128 /* that are taken at most, from the innermost outwards */
/* The same as struct python_frame there. */
struct python_frame_taken {
	__u64 code;
	__u64 names[3];
	__u32 offset;
	__u32 is_entry;
};

/* What tells about a code object, taken when it is met for the first time, since the program may soon be
 * gone: pieces of its memory. */
#define SNAPSHOT_PYTHON_CODE 0xfffeu /* as its reason: its bytes are one python_code_taken */
#define PYTHON_PIECES	     4
struct python_code_taken {
	__u64 addresses[PYTHON_PIECES]; /* 0: could not be read */
	__u8 code[256];
	__u8 file[320];
	__u8 name[192];
	__u8 lines[1536];
};

#endif
