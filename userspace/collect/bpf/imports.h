/* SPDX-License-Identifier: MIT */
/* Whose modules the programs of PROBE_IMPORTS tell: of one interpreter, known from the command, or by what
 * the tree executes. Then its probes tell of whoever executes it from then on, later runs among them. */
#ifndef USERSPACE_COLLECT_BPF_IMPORTS_H
#define USERSPACE_COLLECT_BPF_IMPORTS_H

#include "bpf/schema.h"
#include "userspace/collect/bpf/probes.h"

struct imports;

/* NULL: no memory. @programs must live as long. */
struct imports *imports_new(struct programs *programs);
struct imports *imports_free(struct imports *i);

/* Before the programs are attached: they go where the command @argv wants them, if it does.
 * *ret_name_offset: struct interpreter's, then. */
void imports_find(struct imports *i, char *const *argv, uint32_t *ret_name_offset);
/* Something was executed: perhaps an interpreter, the first one. */
void imports_note(struct imports *i, const struct sl_exec *e);
/* Where one was, sets its probes, which takes some 10 ms, and says so. */
int imports_follow(struct imports *i, uint32_t *ret_name_offset, struct sink sink);

#endif
