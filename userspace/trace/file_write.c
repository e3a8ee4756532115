/* SPDX-License-Identifier: MIT */
/* Writes a trace file while the recording goes on: events collect in one block, which is
 * compressed and written with a single write when it is full. Nothing is synced: what a killed
 * writer has written is in the page cache, and waiting for a disk would disturb the target. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/path.h"
#include "userspace/trace/internal.h"
#include "userspace/trace/kinds.h"
#include "userspace/trace/trace.h"

/* The writer competes with the target for CPU. Measured on OFFCPU events: level 1 gives a 3.8th of
 * the size at 165 MB/s, level 6 a 4.6th at 38 MB/s; run-length or Huffman coding alone are slower
 * than level 1 and twice as large. */
#define DEFLATE_LEVEL  1
#define DEFLATE_MEMORY 8 /* zlib's default */

struct trace_writer {
	int fd;
	char *name;
	int error; /* sticky */
	uint64_t file_bytes;
	uint64_t latest_ns;
	uint32_t collect_seq;
	z_stream deflate;
	struct block_header block; /* of the events in raw */
	unsigned char raw[BLOCK_FULL_BYTES + SL_EVENT_MAX];
	unsigned char stored[sizeof(struct block_header) + BLOCK_STORED_MAX];
};

static struct trace_writer *writer_free(struct trace_writer *w)
{
	if (w == NULL)
		return NULL;
	(void)deflateEnd(&w->deflate); /* refuses one that never began */
	if (w->fd >= 0)
		(void)close(w->fd);
	free(w->name);
	free(w);
	return NULL;
}
DEFINE_FREEP(struct trace_writer, writer_free)

/* Where temporary files belong, unnamed, so that nothing stays behind. /var/tmp first: /tmp is
 * often memory. */
static int open_anonymous(void)
{
	const char *const places[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] == NULL)
			continue;
		const int fd = open(places[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd >= 0)
			return fd;
	}
	const int fd = memfd_create("startline trace", MFD_CLOEXEC);
	return fd >= 0 ? fd
		       : fail(-errno, "cannot make a temporary file for the recording: %s",
			      strerror(errno));
}

/* The old file is removed, not emptied: somebody may be reading it, or have linked it elsewhere. */
static int open_named(int directory, const char *path)
{
	const int fd = path_create(directory, path);
	if (fd == -EEXIST)
		return fail(fd,
			    "'%s' exists and is not a regular file: choose another name for the "
			    "recording",
			    path);
	return fd >= 0 ? fd : fail(fd, "cannot create '%s': %s", path, path_strerror(fd));
}

/* Keeps the file readable: what was written of a block that did not fit is cut off again. */
static int give_up(struct trace_writer *w, int code)
{
	w->error = code;
	const bool was_cut = ftruncate(w->fd, (off_t)w->file_bytes) == 0;
	const bool is_full = code == -ENOSPC || code == -EDQUOT || code == -EFBIG;
	return fail(code, "'%s': %s; the recording stops here%s%s", w->name, strerror(-code),
		    was_cut ? ", what was written so far can be read" : "",
		    is_full ? "; make room, or record elsewhere with --trace FILE" : "");
}

static int write_out(struct trace_writer *w, const void *data, size_t n)
{
	const int rc = write_all(w->fd, data, n);
	if (rc < 0)
		return give_up(w, rc);
	w->file_bytes += n;
	return 0;
}

static int write_header(struct trace_writer *w)
{
	const struct file_header header = {
		.magic = FILE_MAGIC,
		.version = FILE_VERSION,
		.header_size = sizeof(header),
		.byte_order = FILE_BYTE_ORDER,
	};
	return write_out(w, &header, sizeof(header));
}

int trace_writer_open(int directory, const char *path, struct trace_writer **ret)
{
	_cleanup_(writer_freep) struct trace_writer *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return fail(-ENOMEM, "no memory to record");
	w->fd = -1;
	w->name = strdup(path != NULL ? path : "temporary recording");
	if (w->name == NULL || deflateInit2(&w->deflate, DEFLATE_LEVEL, Z_DEFLATED, DEFLATE_WINDOW,
					    DEFLATE_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return fail(-ENOMEM, "no memory to record");

	w->fd = path != NULL ? open_named(directory, path) : open_anonymous();
	if (w->fd < 0)
		return w->fd;
	const int written = write_header(w);
	if (written < 0)
		return written;
	*ret = take_ptr(w);
	return 0;
}

/* Compresses the events behind the header in w->stored. Returns the bytes of payload. */
static size_t store_payload(struct trace_writer *w)
{
	unsigned char *payload = w->stored + sizeof(w->block);
	(void)deflateReset(&w->deflate);
	w->deflate.next_in = w->raw;
	w->deflate.avail_in = w->block.raw_size;
	w->deflate.next_out = payload;
	w->deflate.avail_out = BLOCK_STORED_MAX;
	if (deflate(&w->deflate, Z_FINISH) == Z_STREAM_END) {
		w->block.method = BLOCK_DEFLATE;
		return BLOCK_STORED_MAX - w->deflate.avail_out;
	}
	w->block.method = BLOCK_PLAIN;
	memcpy(payload, w->raw, w->block.raw_size);
	return w->block.raw_size;
}

int trace_flush(struct trace_writer *w)
{
	if (w->error < 0 || w->block.raw_size == 0)
		return w->error;
	memcpy(w->block.magic, BLOCK_MAGIC, BLOCK_MAGIC_SIZE);
	w->block.header_size = sizeof(w->block);
	w->block.stored_size = (uint32_t)store_payload(w);
	memcpy(w->stored, &w->block, sizeof(w->block));

	const size_t size = sizeof(w->block) + w->block.stored_size;
	w->block.crc32 = (uint32_t)crc32(0, w->stored + BLOCK_CRC_FROM,
					 (unsigned int)(size - BLOCK_CRC_FROM));
	memcpy(w->stored, &w->block, sizeof(w->block));
	w->block = (struct block_header){ .raw_size = 0 };
	return write_out(w, w->stored, size);
}

int trace_append(struct trace_writer *w, const struct sl_event *event)
{
	if (w->error < 0)
		return w->error;
	if (!event_is_sized(event, event->size))
		return fail(-EINVAL, "an event of kind %u has the impossible size %u",
			    (unsigned int)event->kind, event->size);
	if (w->block.raw_size >= BLOCK_FULL_BYTES) {
		const int rc = trace_flush(w);
		if (rc < 0)
			return rc;
	}

	struct sl_event *copy = (void *)(w->raw + w->block.raw_size);
	memcpy(copy, event, event->size);
	if ((event->flags & SL_FLAG_SOURCE) == SL_SOURCE_COLLECT) {
		copy->cpu = 0;
		copy->seq = w->collect_seq++;
	}
	struct block_header *block = &w->block;
	if (block->n_events == 0 || event->time_ns < block->first_ns)
		block->first_ns = event->time_ns;
	if (event->time_ns > block->last_ns)
		block->last_ns = event->time_ns;
	if (event->time_ns > w->latest_ns)
		w->latest_ns = event->time_ns;
	block->raw_size += event->size;
	block->n_events++;
	return 0;
}

int trace_writer_close(struct trace_writer *w)
{
	if (w == NULL)
		return 0;
	const struct sl_end end = { .event = { .size = sizeof(end),
					       .kind = SL_KIND_END,
					       .flags = SL_SOURCE_COLLECT,
					       .time_ns = w->latest_ns } };
	int rc = trace_append(w, &end.event);
	if (rc == 0)
		rc = trace_flush(w);
	/* Quota and network file systems report a failed write here at the latest. */
	if (close(w->fd) < 0 && rc == 0)
		rc = fail(-errno, "'%s': %s", w->name, strerror(errno));
	w->fd = -1;
	(void)writer_free(w);
	return rc;
}

uint64_t trace_writer_bytes(const struct trace_writer *w)
{
	return w->file_bytes;
}

int trace_writer_dup(const struct trace_writer *w)
{
	const int fd = fcntl(w->fd, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 ? fd : fail(-errno, "'%s': %s", w->name, strerror(errno));
}
