/* SPDX-License-Identifier: MIT */
/* Why a metric is what it is, in a line: the object behind it. One place decides, and all outputs show the
 * same: the row of the breakdown, the file, the program, the peer, the process whose memory grew. What is
 * not known is said. Pure. */
#ifndef USERSPACE_GATE_CAUSE_H
#define USERSPACE_GATE_CAUSE_H

#include "userspace/base/buf.h"
#include "userspace/gate/verdict.h"

/* Whether anything may be told of metric @id. */
bool cause_is_told(const char *id);
/* Appends where the change of metric @id comes from:
 *   "+117 ms connect in main: tcp 127.0.0.1:5432"      a time that the breakdown explains
 *   "+12.1 ms cpu in link: libfoo.so (relocations 11.8 ms)"
 *   "missed /etc/app.conf +1, /etc/app.d +1"           an exact count
 *   "step start +105 ms: +104 ms sleep in main: sh"     of a pipeline
 *   "+30.1 MB python3 app.py, before it was ready; anonymous memory +30.1 MB (heap +30.0 MB)"
 * Of what goes the way that @verdict says, whichever way the medians go.
 * Nothing where nothing is known, or the metric's own name says it ("net.connect[…]"). */
void cause_of_change(const struct comparison *c, const char *id, enum verdict verdict,
		     struct buf *out);

/* The same for a metric that is what it is without a comparison: what most of it is of. @c: of a session
 * without runs with the session that is asked about. */
void cause_of_value(const struct comparison *c, const char *id, struct buf *out);

/* Appends one row of the breakdown, and its object, or whose it was: as much as tells one from the other. */
void cause_of_row(const struct contribution *row, struct buf *out);
void contribution_what(const struct contribution *c, struct buf *out);

#endif
