/* SPDX-License-Identifier: MIT */
/* A target that finds the session's directory in its own mappings and does its worst there.
 * usage: heap_hostile random|truncate|litter|flood|pool-cut|pool-claimed
 * The last two spoil the lanes that others would take. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOISE = 200000, FILES = 300 };

static int is_lane_name(const char *name)
{
	return (name[0] >= '0' && name[0] <= '9') || strncmp(name, "pool-", 5) == 0;
}

/* Path and address of the first mapping of a lane: of a file in the session's directory that has
 * such a name. With @is_tree, of the session's own page. */
static int find_lane(int is_tree, char *path, unsigned char **start, size_t *n)
{
	char line[PATH_MAX + 128];
	FILE *f = fopen("/proc/self/maps", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		unsigned long from, to;
		const char *at = strstr(line, "/startline-");
		const char *name = at == NULL ? NULL : strrchr(line, '/');
		if (name == NULL ||
		    (is_tree ? strcmp(name, "/tree\n") != 0 : !is_lane_name(name + 1)) ||
		    sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		const char *whole = strchr(line, '/');
		memcpy(path, whole, strcspn(whole, "\n"));
		path[strcspn(whole, "\n")] = '\0';
		*start = (unsigned char *)from;
		*n = to - from;
		(void)fclose(f);
		return 0;
	}
	return -1;
}

static void litter(char *path, int flood)
{
	char name[PATH_MAX + 64];
	*strrchr(path, '/') = '\0';

	for (int i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "%s/%d-%d", path, 100000 + i, i);
		if (flood) {
			const int fd = open(name, O_WRONLY | O_CREAT, 0600);
			if (fd >= 0) {
				(void)!write(fd, "noise", 5);
				(void)close(fd);
			}
		} else if (i % 3 == 0) {
			(void)symlink("/etc/passwd", name);
		} else if (i % 3 == 1) {
			(void)mkdir(name, 0700);
		} else {
			(void)mkfifo(name, 0600);
		}
	}
}

/* The number of the next lane to take is at 32 in the session's page (bpf/lane.h). */
static unsigned char *next_number(void)
{
	char path[PATH_MAX];
	unsigned char *page = NULL;
	size_t n = 0;

	if (find_lane(1, path, &page, &n) < 0)
		_exit(4);
	return page + 32;
}

/* Those that are not taken yet: the others are in use. */
static void cut_pool(char *path)
{
	char name[PATH_MAX + 64];
	unsigned int next;
	memcpy(&next, next_number(), sizeof(next));
	*strrchr(path, '/') = '\0';

	for (unsigned int i = next; i < next + FILES; i++) {
		(void)snprintf(name, sizeof(name), "%s/pool-%u", path, i);
		(void)!truncate(name, i % 2 == 0 ? 0 : 4097);
	}
}

static void claim_all(void)
{
	memset(next_number(), 0xff, 4);
	(void)usleep(NOISE);
	memset(next_number(), 0, 4);
}

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	unsigned char *lane = NULL;
	size_t n = 0;
	const char *how = argc > 1 ? argv[1] : "";

	free(malloc(41));
	if (find_lane(0, path, &lane, &n) < 0)
		return 4;
	if (strcmp(how, "random") == 0) {
		for (size_t i = 0; i < n; i++)
			lane[i] = (unsigned char)random();
		(void)usleep(NOISE);
		for (size_t i = 0; i < n; i++)
			lane[i] = (unsigned char)random();
	} else if (strcmp(how, "truncate") == 0) {
		/* Ends by _exit without touching the lane, which would be its own SIGBUS. */
		(void)!truncate(path, 100);
		_exit(3);
	} else if (strcmp(how, "pool-cut") == 0) {
		cut_pool(path);
	} else if (strcmp(how, "pool-claimed") == 0) {
		claim_all();
	} else {
		litter(path, strcmp(how, "flood") == 0);
		(void)usleep(NOISE);
	}
	_exit(3);
}
