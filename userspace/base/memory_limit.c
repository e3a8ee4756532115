/* SPDX-License-Identifier: MIT */
/* By RLIMIT_DATA, which counts private memory that can be written, however it was mapped (since 4.7). */
#include "userspace/base/memory_limit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"

enum { STATUS_LIMIT = 64 << 10, KIB = 1024 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool is_sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
static const bool is_sanitized = true;
#else
static const bool is_sanitized = false;
#endif
#else
static const bool is_sanitized = false;
#endif

/* 0: unknown. */
static size_t in_use(void)
{
	static const char key[] = "\nVmData:";
	_cleanup_(buf_done) struct buf status = { .limit = STATUS_LIMIT };
	if (fs_read_file("/proc/self/status", &status) < 0)
		return 0;
	const char *line = strstr(buf_str(&status), key);
	return line != NULL ? strtoul(line + sizeof(key) - 1, NULL, 10) * KIB : 0;
}

void memory_limit_init(struct memory_limit *l, size_t more_bytes)
{
	const size_t now = is_sanitized ? 0 : in_use();
	if (getrlimit(RLIMIT_DATA, &l->usual) < 0)
		l->usual = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	l->low = l->usual;
	if (now > 0 && now < l->usual.rlim_cur && more_bytes < l->usual.rlim_cur - now)
		l->low.rlim_cur = now + more_bytes;
}

void memory_limit_begin(const struct memory_limit *l)
{
	if (l->low.rlim_cur != l->usual.rlim_cur)
		(void)setrlimit(RLIMIT_DATA, &l->low);
}

void memory_limit_end(const struct memory_limit *l)
{
	if (l->low.rlim_cur != l->usual.rlim_cur)
		(void)setrlimit(RLIMIT_DATA, &l->usual);
}
