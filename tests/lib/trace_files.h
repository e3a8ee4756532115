/* SPDX-License-Identifier: MIT */
/* Trace files for tests, good and bad ones, in a directory of their own. */
#ifndef TESTS_LIB_TRACE_FILES_H
#define TESTS_LIB_TRACE_FILES_H

#include "userspace/base/buf.h"
#include "userspace/trace/internal.h"

#define TEST_FILE_MAX (16u * 1024 * 1024)

extern char test_directory[64];
extern char test_path[128];  /* the trace file in it */
extern char test_said[4096]; /* the last message logged */
extern int test_n_said;	     /* how many */

/* Setup and teardown of each test. */
int test_files_start(void **state);
int test_files_stop(void **state);

struct trace_writer *test_writer(void);
/* What test_path holds. */
struct trace *test_load(void);
/* As trace_load_fd() and trace_sniff(). */
int test_try_load(const char *path, struct trace **ret);
bool test_sniff(const char *path);
/* An OPEN whose number and text make each event different. */
void test_add_open(struct trace_writer *w, uint64_t time_ns, int number);
/* That number; -1 for other events. */
int test_number_of(const struct sl_event *event);
/* @n_blocks blocks of ten events each, numbered and timed in order, then one with END. */
void test_write_blocks(int n_blocks);

/* The file as bytes. The caller frees with buf_done(). */
void test_read_bytes(struct buf *ret);
void test_write_bytes(const void *data, size_t n);
/* Where the block with that number begins. */
size_t test_block_at(const struct buf *file, int number);

/* Composing a file by hand: initialises @file, adds a block with a right checksum. */
void test_add_file_header(struct buf *file);
void test_add_block(struct buf *file, const void *raw, size_t n, uint32_t n_events,
		    enum block_method method);

#endif
