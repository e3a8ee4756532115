/* SPDX-License-Identifier: MIT */
/* Whether programs may read the kernel's memory, found out by loading one that would. */
#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "userspace/base/cleanup.h"
#include "userspace/collect/run/source.h"

static int load(const struct bpf_insn *program, size_t n)
{
	_cleanup_close_ int fd =
		bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "trial", "GPL", program, n, NULL);
	return fd < 0 ? fd : 0;
}

int source_bpf_reads_kernel(void)
{
	/* clang-format off */
	static const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_10 },
		/* NOLINTNEXTLINE(misc-redundant-expression): both happen to be 0 */
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	/* clang-format on */
	enum { LENGTH = sizeof(program) / sizeof(*program), END = 2 };
	const int r = load(program + LENGTH - END, END);
	if (r < 0)
		return r;
	return load(program, LENGTH) == 0;
}
