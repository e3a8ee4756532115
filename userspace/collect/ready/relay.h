/* SPDX-License-Identifier: MIT */
/* The process between one output of the command and where that led before. It passes everything on,
 * and sends what a --ready log: condition may be about to startline. It does not depend on startline:
 * when that ends, whatever ends it, the relay goes on until the last writer has gone, and if the reader
 * goes, the writers learn it as they would have. */
#ifndef USERSPACE_COLLECT_READY_RELAY_H
#define USERSPACE_COLLECT_READY_RELAY_H

#include "userspace/trace/ready.h"

/* What startline may send, a byte each. */
enum relay_command {
	RELAY_FLUSH =
		'f', /* answered by one byte when all that was written so far has been passed on */
	RELAY_PASS = 'p', /* from now on only pass on */
};

struct relay_spec {
	int from, to; /* the read end of the pipe; where it leads */
	int control;  /* a socket of type SEQPACKET: OUTPUT events go out, commands come in */
	int fd;	      /* 1 or 2: which output this is */
	const struct ready_rule *rules;
	size_t n_rules;
};

/* Never returns: to be called in a process of its own. */
_Noreturn void relay_main(const struct relay_spec *spec);

#endif
