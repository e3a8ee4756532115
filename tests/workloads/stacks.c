/* build: pthread dl origin */
/* SPDX-License-Identifier: MIT */
/* usage: stacks plain|thread|fork|library|brief UNITS
 *        stacks sleep MS
 *        stacks idle THREADS
 *        stacks secret FILE
 * Spends UNITS of work, in slices: 70 of 100 in heavy(), called by heavy_caller(), and 30 in light(). In
 * a thread of its own, a child, or by the library stacks_plugin.so beside it, if asked to; or a unit in light()
 * in each of as many threads, one after another. Or sleeps in retry_connect(). Or ends after 20 ms, while
 * that many threads are idle. Or keeps a marker on its stack, which it has written to FILE, while it
 * works. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/workloads/stacks.h"

static long units;

static void *work(void *unused)
{
	split_work(units);
	return unused;
}

static void *in_library(void *unused)
{
	void *library = dlopen("stacks_plugin.so", RTLD_NOW);
	void (*plugin_work)(long) = library ? (void (*)(long))dlsym(library, "plugin_work") : NULL;
	if (plugin_work == NULL)
		exit(1);
	plugin_work(units);
	return unused;
}

static void *work_briefly(void *unused)
{
	light(1);
	return unused;
}

static void retry_connect(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&t, NULL);
}

/* As in no file: made when it is needed. */
static void keep_secret(const char *path)
{
	char marker[32];
	FILE *f = fopen(path, "w");
	snprintf(marker, sizeof(marker), "m%lxrk%lxr", random() ^ getpid(), time(NULL));
	fprintf(f, "%s", marker);
	fclose(f);
	units = 300;
	work(marker);
	write(1, "", 0);
	retry_connect(5);
}

static void *be_idle(void *data)
{
	while (pause() < 0)
		;
	return data;
}

int main(int argc, char **argv)
{
	const char *how = argc == 3 ? argv[1] : "";
	pthread_t thread;
	units = argc == 3 ? atol(argv[2]) : 0;
	if (strcmp(how, "plain") == 0) {
		work(NULL);
	} else if (strcmp(how, "library") == 0) {
		in_library(NULL);
	} else if (strcmp(how, "thread") == 0) {
		pthread_create(&thread, NULL, work, NULL);
		pthread_join(thread, NULL);
	} else if (strcmp(how, "brief") == 0) {
		while (units-- > 0) {
			pthread_create(&thread, NULL, work_briefly, NULL);
			pthread_join(thread, NULL);
		}
	} else if (strcmp(how, "fork") == 0) {
		if (fork() == 0) {
			work(NULL);
			_exit(0);
		}
		wait(NULL);
	} else if (strcmp(how, "sleep") == 0) {
		retry_connect(units);
	} else if (strcmp(how, "idle") == 0) {
		while (units-- > 0)
			pthread_create(&thread, NULL, be_idle, NULL);
		retry_connect(20);
	} else if (strcmp(how, "secret") == 0) {
		keep_secret(argv[2]);
	} else {
		return 2;
	}
	return 0;
}
