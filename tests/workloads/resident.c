/* build: static */
/* SPDX-License-Identifier: MIT */
/* Has 30 MiB of memory of its own, 20 MiB of the file FILE (which it writes) and 10 MiB that are shared, all in
 * use at once, for MS ms (100); "gives" them back before it waits and ends, or "keeps" them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static char *map(size_t bytes, int flags, int fd)
{
	char *memory = mmap(NULL, bytes, fd < 0 ? PROT_READ | PROT_WRITE : PROT_READ, flags, fd, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return memory;
}

static int file_of(const char *path, size_t bytes)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char block[4096];
	memset(block, 'x', sizeof(block));
	for (size_t done = 0; done < bytes; done += sizeof(block)) {
		if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block)) {
			perror(path);
			exit(1);
		}
	}
	return fd;
}

int main(int argc, char **argv)
{
	if (argc < 3 || argc > 4) {
		(void)fprintf(stderr, "usage: resident keep|give FILE [MS]\n");
		return 2;
	}
	char *own = map(30 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *file = map(20 * MIB, MAP_PRIVATE, file_of(argv[2], 20 * MIB));
	char *shared = map(10 * MIB, MAP_SHARED | MAP_ANONYMOUS, -1);
	volatile char sum = 0;
	memset(own, 1, 30 * MIB);
	memset(shared, 1, 10 * MIB);
	for (size_t i = 0; i < 20 * MIB; i += 4096)
		sum = (char)(sum + file[i]);
	(void)usleep(argc > 3 ? (useconds_t)strtoul(argv[3], NULL, 10) * 1000 : 100000);
	if (strcmp(argv[1], "give") == 0) {
		(void)munmap(own, 30 * MIB);
		(void)munmap(file, 20 * MIB);
		(void)munmap(shared, 10 * MIB);
		(void)usleep(100000);
	}
	return 0;
}
