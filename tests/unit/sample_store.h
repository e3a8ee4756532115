/* SPDX-License-Identifier: MIT */
/* A store in a directory of its own, and sessions made by hand, for the tests of userspace/store. */
#ifndef TESTS_UNIT_SAMPLE_STORE_H
#define TESTS_UNIT_SAMPLE_STORE_H

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/document.h"
#include "tests/unit/said.h"
#include "userspace/model/metrics.h"
#include "userspace/store/store.h"

static char sample_directory[64];

/* Setup: the working directory is a new one, which is empty. */
static inline int sample_store_start(void **state)
{
	(void)state;
	(void)unsetenv("STARTLINE_STORE");
	said_begin();
	(void)snprintf(sample_directory, sizeof(sample_directory), "/tmp/startline-store.XXXXXX");
	return mkdtemp(sample_directory) == NULL ? -1 : chdir(sample_directory);
}

static inline int sample_store_stop(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	DIR *d = opendir(".");
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		(void)unlink(e->d_name);
	if (d != NULL)
		(void)closedir(d);
	return chdir("/") < 0 ? -1 : rmdir(sample_directory);
}

static inline void sample_add_word(struct session *s, const char *word)
{
	const char **grown = arena_alloc_array(s->arena, s->command.n + 1, sizeof(*grown));
	assert(grown != NULL);
	for (size_t i = 0; i < s->command.n; i++)
		grown[i] = s->command.items[i];
	grown[s->command.n++] = word;
	s->command.items = grown;
}

/* "./server --port 7777" with five values of startup.ready about @ready_ns, and one of mem.peak_rss;
 * which makes its document unlike all others. */
static inline struct session *sample_measured(double ready_ns)
{
	struct session *s = NULL;
	if (session_new(&s) < 0)
		abort();
	sample_add_word(s, "./server");
	sample_add_word(s, "--verbose");
	s->host.fingerprint = "sha256:host";
	const double ready[] = { ready_ns,     ready_ns + 1, ready_ns + 2,
				 ready_ns + 3, ready_ns + 4, ready_ns + 5 };
	const double rss = 8500000;
	if (session_add_values(s, "startup.ready", NULL, ready, 6) < 0 ||
	    session_add_values(s, "mem.peak_rss", NULL, &rss, 1) < 0)
		abort();
	return s;
}

#endif
