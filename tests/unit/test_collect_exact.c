/* SPDX-License-Identifier: MIT */
/* Files of records as shims write them, and as they never do. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "tests/unit/cmocka.h"
#include "userspace/collect/heap/exact.h"
#include "userspace/collect/heap/exact_files.h"
#include "userspace/stacks/unwind.h"

enum { PID = 41, TOLD_MAX = 64, RANDOM_ROUNDS = 200 };

#define NAME SL_EXACT_PREFIX "41-1"

struct told_events {
	struct sl_site sites[TOLD_MAX];
	char notes[TOLD_MAX][256];
	size_t n_sites, n_notes;
};

/* The target's side and the collector's. */
struct both {
	char directory[32];
	char *file; /* mapped as a shim does */
	struct spaces *spaces;
	struct modules *modules;
	struct unwinder *unwinder;
	struct intern *intern;
	struct sites *sites;
	struct exact *exact;
	uint64_t told_ns;
	struct told_events told;
};

static int ignore_module(void *user, const struct module *module)
{
	(void)user;
	(void)module;
	return 0;
}

static int ignore_frame(void *user, uint32_t id, uint32_t module, uint64_t offset)
{
	(void)user;
	(void)offset;
	return id == 0 && module == 0;
}

static int ignore_stack(void *user, uint32_t id, uint32_t caller, uint32_t frame, bool is_cut)
{
	(void)user;
	(void)is_cut;
	return id == 0 && caller == 0 && frame == 0;
}

static struct sl_exact *header_of(const struct both *b)
{
	return (struct sl_exact *)(void *)b->file;
}

static struct sl_exact_ring *ring_of(const struct both *b, size_t i)
{
	return (struct sl_exact_ring *)(void *)(b->file + SL_EXACT_RINGS_AT +
						i * SL_EXACT_RING_BYTES);
}

static uint64_t *word_of(const struct both *b, size_t i, uint64_t n)
{
	struct sl_exact_ring *ring = ring_of(b, i);
	uint64_t *small = (uint64_t *)(void *)(ring + 1);
	return n < ring->grown_at ? &small[n % SL_EXACT_SMALL]
				  : &small[SL_EXACT_SMALL + n % SL_EXACT_LARGE];
}

static void put(const struct both *b, size_t i, uint64_t word)
{
	*word_of(b, i, ring_of(b, i)->head) = word;
	ring_of(b, i)->head++;
}

static uint64_t first_word(enum sl_exact_kind kind, uint64_t address, uint64_t ticks)
{
	return address >> SL_EXACT_BLOCK_SHIFT << SL_EXACT_BLOCK_AT | ticks << SL_EXACT_KIND_BITS |
	       kind;
}

static void put_clock(const struct both *b, size_t i)
{
	put(b, i, __rdtsc() << SL_EXACT_KIND_BITS | SL_EXACT_CLOCK);
}

static void put_allocated(const struct both *b, size_t i, uint64_t address, uint64_t bytes)
{
	put_clock(b, i);
	put(b, i, first_word(SL_EXACT_ALLOCATED, address, 0));
	put(b, i, bytes);
}

static void put_freed(const struct both *b, size_t i, uint64_t address)
{
	put_clock(b, i);
	put(b, i, first_word(SL_EXACT_FREED, address, 0));
}

static void make_file(struct both *b)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "%s/%s", b->directory, NAME);
	const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SL_EXACT_BYTES), 0);
	b->file = mmap(NULL, SL_EXACT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(b->file != MAP_FAILED);
	(void)close(fd);
	for (size_t i = 0; i < 3; i++)
		ring_of(b, i)->grown_at = ~0ull;
	*header_of(b) = (struct sl_exact){ .version = SL_EXACT_VERSION,
					   .ns_pid = PID,
					   .clock = __rdtsc(),
					   .nodes_room = SL_EXACT_NODES,
					   .n_rings = 3,
					   .magic = SL_EXACT_MAGIC };
}

static int setup(void **state)
{
	static const struct intern_listener listener = { .module = ignore_module,
							 .frame = ignore_frame,
							 .stack = ignore_stack };
	struct both *b = calloc(1, sizeof(*b));
	assert_non_null(b);
	(void)snprintf(b->directory, sizeof(b->directory), "/tmp/startline-exact-XXXXXX");
	assert_non_null(mkdtemp(b->directory));
	(void)setenv("XDG_CACHE_HOME", b->directory, 1);
	b->modules = modules_new();
	b->spaces = spaces_new(b->modules);
	b->unwinder = unwinder_new(b->spaces);
	b->intern = intern_new(b->modules, &listener);
	b->sites = sites_new();
	const struct exact_target target = { .directory = b->directory,
					     .uid = getuid(),
					     .gid = getgid(),
					     .sample_bytes = 512 << 10,
					     .most_blocks = 1000000 };
	const struct exact_users users = { .unwinder = b->unwinder,
					   .intern = b->intern,
					   .sites = b->sites,
					   .told_ns = &b->told_ns };
	assert_int_equal(exact_new(&target, &users, &b->exact), 0);
	make_file(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	char command[64];
	struct both *b = *state;
	(void)munmap(b->file, SL_EXACT_BYTES);
	(void)exact_free(b->exact);
	(void)sites_free(b->sites);
	(void)intern_free(b->intern);
	(void)unwinder_free(b->unwinder);
	(void)spaces_free(b->spaces);
	(void)modules_free(b->modules);
	(void)snprintf(command, sizeof(command), "rm -r %s", b->directory);
	free(b);
	return system(command); // NOLINT(cert-env33-c)
}

static int take_told(void *data, const struct sl_event *event)
{
	struct told_events *t = data;
	const struct sl_meta *meta = (const struct sl_meta *)(const void *)event;
	if (event->kind == SL_KIND_SITE && t->n_sites < TOLD_MAX)
		t->sites[t->n_sites++] = *(const struct sl_site *)(const void *)event;
	if (event->kind == SL_KIND_META && t->n_notes < TOLD_MAX)
		(void)snprintf(t->notes[t->n_notes++], sizeof(t->notes[0]), "%s", meta->text);
	return 0;
}

static void fetch_and_take(struct both *b)
{
	assert_true(exact_fetch(b->exact) >= 0);
	assert_true(exact_take(b->exact, UINT64_MAX) >= 0);
}

static const struct sl_site_sum *sums_at_end(struct both *b)
{
	const struct sink sink = { take_told, &b->told };
	assert_int_equal(sites_tell_end(b->sites, 1, sink), 0);
	assert_int_equal(b->told.n_sites, 1);
	assert_int_equal(b->told.sites[0].event.pid, PID);
	return b->told.sites[0].sums;
}

static bool is_noted(struct both *b, const char *text)
{
	struct exact_lost lost = { 0 };
	const struct sink sink = { take_told, &b->told };
	exact_lost(b->exact, &lost);
	b->told.n_notes = 0;
	assert_true(exact_tell_lost(&lost, sink) >= 0);
	for (size_t i = 0; i < b->told.n_notes; i++)
		if (strstr(b->told.notes[i], text) != NULL)
			return true;
	return false;
}

/* ---- as it should be ---- */

static void blocks_pass_from_thread_to_thread(void **state)
{
	struct both *b = *state;
	put_allocated(b, 2, 4096, 100);
	put_allocated(b, 1, 8192, 70);
	put_freed(b, 0, 4096);
	put_allocated(b, 0, 4096, 23);
	fetch_and_take(b);
	const struct sl_site_sum *sums = sums_at_end(b);
	assert_int_equal(sums[SL_SITE_TOTAL].bytes, 193);
	assert_int_equal(sums[SL_SITE_LIVE].bytes, 93);
	assert_int_equal(sums[SL_SITE_PEAK].bytes, 170);
	assert_int_equal(header_of(b)->magic, SL_EXACT_MAGIC);
	assert_int_equal(ring_of(b, 0)->tail, 5);
	assert_false(is_noted(b, ""));
}

/* Nothing of a ring says how long its next record is but the record. */
static void records_are_as_short_as_they_may_be(void **state)
{
	struct both *b = *state;
	const uint64_t high = 1ull << 56, odd = 4104;
	put_clock(b, 0);
	put(b, 0, first_word(SL_EXACT_ALLOCATED, 4096, 0));
	put(b, 0, 100);
	put(b, 0, first_word(SL_EXACT_FREED, 4096, 1));
	put(b, 0, high << SL_EXACT_KIND_BITS | SL_EXACT_ADDRESS);
	put(b, 0, first_word(SL_EXACT_ALLOCATED, 0, 2));
	put(b, 0, 70);
	put_clock(b, 0);
	put(b, 0, odd << SL_EXACT_KIND_BITS | SL_EXACT_ADDRESS);
	put(b, 0, first_word(SL_EXACT_ALLOCATED, 0, 0));
	put(b, 0, 7);
	put(b, 0, high << SL_EXACT_KIND_BITS | SL_EXACT_ADDRESS);
	put(b, 0, first_word(SL_EXACT_FREED, 0, 0xffff));
	/* Not whole yet. */
	put_clock(b, 0);
	put(b, 0, first_word(SL_EXACT_ALLOCATED, 4096, 0));
	fetch_and_take(b);
	put(b, 0, 23);
	fetch_and_take(b);
	const struct sl_site_sum *sums = sums_at_end(b);
	assert_int_equal(sums[SL_SITE_TOTAL].bytes, 200);
	assert_int_equal(sums[SL_SITE_LIVE].bytes, 30);
	assert_int_equal(sums[SL_SITE_LIVE].blocks, 2);
	assert_int_equal(sums[SL_SITE_TEMPORARY].bytes, 100);
	assert_false(is_noted(b, ""));
}

/* Ticks count on from the record before, of whichever look that was. */
static void records_of_two_threads_are_in_the_order_of_their_ticks(void **state)
{
	struct both *b = *state;
	const uint64_t now = __rdtsc();
	for (size_t i = 0; i < 2; i++)
		put(b, i, now << SL_EXACT_KIND_BITS | SL_EXACT_CLOCK);
	for (uint64_t k = 0; k < 1000; k++) {
		/* Thread 1 frees what thread 0 has just allocated, and so on. */
		put(b, 0, first_word(SL_EXACT_ALLOCATED, 4096, k == 0 ? 10 : 20));
		put(b, 0, 100 + k);
		put(b, 1, first_word(SL_EXACT_FREED, 4096, 20));
		if (k % 70 == 0)
			assert_true(exact_fetch(b->exact) >= 0);
	}
	fetch_and_take(b);
	const struct sl_site_sum *sums = sums_at_end(b);
	assert_int_equal(sums[SL_SITE_TOTAL].blocks, 1000);
	assert_int_equal(sums[SL_SITE_LIVE].blocks, 0);
	assert_int_equal(sums[SL_SITE_PEAK].bytes, 1099);
}

static void rings_that_have_grown_are_read_on(void **state)
{
	struct both *b = *state;
	uint64_t n = 0;
	/* Some are read before, some of the small part after, and the large one is gone round in. */
	for (uint64_t i = 0; i < 300000; i++) {
		if (i == 2000)
			fetch_and_take(b);
		if (i == 4000)
			ring_of(b, 0)->grown_at = ring_of(b, 0)->head;
		if (i % 100000 == 99999)
			fetch_and_take(b);
		put_allocated(b, 0, 16 * (i + 1), 1);
		n++;
	}
	fetch_and_take(b);
	assert_int_equal(sums_at_end(b)[SL_SITE_LIVE].blocks, n);
	assert_int_equal(ring_of(b, 0)->tail, 3 * n);
}

static void what_was_not_recorded_as_it_should_is_told(void **state)
{
	struct both *b = *state;
	for (int i = 0; i < 199; i++)
		put_allocated(b, 0, 16 * (uint64_t)(i + 1), 1);
	fetch_and_take(b);
	assert_false(is_noted(b, ""));
	header_of(b)->n_cut = 1;
	header_of(b)->n_waits = 7;
	header_of(b)->waited_ns = 23000000;
	header_of(b)->n_refused = 5;
	fetch_and_take(b);
	assert_true(is_noted(b, "threads waited 7 times until there was room to record, 23.0 ms"));
	assert_true(is_noted(b, "5 allocations have no stack"));
	assert_false(is_noted(b, "followed"));
	header_of(b)->n_cut = 2;
	fetch_and_take(b);
	assert_true(is_noted(b, "the stacks of 2 of 199 allocations could not be followed"));
}

static void an_image_that_ends_hands_over_the_rest(void **state)
{
	struct both *b = *state;
	char path[64];
	(void)snprintf(path, sizeof(path), "%s/%s", b->directory, NAME);
	put_allocated(b, 1, 4096, 100);
	/* That one was another image, before. */
	exact_image_ended(b->exact, PID, 1);
	assert_int_equal(access(path, F_OK), 0);
	exact_image_ended(b->exact, PID, UINT64_MAX);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(sums_at_end(b)[SL_SITE_LIVE].bytes, 100);
}

/* ---- as it should not be ---- */

static void who_has_too_many_blocks_samples_from_then_on(void **state)
{
	struct both *b = *state;
	uint64_t address = 0;
	ring_of(b, 0)->grown_at = 0;
	for (int round = 0; round < 11; round++) {
		for (int i = 0; i < 100000; i++)
			put_allocated(b, 0, address += 16, 1);
		fetch_and_take(b);
	}
	assert_int_equal(header_of(b)->is_over, 1);
	assert_true(is_noted(b, "1 processes allocated faster than was read"));
	/* None of these was one that would have been sampled. */
	put_allocated(b, 0, address + 16, 1);
	fetch_and_take(b);
	const struct sl_site_sum *sums = sums_at_end(b);
	assert_int_equal(sums[SL_SITE_LIVE].blocks, 0);
	assert_int_equal(sums[SL_SITE_TOTAL].blocks, 1100000);
}

static void a_thread_that_garbles_its_records_ends_the_recording(void **state)
{
	struct both *b = *state;
	put_allocated(b, 0, 4096, 100);
	put(b, 0, 9);
	put_allocated(b, 0, 8192, 1000);
	put_allocated(b, 1, 32768, 23);
	fetch_and_take(b);
	assert_int_equal(header_of(b)->is_over, 1);
	put_allocated(b, 0, 16384, 1000);
	fetch_and_take(b);
	assert_int_equal(sums_at_end(b)[SL_SITE_TOTAL].bytes, 123);
	assert_true(is_noted(b, "1 threads recorded what makes no sense"));
}

static void clocks_that_cannot_be_are_from_before(void **state)
{
	struct both *b = *state;
	put(b, 0, first_word(SL_EXACT_ALLOCATED, 4096, 0));
	put(b, 0, 100);
	put_allocated(b, 1, 8192, 23);
	assert_true(exact_fetch(b->exact) >= 0);
	/* They keep nobody waiting. */
	assert_true(exact_fetch(b->exact) >= 0);
	assert_int_equal(exact_take(b->exact, UINT64_MAX - 1), 2);
}

static void random_files_are_read_within_their_bounds(void **state)
{
	struct both *b = *state;
	uint64_t seed = 43;
	for (int round = 0; round < RANDOM_ROUNDS; round++) {
		for (size_t i = 0; i < 3; i++) {
			struct sl_exact_ring *ring = ring_of(b, i);
			__u64 *const fields[] = { &ring->head, &ring->grown_at };
			for (int k = 0; k < 40; k++) {
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				*word_of(b, i, seed >> 40) = seed >> (seed >> 58);
			}
			for (int k = 0; k < 2; k++) {
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				/* A little on, far off, back. */
				if (seed >> 62 != 0)
					*fields[k] += (seed >> 62) == 1 ? (seed >> 50) % 999 : 0;
				else
					*fields[k] = seed >> (seed >> 58);
			}
		}
		struct sl_exact_node *nodes =
			(struct sl_exact_node *)(void *)(b->file + SL_EXACT_NODES_AT);
		nodes[round] = (struct sl_exact_node){ seed, (uint32_t)(seed >> 47), 1 };
		header_of(b)->n_rings = (uint32_t)seed;
		fetch_and_take(b);
	}
	header_of(b)->magic = 0;
	fetch_and_take(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(blocks_pass_from_thread_to_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(records_are_as_short_as_they_may_be, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			records_of_two_threads_are_in_the_order_of_their_ticks, setup, teardown),
		cmocka_unit_test_setup_teardown(rings_that_have_grown_are_read_on, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_not_recorded_as_it_should_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_image_that_ends_hands_over_the_rest, setup,
						teardown),
		cmocka_unit_test_setup_teardown(who_has_too_many_blocks_samples_from_then_on, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_thread_that_garbles_its_records_ends_the_recording, setup, teardown),
		cmocka_unit_test_setup_teardown(clocks_that_cannot_be_are_from_before, setup,
						teardown),
		cmocka_unit_test_setup_teardown(random_files_are_read_within_their_bounds, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
