/* SPDX-License-Identifier: MIT */
/* The trace file as it lies on the disk; docs/trace-format.md explains it. Only for
 * userspace/trace. */
#ifndef USERSPACE_TRACE_INTERNAL_H
#define USERSPACE_TRACE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/schema.h"
#include "userspace/trace/trace.h"

#define FILE_MAGIC	 "STARTLN" /* with its NUL */
#define FILE_MAGIC_SIZE	 8
#define FILE_VERSION	 1u
#define FILE_BYTE_ORDER	 0x01020304u
#define BLOCK_MAGIC	 "\xabSLBLK\r\n" /* as in PNG: survives no text-mode copy */
#define BLOCK_MAGIC_SIZE 8

/* The writer closes a block when it holds this much: large enough to compress well, small enough
 * that a killed recorder loses little. */
#define BLOCK_FULL_BYTES (256u * 1024)
/* No block is larger: room for a full one, one more event and a later, more generous writer. */
#define BLOCK_RAW_MAX (512u * 1024)
/* Compressed data can be longer than the original by 0.03 % and a few bytes (zlib's
 * compressBound); 16 KiB is well above that. */
#define BLOCK_STORED_MAX (BLOCK_RAW_MAX + 16u * 1024)
/* Headers may grow by new fields, not without end. */
#define HEADER_SIZE_MAX 4096u

_Static_assert(BLOCK_FULL_BYTES + SL_EVENT_MAX <= BLOCK_RAW_MAX, "one more event fits");

struct file_header {
	char magic[FILE_MAGIC_SIZE];
	uint32_t version;
	uint32_t header_size;
	uint32_t byte_order;
	uint32_t reserved[3];
};
_Static_assert(sizeof(struct file_header) == 32, "file_header has padding");

enum block_method { BLOCK_PLAIN = 0, BLOCK_DEFLATE = 1 };
/* Window bits for zlib: negative means no header and no checksum of its own around the data, which
 * would cost a twentieth of the time and says what crc32 says. */
#define DEFLATE_WINDOW (-15)

struct block_header {
	char magic[BLOCK_MAGIC_SIZE];
	uint32_t crc32; /* of what follows this field, payload included */
	uint32_t header_size;
	uint32_t stored_size;
	uint32_t raw_size;
	uint32_t n_events;
	uint32_t method; /* enum block_method */
	uint64_t first_ns;
	uint64_t last_ns;
};
_Static_assert(sizeof(struct block_header) == 48, "block_header has padding");
#define BLOCK_CRC_FROM offsetof(struct block_header, header_size)

/* Sorts by time_ns, stable. Quick when @events are nearly sorted, which recordings are.
 * 0 or -ENOMEM. */
int events_sort(const struct sl_event **events, size_t n_events);

#endif
