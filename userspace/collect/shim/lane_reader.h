/* SPDX-License-Identifier: MIT */
/* Reads one lane (bpf/lane.h). Its bytes belong to the target and may change while they are read, so:
 * it is read with pread, never mapped (a truncated mapping is a SIGBUS); every value is copied, then
 * checked, then used; offsets come from the header as it was when it was first checked. */
#ifndef USERSPACE_COLLECT_SHIM_LANE_READER_H
#define USERSPACE_COLLECT_SHIM_LANE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/lane.h"
#include "userspace/collect/run/source.h"

enum { LANE_NAME_SIZE = 48 };

struct lane {
	char name[LANE_NAME_SIZE];
	int fd; /* -1: opened again for each reading */
	uint32_t number;
	bool announces;	   /* it may also say what kernel probes would: TASK, EXEC, ARGS */
	uint64_t alive_ns; /* when it was last seen in use */
	bool is_unsettled; /* made beforehand, and not known to be in use */
	bool has_header;   /* facts below are checked and frozen */
	uint32_t ns_pid;
	uint32_t n_slots;
	uint32_t records_end;
	uint32_t slots_offset;
	uint32_t flags;		 /* SL_LANE_* */
	uint64_t start_ns;	 /* on our clock */
	int64_t clock_offset_ns; /* the writer's clock minus ours: a time namespace */
	uint32_t read_to;	 /* offset of the first record not handed over */
	uint32_t next_seq;
	/* Where the first thread has the counters of the program's own allocator, enum sl_allocator_kind; 0:
	 * nowhere, as far as is known. As it was said: to be read with suspicion, too. */
	uint32_t allocator;
	uint64_t allocated_at, freed_at;
	uint64_t n_attempts; /* as the writer last said */
	uint64_t n_delivered;
};

/* What shims could not tell of blocks (bpf/lane.h): samples, frees of sampled ones, images that could not begin
 * to record all. */
struct blocks_lost {
	uint64_t n_samples, n_frees, n_not_exact;
};

/* Counters of a lane, summed over threads. */
struct lane_sums {
	uint64_t calls[SL_HEAP_CALLS];
	uint64_t requested_bytes;
	int64_t live_bytes;
	int64_t peak_bytes;
	int64_t peak_error_bytes;
	int64_t lag_bytes; /* what its threads have not published, at most, in either direction */
	int64_t hidden_bytes; /* … and freed of what it inherited: its own is more by that, at most */
	int64_t tree_bytes; /* its part of the session's live bytes */
	uint64_t left_ns;   /* when the program ended by its own word, on our clock; 0: not said */
	uint64_t rss_peak_bytes; /* of the image, told when it ended; 0: not said */
	uint64_t rss_kinds[SL_MEMORY_KINDS];
	struct blocks_lost blocks_lost; /* see bpf/lane.h */
	uint64_t own_ns, own_ticks;	/* what the shim says it spent, see bpf/lane.h */
	uint64_t buckets[SL_HEAP_BUCKETS];
};

/* Whether @name is that of a lane which a shim made itself: "<pid>-<ns>". */
bool lane_name_is_valid(const char *name);

/* The lane's descriptor, opened in @directory_fd if need be; to be given back with lane_release().
 * With @may_keep it stays open from then on. -1: see errno. */
int lane_acquire(struct lane *l, int directory_fd, bool may_keep);
void lane_release(const struct lane *l, int fd);

/* For a lane made beforehand in which there is no header: who took it may be about to open it, and
 * until then nobody holds it. So its name is taken away and @fd kept: now nobody can open it, and a
 * lease that is granted means an end. Who comes too late makes a lane of his own. */
void lane_settle(struct lane *l, int directory_fd, int fd);

/* How far the clock of process @pid is ahead of ours, which read @start_ns when the wall clock was at @wall_ns: in
 * a time namespace; else 0. */
int64_t lane_clock_offset(uint32_t pid, uint64_t wall_ns, uint64_t start_ns);

/* Checks the header once it is complete. 0, -EAGAIN (its writer is not that far yet), or -EBADMSG:
 * it is not a lane and never will be. */
int lane_read_header(struct lane *l, int fd);

/* Hands over the records that are complete. With @is_last, steps over those that never will be.
 * Returns how many, or what the sink returned. */
int lane_read_records(struct lane *l, int fd, bool is_last, struct sink sink);

/* 0 or -EBADMSG. */
int lane_read_sums(const struct lane *l, int fd, struct lane_sums *ret);

/* Records that were reserved or refused but never handed over. */
uint64_t lane_lost(const struct lane *l);

/* Whether no process maps the lane any more: its image has ended. Decided without pids, which mean
 * nothing across pid namespaces: a lease is only granted on a file nobody has open for writing. */
bool lane_is_abandoned(const struct lane *l, int fd);

#endif
