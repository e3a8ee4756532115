/* SPDX-License-Identifier: MIT */
/* What of a row's time on the CPU went into loading a module of a language. */
#ifndef USERSPACE_VIEW_REPORT_IMPORT_SHARE_H
#define USERSPACE_VIEW_REPORT_IMPORT_SHARE_H

#include "userspace/model/imports.h"
#include "userspace/view/report/stretch.h"

/* The import that most of the row's time on the CPU went into, of those with @least of it or more. Only the
 * thread counts that computed longest at a time. Returns 1, or 0 where there is none, or -ENOMEM. */
int import_of_stretch(const struct run *run, const struct stretch *stretch, double least,
		      struct heavy_import *ret);

#endif
