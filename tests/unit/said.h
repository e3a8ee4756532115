/* SPDX-License-Identifier: MIT */
/* The last message of the code under test, kept from standard error. log_set_sink(NULL, NULL) ends that. */
#ifndef TESTS_UNIT_SAID_H
#define TESTS_UNIT_SAID_H

#include <stdio.h>

#include "userspace/base/log.h"

static char said[4096];

static inline void said_remember(enum log_level level, const char *message, void *user)
{
	(void)level;
	(void)user;
	(void)snprintf(said, sizeof(said), "%s", message);
}

static inline void said_begin(void)
{
	said[0] = '\0';
	log_set_sink(said_remember, NULL);
}

#endif
