/* SPDX-License-Identifier: MIT */
/* Has memory of each kind, all of it touched: 20 MiB in one block of malloc, 10 MiB in small ones of the first
 * thread and 5 of another, 1 of that one's stack, 7 that it has named, 11 that are shared, 13 of the file FILE.
 * Then WORKERS children share all that. READY gets the pids of all; when the file GO is there, each child writes 3
 * MiB of the large block. Ends by a signal. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MIB   ((size_t)1 << 20)
#define SMALL 4099

#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static pthread_barrier_t barrier;

static char *map(size_t bytes, int flags, int fd)
{
	char *memory = mmap(NULL, bytes, fd < 0 ? PROT_READ | PROT_WRITE : PROT_READ, flags, fd, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	if (fd < 0)
		memset(memory, 1, bytes);
	return memory;
}

static void small_blocks(size_t bytes)
{
	for (size_t done = 0; done < bytes; done += SMALL) {
		char *block = malloc(SMALL);
		if (block == NULL)
			exit(1);
		memset(block, 1, SMALL);
	}
}

static int fill_stack(void)
{
	volatile char bytes[MIB];
	for (size_t i = 0; i < MIB; i += 1024)
		bytes[i] = 1;
	return bytes[MIB / 2];
}

static void *thread(void *arg)
{
	small_blocks(5 * MIB);
	(void)fill_stack();
	(void)pthread_barrier_wait(&barrier);
	(void)pause();
	return arg;
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

static void work(const char *go, char *large)
{
	while (access(go, F_OK) != 0)
		(void)usleep(5000);
	memset(large, 2, 3 * MIB);
	for (;;)
		(void)pause();
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		(void)fprintf(stderr, "usage: parts WORKERS FILE READY GO\n");
		return 2;
	}
	/* Small blocks come out of the heap, however many there are. */
	char *large = malloc(20 * MIB);
	if (large == NULL)
		return 1;
	memset(large, 1, 20 * MIB);
	small_blocks(10 * MIB);
	(void)pthread_barrier_init(&barrier, NULL, 2);
	pthread_t id;
	if (pthread_create(&id, NULL, thread, NULL) != 0)
		return 1;
	(void)pthread_barrier_wait(&barrier);
	char *named = map(7 * MIB, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	(void)prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, named, 7 * MIB, "catalog");
	(void)map(11 * MIB, MAP_SHARED | MAP_ANONYMOUS, -1);
	const char *file = map(13 * MIB, MAP_PRIVATE, file_of(argv[2], 13 * MIB));
	volatile char sum = 0;
	for (size_t i = 0; i < 13 * MIB; i += 4096)
		sum = (char)(sum + file[i]);

	char text[4096];
	int n = snprintf(text, sizeof(text), "%d", (int)getpid());
	for (int i = 0; i < atoi(argv[1]); i++) {
		const pid_t child = fork();
		if (child == 0)
			work(argv[4], large);
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %d", (int)child);
	}
	const int fd = open(argv[3], O_WRONLY | O_CREAT, 0600);
	if (write(fd, text, (size_t)n) != n)
		return 1;
	for (;;)
		(void)pause();
}
