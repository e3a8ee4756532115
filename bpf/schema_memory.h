/* SPDX-License-Identifier: MIT */
/* The part of the event schema (bpf/schema.h, which includes it) that says what resident memory is made
 * of: a look at the mappings of all processes of the tree, one record a part. */
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
	       SL_PART_FILE,	/* text = its path; empty: files that are not told by themselves */
	       SL_PART_SHARED,	/* shared anonymous memory, tmpfs; text = its name */
	       SL_PART_NAMED,	/* anonymous; text = the name that the program gave it */
	       SL_PART_RUNTIME, /* anonymous; text = what a language's runtime has there */
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
_Static_assert(sizeof(struct sl_resident) == 96, "sl_resident has padding or grew");

#endif
