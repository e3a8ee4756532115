/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* usage: wild_stacks MS [made]
 * Spends MS of CPU time each on stacks as nobody expects them: with nothing mapped above or below the
 * frame, with RSP pointing to nowhere, on a stack for signals, in coroutines whose stacks lie side by
 * side, in code made at run time whose frame pointer points to itself, and under 23,000 frames. Each in a
 * function named after it, so that a stack tells where it is from. Says "survived" and exits with 41.
 * With "made" only in that code. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, STACK = 64 * PAGE, DEPTH = 23000, TURNS = 7 };

static long ms;
static ucontext_t back, one, other;

static long now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void spin(long us)
{
	const long end = now_us() + us;
	volatile long sink = 0;
	while (now_us() < end)
		for (int i = 0; i < 2000; i++)
			sink += i;
}

static char *new_memory(size_t n, int more)
{
	char *at = mmap(NULL, n, PROT_READ | PROT_WRITE | more, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		exit(1);
	return at;
}

static void switch_to(ucontext_t *context, char *stack, void (*function)(void))
{
	getcontext(context);
	context->uc_stack.ss_sp = stack;
	context->uc_stack.ss_size = STACK;
	context->uc_link = &back;
	makecontext(context, function, 0);
	swapcontext(&back, context);
}

/* ---- nothing around the frame ---- */

static char *bottom;

static void on_an_island(void)
{
	volatile char here = 0;
	char *page = (char *)((uintptr_t)&here & ~(uintptr_t)(PAGE - 1));
	/* The vector registers that the loader may have to save at a first call need room. */
	char *low = page - 4 * PAGE, *high = page + PAGE;
	munmap(bottom, (size_t)(low - bottom));
	munmap(high, (size_t)(bottom + STACK - high));
	spin(ms * 1000);
	setcontext(&back);
}

static void above_the_island(void)
{
	volatile char room[8 * PAGE];
	memset((char *)room, 0x55, sizeof(room));
	on_an_island();
}

/* ---- RSP ---- */

/* Nothing may be pushed, and no signal may come, while it is there. */
static void turn_at(uint64_t nowhere, uint64_t turns)
{
	__asm__ volatile("mov %%rsp, %%rbx\n\t"
			 "mov %1, %%rsp\n\t"
			 "1: dec %0\n\t"
			 "jnz 1b\n\t"
			 "mov %%rbx, %%rsp"
			 : "+r"(turns)
			 : "r"(nowhere)
			 : "rbx", "cc");
}

static void without_a_stack(void)
{
	static const uint64_t nowhere[] = {
		0,
		8,
		UINT64_MAX - 7,
		UINT64_C(0x8000000000000000),
		0xffffffff81000000,
		UINT64_C(1) << 46,
		(uint64_t)turn_at,
		3,
	};
	const long end = now_us() + ms * 1000;
	for (size_t i = 0; now_us() < end; i++)
		turn_at(nowhere[i % (sizeof(nowhere) / sizeof(*nowhere))], 100000);
}

/* ---- a stack for signals ---- */

static void handle(int number)
{
	(void)number;
	spin(ms * 1000);
}

static void interrupted(void)
{
	const stack_t stack = { .ss_sp = new_memory(STACK, 0), .ss_size = STACK };
	const struct sigaction action = { .sa_handler = handle, .sa_flags = SA_ONSTACK };
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
}

/* ---- coroutines ---- */

static void spin_one(void)
{
	spin(ms * 1000 / TURNS);
}

static void spin_other(void)
{
	spin(ms * 1000 / TURNS);
}

static void coroutine_one(void)
{
	for (int i = 0; i < TURNS; i++) {
		spin_one();
		swapcontext(&one, &other);
	}
}

static void coroutine_other(void)
{
	for (int i = 0; i < TURNS; i++) {
		spin_other();
		swapcontext(&other, &one);
	}
}

static void run_coroutines(void)
{
	char *both = new_memory(2 * STACK, 0);
	getcontext(&other);
	other.uc_stack.ss_sp = both + STACK;
	other.uc_stack.ss_size = STACK;
	other.uc_link = &back;
	makecontext(&other, coroutine_other, 0);
	switch_to(&one, both, coroutine_one);
}

/* ---- made code ---- */

static void run_made_code(void)
{
	/* push %rbp; mov %rsp,%rbp; mov (%rbp),%rax; mov %rbp,(%rbp); 1: dec %rdi; jnz 1b;
	 * mov %rax,(%rbp); pop %rbp; ret */
	static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0x48, 0x8b, 0x45, 0x00,
					0x48, 0x89, 0x6d, 0x00, 0x48, 0xff, 0xcf, 0x75,
					0xfb, 0x48, 0x89, 0x45, 0x00, 0x5d, 0xc3 };
	char *at = new_memory(PAGE, PROT_EXEC);
	memcpy(at, code, sizeof(code));
	void (*turn)(uint64_t);
	memcpy(&turn, &at, sizeof(turn));
	const long end = now_us() + ms * 1000;
	while (now_us() < end)
		turn(100000);
}

/* ---- many frames ---- */

static void dive(int depth)
{
	if (depth > 0)
		dive(depth - 1);
	else
		spin(ms * 1000);
}

static void *under_many_frames(void *unused)
{
	dive(DEPTH);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	ucontext_t island;
	ms = argc >= 2 ? atol(argv[1]) : 50;
	run_made_code();
	if (argc < 3) {
		bottom = new_memory(STACK, 0);
		switch_to(&island, bottom, above_the_island);
		without_a_stack();
		interrupted();
		run_coroutines();
		pthread_create(&thread, NULL, under_many_frames, NULL);
		pthread_join(thread, NULL);
	}
	puts("survived");
	return 41;
}
