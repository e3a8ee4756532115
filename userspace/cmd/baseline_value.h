/* SPDX-License-Identifier: MIT */
/* METRIC=VALUE and METRIC=LOW..HIGH: numbers typed by hand as a session. */
#ifndef USERSPACE_CMD_BASELINE_VALUE_H
#define USERSPACE_CMD_BASELINE_VALUE_H

#include "userspace/model/session.h"

/* "time.wall=120..300s", "mem.peak_rss=2GB", "proc.count=3": adds it to @s. A range is kept as
 * minimum and maximum, with the middle as median. -EINVAL, logged; -ENOMEM. */
int baseline_value_add(struct session *s, const char *text);

#endif
