/* build: pthread */
/* SPDX-License-Identifier: MIT */
/* Has memory that a finding is about, says READY, and stays until it is ended.
 *
 *	memory_findings file READY FILE		41 MiB of a file are mapped and read
 *	memory_findings blocks READY		41 MiB in small blocks, which is no finding
 *	memory_findings arenas READY		8 threads have freed all but the last of 4 MiB of small blocks
 *	memory_findings kept READY		… or nothing
 *	memory_findings writers READY GO	2 children write to 23 MiB of what they inherited, once GO is there
 *	memory_findings readers READY GO	… or read it */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1u << 20)
enum { BLOCK = 1000, THREADS = 8, IN_THREAD = 4 * MIB / BLOCK, IN_ALL = 41 * MIB / BLOCK };

static char *blocks[IN_ALL];
static pthread_barrier_t barrier;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static char *take(void)
{
	char *p = malloc(BLOCK);
	if (p == NULL)
		fail("malloc");
	memset(p, 1, BLOCK);
	return p;
}

static void say_ready(const char *path)
{
	FILE *f = fopen(path, "w");
	if (f == NULL || fputs("ready\n", f) == EOF || fclose(f) == EOF)
		fail(path);
}

static void map_file(const char *path)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, 41 * MIB) < 0)
		fail(path);
	const volatile char *p = mmap(NULL, 41 * MIB, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	for (size_t i = 0; i < 41 * MIB; i += 4096)
		(void)p[i];
}

static void *thread(void *frees)
{
	char **mine = calloc(IN_THREAD, sizeof(*mine));
	if (mine == NULL)
		fail("calloc");
	for (size_t i = 0; i < IN_THREAD; i++)
		mine[i] = take();
	for (size_t i = 0; frees != NULL && i + 1 < IN_THREAD; i++)
		free(mine[i]);
	pthread_barrier_wait(&barrier);
	pause();
	return NULL;
}

static void have_threads(int frees)
{
	pthread_t id;
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&id, NULL, thread, frees ? &barrier : NULL) != 0)
			fail("pthread_create");
	pthread_barrier_wait(&barrier);
}

static void fill(void)
{
	for (size_t i = 0; i < IN_ALL; i++)
		blocks[i] = take();
}

static void have_workers(int write, const char *go)
{
	for (int i = 0; i < 2; i++) {
		if (fork() != 0)
			continue;
		while (access(go, F_OK) != 0)
			usleep(10000);
		for (size_t k = 0; k < 23 * MIB / BLOCK; k++) {
			volatile char *p = blocks[k];
			if (write)
				*p = 2;
			else
				(void)*p;
		}
		pause();
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "file") == 0 && argc > 3)
		map_file(argv[3]);
	else if (strcmp(argv[1], "blocks") == 0)
		fill();
	else if (strcmp(argv[1], "arenas") == 0 || strcmp(argv[1], "kept") == 0)
		have_threads(argv[1][0] == 'a');
	else if (argc > 3)
		fill(), have_workers(argv[1][0] == 'w', argv[3]);
	say_ready(argv[2]);
	pause();
	return 0;
}
