/* SPDX-License-Identifier: MIT */
/* What startline was started with and changes for itself: the command shall find it as it was. */
#ifndef USERSPACE_COLLECT_RUN_INHERITANCE_H
#define USERSPACE_COLLECT_RUN_INHERITANCE_H

#include <signal.h>
#include <stdbool.h>

/* To be called first of all: notes what there is, and then sets what startline needs. A write past
 * the file size limit fails instead of killing; children can be waited for; descriptors for large
 * trees. @closed_fds: STDFD_* bits, which of 0, 1 and 2 were closed. Later calls do nothing. */
void inheritance_begin(unsigned int closed_fds);
/* Whether SIGHUP was ignored, as nohup(1) has it: then it is not ours to act upon. */
bool inheritance_ignores_hangup(void);
unsigned int inheritance_closed_fds(void);
/* In a process that is about to become something else: puts back limits, signal dispositions and
 * mask. Only makes system calls. */
void inheritance_restore(void);

#endif
