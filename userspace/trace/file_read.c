/* SPDX-License-Identifier: MIT */
/* Reads a trace file that anybody may have written. Nothing is believed before its checksum was
 * right and its sizes were checked; where that fails, the reader goes on at the next block.
 * pread is used throughout: the file may be growing, and a descriptor may be shared with its
 * writer. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes zlib take const input. */
#define ZLIB_CONST
#include <zlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/log.h"
#include "userspace/base/vec.h"
#include "userspace/trace/internal.h"
#include "userspace/trace/kinds.h"
#include "userspace/trace/trace.h"

/* Of decompressed events: what a machine of 16 GB can hold together with what is made of them. */
#define EVENTS_BYTES_MAX (4ull * 1024 * 1024 * 1024)
/* Level 1 of zlib, which the writer uses, never gains more than this factor: a file that does was
 * made to exhaust memory. Small files may do as they like. */
#define UNPACK_FACTOR 256u
#define UNPACK_MIN    (64ull * 1024 * 1024)
/* A file of nothing but block magics would have the reader checksum half a megabyte for each.
 * After this many bytes in vain, as a multiple of the file's size, it stops looking. */
#define WASTE_FACTOR 4u
#define WASTE_MIN    (16ull * 1024 * 1024)
#define SEARCH_BYTES (64 * 1024)

struct event_list VEC(const struct sl_event *);
struct chunk_list VEC(void *);

struct reader {
	int fd;
	const char *name;
	uint64_t size;
	uint64_t events_bytes;
	uint64_t wasted_bytes;
	bool has_end;
	z_stream inflate;
	struct event_list events;
	struct chunk_list *chunks; /* the events' memory, one piece per block */
	uint64_t n_damaged;
	uint64_t n_unknown;
	unsigned char stored[HEADER_SIZE_MAX + BLOCK_STORED_MAX];
};

static void chunks_free(struct chunk_list *chunks)
{
	if (chunks == NULL)
		return;
	vec_foreach(chunk, chunks)
		free(*chunk);
	vec_done(chunks);
	free(chunks);
}

static struct reader *reader_free(struct reader *r)
{
	if (r == NULL)
		return NULL;
	(void)inflateEnd(&r->inflate); /* refuses one that never began */
	vec_done(&r->events);
	chunks_free(r->chunks);
	free(r);
	return NULL;
}
DEFINE_FREEP(struct reader, reader_free)

/* Returns the bytes read, fewer than @n only at the end of the file, or a negative errno. */
static ssize_t read_at(const struct reader *r, uint64_t at, void *data, size_t n)
{
	size_t done = 0;
	while (done < n) {
		const ssize_t got = pread(r->fd, (char *)data + done, n - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(-errno, "'%s': %s", r->name, strerror(errno));
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

enum block_result {
	BLOCK_TAKEN,
	BLOCK_CUT,     /* the file ends inside it */
	BLOCK_DAMAGED, /* anything about it is wrong */
};

static bool block_is_plausible(const struct block_header *block)
{
	return memcmp(block->magic, BLOCK_MAGIC, BLOCK_MAGIC_SIZE) == 0 &&
	       block->header_size >= sizeof(*block) && block->header_size <= HEADER_SIZE_MAX &&
	       block->stored_size <= BLOCK_STORED_MAX && block->raw_size <= BLOCK_RAW_MAX &&
	       block->raw_size % 8 == 0 &&
	       block->n_events <= block->raw_size / sizeof(struct sl_event);
}

/* Restores the events of a block whose checksum was right. */
static bool unpack(struct reader *r, const struct block_header *block, const unsigned char *payload,
		   void *ret)
{
	if (block->method == BLOCK_PLAIN) {
		if (block->stored_size != block->raw_size)
			return false;
		memcpy(ret, payload, block->raw_size);
		return true;
	}
	if (block->method != BLOCK_DEFLATE || inflateReset(&r->inflate) != Z_OK)
		return false;
	r->inflate.next_in = payload;
	r->inflate.avail_in = block->stored_size;
	r->inflate.next_out = ret;
	r->inflate.avail_out = block->raw_size;
	return inflate(&r->inflate, Z_FINISH) == Z_STREAM_END && r->inflate.avail_out == 0 &&
	       r->inflate.avail_in == 0;
}

/* Whether @data is exactly the promised number of events, one behind the other. */
static bool events_are_sized(const struct block_header *block, const char *data)
{
	uint32_t n_events = 0;
	for (size_t at = 0; at < block->raw_size;) {
		const struct sl_event *event = (const void *)(data + at);
		if (!event_is_sized(event, block->raw_size - at))
			return false;
		at += event->size;
		n_events++;
	}
	return n_events == block->n_events;
}

static int take_events(struct reader *r, const struct block_header *block, const char *data)
{
	for (size_t at = 0; at < block->raw_size;) {
		const struct sl_event *event = (const void *)(data + at);
		at += event->size;
		if (!event_is_valid(event, event->size)) {
			r->n_unknown++;
			continue;
		}
		if (event->kind == SL_KIND_END)
			r->has_end = true;
		if (vec_push(&r->events, event) < 0)
			return fail(-ENOMEM, "'%s': no memory for its events", r->name);
	}
	return 0;
}

static int check_limits(const struct reader *r, uint64_t events_bytes)
{
	if (events_bytes > EVENTS_BYTES_MAX)
		return fail(-EFBIG, "'%s' holds more than 4 GiB of events: record a shorter run",
			    r->name);
	if (events_bytes > UNPACK_MIN + r->size * UNPACK_FACTOR)
		return fail(-EFBIG,
			    "'%s' unpacks to more than %u times its size: no recording does",
			    r->name, UNPACK_FACTOR);
	return 0;
}

static int take_block(struct reader *r, const struct block_header *block,
		      const unsigned char *payload, enum block_result *ret)
{
	const int rc = check_limits(r, r->events_bytes + block->raw_size);
	if (rc < 0)
		return rc;
	/* malloc aligns for any type, and an empty block is valid. */
	_cleanup_free_ char *data = malloc(block->raw_size + 1);
	if (data == NULL)
		return fail(-ENOMEM, "'%s': no memory for its events", r->name);
	if (!unpack(r, block, payload, data) || !events_are_sized(block, data)) {
		*ret = BLOCK_DAMAGED;
		return 0;
	}
	if (vec_push(r->chunks, data) < 0)
		return fail(-ENOMEM, "'%s': no memory for its events", r->name);
	r->events_bytes += block->raw_size;
	*ret = BLOCK_TAKEN;
	return take_events(r, block, take_ptr(data));
}

/* Reads the block at @at. @ret_size: how many bytes of the file were read for it. */
static int read_block(struct reader *r, uint64_t at, enum block_result *ret, uint64_t *ret_size)
{
	struct block_header block;
	ssize_t n = read_at(r, at, &block, sizeof(block));
	if (n < 0)
		return (int)n;
	*ret_size = (uint64_t)n;
	*ret = BLOCK_CUT;
	if (n < (ssize_t)sizeof(block))
		return 0;
	*ret = BLOCK_DAMAGED;
	if (!block_is_plausible(&block))
		return 0;

	const size_t size = (size_t)block.header_size + block.stored_size;
	*ret = BLOCK_CUT;
	if (at + size > r->size)
		return 0;
	n = read_at(r, at, r->stored, size);
	if (n < 0)
		return (int)n;
	if ((size_t)n < size)
		return 0;

	*ret_size = size;
	*ret = BLOCK_DAMAGED;
	/* The header is taken from the bytes that are checksummed: the file may have changed. */
	memcpy(&block, r->stored, sizeof(block));
	if (!block_is_plausible(&block) || block.header_size + (size_t)block.stored_size != size ||
	    block.crc32 != (uint32_t)crc32(0, r->stored + BLOCK_CRC_FROM,
					   (unsigned int)(size - BLOCK_CRC_FROM)))
		return 0;
	return take_block(r, &block, r->stored + block.header_size, ret);
}

/* Sets @at to the next block magic behind it; to the file's size when there is none. */
static int search_block(struct reader *r, uint64_t *at)
{
	for (uint64_t from = *at + 1; from < r->size; from += SEARCH_BYTES - BLOCK_MAGIC_SIZE) {
		const ssize_t n = read_at(r, from, r->stored, SEARCH_BYTES);
		if (n < 0)
			return (int)n;
		const unsigned char *found =
			memmem(r->stored, (size_t)n, BLOCK_MAGIC, BLOCK_MAGIC_SIZE);
		if (found != NULL) {
			*at = from + (uint64_t)(found - r->stored);
			return 0;
		}
		if (n < SEARCH_BYTES)
			break;
	}
	*at = r->size;
	return 0;
}

static int read_blocks(struct reader *r, uint64_t at)
{
	const uint64_t waste_max = WASTE_MIN + r->size * WASTE_FACTOR;
	while (at < r->size) {
		enum block_result result = BLOCK_DAMAGED;
		uint64_t size = 0;
		int rc = read_block(r, at, &result, &size);
		if (rc < 0)
			return rc;
		if (result == BLOCK_TAKEN) {
			at += size;
			continue;
		}
		r->wasted_bytes += size;
		rc = search_block(r, &at);
		if (rc < 0)
			return rc;
		/* Nothing follows a block that is cut: it is the last one, not a damaged one. */
		if (result == BLOCK_DAMAGED || at < r->size)
			r->n_damaged++;
		if (r->wasted_bytes > waste_max) {
			log_warning("'%s': nothing but damage, reading stops at %llu of %llu bytes",
				    r->name, (unsigned long long)at, (unsigned long long)r->size);
			break;
		}
	}
	return 0;
}

/* Returns where the blocks begin, in @ret. */
static int read_header(struct reader *r, uint64_t *ret)
{
	struct stat status;
	if (fstat(r->fd, &status) < 0)
		return fail(-errno, "'%s': %s", r->name, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return fail(-EBADMSG, "'%s': not a regular file, so not a startline trace",
			    r->name);
	r->size = (uint64_t)status.st_size;

	struct file_header header;
	const ssize_t n = read_at(r, 0, &header, sizeof(header));
	if (n < 0)
		return (int)n;
	if (n < (ssize_t)sizeof(header) || memcmp(header.magic, FILE_MAGIC, FILE_MAGIC_SIZE) != 0)
		return fail(-EBADMSG, "'%s': not a startline trace", r->name);
	if (header.byte_order == __builtin_bswap32(FILE_BYTE_ORDER))
		return fail(-EPROTO,
			    "'%s' was recorded on a machine with another byte order: read "
			    "it there",
			    r->name);
	if (header.byte_order != FILE_BYTE_ORDER || header.version == 0)
		return fail(-EBADMSG, "'%s': not a startline trace, or its header is damaged",
			    r->name);
	if (header.version > FILE_VERSION)
		return fail(-EPROTO,
			    "'%s' has format version %u, this startline reads up to %u: "
			    "use a newer one",
			    r->name, header.version, FILE_VERSION);
	if (header.header_size < sizeof(header) || header.header_size > HEADER_SIZE_MAX)
		return fail(-EBADMSG, "'%s': its header is damaged", r->name);
	*ret = header.header_size;
	return 0;
}

static void warn_about(const struct reader *r)
{
	if (r->n_damaged > 0)
		log_warning("'%s' is damaged: %llu blocks are skipped", r->name,
			    (unsigned long long)r->n_damaged);
	if (!r->has_end)
		log_warning("'%s' is truncated: its recorder was killed, the disk was full, or it "
			    "is still being written; showing what there is",
			    r->name);
}

static struct trace *trace_from(struct reader *r)
{
	struct trace *t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	*t = (struct trace){
		.events = r->events.items,
		.n_events = r->events.n,
		.is_truncated = !r->has_end,
		.n_damaged = r->n_damaged,
		.n_unknown = r->n_unknown,
		.bytes = r->size,
		.memory = take_ptr(r->chunks),
	};
	r->events = (struct event_list){ .n = 0 };
	return t;
}

/* *ret_at: where the blocks begin. NULL, logged, with *ret_error. */
static struct reader *reader_new(int fd, const char *name, uint64_t *ret_at, int *ret_error)
{
	_cleanup_(reader_freep) struct reader *r = calloc(1, sizeof(*r));
	*ret_error = -ENOMEM;
	if (r != NULL) {
		r->fd = fd;
		r->name = name;
		r->chunks = calloc(1, sizeof(*r->chunks));
	}
	if (r == NULL || r->chunks == NULL || inflateInit2(&r->inflate, DEFLATE_WINDOW) != Z_OK) {
		(void)fail(-ENOMEM, "'%s': no memory to read it", name);
		return NULL;
	}
	*ret_error = read_header(r, ret_at);
	return *ret_error < 0 ? NULL : take_ptr(r);
}

static int reader_finish(struct reader *r, struct trace **ret)
{
	if (events_sort(r->events.items, r->events.n) < 0)
		return fail(-ENOMEM, "'%s': no memory to sort its events", r->name);
	struct trace *t = trace_from(r);
	if (t == NULL)
		return fail(-ENOMEM, "'%s': no memory to read it", r->name);
	*ret = t;
	return 0;
}

int trace_load_fd(int fd, const char *name, struct trace **ret)
{
	uint64_t at = 0;
	int rc;
	_cleanup_(reader_freep) struct reader *r = reader_new(fd, name, &at, &rc);
	if (r == NULL)
		return rc;
	rc = read_blocks(r, at);
	if (rc < 0)
		return rc;
	warn_about(r);
	return reader_finish(r, ret);
}

static void keep_facts(struct event_list *events)
{
	size_t n = 0;
	vec_foreach(event, events) {
		if ((*event)->kind == SL_KIND_META)
			events->items[n++] = *event;
	}
	events->n = n;
}

int trace_load_tail(int fd, const char *name, uint64_t head, uint64_t from, struct trace **ret)
{
	uint64_t at = 0;
	int rc;
	_cleanup_(reader_freep) struct reader *r = reader_new(fd, name, &at, &rc);
	if (r == NULL)
		return rc;
	const uint64_t size = r->size;
	r->size = head < size ? head : size;
	rc = read_blocks(r, at);
	keep_facts(&r->events);
	r->size = size;
	if (rc == 0)
		rc = read_blocks(r, from > at ? from : at);
	return rc < 0 ? rc : reader_finish(r, ret);
}

struct trace *trace_free(struct trace *t)
{
	if (t == NULL)
		return NULL;
	chunks_free(t->memory);
	free(t->events);
	free(t);
	return NULL;
}

bool trace_sniff(int fd)
{
	char magic[FILE_MAGIC_SIZE];
	return pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
	       memcmp(magic, FILE_MAGIC, sizeof(magic)) == 0;
}
