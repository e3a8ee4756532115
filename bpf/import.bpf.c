/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What a language's interpreter tells of the modules that it loads, by static probes of its own
 * (collect/bpf/interpreter.h). */
#include "bpf/common.bpf.h"

int import_emit(__u32 op, __u64 name, __u64 cookie);
__noinline int import_emit(__u32 op, __u64 name, __u64 cookie)
{
	struct scratch *scratch = sl_scratch_take();
	struct sl_import *event;
	long length;

	if (!scratch) {
		sl_number(NULL, true, SL_KIND_IMPORT);
		return 0;
	}
	event = (struct sl_import *)scratch->bytes;
	sl_fill(&event->event, SL_KIND_IMPORT, sizeof(*event), bpf_ktime_get_ns(),
		bpf_get_current_pid_tgid());
	event->language = SL_LANGUAGE_PYTHON;
	event->interpreter = IMPORT_INTERPRETER(cookie);
	event->op = op;
	length = bpf_probe_read_user_str(scratch->bytes + sizeof(*event), SL_IMPORT_NAME,
					 (void *)name);
	if (length <= 0) { /* there is none */
		scratch->bytes[sizeof(*event)] = 0;
		length = 1;
	}
	if (length > SL_IMPORT_NAME) /* for the verifier */
		length = SL_IMPORT_NAME;
	sl_output(&event->event, sizeof(*event) + length, false);
	sl_scratch_give(scratch);
	return 0;
}

static __always_inline int import_hit(__u32 op, __u64 name, __u64 cookie)
{
	struct task_state *ts = task_state_of(bpf_get_current_task_btf());

	if (!ts)
		return 0;
	import_emit(op, name, cookie);
	ts->probe_hits++;
	return 0;
}

SEC("uprobe")
int handle_import_begin(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u64 name = 0;

	bpf_probe_read_kernel(&name, sizeof(name), (char *)ctx + IMPORT_REGISTER(cookie));
	return import_hit(SL_IMPORT_BEGIN, name, cookie);
}

SEC("uprobe")
int handle_import_end(struct pt_regs *ctx)
{
	return import_hit(SL_IMPORT_END, 0, bpf_get_attach_cookie(ctx));
}
