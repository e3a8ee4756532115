/* SPDX-License-Identifier: MIT */
/* usage: empty_probes BPF-OBJECT CMD [ARG...]
 *
 * Runs CMD while a program that does nothing is attached to every tracepoint that the programs of
 * BPF-OBJECT are for: what such probes cost at least on this kernel, whatever they do. The hooks
 * are read from the object, so that this floor is always that of the same hooks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

/* return 0; */
static const struct bpf_insn nothing[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static int load(const char *tracepoint, bool is_typed)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options);
	if (is_typed) {
		const int id = libbpf_find_vmlinux_btf_id(tracepoint, BPF_TRACE_RAW_TP);
		if (id < 0)
			return id;
		options.attach_btf_id = (__u32)id;
		options.expected_attach_type = BPF_TRACE_RAW_TP;
	}
	return bpf_prog_load(is_typed ? BPF_PROG_TYPE_TRACING : BPF_PROG_TYPE_RAW_TRACEPOINT,
			     "nothing", "GPL", nothing, sizeof(nothing) / sizeof(nothing[0]),
			     &options);
}

/* 1 or 0. Descriptors are left open: the end of this process detaches. */
static int attach(const char *section)
{
	const bool is_typed = strncmp(section, "tp_btf/", 7) == 0;
	if (!is_typed && strncmp(section, "raw_tp/", 7) != 0)
		return 0;
	const int fd = load(section + 7, is_typed);
	/* Where this kernel has no such tracepoint the probe is not there either. */
	return fd >= 0 && bpf_raw_tracepoint_open(is_typed ? NULL : section + 7, fd) >= 0;
}

static int attach_all(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	int n = 0;
	if (object == NULL)
		return -errno;
	struct bpf_program *program;
	bpf_object__for_each_program(program, object)
	{
		const char *section = bpf_program__section_name(program);
		n += attach(section[0] == '?' ? section + 1 : section);
	}
	bpf_object__close(object);
	return n;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: empty_probes BPF-OBJECT CMD [ARG...]\n");
		return 2;
	}
	const int n = attach_all(argv[1]);
	if (n <= 0) {
		fprintf(stderr, "empty_probes: cannot attach: %s\n",
			n < 0 ? strerror(-n) : "this kernel takes none of the programs");
		return 1;
	}
	const pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
