/* SPDX-License-Identifier: MIT */
/* See exact_files.h. */
#include "userspace/collect/heap/exact_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/clock.h"
#include "userspace/base/fs.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"

/* A directory's time may be that much older than what happened in it. */
#define STAMP_NS (20 * NS_PER_MS)

enum {
	FILES_MAX = 1000,    /* images at a time that are read; what is beyond waits */
	WORDS_MAX = 1 << 22, /* of one ring, kept until they are taken */
};

/* ---- which there are ---- */

static struct exact_file *file_free(struct exact_file *f)
{
	if (f == NULL)
		return NULL;
	for (size_t i = 0; i < SL_EXACT_RINGS; i++)
		vec_done(&f->rings[i].words);
	if (f->fd >= 0)
		(void)close(f->fd);
	free(f->stacks);
	free(f);
	return NULL;
}

static bool is_known(const struct exact_files *files, const char *name)
{
	vec_foreach(f, &files->list)
		if (strcmp((*f)->name, name) == 0)
			return true;
	return false;
}

static int add_file(struct exact_files *files, const char *name)
{
	const int fd = openat(files->directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct exact_file *f = fd < 0 ? NULL : calloc(1, sizeof(*f));
	if (fd < 0) {
		/* Looked for again. */
		files->looked_ns = 0;
		return 0;
	}
	if (f == NULL || vec_push(&files->list, f) < 0) {
		(void)close(fd);
		free(f);
		return -ENOMEM;
	}
	f->fd = fd;
	memcpy(f->name, name, strnlen(name, sizeof(f->name) - 1)); /* zeros follow */
	for (size_t i = 0; i < SL_EXACT_RINGS; i++)
		f->rings[i].file = f;
	return 0;
}

/* Whether files may have come since the directory was looked through. */
static bool is_changed(struct exact_files *files)
{
	struct stat stat;
	if (fstat(files->directory, &stat) < 0)
		return true;
	const bool is_same = stat.st_mtim.tv_sec == files->stamp.tv_sec &&
			     stat.st_mtim.tv_nsec == files->stamp.tv_nsec;
	if (!is_same)
		files->changed_ns = now_ns();
	files->stamp = stat.st_mtim;
	return !is_same || files->looked_ns < files->changed_ns + STAMP_NS;
}

int exact_files_find(struct exact_files *files)
{
	_cleanup_closedir_ DIR *d = is_changed(files) ? fs_list(files->directory) : NULL;
	int r = 0;
	if (d == NULL)
		return 0;
	files->looked_ns = now_ns();
	for (const struct dirent *e = readdir(d); e != NULL && r == 0; e = readdir(d)) {
		if (strncmp(e->d_name, SL_EXACT_PREFIX, strlen(SL_EXACT_PREFIX)) != 0 ||
		    strlen(e->d_name) >= EXACT_NAME || is_known(files, e->d_name))
			continue;
		if (files->list.n >= FILES_MAX)
			files->looked_ns = 0;
		else
			r = add_file(files, e->d_name);
	}
	return r;
}

void exact_files_done(struct exact_files *files)
{
	vec_foreach(f, &files->list)
		(void)file_free(*f);
	vec_done(&files->list);
}

void exact_files_remove(struct exact_files *files, size_t i)
{
	struct exact_file *f = files->list.items[i];
	(void)unlinkat(files->directory, f->name, 0);
	(void)file_free(f);
	files->list.items[i] = files->list.items[--files->list.n];
}

/* ---- what is in them ---- */

bool exact_file_read_at(const struct exact_file *f, uint64_t offset, void *ret, size_t n)
{
	return f->fd >= 0 && pread(f->fd, ret, n, (off_t)offset) == (ssize_t)n;
}

/* False: it is not there yet. */
bool exact_file_read_header(struct exact_file *f)
{
	if (!exact_file_read_at(f, 0, &f->header, sizeof(f->header)) ||
	    f->header.magic != SL_EXACT_MAGIC || f->header.version != SL_EXACT_VERSION)
		return false;
	f->has_header = true;
	f->pid = (pid_t)f->header.ns_pid;
	return true;
}

static uint64_t ring_offset(size_t i)
{
	return SL_EXACT_RINGS_AT + i * SL_EXACT_RING_BYTES;
}

/* As many words as lie in one piece from the tail on. */
static size_t piece_of(const struct exact_ring *ring, uint64_t head, uint64_t *ret_offset)
{
	const bool is_small = ring->tail < ring->grown_at;
	const uint64_t size = is_small ? SL_EXACT_SMALL : SL_EXACT_LARGE;
	const uint64_t at = ring->tail % size;
	uint64_t end = is_small && head > ring->grown_at ? ring->grown_at : head;

	if (end - ring->tail > size - at)
		end = ring->tail + size - at;
	*ret_offset = sizeof(struct sl_exact_ring) +
		      (is_small ? 0 : SL_EXACT_SMALL * sizeof(uint64_t)) + at * sizeof(uint64_t);
	return end - ring->tail;
}

static int fetch_ring(struct exact_file *f, size_t i)
{
	struct exact_ring *ring = &f->rings[i];
	struct sl_exact_ring header;
	if (ring->is_over ||
	    !exact_file_read_at(f, ring_offset(i), &header,
				offsetof(struct sl_exact_ring, pad_writer)) ||
	    header.head <= ring->tail || header.head - ring->tail > SL_EXACT_SMALL + SL_EXACT_LARGE)
		return 0;
	ring->grown_at = header.grown_at;
	if (ring->at > 0) {
		memmove(ring->words.items, ring->words.items + ring->at,
			(ring->words.n - ring->at) * sizeof(uint64_t));
		ring->words.n -= ring->at;
		ring->at = 0;
	}
	while (ring->tail < header.head) {
		uint64_t offset = 0;
		const size_t n = piece_of(ring, header.head, &offset);
		if (ring->words.n + n > WORDS_MAX)
			break;
		if (vec_reserve(&ring->words, ring->words.n + n) < 0)
			return -ENOMEM;
		if (!exact_file_read_at(f, ring_offset(i) + offset,
					ring->words.items + ring->words.n, n * sizeof(uint64_t)))
			return 0;
		ring->words.n += n;
		ring->tail += n;
	}
	/* From now on there is room. */
	(void)!pwrite(f->fd, &ring->tail, sizeof(ring->tail),
		      (off_t)(ring_offset(i) + offsetof(struct sl_exact_ring, tail)));
	return 0;
}

size_t exact_file_n_rings(const struct exact_file *f)
{
	return f->header.n_rings < SL_EXACT_RINGS ? f->header.n_rings : SL_EXACT_RINGS;
}

int exact_file_fetch(struct exact_file *f)
{
	int r = 0;
	if (!exact_file_read_header(f))
		return 0;
	for (size_t i = 0; i < exact_file_n_rings(f) && r == 0; i++)
		r = fetch_ring(f, i);
	return r;
}

void exact_file_stop(struct exact_file *f)
{
	f->header.is_over = 1;
	(void)!pwrite(f->fd, &f->header.is_over, sizeof(f->header.is_over),
		      offsetof(struct sl_exact, is_over));
}

/* ---- records ---- */

static uint32_t kind_of(uint64_t word)
{
	return word & ((1u << SL_EXACT_KIND_BITS) - 1);
}

/* One record of at most @n @words; how many it takes. 0: it is not whole yet. Where the next one begins after
 * one that makes no sense is not known. */
static size_t decode(const uint64_t *words, size_t n, uint64_t clock, struct exact_record *ret)
{
	uint64_t address = 0;
	size_t at = 0;
	if (at < n && kind_of(words[at]) == SL_EXACT_CLOCK)
		clock = words[at++] >> SL_EXACT_KIND_BITS;
	if (at < n && kind_of(words[at]) == SL_EXACT_ADDRESS)
		address = words[at++] >> SL_EXACT_KIND_BITS;
	if (at >= n)
		return 0;
	const uint64_t first = words[at++];
	*ret = (struct exact_record){
		.clock = clock + (first >> SL_EXACT_KIND_BITS & ((1u << SL_EXACT_TICKS_BITS) - 1)),
		.address = address | first >> SL_EXACT_BLOCK_AT << SL_EXACT_BLOCK_SHIFT,
		.kind = kind_of(first),
	};
	if (ret->kind == SL_EXACT_FREED)
		return at;
	if ((ret->kind != SL_EXACT_ALLOCATED && ret->kind != SL_EXACT_SAMPLED) ||
	    ret->address == 0) {
		ret->kind = 0;
		return at;
	}
	if (at >= n)
		return 0;
	ret->bytes = words[at] & SL_EXACT_USABLE_MAX;
	ret->node = (uint32_t)(words[at] >> SL_EXACT_USABLE_BITS);
	return at + 1;
}

bool exact_ring_decode(struct exact_ring *ring)
{
	ring->next = ring->n_records = 0;
	while (!ring->is_over && ring->at < ring->words.n && ring->n_records < EXACT_AHEAD) {
		struct exact_record *record = &ring->records[ring->n_records];
		const size_t n = decode(ring->words.items + ring->at, ring->words.n - ring->at,
					ring->clock, record);
		if (n == 0)
			break;
		ring->at += n;
		ring->n_records++;
		ring->clock = record->clock;
		ring->is_over = record->kind == 0;
	}
	return ring->n_records > 0;
}

void exact_ring_stop(struct exact_ring *ring)
{
	ring->is_over = true;
	ring->next = ring->n_records = 0;
}
