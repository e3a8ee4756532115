/* SPDX-License-Identifier: MIT */
/* Whose modules the programs of PROBE_IMPORTS tell: of a few interpreters, known from the command, or by what
 * the tree executes and loads. Then their probes tell of whoever executes them from then on, later runs
 * among them. An interpreter is a file: a program, or the library that it has it in. */
#ifndef USERSPACE_COLLECT_BPF_IMPORTS_H
#define USERSPACE_COLLECT_BPF_IMPORTS_H

#include "bpf/schema.h"
#include "userspace/collect/bpf/probes.h"

struct imports;

/* NULL: no memory. @programs must live as long. */
struct imports *imports_new(struct programs *programs);
struct imports *imports_free(struct imports *i);

/* Before the programs are attached: they go where the command @argv wants them, if it does. */
void imports_find(struct imports *i, char *const *argv);
/* Something was executed, or a file opened: perhaps an interpreter. */
void imports_executed(struct imports *i, const struct sl_exec *e);
void imports_opened(struct imports *i, const struct sl_open *e);
/* Where one was, sets its probes, which takes some 10 ms, and says so. */
int imports_follow(struct imports *i, struct sink sink);

#endif
