/* SPDX-License-Identifier: MIT */
/* How an endpoint is written everywhere: "tcp 127.0.0.1:80", "udp [::]:53", "unix /run/x",
 * "unix @abstract". */
#ifndef USERSPACE_TRACE_ADDR_TEXT_H
#define USERSPACE_TRACE_ADDR_TEXT_H

#include "bpf/schema.h"

#define ADDR_TEXT_BYTES (sizeof(((struct sl_addr *)0)->bytes) + sizeof("unix "))

/* Returns @text. UNIX paths are as the target chose them: for printers to escape. */
const char *addr_text(const struct sl_addr *addr, char text[static ADDR_TEXT_BYTES]);

#endif
