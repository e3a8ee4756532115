/* SPDX-License-Identifier: MIT */
/* For tests that run programs as startline does. */
#ifndef TESTS_UNIT_LAUNCHING_H
#define TESTS_UNIT_LAUNCHING_H

/* Processes are created sharing memory (CLONE_VM), and a child dies of that under ThreadSanitizer. */
static inline void needs_launching(void)
{
#ifdef __SANITIZE_THREAD__
	skip();
#endif
}

#endif
