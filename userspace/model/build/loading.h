/* SPDX-License-Identifier: MIT */
/* What loading.c finds out about the libraries of an image, and libraries.c keeps. */
#ifndef USERSPACE_MODEL_BUILD_LOADING_H
#define USERSPACE_MODEL_BUILD_LOADING_H

#include "userspace/model/build/internal.h"

enum loading_step { LOADING_SEARCH, LOADING_MAP, LOADING_RELOCATE, LOADING_INIT, LOADING_STEPS };

struct loading_time {
	uint64_t from_ns, until_ns; /* 0: not seen */
};

struct loaded {
	const char *path; /* interned */
	struct loading_time steps[LOADING_STEPS];
	uint64_t low, high;		 /* where it lies; 0, 0: not known */
	size_t search_first, search_end; /* of the process's links: the opens of its search */
	int64_t n_misses;
	uint32_t tid;
	bool is_late, is_shim;
	bool is_by_loader; /* only loaders map a file so */
};

struct loaded_list VEC(struct loaded);

/* Keeps the libraries of an image of @p. */
void libraries_keep(struct builder *b, struct proc *p, const struct loaded_list *all);

#endif
