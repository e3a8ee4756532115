/* SPDX-License-Identifier: MIT */
/* The files that shims record every block into (bpf/exact.h): which there are, and what was written since the
 * last look. Words are copied out of the rings, so that these have room again. The files are the target's: they
 * are read, never mapped, and nothing in them is believed. */
#ifndef USERSPACE_COLLECT_HEAP_EXACT_FILES_H
#define USERSPACE_COLLECT_HEAP_EXACT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "bpf/exact.h"
#include "userspace/base/vec.h"

enum {
	EXACT_NAME = 64,
	EXACT_AHEAD = 32, /* records that are known before they are taken */
};

struct exact_record {
	uint64_t clock;
	uint64_t address, bytes;
	uint32_t node;
	uint32_t kind; /* enum sl_exact_kind; 0: it makes no sense */
};

struct exact_ring {
	struct exact_file *file;
	uint64_t tail, grown_at;
	struct VEC(uint64_t) words;
	size_t at; /* the first that is not among the records yet */
	uint64_t clock;
	struct exact_record records[EXACT_AHEAD];
	size_t next, n_records;
	uint64_t last_new; /* the block that the last record tells of; 0: it was a free */
	bool is_over;	   /* what it has makes no sense, or is not wanted: no more is read */
};

struct exact_file {
	char name[EXACT_NAME];
	int fd;
	bool has_header;
	bool is_told_over; /* its sites know that it records no more */
	pid_t pid;
	uint32_t *stacks;	/* by node: its STACK id + 1; 0: not asked for yet */
	struct sl_exact header; /* as last read */
	struct exact_ring rings[SL_EXACT_RINGS];
};

struct exact_files {
	int directory; /* borrowed */
	struct VEC(struct exact_file *) list;
	struct timespec stamp; /* of the directory … */
	uint64_t changed_ns;   /* … and when that was last seen to be another */
	uint64_t looked_ns;    /* when it was looked through; 0: to be looked through again */
};

/* Those that are new. -ENOMEM. */
int exact_files_find(struct exact_files *files);
void exact_files_done(struct exact_files *files);
/* The file at @i of the list is done with. */
void exact_files_remove(struct exact_files *files, size_t i);

/* False: the shim has not written it yet. */
bool exact_file_read_header(struct exact_file *f);
/* Reads what is new in all rings. -ENOMEM. */
int exact_file_fetch(struct exact_file *f);
bool exact_file_read_at(const struct exact_file *f, uint64_t offset, void *ret, size_t n);
/* Its shim is to record no more. */
void exact_file_stop(struct exact_file *f);
/* Rings that may have been begun. */
size_t exact_file_n_rings(const struct exact_file *f);

/* Makes records of the next words when all before were taken. False: there are none. */
bool exact_ring_decode(struct exact_ring *ring);
/* Nothing more of it is wanted. */
void exact_ring_stop(struct exact_ring *ring);

#endif
