/* SPDX-License-Identifier: MIT */
/* See live_watch.h. */
#include "userspace/collect/shim/live_watch.h"

#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/shim/session_dir.h"

#define GAP_NS	 (1 * NS_PER_MS)
#define GAP_PART 512 /* … or of the time of the run, if that is more */

int live_watch_look(struct live_watch *w, int tree_fd, struct sink sink)
{
	const uint64_t now = now_ns(), part = (now - w->begin_ns) / GAP_PART;
	if (now - w->told_ns < (part > GAP_NS ? part : GAP_NS))
		return 0;
	const int64_t bytes = session_tree_live(tree_fd);
	if (bytes < 0 || bytes == w->told_bytes)
		return 0;
	w->told_ns = now;
	w->told_bytes = bytes;
	struct sl_live e = {
		.event = emit_header(SL_KIND_LIVE, sizeof(e), now, 0),
		.bytes = (uint64_t)bytes,
	};
	const int r = sink.event(sink.data, &e.event);
	return r < 0 ? r : 1;
}
