/* SPDX-License-Identifier: MIT */
/* For tests that run shells as startline does, and record them in one trace. */
#ifndef TESTS_UNIT_LAUNCHING_H
#define TESTS_UNIT_LAUNCHING_H

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/cmocka.h"

static char trace_path[] = "/tmp/startline-launching.XXXXXX";
static char shell[] = "/bin/sh", dash_c[] = "-c";
static char succeeds[] = "exit 0", fails[] = "exit 23";

/* Processes are created sharing memory (CLONE_VM), and a child dies of that under ThreadSanitizer. */
static inline void needs_launching(void)
{
#ifdef __SANITIZE_THREAD__
	skip();
#endif
}

static int make_trace(void **state)
{
	(void)state;
	const int fd = mkstemp(trace_path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_trace(void **state)
{
	(void)state;
	return unlink(trace_path);
}

#endif
