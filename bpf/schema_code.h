/* SPDX-License-Identifier: MIT */
/* The part of the event schema (bpf/schema.h, which includes it) that is about code: stacks and what
 * they are made of, system calls summed, and what a loader maps.
 *
 * Modules, frames and stacks are told once, before they are used. Ids count from 1 within the
 * recording; 0: none. Functions come at the end of the recording: names are looked up when nothing
 * runs. */
#ifndef SL_SCHEMA_CODE_H
#define SL_SCHEMA_CODE_H

#include "bpf/schema.h"

enum sl_module_type {
	SL_MODULE_FILE = 1, /* text = its path, as the process has it */
	SL_MODULE_VDSO = 2,
	SL_MODULE_KERNEL = 3, /* text = a kernel module, or empty: the kernel itself */
	/* Code that was made at run time; text = what is known of it. Offsets are addresses, or with bit 63
	 * set numbers of functions. */
	SL_MODULE_ANON = 4,
	SL_MODULE_PYTHON = 5, /* text = a source file; frames in it are of the interpreter */
};

#define SL_BUILD_ID_MAX 24u
struct sl_module {
	struct sl_event event;
	__u32 id;
	__u16 type;	       /* enum sl_module_type */
	__u16 build_id_length; /* 0: it has none */
	__u8 build_id[SL_BUILD_ID_MAX];
	char text[];
};

struct sl_frame {
	struct sl_event event;
	__u32 id;
	__u32 module; /* 0: code that belongs to nothing known */
	__u64 offset; /* as the symbols of the module count; without one, the address */
};

/* One for the function that has the code (depth 0), and one for each that was inlined into it there,
 * from the outside in. None: no symbol covers the place. */
struct sl_function {
	struct sl_event event;
	__u32 frame;
	__u32 depth;
	__u32 line; /* 0: unknown */
	__u32 reserved;
	char text[]; /* its name; behind the NUL the source file, where it is known */
};

#define SL_STACK_CUT 0x1u /* it begins here only because nothing further out could be read */
struct sl_stack {
	struct sl_event event;
	__u32 id;
	__u32 caller; /* STACK id; 0: the outermost frame */
	__u32 frame;
	__u32 flags; /* SL_STACK_* */
};

enum sl_sample_reason {
	SL_SAMPLE_TIMER = 1, /* after period_ns on the CPU */
	SL_SAMPLE_CALL = 2,  /* entered a system call */
	SL_SAMPLE_FAULT = 3, /* at a page fault */
	SL_SAMPLE_WAIT = 4,  /* returned from a call in which it waited */
};

/* time_ns = when the thread was there. */
struct sl_sample {
	struct sl_event event;
	__u32 stack;	/* STACK id of the innermost frame */
	__u16 reason;	/* enum sl_sample_reason */
	__u16 syscall;	/* x86-64 number with CALL and WAIT, else SL_NO_SYSCALL */
	__u64 since_ns; /* CALL, FAULT: left the kernel last, 0: unknown. WAIT: entered the call */
	__u64 period_ns;
};

/* Calls of a process that returned, since the recording of it began, at one moment (`when`: EXIT,
 * READY). Several records of one moment and number add up; those of a later moment replace them. */
struct sl_calls {
	struct sl_event event;
	__u32 when;   /* enum sl_when */
	__u32 number; /* x86-64; SL_NO_SYSCALL: a 32-bit call that has no equal there */
	__u64 count;
	__u64 errors;	/* of these, returned a negative errno */
	__u64 total_ns; /* from entry to return; SL_UNKNOWN: not measured */
	__u64 cpu_ns;	/* of that, on the CPU; likewise */
};

enum sl_mapping_op {
	SL_MAPPING_MAP = 1,	/* mmap of descriptor `fd` by what looks like a dynamic loader */
	SL_MAPPING_PROTECT = 2, /* mprotect to read only: relocation of what lies there is done */
	SL_MAPPING_SETUP = 3, /* the first thread of an image set itself up; enter_ns: the last file
				 * was closed before, 0: none */
	/* The first instruction of code at `address` ran, for which its page had to be found: called by
	 * the dynamic loader, which lies at `offset`, or where the program itself begins. */
	SL_MAPPING_ENTER = 4,
	SL_MAPPING_DONE =
		5, /* munmap of the loader's cache after an ENTER: what was asked for is loaded */
	SL_MAPPING_LINKED =
		6, /* the loader closes its cache, or without one calls its first constructor: all
				* that the image was linked with is in place */
};

#define SL_ENTER_PROGRAM 1u /* where the program itself begins */

/* Of a library's mappings those that tell where it lies and when it is complete: of the whole of it,
 * else of its code, and of its data. time_ns = the call returned. */
struct sl_mapping {
	struct sl_event event;
	__u64 enter_ns;
	__u64 address; /* that the call returned, or was given */
	__u64 length;
	__u64 offset;
	__u32 op; /* enum sl_mapping_op */
	__s32 fd; /* -1: none */
	__u32 protection;
	__u32 flags; /* as given to mmap; of ENTER: SL_ENTER_PROGRAM */
};

enum sl_language { SL_LANGUAGE_PYTHON = 1 };

#define SL_IMPORT_BEGIN 0x1u
#define SL_IMPORT_END	0x2u /* of what the thread began last */
#define SL_IMPORT_NAME	256u /* bytes that are kept, NUL included */
#define SL_INTERPRETERS 4u   /* files of interpreters that tell, in one recording */
struct sl_import {
	struct sl_event event;
	__u16 language;	   /* enum sl_language */
	__u16 interpreter; /* which of SL_INTERPRETERS: META source.bpf.imports tells of it */
	__u32 op;	   /* SL_IMPORT_* */
	char text[];	   /* BEGIN: the module's name, as the interpreter has it */
};

SL_SIZE_IS(sl_module, 64);
SL_SIZE_IS(sl_frame, 48);
SL_SIZE_IS(sl_function, 48);
SL_SIZE_IS(sl_stack, 48);
SL_SIZE_IS(sl_sample, 56);
SL_SIZE_IS(sl_calls, 72);
SL_SIZE_IS(sl_mapping, 80);
SL_SIZE_IS(sl_import, 40);

#endif
