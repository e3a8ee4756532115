/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* A thread allocates, and so does the handler of a signal, on a stack of its own that lies above the thread's: 997
 * times, 3 blocks each. What it interrupts is never the allocator. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

enum { STACK = 256 << 10, SIGNALS = 997, IN_HANDLER = 3, BLOCKS = 41 };

static volatile sig_atomic_t n_handled;
static uintptr_t libc_from, libc_to;
static char *stacks;

static void find_libc(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		unsigned long from, to;
		if (strstr(line, "/libc.so") == NULL || sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		libc_from = libc_from == 0 ? from : libc_from;
		libc_to = to;
	}
	if (f != NULL)
		(void)fclose(f);
}

static void handler(int number, siginfo_t *info, void *context)
{
	const uintptr_t at = (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	void *volatile blocks[IN_HANDLER];

	(void)number;
	(void)info;
	if (at >= libc_from && at < libc_to)
		return;
	for (int i = 0; i < IN_HANDLER; i++)
		blocks[i] = malloc(600);
	for (int i = 0; i < IN_HANDLER; i++)
		free(blocks[i]);
	n_handled++;
}

static void *work(void *unused)
{
	const stack_t alternate = { .ss_sp = stacks + STACK, .ss_size = STACK };
	const struct sigaction action = { .sa_sigaction = handler,
					  .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
	const struct itimerval often = { { 0, 200 }, { 0, 200 } };
	sigset_t set;

	(void)sigaltstack(&alternate, NULL);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	(void)setitimer(ITIMER_REAL, &often, NULL);
	while (n_handled < SIGNALS) {
		void *volatile blocks[BLOCKS];
		for (int i = 0; i < BLOCKS; i++)
			blocks[i] = malloc(100);
		for (int i = 0; i < BLOCKS; i++)
			free(blocks[i]);
	}
	(void)setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	return unused;
}

int main(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t set;

	find_libc();
	stacks = mmap(NULL, 2 * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)pthread_attr_init(&attributes);
	if (stacks == MAP_FAILED || pthread_attr_setstack(&attributes, stacks, STACK) != 0 ||
	    pthread_create(&thread, &attributes, work, NULL) != 0)
		return 1;
	(void)pthread_join(thread, NULL);
	return 0;
}
