/* SPDX-License-Identifier: MIT */
/* A trace: all events of one recording, on their way to a file, or read back from one.
 *
 * Writing is streaming: events go through a small buffer into self-contained compressed
 * blocks (docs/trace-format.md), so memory stays bounded however long the recording is and a
 * killed writer loses at most its last block. Reading loads the whole file, sorted by time. */
#ifndef USERSPACE_TRACE_TRACE_H
#define USERSPACE_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/schema.h"

/* ---- writing ---- */

struct trace_writer;

/* Creates @path (0600, never through a symlink; an existing file is replaced), or where @directory is
 * not -1 its last component in there. @path NULL: an anonymous file, for recordings nobody keeps.
 * Returns 0 or a negative errno, logged. */
int trace_writer_open(int directory, const char *path, struct trace_writer **ret);

/* Appends one event (its own `size` says how long). Never blocks on anything but the disk.
 * After a failed write (disk full) every later call returns the same error, logged once;
 * what was written stays readable. Events without a sequence number (source COLLECT) get one. */
int trace_append(struct trace_writer *w, const struct sl_event *event);

/* Writes the current block out even though it is not full (at readiness, before waiting). */
int trace_flush(struct trace_writer *w);

/* Appends END, flushes, closes. Frees @w in any case; NULL is allowed. */
int trace_writer_close(struct trace_writer *w);

/* Bytes in the file so far. */
uint64_t trace_writer_bytes(const struct trace_writer *w);

/* A second descriptor on what has been written so far, to load it back (also the anonymous
 * file). The caller closes it. Negative errno on failure. */
int trace_writer_dup(const struct trace_writer *w);

/* ---- reading ---- */

/* events[i] points into one block of memory that the trace owns, sorted by time_ns (stable:
 * equal times keep the order of the file). Every event has been checked: size is at least that
 * of its kind and within the buffer; kinds this program does not know are left out and counted. */
struct trace {
	const struct sl_event **events;
	size_t n_events;
	bool is_truncated;  /* no END: the recorder was killed, or the file was cut */
	uint64_t n_damaged; /* blocks skipped because their checksum was wrong */
	uint64_t n_unknown; /* events of a kind this version does not know, or too short */
	uint64_t bytes;	    /* of the file */
	void *memory;	    /* private */
};

/* Loads @fd (which is not closed). -EBADMSG: not a startline trace; -EFBIG: over the
 * limit of 4 GiB of events; -EPROTO: written by a newer, incompatible version. Damage inside
 * the file is not an error. Everything is logged with @name. */
int trace_load_fd(int fd, const char *name, struct trace **ret);
/* Of a recording that grows: what was written from byte @from on, and the facts (META) among what
 * comes before byte @head. Both are what trace_writer_bytes() said after a flush. That it has no END
 * is not worth a warning. */
int trace_load_tail(int fd, const char *name, uint64_t head, uint64_t from, struct trace **ret);
struct trace *trace_free(struct trace *t); /* NULL */

/* Whether @fd begins like a trace. Quiet: false when it cannot be read. Its position stays. */
bool trace_sniff(int fd);

#define trace_foreach(t, ev)                                      \
	for (size_t ev##_i = 0; ev##_i < (t)->n_events; ev##_i++) \
		for (const struct sl_event *ev = (t)->events[ev##_i]; ev; ev = NULL)

/* Text of a trailing text[] member at @text inside @event: its length without NUL, never past
 * the record. */
size_t event_text_length(const struct sl_event *event, const char *text);

#endif
