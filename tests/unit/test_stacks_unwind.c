/* SPDX-License-Identifier: MIT */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "tests/unit/cmocka.h"
#include "userspace/stacks/intern.h"
#include "userspace/stacks/unwind.h"

/* Places in code that nobody executes, each with a row of its own. Who returns to one does so behind its
 * first instruction. */
#define PLACE(name, rows)                                                    \
	__asm__(".text\n.globl " #name "\n" #name ":\n.cfi_startproc\n" rows \
		"\nnop\nnop\nnop\nnop\n.cfi_endproc\n");                     \
	extern const char name[]
PLACE(plain, ".cfi_def_cfa_offset 24");
PLACE(saves_rbp, ".cfi_def_cfa_offset 32\n.cfi_offset rbp, -16");
PLACE(by_rbp, ".cfi_def_cfa rbp, 16\n.cfi_offset rbp, -16");
/* The CFA stands at RBP - 8; the caller's RBP at RBP: as compilers realign a stack. */
PLACE(realigned, ".cfi_escape 0x0f,3,0x76,0x78,0x06\n.cfi_escape 0x10,6,2,0x76,0");
/* CFA = RSP + 8 + (RIP & 15 >= 11) * 8: as linkers describe their stubs. */
PLACE(stub, ".cfi_escape 0x0f,11,0x77,8,0x80,0,0x3f,0x1a,0x3b,0x2a,0x33,0x24,0x22");
PLACE(by_unknown, ".cfi_def_cfa r10, 8");
PLACE(circle, ".cfi_def_cfa_offset 0");
PLACE(outermost, ".cfi_undefined rip");
PLACE(interrupting, ".cfi_signal_frame\n.cfi_def_cfa_offset 16");
PLACE(too_complex, ".cfi_escape 0x0f,4,0x77,8,0x06,0x06");

static struct modules *modules;
static struct spaces *spaces;
static struct unwinder *unwinder;
static struct unwound unwound;

static int begin(void **state)
{
	(void)state;
	modules = modules_new();
	spaces = spaces_new(modules);
	unwinder = unwinder_new(spaces);
	return unwinder == NULL;
}

static int end(void **state)
{
	(void)state;
	unwinder = unwinder_free(unwinder);
	spaces = spaces_free(spaces);
	modules = modules_free(modules);
	return 0;
}

static uint64_t into(const char *place)
{
	return (uint64_t)(uintptr_t)place;
}

static uint64_t back_to(const char *place)
{
	return into(place) + 1;
}

#define STACK 0x7ff000001000u

/* Unwinds a thread of ours that is at @at, with this on its stack. */
static void unwind_from(const char *at, uint64_t rbp, const uint64_t *stack, size_t n_words)
{
	const struct snapshot snapshot = { .time_ns = 1,
					   .pid = getpid(),
					   .registers = { [REGISTER_RIP] = into(at),
							  [REGISTER_RSP] = STACK,
							  [REGISTER_RBP] = rbp },
					   .stack = (const uint8_t *)stack,
					   .n_stack = n_words * sizeof(*stack) };
	unwind(unwinder, &snapshot, &unwound);
}

#define assert_frames(expected_end, ...)                                             \
	do {                                                                         \
		const uint64_t expected_[] = { __VA_ARGS__ };                        \
		assert_string_equal(unwind_end_name(unwound.end), expected_end);     \
		assert_int_equal(unwound.n, sizeof(expected_) / sizeof(*expected_)); \
		for (size_t i_ = 0; i_ < unwound.n; i_++)                            \
			assert_int_equal(unwound.frames[i_].address, expected_[i_]); \
	} while (0)

static void callers_are_found_by_their_rows(void **state)
{
	(void)state;
	const uint64_t stack[] = {
		0, 0,	   back_to(saves_rbp),			/* of plain: 24 bytes */
		0, 0,	   STACK + 8 * 8,      back_to(by_rbp), /* of saves_rbp: 32 */
		0, 0x1111, back_to(outermost), 0,
		0, /* of by_rbp: up to RBP + 16 */
	};
	unwind_from(plain, 0, stack, 12);
	assert_frames("outermost", into(plain), back_to(saves_rbp), back_to(by_rbp),
		      back_to(outermost));
	/* Looked up inside the call, and told so. */
	assert_int_equal(unwound.frames[1].offset - unwound.frames[0].offset,
			 into(saves_rbp) - into(plain));
	assert_int_equal(unwound.frames[1].module, unwound.frames[0].module);
}

static void expressions_of_compilers_and_linkers_are_followed(void **state)
{
	(void)state;
	/* RBP leads to the caller's; the word below that is the CFA. */
	const uint64_t realigned_stack[] = { 0,	     STACK + 5 * 8,	STACK + 6 * 8,
					     0,	     back_to(by_rbp),	0,
					     0x2222, back_to(outermost) };
	unwind_from(realigned, STACK + 2 * 8, realigned_stack, 8);
	assert_frames("outermost", into(realigned), back_to(by_rbp), back_to(outermost));

	const uint64_t stub_stack[] = { back_to(outermost), back_to(outermost) };
	unwind_from(stub, 0, stub_stack, 2);
	assert_frames("outermost", into(stub), back_to(outermost));
}

static void what_cannot_be_followed_is_cut(void **state)
{
	(void)state;
	const uint64_t stack[] = { back_to(by_unknown), back_to(circle), 0 };
	unwind_from(too_complex, 0, stack, 3);
	assert_frames("no row", into(too_complex));
	/* R10 is known of the innermost frame alone; here it is 0. */
	unwind_from(by_unknown, 0, stack, 3);
	assert_frames("no growth", into(by_unknown));
	const uint64_t called[] = { 0, 0, back_to(by_unknown), 0 };
	unwind_from(plain, 0, called, 4);
	assert_frames("no row", into(plain), back_to(by_unknown));
}

static void circles_end(void **state)
{
	(void)state;
	const uint64_t stack[] = { back_to(circle), back_to(circle), back_to(circle) };
	unwind_from(circle, 0, stack, 3);
	assert_frames("no growth", into(circle));
	/* RBP leads down. */
	const uint64_t downwards[] = { 0, 0, back_to(by_rbp), 0, STACK, back_to(by_rbp), 0 };
	unwind_from(plain, STACK + 4 * 8, downwards, 7);
	assert_frames("no growth", into(plain), back_to(by_rbp), back_to(by_rbp));
}

static void the_end_of_the_slice_is_a_cut(void **state)
{
	(void)state;
	const uint64_t stack[] = { 0, 0, back_to(saves_rbp), 0 };
	unwind_from(plain, 0, stack, 2);
	assert_frames("no stack", into(plain));
	unwind_from(plain, 0, stack, 4);
	assert_frames("no stack", into(plain), back_to(saves_rbp));
	unwind_from(plain, 0, stack, 0);
	assert_frames("no stack", into(plain));
}

static void a_return_to_no_code_is_none(void **state)
{
	(void)state;
	const uint64_t stack[] = { 0, 0, 0x1234, 0, 0, 0 };
	unwind_from(plain, 0, stack, 6);
	assert_frames("no code", into(plain));
	/* A call through a wild pointer. */
	const struct snapshot wild = { .time_ns = 1,
				       .pid = getpid(),
				       .registers = { [REGISTER_RIP] = 0x1234 } };
	unwind(unwinder, &wild, &unwound);
	assert_frames("no code", 0x1234);
	assert_int_equal(unwound.frames[0].module, 0);
	assert_int_equal(unwound.frames[0].offset, 0x1234);
}

static void a_return_address_of_0_is_an_end(void **state)
{
	(void)state;
	const uint64_t stack[] = { 0, 0, 0 };
	unwind_from(plain, 0, stack, 3);
	assert_frames("outermost", into(plain));
}

static void what_a_signal_interrupted_is_where_it_is(void **state)
{
	(void)state;
	const uint64_t stack[] = { 0, into(outermost), 0 };
	unwind_from(interrupting, 0, stack, 3);
	assert_frames("outermost", into(interrupting), into(outermost));
	assert_int_equal(unwound.frames[1].offset - unwound.frames[0].offset,
			 into(outermost) - into(interrupting));
}

static void there_are_not_more_frames_than_fit(void **state)
{
	(void)state;
	static uint64_t stack[3 * (FRAMES_MAX + 3)];
	for (size_t i = 0; i < sizeof(stack) / sizeof(*stack); i++)
		stack[i] = back_to(plain);
	unwind_from(plain, 0, stack, sizeof(stack) / sizeof(*stack));
	assert_string_equal(unwind_end_name(unwound.end), "too many frames");
	assert_int_equal(unwound.n, FRAMES_MAX);
}

static void frames_of_the_kernel_come_first(void **state)
{
	(void)state;
	const uint64_t kernel[] = { 0xffffffff81000010, 0xffffffff81000100 };
	struct snapshot snapshot = {
		.time_ns = 1, .pid = getpid(), .kernel = kernel, .n_kernel = 2
	};
	unwind(unwinder, &snapshot, &unwound);
	assert_frames("outermost", kernel[0], kernel[1]);
	assert_int_equal(unwound.n_kernel, 2);
	assert_int_equal(modules_get(modules, unwound.frames[0].module)->type, MODULE_KERNEL);
	assert_int_equal(unwound.frames[1].offset, kernel[1] - 1);
}

/* ---- ourselves, against the unwinder of the compiler ---- */

enum { DEPTH = 64, SLICE = 64 << 10 };
static uint64_t theirs[DEPTH];
static size_t n_theirs;
static uint8_t slice[SLICE];

static void take_slice(struct snapshot *snapshot)
{
	/* Piece by piece up to the end of the stack; not by memcpy(), which sanitizers watch. */
	snapshot->stack = slice;
	snapshot->n_stack = 0;
	while (snapshot->n_stack < SLICE) {
		const struct iovec local = { slice + snapshot->n_stack, 1024 };
		const uint64_t from = snapshot->registers[REGISTER_RSP] + snapshot->n_stack;
		// NOLINTNEXTLINE(performance-no-int-to-ptr)
		const struct iovec remote = { (void *)from, 1024 };
		if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1024)
			break;
		snapshot->n_stack += 1024;
	}
}

static _Unwind_Reason_Code add_theirs(struct _Unwind_Context *context, void *user)
{
	(void)user;
	if (n_theirs == DEPTH || _Unwind_GetIP(context) == 0)
		return _URC_END_OF_STACK;
	theirs[n_theirs++] = _Unwind_GetIP(context);
	return _URC_NO_REASON;
}

static __attribute__((noinline)) void unwind_here(void)
{
	ucontext_t here;
	struct snapshot snapshot = { .time_ns = 1, .pid = getpid() };
	getcontext(&here);
	n_theirs = 0;
	_Unwind_Backtrace(add_theirs, NULL);
	const greg_t *g = here.uc_mcontext.gregs;
	const uint64_t registers[N_REGISTERS] = {
		[REGISTER_RBX] = (uint64_t)g[REG_RBX], [REGISTER_RBP] = (uint64_t)g[REG_RBP],
		[REGISTER_R12] = (uint64_t)g[REG_R12], [REGISTER_R13] = (uint64_t)g[REG_R13],
		[REGISTER_R14] = (uint64_t)g[REG_R14], [REGISTER_R15] = (uint64_t)g[REG_R15],
		[REGISTER_RSP] = (uint64_t)g[REG_RSP], [REGISTER_RIP] = (uint64_t)g[REG_RIP],
	};
	memcpy(snapshot.registers, registers, sizeof(registers));
	take_slice(&snapshot);
	unwind(unwinder, &snapshot, &unwound);
}

static int compare_calling_back(const void *a, const void *b)
{
	(void)a;
	(void)b;
	unwind_here();
	return 0;
}

static void assert_as_theirs(size_t n)
{
	assert_true(n_theirs >= n && unwound.n >= n);
	/* They were asked for one line later. */
	for (size_t i = 1; i < n; i++)
		assert_int_equal(unwound.frames[i].address, theirs[i]);
}

static void our_own_stack_is_that_of_the_compilers_unwinder(void **state)
{
	(void)state;
	int two[2] = { 1, 2 };
	qsort(two, 2, sizeof(*two), compare_calling_back);
	assert_string_equal(unwind_end_name(unwound.end), "outermost");
	assert_int_equal(unwound.n, n_theirs);
	assert_as_theirs(unwound.n);
}

static void handle(int number)
{
	(void)number;
	unwind_here();
	__asm__ volatile(""); /* a call, not a jump */
}

static void signal_frames_are_passed(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* that sanitizer wants no memory to be allocated in a handler */
#endif
	struct sigaction action = { .sa_handler = handle };
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	raise(SIGUSR1);
	assert_string_equal(unwind_end_name(unwound.end), "outermost");
	assert_int_equal(unwound.n, n_theirs);
	assert_as_theirs(unwound.n);
}

static void a_stack_for_signals_ends_at_what_was_interrupted(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* that sanitizer calls handlers itself, later */
#endif
	static uint8_t stack_for_signals[SLICE * 4];
	const stack_t stack = { .ss_sp = stack_for_signals, .ss_size = sizeof(stack_for_signals) };
	struct sigaction action = { .sa_handler = handle, .sa_flags = SA_ONSTACK };
	assert_int_equal(sigaltstack(&stack, NULL), 0);
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
	raise(SIGUSR1);
	assert_string_equal(unwind_end_name(unwound.end), "no stack");
	/* The handler, the return from it, and the function that was interrupted. */
	assert_as_theirs(4);
	assert_int_equal(unwound.n, 4);
}

/* ---- ids ---- */

struct told {
	uint32_t n_modules, n_frames, n_stacks, last_caller;
	bool was_cut;
};

static int tell_module(void *user, const struct module *module)
{
	struct told *told = user;
	told->n_modules++;
	return module->id == 0;
}

static int tell_frame(void *user, uint32_t id, uint32_t module, uint64_t offset)
{
	struct told *told = user;
	(void)module;
	(void)offset;
	assert_int_equal(id, ++told->n_frames);
	return 0;
}

static int tell_stack(void *user, uint32_t id, uint32_t caller, uint32_t frame, bool is_cut)
{
	struct told *told = user;
	assert_int_equal(id, ++told->n_stacks);
	assert_true(caller < id && frame <= told->n_frames);
	told->last_caller = caller;
	told->was_cut = is_cut;
	return 0;
}

static void stacks_are_told_once_callers_first(void **state)
{
	(void)state;
	struct told told = { 0 };
	const struct intern_listener listener = { tell_module, tell_frame, tell_stack, &told };
	_cleanup_(intern_freep) struct intern *intern = intern_new(modules, &listener);
	const uint64_t stack[] = { 0, 0, back_to(saves_rbp), 0, 0, 0, back_to(outermost) };
	uint32_t id = 0, again = 0, outer = 0;
	unwind_from(plain, 0, stack, 7);
	assert_int_equal(intern_stack(intern, &unwound, &id), 0);
	assert_int_equal(id, 3);
	assert_int_equal(told.last_caller, 2);
	assert_int_equal(told.n_modules, 1);
	assert_int_equal(intern_stack(intern, &unwound, &again), 0);
	assert_int_equal(again, id);
	unwind_from(saves_rbp, 0, stack + 3, 4);
	assert_int_equal(intern_stack(intern, &unwound, &outer), 0);
	assert_int_not_equal(outer, id);
	assert_false(told.was_cut);
	/* The same frame, with nothing known outside it. */
	unwind_from(plain, 0, stack, 0);
	assert_int_equal(intern_stack(intern, &unwound, &again), 0);
	assert_int_not_equal(again, id);
	assert_true(told.was_cut);
	assert_int_equal(told.n_stacks, 4);
	assert_int_equal(told.n_frames, intern_n_frames(intern));
	unwound.n = 0;
	assert_int_equal(intern_stack(intern, &unwound, &again), 0);
	assert_int_equal(again, 0);
}

static void stacks_are_bounded(void **state)
{
	(void)state;
	struct told told = { 0 };
	const struct intern_listener listener = { tell_module, tell_frame, tell_stack, &told };
	_cleanup_(intern_freep) struct intern *intern = intern_new(modules, &listener);
	uint32_t id = 1;
	unwound = (struct unwound){ .n = 1 };
	for (uint64_t i = 0; i < INTERN_FRAMES_MAX + 23; i++) {
		unwound.frames[0].offset = i;
		assert_int_equal(intern_stack(intern, &unwound, &id), 0);
		assert_int_equal(id != 0, i < INTERN_FRAMES_MAX);
	}
	assert_int_equal(intern_n_refused(intern), 23);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(callers_are_found_by_their_rows, begin, end),
		cmocka_unit_test_setup_teardown(expressions_of_compilers_and_linkers_are_followed,
						begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_followed_is_cut, begin, end),
		cmocka_unit_test_setup_teardown(circles_end, begin, end),
		cmocka_unit_test_setup_teardown(the_end_of_the_slice_is_a_cut, begin, end),
		cmocka_unit_test_setup_teardown(a_return_to_no_code_is_none, begin, end),
		cmocka_unit_test_setup_teardown(a_return_address_of_0_is_an_end, begin, end),
		cmocka_unit_test_setup_teardown(what_a_signal_interrupted_is_where_it_is, begin,
						end),
		cmocka_unit_test_setup_teardown(there_are_not_more_frames_than_fit, begin, end),
		cmocka_unit_test_setup_teardown(frames_of_the_kernel_come_first, begin, end),
		cmocka_unit_test_setup_teardown(our_own_stack_is_that_of_the_compilers_unwinder,
						begin, end),
		cmocka_unit_test_setup_teardown(signal_frames_are_passed, begin, end),
		cmocka_unit_test_setup_teardown(a_stack_for_signals_ends_at_what_was_interrupted,
						begin, end),
		cmocka_unit_test_setup_teardown(stacks_are_told_once_callers_first, begin, end),
		cmocka_unit_test_setup_teardown(stacks_are_bounded, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
