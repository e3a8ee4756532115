/* build: static */
/* SPDX-License-Identifier: MIT */
/* Opens files in the current directory: "there" 23 times, by open, openat and openat2 in turn, and
 * "missing" 41 times; once a path of 5,000 bytes, once no path at all. Then prints 5,000 dots and
 * "ready" as one line in two pieces, by writev, and waits for a signal, or 10 s.
 * Known answer, linked statically: 23 opens and 43 misses; the line ends in ".ready". */
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static long open_somehow(const char *path, int i)
{
	struct open_how how = { .flags = O_RDONLY };

	if (i % 3 == 0)
		return syscall(SYS_open, path, O_RDONLY);
	if (i % 3 == 1)
		return syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
	return syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

int main(void)
{
	static char bytes[5001];
	struct iovec line[] = { { bytes, 5000 }, { "ready\n", 6 } };

	for (int i = 0; i < 23; i++)
		close((int)open_somehow("there", i));
	for (int i = 0; i < 41; i++)
		open_somehow("missing", i);
	memset(bytes, '.', 5000);
	open_somehow(bytes, 0);
	open_somehow((const char *)8, 1);
	writev(1, line, 2);
	alarm(10);
	pause();
}
