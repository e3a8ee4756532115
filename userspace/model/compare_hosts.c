/* SPDX-License-Identifier: MIT */
/* Whether two machines are alike enough for their times to be compared. */

#include <errno.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/model/compare_internal.h"

static bool differ(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) != 0;
}

static int say(struct comparison *c, const char *fact, const char *base, const char *head)
{
	c->incomparable = arena_printf(c->arena, "%s: %s against %s", fact, base, head);
	return c->incomparable != NULL ? 0 : -ENOMEM;
}

int compare_hosts(struct comparison *c)
{
	const struct host *base = &c->base->host, *head = &c->head->host;
	if (base->fingerprint != NULL && head->fingerprint != NULL &&
	    strcmp(base->fingerprint, head->fingerprint) == 0)
		return 0;
	if (differ(base->cpu, head->cpu))
		return say(c, "cpu", base->cpu, head->cpu);
	if (differ(base->kernel, head->kernel))
		return say(c, "kernel", base->kernel, head->kernel);
	if (differ(base->libc, head->libc))
		return say(c, "libc", base->libc, head->libc);
	if (differ(base->fingerprint, head->fingerprint))
		return say(c, "fingerprint", base->fingerprint, head->fingerprint);
	return 0;
}
