/* SPDX-License-Identifier: MIT */
/* What a scenario is measured by: a baseline in the store, or a file. */

#include <errno.h>
#include <string.h>

#include "userspace/base/arena.h"
#include "userspace/base/log.h"
#include "userspace/cmd/check.h"
#include "userspace/cmd/ref.h"

int check_load_baseline(struct check *c, const char *name, struct session **ret,
			const char **ret_reason)
{
	const bool is_file = strchr(name, '/') != NULL;
	const char *ref = is_file ? name : arena_printf(c->arena, "@%s", name);
	if (ref == NULL)
		return fail(-ENOMEM, "not enough memory for a baseline");
	const int r = ref_load(ref, ret);
	if (r == -ENOENT)
		*ret_reason = arena_printf(
			c->arena,
			is_file ? "there is no baseline '%s'"
				: "there is no baseline '%s': save one with `startline baseline save`",
			ref);
	else if (r < 0)
		*ret_reason = arena_printf(c->arena, "the baseline '%s' cannot be read", ref);
	return r < 0 ? r : check_keep(c, *ret);
}
