/* SPDX-License-Identifier: MIT */

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>

#include "preload/real.h"
#include "preload/unwind.h"
#include "tests/unit/cmocka.h"
#include "userspace/stacks/elf_open.h"
#include "userspace/stacks/proc_maps.h"
#include "userspace/stacks/row_table.h"
#include "userspace/stacks/unwind.h"

enum { SLICE = 64 << 10, ADDRESSES = 256 };

static char directory[] = "/tmp/startline-test-XXXXXX";
static struct code code = { .directory = directory };
static struct stack_nodes nodes;
static struct sl_exact file;
static struct unwind_thread thread;

/* ---- tables of all that is mapped here ---- */

static void write_table(const char *path)
{
	const void *id = NULL;
	char name[256];
	struct buf table = { .limit = 64 << 20 };
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = fd >= 0 ? elf_open(fd, ELF_C_READ) : NULL;
	if (elf != NULL && row_table_make(elf, &table) == 0) {
		const ssize_t n = dwelf_elf_gnu_build_id(elf, &id);
		int at = snprintf(name, sizeof(name), "%s/" SL_ROWS_PREFIX, directory);
		for (ssize_t i = 0; i < n; i++)
			at += snprintf(name + at, sizeof(name) - (size_t)at, "%02x",
				       ((const uint8_t *)id)[i]);
		_cleanup_close_ int out =
			open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		assert_int_equal(write(out, table.data, table.len), table.len);
	}
	(void)elf_end(elf);
	buf_done(&table);
}

static bool never_grows(void *user)
{
	(void)user;
	return false;
}

static int begin(void **state)
{
	(void)state;
	elf_version(EV_CURRENT);
	assert_non_null(mkdtemp(directory));
	struct proc_maps maps;
	struct mapping mapping;
	assert_int_equal(proc_maps_begin(&maps, getpid()), 0);
	while (proc_maps_next(&maps, &mapping))
		if (mapping.path[0] == '/')
			write_table(mapping.path);
	proc_maps_end(&maps);
	assert_true(real_resolve());
	file.nodes_room = SL_EXACT_NODES;
	nodes = (struct stack_nodes){
		.file = &file,
		.nodes = calloc(SL_EXACT_NODES, sizeof(*nodes.nodes)),
		.buckets = calloc(NODE_BUCKETS, sizeof(*nodes.buckets)),
		.grow = never_grows,
	};
	return nodes.nodes == NULL || nodes.buckets == NULL;
}

static int end(void **state)
{
	char command[64];
	(void)state;
	free(nodes.nodes);
	free(nodes.buckets);
	(void)snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command); // NOLINT(cert-env33-c)
}

/* ---- the same as outside ---- */

static struct unwind_start start;
static uint64_t addresses[ADDRESSES];
static size_t n_addresses;
static bool is_cut;

static void note(struct unwind_thread *t)
{
	uint32_t number = unwind_stack(&code, &nodes, t, &start, true);
	assert_int_not_equal(number, 0);
	n_addresses = 0;
	while (number != SL_EXACT_OUTERMOST && number != SL_EXACT_CUT) {
		assert_true(n_addresses < ADDRESSES);
		addresses[n_addresses++] = nodes.nodes[number - 1].address & ~SL_EXACT_INTERRUPTED;
		number = nodes.nodes[number - 1].caller;
	}
	is_cut = number == SL_EXACT_CUT;
}

static void compare_with_outside(void)
{
	static struct unwound unwound;
	static uint8_t slice[SLICE];
	struct modules *modules = modules_new();
	struct spaces *spaces = spaces_new(modules);
	struct unwinder *unwinder = unwinder_new(spaces);
	const uintptr_t stack_end = real_stack_end();
	const size_t n = stack_end - start.rsp < SLICE ? stack_end - start.rsp : SLICE;
	memcpy(slice, (const void *)start.rsp, n); // NOLINT(performance-no-int-to-ptr)
	const struct snapshot snapshot = {
		.time_ns = 1,
		.pid = getpid(),
		.registers = { [REGISTER_RIP] = start.rip,
			       [REGISTER_RSP] = start.rsp,
			       [REGISTER_RBP] = start.rbp },
		.stack = slice,
		.n_stack = n,
	};
	unwind(unwinder, &snapshot, &unwound);
	assert_int_equal(unwound.end, UNWIND_OUTERMOST);
	assert_false(is_cut);
	assert_int_equal(n_addresses, unwound.n);
	for (size_t i = 0; i < n_addresses; i++)
		assert_int_equal(addresses[i], unwound.frames[i].address);
	unwinder = unwinder_free(unwinder);
	spaces = spaces_free(spaces);
	modules = modules_free(modules);
}

static __attribute__((noinline)) void look(void)
{
	start = UNWIND_START();
	note(&thread);
	compare_with_outside();
}

/* Through code of libc's, which has no frame pointer. */
static int compare_two(const void *a, const void *b)
{
	look();
	return *(const int *)a - *(const int *)b;
}

static __attribute__((noinline)) void deeper(int n)
{
	volatile char room[48] = { (char)n };
	if (n > 0)
		deeper(n - 1);
	else
		look();
	(void)room[0];
}

/* Moves its stack to 64 bytes. */
static __attribute__((noinline)) void realigned(int n)
{
	_Alignas(64) volatile char room[64] = { (char)n };
	deeper(n);
	(void)room[0];
}

/* What it has on the stack is of a size that is not known beforehand. */
static __attribute__((noinline)) void by_frame_pointer(size_t n)
{
	volatile char *room = __builtin_alloca(n);
	room[0] = 1;
	realigned((int)n % 7);
	(void)room[0];
}

/* A sanitizer has places on stacks that nobody is to read, and its own frames; no shim is built with one. */
static void skip_if_watched(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip();
#endif
}

static void stacks_are_those_that_are_unwound_outside(void **state)
{
	skip_if_watched();
	int numbers[] = { 5, 2, 8, 1 };
	(void)state;
	qsort(numbers, 4, sizeof(int), compare_two);
	for (int n = 0; n < 40; n++)
		deeper(n % 13);
	for (size_t n = 100; n < 140; n++)
		by_frame_pointer(n);
	for (int n = 0; n < 9; n++)
		realigned(n % 3);
	qsort(numbers, 4, sizeof(int), compare_two);
	assert_int_equal(file.n_cut, 0);
}

/* ---- what is taken over from the last time ---- */

static __attribute__((noinline)) void look_twice(void)
{
	start = UNWIND_START();
	note(&thread);
	const uint32_t n_before = file.n_nodes;
	note(&thread);
	assert_int_equal(file.n_nodes, n_before);
}

/* Is as it was, whoever has called it. */
static __attribute__((noinline)) void the_same(void)
{
	look();
	__asm__ volatile("");
}

static __attribute__((noinline)) void one_way(void)
{
	the_same();
	__asm__ volatile("");
}

static __attribute__((noinline)) void other_way(void)
{
	the_same();
	__asm__ volatile("nop");
}

static void changed_frames_are_not_taken_over(void **state)
{
	(void)state;
	skip_if_watched();
	for (int i = 0; i < 6; i++) {
		/* The same size of frames at the same place, other return addresses. */
		one_way();
		other_way();
	}
	look_twice();
}

/* ---- modules come and go ---- */

static void modules_are_met_again_after_libraries_went(void **state)
{
	(void)state;
	skip_if_watched();
	look();
	const uint32_t epoch = code_epoch(&code);
	code_changed(&code);
	assert_int_equal(code_epoch(&code), epoch + 1);
	look();
	assert_int_equal(thread.epoch, epoch + 1);
	look_twice();
}

/* One thread adds a module or a table; who left that by siglongjmp() goes on with it. */
static void who_adds_a_module_is_in_the_way_of_others_only(void **state)
{
	(void)state;
	skip_if_watched();
	code_changed(&code);
	code.writer = 1;
	start = UNWIND_START();
	note(&thread);
	assert_true(is_cut);
	code.writer = (uintptr_t)__builtin_thread_pointer();
	look();
	assert_int_equal(code.writer, 0);
	file.n_cut = 0;
}

static int n_asked;

static bool is_forbidden(void)
{
	n_asked++;
	return false;
}

static void the_kernel_is_asked_only_where_there_is_need(void **state)
{
	(void)state;
	skip_if_watched();
	look();
	code.may_call = is_forbidden;
	look();
	assert_int_equal(n_asked, 0);
	/* Of new modules nothing can be learnt. */
	code_changed(&code);
	start = UNWIND_START();
	note(&thread);
	assert_int_equal(n_asked, 1);
	assert_true(is_cut);
	code.may_call = NULL;
	file.n_cut = 0;
}

/* ---- where the end of a stack is not known ---- */

static ucontext_t main_context, coroutine;
static struct unwind_thread of_coroutine;

static __attribute__((noinline)) void note_here(struct unwind_thread *t)
{
	start = UNWIND_START();
	note(t);
}

static void in_coroutine(void)
{
	note_here(&of_coroutine);
	note_here(&of_coroutine);
	__asm__ volatile(""); /* so that the last call is one */
}

/* A page that cannot be read follows the stack, whose outermost frame says that more follows. */
static void stacks_of_coroutines_are_not_left(void **state)
{
	skip_if_watched();
	enum { STACK = 16 << 10, PAGE = 4096 };
	(void)state;
	char *stack = mmap(NULL, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	assert_int_equal(mprotect(stack + STACK, PAGE, PROT_NONE), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(getcontext(&coroutine), 0);
		coroutine.uc_stack.ss_sp = stack;
		coroutine.uc_stack.ss_size = STACK;
		coroutine.uc_link = &main_context;
		makecontext(&coroutine, in_coroutine, 0);
		assert_int_equal(swapcontext(&main_context, &coroutine), 0);
		assert_true(n_addresses >= 2);
		assert_int_equal(of_coroutine.n_last, 0);
	}
	(void)munmap(stack, STACK + PAGE);
}

static void set_rule(struct unwind_thread *t, uint64_t address, uint32_t rule)
{
	*unwind_row_of(t, address) = (struct unwind_row){ .address = address, .rule = rule };
}

/* On the own stack, where all that was met is looked at the next time: wherever that would be. */
static void frames_that_turn_back_are_cut(void **state)
{
	skip_if_watched();
	enum { INNER = 0x4001, OUTER = 0x4303, SAVED = 40, CFA = 10 };
	static struct unwind_thread t;
	uint64_t words[64] = { 0 };
	(void)state;
	start = UNWIND_START();
	(void)unwind_stack(&code, &nodes, &t, &start, true);
	set_rule(&t, INNER - 1, SL_RULE(SL_RULE_AT_RBP, SL_SAVED_NOT, 1));
	set_rule(&t, OUTER - 1, SL_RULE(SL_RULE_END, SL_SAVED_NOT, 0));
	/* What was saved at RBP would lie 30 words above the CFA. */
	words[SAVED - 1] = (uintptr_t)&words[CFA];
	words[CFA - 1] = OUTER;
	const struct unwind_start from = { .rip = INNER,
					   .rsp = (uintptr_t)&words[0],
					   .rbp = (uintptr_t)&words[SAVED] };
	for (int i = 0; i < 2; i++) {
		const uint32_t number = unwind_stack(&code, &nodes, &t, &from, true);
		assert_int_equal(nodes.nodes[number - 1].address, INNER);
		assert_int_equal(nodes.nodes[number - 1].caller, SL_EXACT_CUT);
	}
}

/* A JVM closes pages of stacks that it has used before. */
static void what_lies_below_the_walk_is_not_believed_to_be_there(void **state)
{
	skip_if_watched();
	enum { PAGE = 4096, PAGES = 16, INNER = 0x4405 };
	static struct unwind_thread t;
	(void)state;
	char *low = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	uint64_t *words = (uint64_t *)(void *)(low + (PAGES - 1) * PAGE);
	t.low = (uintptr_t)low;
	t.high = (uintptr_t)low + PAGES * PAGE;
	t.epoch = code_epoch(&code);
	assert_int_equal(mprotect(low, PAGE, PROT_NONE), 0);
	set_rule(&t, INNER - 1, SL_RULE(SL_RULE_AT_RBP, SL_SAVED_NOT, 1));
	const struct unwind_start from = { .rip = INNER,
					   .rsp = (uintptr_t)words,
					   .rbp = (uintptr_t)low + 64 };
	const uint32_t number = unwind_stack(&code, &nodes, &t, &from, true);
	assert_int_equal(nodes.nodes[number - 1].caller, SL_EXACT_CUT);
	(void)munmap(low, PAGES * PAGE);
}

static void hostile_stacks_are_cut(void **state)
{
	skip_if_watched();
	enum { PAGE = 4096 };
	static struct unwind_thread t;
	(void)state;
	uint64_t *page =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(mprotect((char *)page + PAGE, PAGE, PROT_NONE), 0);
	uint32_t seed = 7;
	for (int i = 0; i < 3000; i++) {
		uint64_t *words = page + PAGE / 8 - 64;
		for (int k = 0; k < 64; k++) {
			seed = seed * 1664525u + 1013904223u;
			words[k] = seed % 3 == 0 ? (uintptr_t)look + seed % 4096
						 : (uintptr_t)(words + seed % 80);
		}
		const struct unwind_start from = { .rip = (uintptr_t)look + seed % 8192,
						   .rsp = (uintptr_t)(words + seed % 50),
						   .rbp = (uintptr_t)(words + seed % 70) };
		(void)unwind_stack(&code, &nodes, &t, &from, seed % 2);
	}
	(void)munmap(page, 2 * PAGE);
}

/* ---- threads ---- */

static void *in_thread(void *user)
{
	struct unwind_thread *t = user;
	for (int i = 0; i < 2000; i++)
		(void)unwind_stack(&code, &nodes, t, &start, true);
	note_here(t);
	return NULL;
}

static void stacks_of_threads_have_an_end(void **state)
{
	skip_if_watched();
	pthread_t id;
	struct unwind_thread *t = calloc(1, sizeof(*t));
	(void)state;
	assert_int_equal(pthread_create(&id, NULL, in_thread, t), 0);
	assert_int_equal(pthread_join(id, NULL), 0);
	assert_false(is_cut);
	assert_int_equal(n_addresses, 3); /* clone3, start_thread, this */
	free(t);
}

static uint32_t numbers_of[2][1000];

static void *intern_all(void *user)
{
	uint32_t *numbers = user;
	for (uint32_t i = 0; i < 1000; i++)
		numbers[i] = stack_nodes_intern(&nodes, i % 3, 1000 + i / 2);
	return NULL;
}

static void threads_give_one_frame_one_number(void **state)
{
	pthread_t id;
	(void)state;
	assert_int_equal(pthread_create(&id, NULL, intern_all, numbers_of[0]), 0);
	intern_all(numbers_of[1]);
	assert_int_equal(pthread_join(id, NULL), 0);
	assert_memory_equal(numbers_of[0], numbers_of[1], sizeof(numbers_of[0]));
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(nodes.nodes[numbers_of[0][i] - 1].address, 1000 + i / 2);
		assert_int_equal(nodes.nodes[numbers_of[0][i] - 1].caller, i % 3);
	}
}

static void full_trees_are_counted(void **state)
{
	(void)state;
	const uint32_t room = file.nodes_room;
	file.nodes_room = file.n_nodes;
	assert_int_equal(stack_nodes_intern(&nodes, 0, 77), 0);
	assert_int_equal(file.n_refused, 1);
	file.nodes_room = room;
	assert_int_not_equal(stack_nodes_intern(&nodes, 0, 77), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_are_those_that_are_unwound_outside),
		cmocka_unit_test(changed_frames_are_not_taken_over),
		cmocka_unit_test(modules_are_met_again_after_libraries_went),
		cmocka_unit_test(who_adds_a_module_is_in_the_way_of_others_only),
		cmocka_unit_test(the_kernel_is_asked_only_where_there_is_need),
		cmocka_unit_test(stacks_of_coroutines_are_not_left),
		cmocka_unit_test(frames_that_turn_back_are_cut),
		cmocka_unit_test(what_lies_below_the_walk_is_not_believed_to_be_there),
		cmocka_unit_test(hostile_stacks_are_cut),
		cmocka_unit_test(stacks_of_threads_have_an_end),
		cmocka_unit_test(threads_give_one_frame_one_number),
		cmocka_unit_test(full_trees_are_counted),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
