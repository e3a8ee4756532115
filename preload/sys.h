/* SPDX-License-Identifier: MIT */
/* System calls without libc, and the few string helpers the shim needs. Every call returns the
 * kernel's own answer: a result, or a negative errno. The program's errno is never touched. */
#ifndef PRELOAD_SYS_H
#define PRELOAD_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

static inline long sys_call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long sys_call3(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long sys_call4(long number, long a, long b, long c, long d)
{
	return sys_call6(number, a, b, c, d, 0, 0);
}

/* Whether @result is one of mmap's negative errnos. */
static inline bool sys_failed(long result)
{
	return (unsigned long)result > -4096UL;
}

static inline uintptr_t thread_pointer(void)
{
	uintptr_t tp;

	/* The ABI keeps a pointer to the thread control block in its first word. */
	__asm__("mov %%fs:0, %0" : "=r"(tp));
	return tp;
}

static inline size_t text_length(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

static inline bool text_equal(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* Whether @s begins with @prefix; returns what follows it, or NULL. */
static inline char *text_after(const char *s, const char *prefix)
{
	while (*prefix != '\0') {
		if (*s++ != *prefix++)
			return NULL;
	}
	return (char *)(uintptr_t)s;
}

static inline void copy_bytes(void *to, const void *from, size_t n)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	while (n-- > 0)
		*t++ = *f++;
}

/* Appends @s at @at, never beyond @end; returns the new end, always NUL-terminated if at < end. */
static inline char *text_append(char *at, const char *end, const char *s)
{
	while (*s != '\0' && at + 1 < end)
		*at++ = *s++;
	if (at < end)
		*at = '\0';
	return at;
}

static inline char *text_append_number(char *at, const char *end, uint64_t value)
{
	char digits[24];
	size_t i = sizeof(digits) - 1;

	digits[i] = '\0';
	do {
		digits[--i] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	return text_append(at, end, &digits[i]);
}

#endif
