/* SPDX-License-Identifier: MIT */
/* Trace files for tests, good and bad ones. What cannot be made aborts. */

#include "tests/lib/trace_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Makes zlib take const input. */
#define ZLIB_CONST
#include <zlib.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/base/path.h"

char test_directory[64];
char test_path[128];
char test_said[4096];
int test_n_said;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "tests/lib/trace_files: %s failed\n", what);
	abort();
}

static void remember(enum log_level level, const char *message, void *user)
{
	(void)level;
	(void)user;
	test_n_said++;
	(void)snprintf(test_said, sizeof(test_said), "%s", message);
}

int test_files_start(void **state)
{
	(void)state;
	(void)snprintf(test_directory, sizeof(test_directory), "/tmp/test_trace.XXXXXX");
	must(mkdtemp(test_directory) != NULL, "mkdtemp");
	(void)snprintf(test_path, sizeof(test_path), "%s/x.slt", test_directory);
	log_set_sink(remember, NULL);
	test_said[0] = '\0';
	test_n_said = 0;
	return 0;
}

int test_files_stop(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	(void)unlink(test_path);
	(void)rmdir(test_directory);
	return 0;
}

int test_try_load(const char *path, struct trace **ret)
{
	_cleanup_close_ const int fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0, "open");
	return trace_load_fd(fd, path, ret);
}

bool test_sniff(const char *path)
{
	_cleanup_close_ const int fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0, "open");
	return trace_sniff(fd);
}

struct trace *test_load(void)
{
	struct trace *t = NULL;
	must(test_try_load(test_path, &t) == 0, "trace_load_fd");
	return t;
}

struct trace_writer *test_writer(void)
{
	struct trace_writer *w = NULL;
	must(trace_writer_open(-1, test_path, &w) == 0, "open");
	return w;
}

void test_add_open(struct trace_writer *w, uint64_t time_ns, int number)
{
	_Alignas(8) char record[sizeof(struct sl_open) + 32] = { 0 };
	struct sl_open *open = (void *)record;
	open->event = (struct sl_event){ .size = sizeof(record),
					 .kind = SL_KIND_OPEN,
					 .time_ns = time_ns,
					 .pid = 100,
					 .tid = 100,
					 .seq = (uint32_t)number };
	open->result = number;
	(void)snprintf(open->text, 32, "/file/%d", number);
	must(trace_append(w, &open->event) == 0, "append");
}

int test_number_of(const struct sl_event *event)
{
	if (event->kind != SL_KIND_OPEN)
		return -1;
	return ((const struct sl_open *)(const void *)event)->result;
}

void test_write_blocks(int n_blocks)
{
	struct trace_writer *w = test_writer();
	for (int i = 0; i < n_blocks * 10; i++) {
		test_add_open(w, 1000 + (uint64_t)i, i);
		if (i % 10 == 9)
			must(trace_flush(w) == 0, "flush");
	}
	must(trace_writer_close(w) == 0, "close");
}

void test_read_bytes(struct buf *ret)
{
	buf_init(ret, TEST_FILE_MAX);
	must(fs_read_file(test_path, ret) == 0, "read");
}

void test_write_bytes(const void *data, size_t n)
{
	must(path_replace(test_path, data, n, 0600) == 0, "write");
}

size_t test_block_at(const struct buf *file, int number)
{
	const char *at = file->data;
	for (int i = 0; i <= number; i++) {
		at = memmem(at + 1, file->len - (size_t)(at + 1 - file->data), BLOCK_MAGIC,
			    BLOCK_MAGIC_SIZE);
		must(at != NULL, "finding a block");
	}
	return (size_t)(at - file->data);
}

void test_add_file_header(struct buf *file)
{
	const struct file_header header = { .magic = FILE_MAGIC,
					    .version = FILE_VERSION,
					    .header_size = sizeof(header),
					    .byte_order = FILE_BYTE_ORDER };
	buf_init(file, TEST_FILE_MAX);
	must(buf_add(file, &header, sizeof(header)) == 0, "add");
}

/* As dense as it gets: somebody of ill will has time. Returns the size. */
static size_t compress_hard(const void *raw, size_t n, unsigned char *ret, size_t room)
{
	z_stream z = {
		.next_in = raw, .avail_in = (uInt)n, .next_out = ret, .avail_out = (uInt)room
	};
	must(deflateInit2(&z, 9, Z_DEFLATED, DEFLATE_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK,
	     "zlib");
	must(deflate(&z, Z_FINISH) == Z_STREAM_END, "compressing");
	(void)deflateEnd(&z);
	return room - z.avail_out;
}

void test_add_block(struct buf *file, const void *raw, size_t n, uint32_t n_events,
		    enum block_method method)
{
	struct block_header header = { .header_size = sizeof(header),
				       .stored_size = (uint32_t)n,
				       .raw_size = (uint32_t)n,
				       .n_events = n_events,
				       .method = method };
	memcpy(header.magic, BLOCK_MAGIC, BLOCK_MAGIC_SIZE);
	const size_t n_stored = compressBound(n);
	_cleanup_free_ unsigned char *all = malloc(sizeof(header) + n_stored);
	must(all != NULL, "malloc");
	if (method == BLOCK_DEFLATE) {
		header.stored_size =
			(uint32_t)compress_hard(raw, n, all + sizeof(header), n_stored);
	} else if (n > 0) {
		memcpy(all + sizeof(header), raw, n);
	}
	memcpy(all, &header, sizeof(header));
	const size_t size = sizeof(header) + header.stored_size;
	header.crc32 =
		(uint32_t)crc32(0, all + BLOCK_CRC_FROM, (unsigned int)(size - BLOCK_CRC_FROM));
	memcpy(all, &header, sizeof(header));
	must(buf_add(file, all, size) == 0, "add");
}
