/* SPDX-License-Identifier: MIT */
/* The part of the event schema (bpf/schema.h, which includes it) that says what resident memory is made
 * of: a look at the mappings of all processes of the tree, one record a part; and how it has grown. */
#ifndef SL_SCHEMA_MEMORY_H
#define SL_SCHEMA_MEMORY_H

#include "bpf/schema.h"

enum sl_part { /* numbers are frozen */
	       SL_PART_ALL =
		       1, /* the process as a whole; the other parts but PAGE_TABLES add up to it */
	       SL_PART_PAGE_TABLES,  /* of the kernel, for it: not a part of its resident memory */
	       SL_PART_HEAP,	     /* what brk has made */
	       SL_PART_ARENA,	     /* glibc's malloc for further threads */
	       SL_PART_MALLOC,	     /* glibc's malloc: large blocks with mappings of their own */
	       SL_PART_STACK,	     /* of the first thread */
	       SL_PART_THREAD_STACK, /* of the others */
	       SL_PART_LOADER, /* small mappings of nobody else's: TLS of the first thread, the loader's */
	       SL_PART_FILE,   /* text = its path; empty: files that are not told by themselves */
	       SL_PART_SHARED, /* shared anonymous memory, tmpfs; text = its name */
	       SL_PART_NAMED,  /* anonymous; text = the name that the program gave it */
	       SL_PART_RUNTIME, /* anonymous; text = what a language's runtime, or an allocator, has there */
	       SL_PART_ANONYMOUS, /* all other anonymous memory */
	       SL_PART_KERNEL,	  /* vDSO and the like */
	       SL_PART_OWN,	  /* startline's: the shim and what it counts in */
	       SL_PART_LIMIT
};

/* Of one process at time_ns. event.pid 0: of the whole tree, only with SL_PART_ALL and SL_WHEN_PEAK: the
 * look at which pss_bytes was highest, without what is startline's own. */
struct sl_resident {
	struct sl_event event;
	__u32 when;   /* enum sl_when */
	__u32 part;   /* enum sl_part */
	__s32 result; /* negative errno: it could not be read, and there is nothing but this record */
	__u32 areas;	  /* mappings */
	__u64 size_bytes; /* mapped, touched or not */
	__u64 rss_bytes;
	__u64 pss_bytes;     /* each page divided by how many processes have it */
	__u64 private_bytes; /* of no other process */
	__u64 dirty_bytes;   /* of these, written */
	__u64 swap_bytes;
	char text[];
};

/* Memory that can be used at once: anonymous, private or shared, and writable. What is made so later by
 * mprotect (stacks of threads, glibc's arenas for these) is not told of. */
enum sl_growth { /* order is frozen */
		 SL_GROWTH_BRK,
		 SL_GROWTH_MMAP,
		 SL_GROWTH_MREMAP,
		 SL_GROWTH_WAYS = 3
};

struct sl_growth_sum {
	__u64 calls;
	__u64 bytes;
};

/* One memory so far, since it was made by exec or fork; told as it changes, but not at every change, and as it
 * ends. event.pid = a process that has it. */
struct sl_mapped {
	struct sl_event event;
	__u32 when; /* enum sl_when: START: exec made it; READY; EXIT, EXEC: it ends; 0: it has changed */
	__u32 memory;	  /* numbers memories, from 1, since several processes may have one */
	__u64 rss_bytes;  /* SL_UNKNOWN: not counted */
	__u64 tree_bytes; /* resident, of the whole tree; likewise */
	__u64 tree_kinds[SL_MEMORY_KINDS]; /* what that consists of */
	__u64 touched_bytes; /* that became resident, whether they still are or not; likewise */
	__u64 data_bytes;    /* of private writable mappings but for the stack, touched or not */
	struct sl_growth_sum grown[SL_GROWTH_WAYS];
	__u64 grown_ns; /* when the sums last changed; 0: never */
};

enum sl_mapsite_what {			      /* numbers are frozen */
		       SL_MAPSITE_MAPPED = 0, /* large growths */
		       /* What became resident: a stack is taken once in a while, and is that of all that became so since the
	 * last one. calls = stacks. */
		       SL_MAPSITE_TOUCHED = 1,
		       SL_MAPSITE_WHATS = 2,
};

/* Memory that one image was given, or touched, with one stack, told at the end. What was too small or too much for a
 * stack is missing: MAPPED has it all. */
struct sl_mapsite {
	struct sl_event event;
	__u32 stack;	/* STACK id; 0: unknown */
	__u32 what;	/* enum sl_mapsite_what */
	__u64 since_ns; /* the image's first one */
	struct sl_growth_sum all;
	struct sl_growth_sum ready; /* … until readiness; SL_UNKNOWN: there was none */
};

/* As the shims' counters say, which threads update in steps. */
struct sl_live {
	struct sl_event event;
	__u64 bytes;
};

/* Only with --raw. A realloc is two of them. */
struct sl_block {
	struct sl_event event;
	__u64 address;
	__u64 bytes; /* usable; 0: it was freed */
	__u32 stack; /* STACK id of who allocated it; 0: unknown, or it was freed */
	__u32 reserved;
};

_Static_assert(sizeof(struct sl_block) == 56, "sl_block has padding or grew");
_Static_assert(sizeof(struct sl_resident) == 96, "sl_resident has padding or grew");
_Static_assert(sizeof(struct sl_mapped) == 152, "sl_mapped has padding or grew");
_Static_assert(sizeof(struct sl_mapsite) == 80, "sl_mapsite has padding or grew");
_Static_assert(sizeof(struct sl_live) == 40, "sl_live has padding or grew");

enum sl_allocator_kind { /* numbers are frozen */
			 SL_ALLOCATOR_JEMALLOC = 1,
			 SL_ALLOCATOR_MIMALLOC,
			 SL_ALLOCATOR_TCMALLOC, /* of gperftools */
			 SL_ALLOCATOR_LIMIT
};

/* What an allocator that is not counted says of itself: to the shim, when main is about to begin (START: what
 * it is) and at exit; or what the collector reads of its counters when it looks at the process. ~0: it
 * does not say. */
struct sl_allocator {
	struct sl_event event;
	__u32 when;	 /* enum sl_when */
	__u32 allocator; /* enum sl_allocator_kind */
	__u32 threads;	 /* of how many the two sums are; 0: they are of none */
	__u32 pad;
	__u64 allocated_bytes, freed_bytes; /* by these threads, since they began */
	__u64 live_bytes;	  /* of all; with START, and where only the sums are known: ~0 */
	__u64 thread_error_bytes; /* it is too high by up to that for each thread that lives */
	__u64 held_bytes;	  /* from the kernel, live or not */
	__u64 allocated_at, freed_at; /* where the first thread has its counters; 0: nowhere */
	char text[];		      /* with START: its version */
};
_Static_assert(sizeof(struct sl_allocator) == 104, "sl_allocator has padding or grew");

#endif
