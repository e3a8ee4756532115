/* SPDX-License-Identifier: MIT */
/* What is said of probes that a kernel does not have. */
#include "userspace/collect/bpf/words.h"

#include <string.h>

#include <bpf/libbpf.h>

/* What is not listed has another way to the same. */
static const struct lack {
	const char *program;
	bool is_uring; /* only who uses io_uring misses it */
	const char *words;
} lacks[] = {
	{ "handle_rss_stat", false,
	  "this kernel does not tell when resident memory changes: no peak of all processes at one "
	  "instant" },
	{ "handle_page_fault", false,
	  "this kernel does not tell of page faults: waits for a page do not name its file" },
	{ "handle_io_uring_complete", true,
	  "this kernel does not tell what io_uring did: its connects and accepts are missing" },
	{ "handle_sock_send_length", true,
	  "this kernel does not tell what io_uring sent and received: net.rx, net.tx and replies "
	  "are without it" },
};

static bool is_loaded(const struct bpf_object_skeleton *skeleton, const char *name)
{
	for (int i = 0; i < skeleton->prog_cnt; i++)
		if (strcmp(skeleton->progs[i].name, name) == 0)
			return bpf_program__fd(*skeleton->progs[i].prog) >= 0;
	return false;
}

int words_lacking(const struct bpf_object_skeleton *skeleton, bool used_uring, struct sink sink)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(lacks) / sizeof(*lacks); i++)
		if ((used_uring || !lacks[i].is_uring) && !is_loaded(skeleton, lacks[i].program))
			r = emit_meta(sink, "note", "%s", lacks[i].words);
	return r < 0 ? r : 0;
}
