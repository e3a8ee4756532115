/* SPDX-License-Identifier: MIT */
/* A target that finds the session's directory in its own mappings and does its worst there.
 * usage: heap_hostile random|truncate|litter|flood */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOISE = 200000, FILES = 300 };

/* Path and address of the first mapping whose file is in the session's directory and whose name
 * begins with a digit: the lane. */
static int find_lane(char *path, unsigned char **start, size_t *n)
{
	char line[PATH_MAX + 128];
	FILE *f = fopen("/proc/self/maps", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		unsigned long from, to;
		const char *at = strstr(line, "/startline-");
		const char *name = at == NULL ? NULL : strrchr(line, '/');
		if (name == NULL || name[1] < '0' || name[1] > '9' ||
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

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	unsigned char *lane = NULL;
	size_t n = 0;
	const char *how = argc > 1 ? argv[1] : "";

	free(malloc(41));
	if (find_lane(path, &lane, &n) < 0)
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
	} else {
		litter(path, strcmp(how, "flood") == 0);
		(void)usleep(NOISE);
	}
	_exit(3);
}
