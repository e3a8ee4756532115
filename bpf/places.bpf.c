/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Names for the places where threads slept. The kernel resolves them itself, when the collector
 * reads this at the end: quicker than /proc/kallsyms, and no address leaves the kernel. */
#include "bpf/common.bpf.h"
#include "bpf/process.bpf.h"

struct seq_file;

struct bpf_iter_meta___seq {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta___seq *meta;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

/* A line per place: its number, then the functions from the innermost outwards. */
SEC("iter/bpf_map_elem")
int handle_places(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct place *place = ctx->key;
	__u64 *number = ctx->value;

	if (!place || !number)
		return 0;
	BPF_SEQ_PRINTF(seq, "%llu %ps %ps %ps %ps %ps %ps\n", *number, place->frames[0],
		       place->frames[1], place->frames[2], place->frames[3], place->frames[4],
		       place->frames[5]);
	return 0;
}
