/* SPDX-License-Identifier: MIT */
/* Only for modules.c: opening and closing of one file, which it counts. */
#ifndef USERSPACE_STACKS_MODULE_FILE_INTERNAL_H
#define USERSPACE_STACKS_MODULE_FILE_INTERNAL_H

#include "userspace/stacks/module_file.h"

/* Looks into the file for the first time; .is_usable says how that went. */
void module_file_begin(struct module *module, pid_t pid, uint64_t start, uint64_t end);
/* Opens it again. Negative errno: it cannot be found now. */
int module_file_reopen(struct module *module, pid_t pid);
void module_file_close(struct module_file *f);

#endif
