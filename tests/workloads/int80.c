/* build: m32 */
/* SPDX-License-Identifier: MIT */
/* Makes system calls of 32 bits from a program of 64 bits, and from one of 32 bits: opens "there"
 * 23 times and "missing" 41 times by number 5, which is fstat to 64 bits; and calls number 2,
 * which is open to 64 bits and fork to 32 bits, 3 times; the children exit by number 1.
 * Known answer: 23 opens and 41 misses of these names, 4 processes. Prints "none" where the kernel
 * has no such calls. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static long call32(long number, long a, long b, long c)
{
	long result;

#ifdef __x86_64__
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
#else
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c)
			 : "memory");
#endif
	return (int)result;
}

#ifndef MAP_32BIT
#define MAP_32BIT 0
#endif

enum { EXIT32 = 1, FORK32 = 2, OPEN32 = 5, CLOSE32 = 6, GETPID32 = 20 };

int main(void)
{
	/* Pointers have 32 bits, too. */
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (low == MAP_FAILED || call32(GETPID32, 0, 0, 0) != getpid()) {
		puts("none");
		return 0;
	}
	strcpy(low, "there");
	for (int i = 0; i < 23; i++)
		call32(CLOSE32, call32(OPEN32, (long)low, 0, 0), 0, 0);
	strcpy(low, "missing");
	for (int i = 0; i < 41; i++)
		call32(OPEN32, (long)low, 0, 0);
	for (int i = 0; i < 3; i++)
		if (call32(FORK32, (long)low, 0, 0) == 0)
			call32(EXIT32, 0, 0, 0);
	while (wait(NULL) > 0)
		continue;
	puts("done");
	return 0;
}
