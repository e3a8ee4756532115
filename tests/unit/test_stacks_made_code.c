/* SPDX-License-Identifier: MIT */
/* Code that is made at run time, without rows: a child runs it instruction by instruction, and at each of
 * them its stack must be the calls that were made and not returned from, or a part of them that says so. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/snapshot_of.h"
#include "tests/unit/cmocka.h"
#include "userspace/stacks/unwind.h"

/* What compilers that work at run time make, function by function: V8's, HotSpot's, and people's. It is
 * data here, and has no rows. */
__asm__(".data\n.balign 16\nmade_begin:\n"
	"int3\n"
	/* A frame pointer, and all of the others called. */
	"endbr64\npush %rbp\nmov %rsp, %rbp\npush %rbx\nsub $24, %rsp\n"
	"call made_leaf\ncall made_saves\ncall made_fixed\ncall made_sized\n"
	"xor %eax, %eax\ncall made_late\nmov $1, %eax\ncall made_late\n"
	"push $23\ncall made_takes_arguments\n"
	"push $23\npush $41\nmov $2, %eax\ncall made_takes_many\n"
	"push $41\ncall made_passes_on\n"
	"lea made_leaf(%rip), %rax\ncall *%rax\n"
	"lea made_table(%rip), %rax\ncall *8(%rax)\n"
	"call made_baseline\ncall made_throwing\ncall made_long\n"
	"add $24, %rsp\npop %rbx\nleave\nret\nint3\n"
	"made_leaf: mov $5, %ecx\n1: dec %ecx\njnz 1b\nret\nint3\n"
	"made_saves: push %rbx\npush %r12\nmov %rdi, %rbx\npop %r12\npop %rbx\nret\nnop\n"
	/* HotSpot: RBP is kept, and used for anything. */
	"made_fixed: mov %eax, -0x1000(%rsp)\npush %rbp\nsub $0x20, %rsp\nmov $7, %ebp\n"
	"call made_leaf\nlea 1(%rbp), %ebp\ncall made_saves\nadd $0x20, %rsp\npop %rbp\n"
	"cmp 0x10(%rsp), %rsp\nret\nhlt\n"
	"made_sized: sub $0x1008, %rsp\ncall made_leaf\nadd $0x1008, %rsp\nret\n"
	/* V8: a frame on some ways only. */
	"made_late: test %eax, %eax\njnz 1f\nnop\nret\n"
	"1: push %rbp\nmov %rsp, %rbp\npush $0x22\nsub $0x18, %rsp\ncall made_leaf\n"
	"mov %rbp, %rsp\npop %rbp\nnop\nret\nint3\n"
	"made_takes_arguments: push %rbp\nmov %rsp, %rbp\ncall made_leaf\nmov %rbp, %rsp\npop %rbp\n"
	"ret $8\n"
	"made_takes_many: push %rbp\nmov %rsp, %rbp\npush %rsi\ncall made_leaf\nmov %rbp, %rsp\n"
	"pop %rbp\npop %r10\nlea (%rsp,%rax,8), %rsp\npush %r10\nret\n"
	/* Takes an argument away below its return address, and jumps on. */
	"made_passes_on: pop %rbx\npop %r10\npush %rbx\ntest %eax, %eax\njmp made_jumped_to\nint3\n"
	"made_jumped_to: push %rbp\nmov %rsp, %rbp\nmov 0(%rbp), %rbp\nadd $8, %rsp\n"
	"lea made_leaf(%rip), %rcx\njmp *%rcx\n"
	/* V8's Sparkplug: its frame is set up by the first that it calls. */
	"made_baseline: mov $0x80, %ebx\nmovabs $0x1122334455667788, %r12\ncall made_prologue\n"
	"push %rax\npush %rax\nnop\nmov $23, %ebx\nmov $1, %eax\ncall made_leaf\n"
	"jmp made_leaves_frame\n"
	"made_prologue: mov $1, %ecx\npop %r15\npush %rbp\nmov %rsp, %rbp\npush %rsi\npush %rdi\n"
	"mov %rsp, %r10\ncmp %rsp, %r10\njb 1f\npush %r15\nnop\nret\n1: int3\n"
	"made_leaves_frame: cmp $1, %ebx\njge 1f\nint3\n1: mov %rbp, %rsp\npop %rbp\nret\n"
	/* Behind a call that does not return stands what has nothing to do with it. */
	"made_throwing: push %rbp\nmov %rsp, %rbp\ntest %rsp, %rsp\njnz 1f\ncall made_leaf\n"
	"made_other: nop\nret\n1: nop\nmov %rbp, %rsp\npop %rbp\nret\n"
	/* More branches than are followed, none to the way out. */
	"made_long: push %rbp\nmov %rsp, %rbp\nxor %eax, %eax\n"
	".rept 250\ntest %eax, %eax\njnz made_far\nnop\n.endr\n"
	"leave\nret\nmade_far: int3\n"
	".balign 8\nmade_table: .quad 0\nmade_table_leaf: .quad 0\n"
	"made_end:\n.text\n");
extern const char made_begin[], made_end[], made_leaf[], made_table_leaf[];

enum { SLICE = 64 << 10, DEPTH = 64, SIZE = 16 << 10, STEPS_MAX = 5000 };

static struct modules *modules;
static struct spaces *spaces;
static struct unwinder *unwinder;
static struct unwound unwound;
static uint8_t slice[SLICE];
static uint8_t *code; /* SIZE bytes, with nothing behind them */

static int begin(void **state)
{
	(void)state;
	modules = modules_new();
	spaces = spaces_new(modules);
	unwinder = unwinder_new(spaces);
	code = mmap(NULL, SIZE + 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED || unwinder == NULL)
		return 1;
	return munmap(code + SIZE, 4096);
}

static int end(void **state)
{
	(void)state;
	(void)munmap(code, SIZE);
	unwinder = unwinder_free(unwinder);
	spaces = spaces_free(spaces);
	modules = modules_free(modules);
	return 0;
}

static uint64_t address_of(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

/* ---- each instruction ---- */

/* The return addresses of the calls that were made, outermost first. */
static uint64_t calls[DEPTH];
static size_t n_calls;

static bool is_call(const uint8_t *at)
{
	return at[0] == 0xe8 || (at[0] == 0xff && (at[1] & 0x38) == 0x10);
}

static bool is_return(const uint8_t *at)
{
	return at[0] == 0xc3 || at[0] == 0xc2;
}

static uint64_t top_of(const struct snapshot *snapshot)
{
	uint64_t word = 0;
	memcpy(&word, snapshot->stack, sizeof(word));
	return word;
}

static void read_registers(pid_t pid, struct snapshot *ret)
{
	struct user_regs_struct r;
	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &r), 0);
	const uint64_t registers[N_REGISTERS] = { r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi,
						  r.rbp, r.rsp, r.r8,  r.r9,  r.r10, r.r11,
						  r.r12, r.r13, r.r14, r.r15, r.rip };
	*ret = (struct snapshot){ .time_ns = 1, .pid = pid, .tid = pid, .stack = slice };
	memcpy(ret->registers, registers, sizeof(registers));
	ret->n_stack = read_stack(pid, r.rsp, slice, sizeof(slice));
}

/* 1: all calls are there, and what is outside of them; 0: some, and it says so. Fails if one is wrong. */
static int check_stack(const struct snapshot *snapshot)
{
	unwind(unwinder, snapshot, &unwound);
	assert_true(unwound.n > 0);
	assert_int_equal(unwound.frames[0].address, snapshot->registers[REGISTER_RIP]);
	size_t n = 0;
	while (n < n_calls && n + 1 < unwound.n) {
		if (unwound.frames[n + 1].address != calls[n_calls - 1 - n])
			fail_msg("at +%#llx frame %zu is %#llx, not %#llx",
				 (unsigned long long)(snapshot->registers[REGISTER_RIP] -
						      address_of(code)),
				 n + 1, (unsigned long long)unwound.frames[n + 1].address,
				 (unsigned long long)calls[n_calls - 1 - n]);
		n++;
	}
	if (unwound.end == UNWIND_OUTERMOST)
		assert_true(n == n_calls && unwound.n > n_calls + 1);
	return unwound.end == UNWIND_OUTERMOST;
}

static pid_t start_child(void)
{
	void (*const function)(void) = (void (*)(void))(uintptr_t)code;
	const pid_t pid = fork();
	if (pid == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		function();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void each_instruction_has_the_stack_that_was_called(void **state)
{
	(void)state;
	struct snapshot snapshot;
	size_t n_whole = 0, n_steps = 0;
	int status = 0;
	memcpy(code, made_begin, (size_t)(made_end - made_begin));
	const uint64_t leaf = address_of(code + (made_leaf - made_begin));
	memcpy(code + (made_table_leaf - made_begin), &leaf, sizeof(leaf));
	const pid_t pid = start_child();
	/* It stops behind the int3 that it begins with. */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
	read_registers(pid, &snapshot);
	calls[n_calls++] = top_of(&snapshot);
	while (n_calls > 0) {
		assert_true(n_steps++ < STEPS_MAX);
		n_whole += (size_t)check_stack(&snapshot);
		const uint8_t *at = code + (snapshot.registers[REGISTER_RIP] - address_of(code));
		assert_true(at >= code && at < code + SIZE);
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_true(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
		assert_int_equal(WSTOPSIG(status), SIGTRAP);
		read_registers(pid, &snapshot);
		if (is_call(at))
			calls[n_calls++] = top_of(&snapshot);
		else if (is_return(at))
			n_calls--;
	}
	kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	/* The others are where the return address is in a register, and no word of the stack has it. */
	assert_true(n_steps > 1000 && n_steps - n_whole <= 12);
}

/* ---- what is no code, or none of ours ---- */

static void unwind_at(uint64_t at, const uint64_t *stack, size_t n_words)
{
	const struct snapshot snapshot = { .time_ns = 1,
					   .pid = getpid(),
					   .registers = { [REGISTER_RIP] = at,
							  [REGISTER_RSP] = 0x7ff000001000,
							  [REGISTER_RBP] = 0x7ff000001010 },
					   .stack = (const uint8_t *)stack,
					   .n_stack = n_words * sizeof(*stack) };
	unwind(unwinder, &snapshot, &unwound);
}

static void bytes_that_are_no_code_end_the_stack(void **state)
{
	(void)state;
	uint64_t stack[64];
	srandom(23);
	for (size_t round = 0; round < 8; round++) {
		for (size_t i = 0; i < SIZE; i++)
			code[i] = (uint8_t)random();
		for (size_t i = 0; i < sizeof(stack) / sizeof(*stack); i++)
			stack[i] = i % 2 ? address_of(code) + (uint64_t)random() % SIZE
					 : 0x7ff000001000 + i * 8;
		for (size_t at = 0; at < SIZE; at += 7)
			unwind_at(address_of(code + at), stack, sizeof(stack) / sizeof(*stack));
	}
	/* As many ways as there can be: bounded. */
	for (size_t i = 0; i + 2 <= SIZE; i += 2)
		memcpy(code + i, "\x75\x80", 2);
	unwind_at(address_of(code + SIZE / 2), stack, 64);
	assert_string_equal(unwind_end_name(unwound.end), "no row");
}

static void code_may_end_with_its_mapping(void **state)
{
	(void)state;
	const uint64_t stack[] = { address_of(code) + 0x100 + 5, 0, 0, 0 };
	memset(code, 0x90, SIZE);
	code[0x100] = 0xe8; /* a call, and what it returns to returns, too */
	code[0x105] = 0xc3;
	unwind_at(address_of(code + SIZE - 1), stack, 4);
	assert_string_equal(unwind_end_name(unwound.end), "no row");
	code[SIZE - 1] = 0xc3;
	unwind_at(address_of(code + SIZE - 1), stack, 4);
	assert_int_equal(unwound.n, 2);
	assert_int_equal(unwound.frames[1].address, stack[0]);
}

static void what_follows_no_call_is_no_caller(void **state)
{
	(void)state;
	const uint64_t stack[] = { address_of(code) + 0x100 + 5, 0, 0, 0 };
	memset(code, 0x90, SIZE);
	code[8] = 0xc3;
	unwind_at(address_of(code + 8), stack, 4);
	assert_string_equal(unwind_end_name(unwound.end), "no code");
	assert_int_equal(unwound.n, 1);
}

static void code_in_place_of_other_code_is_looked_at(void **state)
{
	(void)state;
	const uint64_t stack[] = { 0, address_of(code) + 0x100 + 5, address_of(code) + 0x200 + 5 };
	memset(code, 0x90, SIZE);
	code[0x100] = code[0x200] = 0xe8;
	memcpy(code + 8, "\x5b\xc3", 2); /* pop %rbx; ret */
	unwind_at(address_of(code + 8), stack, 3);
	assert_true(unwound.n > 1);
	assert_int_equal(unwound.frames[1].address, stack[1]);
	memcpy(code + 8, "\x5b\x5b\xc3", 3);
	unwind_at(address_of(code + 8), stack, 3);
	assert_true(unwound.n > 1);
	assert_int_equal(unwound.frames[1].address, stack[2]);
}

static void memory_that_cannot_be_read_ends_the_stack(void **state)
{
	(void)state;
	const uint64_t stack[] = { address_of(code) + 0x100 + 5, 0, 0, 0 };
	memset(code, 0xc3, SIZE);
	(void)spaces_find(spaces, getpid(), 1, 0); /* what is mapped is known by now */
	assert_int_equal(mprotect(code, SIZE, PROT_NONE), 0);
	unwind_at(address_of(code + 8), stack, 4);
	assert_string_equal(unwind_end_name(unwound.end), "no row");
	assert_int_equal(unwound.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_instruction_has_the_stack_that_was_called,
						begin, end),
		cmocka_unit_test_setup_teardown(bytes_that_are_no_code_end_the_stack, begin, end),
		cmocka_unit_test_setup_teardown(code_may_end_with_its_mapping, begin, end),
		cmocka_unit_test_setup_teardown(what_follows_no_call_is_no_caller, begin, end),
		cmocka_unit_test_setup_teardown(code_in_place_of_other_code_is_looked_at, begin,
						end),
		cmocka_unit_test_setup_teardown(memory_that_cannot_be_read_ends_the_stack, begin,
						end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
