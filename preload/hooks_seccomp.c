/* SPDX-License-Identifier: MIT */
/* Once a program has installed a seccomp filter, a system call that it does not make itself may be
 * its death. From then on the shim makes none: counting goes on, which needs none, but forked
 * children open no lane of their own and executed programs are not looked at. */
#include "preload/exact.h"
#include "preload/real.h"
#include "preload/shim.h"

#define EXPORT __attribute__((visibility("default")))

enum {
	SET_SECCOMP = 22,    /* PR_SET_SECCOMP */
	SET_MODE_STRICT = 0, /* SECCOMP_SET_MODE_STRICT */
	SET_MODE_FILTER = 1, /* SECCOMP_SET_MODE_FILTER */
	MODE_STRICT = 1,     /* SECCOMP_MODE_STRICT */
	SET_TSC = 26,	     /* PR_SET_TSC */
	TSC_SIGSEGV = 2,     /* PR_TSC_SIGSEGV */
};

typedef int prctl_fn(int option, unsigned long a, unsigned long b, unsigned long c,
		     unsigned long d);

prctl_fn prctl;
long syscall(long number, ...);
uintptr_t syscall_target(long number, long a, long b) HIDDEN;

/* A filter is about to be installed. Before the call: after it is too late. A refused filter costs
 * nothing but coverage. */
static void seal(void)
{
	if (shim.is_sealed)
		return;
	if (shim_may_call() && shim_start())
		shim_cover(SL_COVER_OFF, true, "a seccomp filter was installed");
	shim.is_sealed = true;
}

/* Who reads the processor's clock afterwards is killed: the strict mode takes it away, too. */
static void note_prctl(unsigned long option, unsigned long a)
{
	if ((option == SET_SECCOMP && a == MODE_STRICT) || (option == SET_TSC && a == TSC_SIGSEGV))
		exact_stop();
	if (option == SET_SECCOMP)
		seal();
}

/* Variadic in the header; the calling convention is the same for arguments in registers, and handing
 * on more than was given does no harm. */
EXPORT int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	static prctl_fn *function;
	if (function == NULL)
		function = (prctl_fn *)real_next("prctl");
	note_prctl((unsigned int)option, a);
	return function(option, a, b, c, d);
}

/* The real syscall(); notes a filter that is about to be installed. */
uintptr_t syscall_target(long number, long a, long b)
{
	static uintptr_t function;
	if (function == 0)
		function = real_next("syscall");
	if (number == SYS_seccomp && a == SET_MODE_STRICT)
		exact_stop();
	if (number == SYS_seccomp && (unsigned long)a <= SET_MODE_FILTER)
		seal();
	if (number == SYS_prctl)
		note_prctl((unsigned long)a, (unsigned long)b);
	return function;
}

/* In assembly, because a compiler writes the seventh argument's stack slot again before it jumps. With
 * fewer arguments that slot is some variable of the caller's, perhaps one that another thread is
 * changing. Saves the argument registers, keeps the stack aligned, jumps. */
EXPORT __attribute__((naked)) long syscall(long number __attribute__((unused)), ...)
{
	__asm__("push %rdi\n\t"
		"push %rsi\n\t"
		"push %rdx\n\t"
		"push %rcx\n\t"
		"push %r8\n\t"
		"push %r9\n\t"
		"sub $8, %rsp\n\t"
		"call syscall_target\n\t"
		"add $8, %rsp\n\t"
		"pop %r9\n\t"
		"pop %r8\n\t"
		"pop %rcx\n\t"
		"pop %rdx\n\t"
		"pop %rsi\n\t"
		"pop %rdi\n\t"
		"jmp *%rax");
}
