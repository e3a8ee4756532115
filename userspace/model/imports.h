/* SPDX-License-Identifier: MIT */
/* Which imports are heavy. What a program can do without is a package as a whole, so the modules of one that
 * are loaded from outside of it count as one: "numpy", and not "numpy.core", unless nearly all of it is
 * that. A package that is heavy only because of what it loads, as a program's own, stands back for that. */
#ifndef USERSPACE_MODEL_IMPORTS_H
#define USERSPACE_MODEL_IMPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "userspace/base/vec.h"
#include "userspace/model/session.h"

struct heavy_import {
	const char *name; /* of a package, "numpy", or of a module in it; its length */
	size_t n_name;
	const char *by; /* the module that loads it; NULL: the program itself */
	int process;
	int64_t ns;
};

struct heavy_import_list VEC(struct heavy_import);

/* Those with @least_ns or more, the heaviest first, none within another. @total_ns: by module, in the order
 * of the run, with what it loads; UNKNOWN counts as nothing. The caller frees @ret's items, also after a
 * failure (-ENOMEM); names are the run's. */
int imports_heaviest(const struct run *run, const int64_t *total_ns, int64_t least_ns,
		     struct heavy_import_list *ret);

#endif
