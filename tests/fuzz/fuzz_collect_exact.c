/* SPDX-License-Identifier: MIT */
/* A file of records that somebody made up: whatever it says, what is read lies in it, and it ends. The input lies
 * over the header behind what says that it is one, over the first nodes, and over the first two rings. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/exact.h"
#include "tests/fuzz/fuzzing.h"
#include "userspace/base/rights.h"
#include "userspace/collect/heap/exact.h"
#include "userspace/collect/run/emit.h"
#include "userspace/stacks/modules.h"
#include "userspace/stacks/spaces.h"
#include "userspace/stacks/unwind.h"

static char directory[] = "/tmp/startline-fuzz-XXXXXX";

static void forget_directory(void)
{
	char path[sizeof(directory) + 16];

	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", directory,
			       i == 0 ? "rows" : "exact-7-1");
		(void)unlink(path);
	}
	(void)rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	if (mkdtemp(directory) == NULL)
		abort();
	(void)atexit(forget_directory);
	return 0;
}

static int ignore(void *data, const struct sl_event *event)
{
	(void)data;
	(void)event;
	return 0;
}

static int module(void *user, const struct module *found)
{
	(void)user;
	(void)found;
	return 0;
}

static int frame(void *user, uint32_t id, uint32_t of, uint64_t offset)
{
	(void)user;
	(void)id;
	(void)of;
	(void)offset;
	return 0;
}

static int stack(void *user, uint32_t id, uint32_t caller, uint32_t innermost, bool is_cut)
{
	(void)user;
	(void)is_cut;
	if (caller >= id || innermost == 0)
		abort();
	return 0;
}

static void lay(int fd, off_t at, const uint8_t *data, size_t size, size_t skip, size_t n)
{
	const size_t left = size > skip ? size - skip : 0;

	if (pwrite(fd, data + (left > 0 ? skip : 0), left < n ? left : n, at) < 0)
		abort();
}

static void make_file(const uint8_t *data, size_t size)
{
	char path[sizeof(directory) + 16];
	const struct sl_exact header = { .magic = SL_EXACT_MAGIC,
					 .version = SL_EXACT_VERSION,
					 .ns_pid = 7 };

	(void)snprintf(path, sizeof(path), "%s/exact-7-1", directory);
	const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || pwrite(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    ftruncate(fd, SL_EXACT_BYTES) < 0)
		abort();
	lay(fd, offsetof(struct sl_exact, clock), data, size, 0, 64);
	lay(fd, SL_EXACT_NODES_AT, data, size, 64, 512);
	for (int i = 0; i < 2; i++) {
		const off_t ring = (off_t)(SL_EXACT_RINGS_AT + (uint64_t)i * SL_EXACT_RING_BYTES);
		lay(fd, ring, data, size, 576 + (size_t)i * 16, 16);
		lay(fd, ring + (off_t)sizeof(struct sl_exact_ring), data, size, 608, 4096);
	}
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct intern_listener nobody = { module, frame, stack, NULL };
	struct modules *modules = modules_new();
	struct spaces *spaces = spaces_new(modules);
	uint64_t told_ns = 0;
	const struct exact_target target = { .directory = directory,
					     .uid = rights_uid(),
					     .gid = rights_gid(),
					     .sample_bytes = 4096,
					     .keeps_blocks = size % 2 != 0 };
	const struct sink sink = { ignore, NULL };
	const struct exact_users users = { .unwinder = unwinder_new(spaces),
					   .intern = intern_new(modules, &nobody),
					   .sites = sites_new(),
					   .told_ns = &told_ns,
					   .sink = &sink };
	struct exact_lost lost = { 0 };
	struct exact *x = NULL;

	make_file(data, size);
	if (exact_new(&target, &users, &x) < 0)
		abort();
	for (int i = 0; i < 2; i++)
		if (exact_fetch(x) < 0 || exact_take(x, i == 0 ? now_ns() : UINT64_MAX) < 0)
			abort();
	exact_image_ended(x, 7, UINT64_MAX);
	exact_lost(x, &lost);
	if (sites_tell_end(users.sites, 1, sink) < 0)
		abort();
	(void)exact_free(x);
	(void)sites_free(users.sites);
	(void)intern_free(users.intern);
	(void)unwinder_free(users.unwinder);
	(void)spaces_free(spaces);
	(void)modules_free(modules);
	return 0;
}
