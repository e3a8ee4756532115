/* SPDX-License-Identifier: MIT */
/* Proves the gate on this machine, with real runs of a program whose work is known. */
#ifndef USERSPACE_CMD_SELFTEST_H
#define USERSPACE_CMD_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>

#include "userspace/view/table/table.h"

/* Compares the program with itself (a verdict other than "unchanged" or "inconclusive" is a false
 * alarm), works out from the values measured which effect the gate can prove here, then plants one and
 * sees whether it is caught. Takes at most about @limit_ns. *ret_holds: no alarm was false, but one at
 * most, and what was planted was caught. *ret_table is the caller's. Negative errno, logged; -EINTR:
 * interrupted. */
int selftest(uint64_t limit_ns, bool is_quiet, struct table **ret_table, bool *ret_holds);

/* The program: does that much work, and ends. */
void selftest_work(uint64_t rounds);
/* How the selftest calls it: startline doctor SELFTEST_WORK ROUNDS. */
#define SELFTEST_WORK "--work"

#endif
