/* SPDX-License-Identifier: MIT */
/* Reads a trace made of the fuzzer's bytes, prints it, and asks of it when it was ready: all that
 * touches events before the model does.
 *
 * Input that begins like a trace file is one, but its blocks have their checksums put right, or the
 * fuzzer would never get past them. All other input is taken for events and gets a file around it,
 * or the fuzzer would never get past the compression.
 *
 * STARTLINE_WRITE_SEEDS=DIRECTORY makes it write what the real writer makes of a story with every
 * kind of event: tests/fuzz/corpus/trace. Do that again when the format changes. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "tests/fuzz/fuzzing.h"
#include "tests/lib/events.h"
#include "userspace/trace/dump.h"
#include "userspace/trace/internal.h"
#include "userspace/trace/ready.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct ready_rule rules[4];
static FILE *nowhere;

static const char story[] =
	"0     meta version=0.1.0\n"
	"0     meta command=sh\n"
	"0     mark 100 spawn\n"
	"0     task 100 parent=1 comm=sh\n"
	"0     host start steal=~0\n"
	"1ms   exec 100 /bin/sh argv=sh,-c,x enter=900us\n"
	"1ms   cover 100 counted\n"
	"2ms   mark 100 linked\n"
	"2ms   mark 100 main\n"
	"3ms   execfail 100 /bin/x result=ENOENT\n"
	"3ms   open 100 etc<passwd leaf cut result=ENOENT\n"
	"4ms   net 100 listen sock=7 addr=127.0.0.1:80 fd=3\n"
	"4ms   net 100 listen sock=8 addr=unix:@x fd=4\n"
	"5ms   net 100 accept_ready sock=7 addr=127.0.0.1:80 how=epoll_edge\n"
	"5ms   net 100 accept_ready sock=8 addr=unix:@x how=epoll\n"
	"6ms   net 100 accept sock=9 other=7 addr=[::1]:4000\n"
	"7ms   offcpu 100 out=5ms wake=6ms waker=101 syscall=wait4 object=file text=/x comm=y\n"
	"8ms   syscall 100 mmap enter=7ms\n"
	"8ms   output 100 fd=1 bytes=\"rea\"\n"
	"8ms   output 100 fd=1 bytes=\"dy\\nnow\"\n"
	"9ms   mark 100 ready text=file:/x value=100\n"
	"9ms   memory ready now=5M peak=6M\n"
	"9ms   usage 100 exit user=1ms rss=64K no_io\n"
	"9ms   heap 100 exit malloc=23 b6=23\n"
	"9ms   schedsum 100 since=1ms blocked=5ms\n"
	"9ms   symbol do_wait ip=4\n"
	"10ms  exit 100 code=3 run=3ms\n"
	"10ms  drops bpf kind=open count=4\n"
	"10ms  tally bpf producer=0 count=4\n";

static void write_file(const char *directory, const char *name, const void *data, size_t n)
{
	char path[512];
	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "w");
	if (file == NULL || fwrite(data, 1, n, file) != n || fclose(file) != 0)
		abort();
}

struct seeds {
	struct trace_writer *w;
	size_t n_bytes;
	size_t n_events;
	char bytes[256 * 1024];
};

/* A block for every five events; the same events also as they are. */
static void add_seed(const struct sl_event *event, void *user)
{
	struct seeds *seeds = user;
	memcpy(seeds->bytes + seeds->n_bytes, event, event->size);
	seeds->n_bytes += event->size;
	if (trace_append(seeds->w, event) < 0)
		abort();
	if (++seeds->n_events % 5 == 0 && trace_flush(seeds->w) < 0)
		abort();
}

__attribute__((noreturn)) static void write_seeds(const char *directory)
{
	static struct seeds seeds;
	static char file[256 * 1024];
	if (trace_writer_open(-1, NULL, &seeds.w) < 0)
		abort();
	const int fd = trace_writer_dup(seeds.w);
	events_each(story, add_seed, &seeds);
	if (fd < 0 || trace_writer_close(seeds.w) < 0)
		abort();
	const ssize_t n = pread(fd, file, sizeof(file), 0);
	if (n <= 0)
		abort();
	write_file(directory, "file", file, (size_t)n);
	write_file(directory, "file-cut", file, (size_t)n - 100);
	write_file(directory, "events", seeds.bytes, seeds.n_bytes);
	exit(0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	static const char *const specs[] = { "accept", "accept:all", "log:r.*y", "file:/x" };
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		if (ready_rule_parse(specs[i], &rules[i]) < 0)
			abort();
	}
	if (getenv("STARTLINE_WRITE_SEEDS") != NULL)
		write_seeds(getenv("STARTLINE_WRITE_SEEDS"));
	log_set_sink(silence, NULL);
	nowhere = fopen("/dev/null", "w");
	return nowhere != NULL ? 0 : 1;
}

/* Puts the checksum right wherever a block fits into the file, unless the size says otherwise:
 * wrong ones are to be met as well. */
static void mend(uint8_t *data, size_t size)
{
	if (size % 8 == 1)
		return;
	for (size_t at = 0; at + sizeof(struct block_header) <= size; at++) {
		struct block_header block;
		if (memcmp(data + at, BLOCK_MAGIC, BLOCK_MAGIC_SIZE) != 0)
			continue;
		memcpy(&block, data + at, sizeof(block));
		const uint64_t whole = (uint64_t)block.header_size + block.stored_size;
		if (whole < sizeof(block) || whole > size - at)
			continue;
		block.crc32 = (uint32_t)crc32(0, data + at + BLOCK_CRC_FROM,
					      (unsigned int)(whole - BLOCK_CRC_FROM));
		memcpy(data + at, &block, sizeof(block));
	}
}

static uint32_t count_events(const uint8_t *data, size_t size)
{
	uint32_t n = 0;
	uint32_t event_size = 0;
	for (size_t at = 0; at + sizeof(event_size) <= size; at += event_size) {
		memcpy(&event_size, data + at, sizeof(event_size));
		if (event_size < sizeof(struct sl_event) || event_size > size - at)
			break;
		n++;
	}
	return n;
}

/* A file with one block that holds the bytes. Returns its size. */
static size_t wrap(const uint8_t *data, size_t size, uint8_t *ret)
{
	const struct file_header header = { .magic = FILE_MAGIC,
					    .version = FILE_VERSION,
					    .header_size = sizeof(header),
					    .byte_order = FILE_BYTE_ORDER };
	struct block_header block = { .header_size = sizeof(block),
				      .stored_size = (uint32_t)size,
				      .raw_size = (uint32_t)size,
				      .n_events = count_events(data, size),
				      .method = BLOCK_PLAIN };
	memcpy(block.magic, BLOCK_MAGIC, BLOCK_MAGIC_SIZE);
	memcpy(ret, &header, sizeof(header));
	memcpy(ret + sizeof(header), &block, sizeof(block));
	memcpy(ret + sizeof(header) + sizeof(block), data, size);
	return sizeof(header) + sizeof(block) + size;
}

static void ask(const struct trace *t, const struct ready_rule *rule)
{
	struct ready_watch *w = NULL;
	struct ready_point point;
	if (ready_watch_new(rule, 1, &w) < 0)
		abort();
	trace_foreach(t, event) {
		(void)ready_watch_feed(w, event, &point);
	}
	(void)ready_watch_tick(w, ready_watch_deadline(w), &point);
	ready_watch_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int fd = memfd_create("fuzz", MFD_CLOEXEC);
	uint8_t *file = malloc(size + sizeof(struct file_header) + sizeof(struct block_header));
	if (fd < 0 || file == NULL)
		abort();
	size_t n = size;
	if (size > 0 && data[0] == FILE_MAGIC[0])
		memcpy(file, data, size);
	else
		n = wrap(data, size / 8 * 8, file);
	mend(file, n);
	if (write(fd, file, n) != (ssize_t)n)
		abort();
	free(file);

	struct trace *t = NULL;
	if (trace_load_fd(fd, "fuzz", &t) == 0) {
		for (size_t i = 1; i < t->n_events; i++) {
			if (t->events[i - 1]->time_ns > t->events[i]->time_ns)
				abort();
		}
		(void)trace_dump(t, nowhere);
		for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
			ask(t, &rules[i]);
	}
	trace_free(t);
	close(fd);
	return 0;
}
