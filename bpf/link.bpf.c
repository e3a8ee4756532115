/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* What the dynamic loader does, as far as the kernel sees it: which files it maps, which regions it
 * makes read only when it has relocated them, and which code it calls first. Any program may look
 * like a loader: all of it is bounded by what was mapped before. */
#include "bpf/common.bpf.h"
#include "bpf/overhead.bpf.h"
#include "bpf/process.bpf.h"

#include <asm/unistd_64.h>

#define PROT_READ      0x1u
#define PROT_WRITE     0x2u
#define PROT_EXEC      0x4u
#define MAP_PRIVATE    0x02u
#define MAP_FIXED      0x10u
#define MAP_ANONYMOUS  0x20u
#define MAP_DENYWRITE  0x800u	  /* glibc's loader still asks for it; nothing else does */
#define LOADER_BYTES   (1u << 20) /* musl's, which is the C library, too, has 700 KiB */
#define ENTERS_PER_MAP 4u
#define CREDIT_MAX     10000u /* libraries of a program */

/* What is resident just then is only seen by who looks at once. */
static __always_inline void submit(struct sl_mapping *event)
{
	const bool is_moment =
		event->op == SL_MAPPING_LINKED || (event->op == SL_MAPPING_ENTER && event->flags);

	if (is_moment && look_early && !is_ready)
		bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
	else
		sl_submit(event, false);
}

static __always_inline void emit(struct task_state *ts, enum sl_mapping_op op, __u64 enter_ns,
				 __u64 now, __u64 address, __u32 flags)
{
	struct sl_mapping *event =
		sl_reserve_for(SL_KIND_MAPPING, sizeof(*event), now, bpf_get_current_pid_tgid());
	const bool is_call = op == SL_MAPPING_MAP || op == SL_MAPPING_PROTECT;

	if (!event)
		return;
	event->enter_ns = enter_ns;
	event->address = address;
	event->length = is_call ? ts->args[1] : 0;
	event->offset = op == SL_MAPPING_MAP ? ts->args[5] : is_call ? 0 : ts->link.loader;
	event->op = op;
	event->fd = op == SL_MAPPING_MAP ? (__s32)ts->args[4] : -1;
	event->protection = is_call ? ts->args[2] : 0;
	event->flags = flags;
	submit(event);
}

/* musl's loader has no flag of its own; what it maps first could be any file. */
static __always_inline bool tells(__u32 flags, __u32 protection)
{
	if (flags & MAP_FIXED)
		return (protection & PROT_WRITE) ||
		       (!(flags & MAP_DENYWRITE) && (protection & PROT_EXEC));
	return (flags & MAP_DENYWRITE) || (protection & PROT_EXEC);
}

static __always_inline int map_exit(struct task_state *ts, __u64 result)
{
	struct link_state *link = &ts->link;
	const __u32 protection = ts->args[2], flags = ts->args[3];

	if ((__s32)ts->args[4] < 0 || (flags & (MAP_PRIVATE | MAP_ANONYMOUS)) != MAP_PRIVATE)
		return 0;
	if (!tells(flags, protection)) {
		if (!(flags & MAP_FIXED))
			link->cache = result;
		return 0;
	}
	if (!(flags & MAP_FIXED) || (protection & PROT_EXEC)) {
		link->protects += link->protects < CREDIT_MAX;
		link->enters += link->enters < CREDIT_MAX ? ENTERS_PER_MAP : 0;
	}
	emit(ts, SL_MAPPING_MAP, ts->enter_ns, bpf_ktime_get_ns(), result, flags);
	return 0;
}

static __always_inline int protect_exit(struct task_state *ts)
{
	struct link_state *link = &ts->link;

	if (!link->protects || ts->args[2] != PROT_READ)
		return 0;
	link->protects--;
	if (link->setup_ns)
		emit(ts, SL_MAPPING_SETUP, link->closed_ns, link->setup_ns, 0, 0);
	link->setup_ns = 0;
	emit(ts, SL_MAPPING_PROTECT, ts->enter_ns, bpf_ktime_get_ns(), ts->args[0], 0);
	return 0;
}

/* Once, and before the program begins. */
static __always_inline void tell_linked(struct task_state *ts, __u64 enter_ns)
{
	if (!ts->link.entry || ts->link.is_linked)
		return;
	ts->link.is_linked = 1;
	emit(ts, SL_MAPPING_LINKED, enter_ns, bpf_ktime_get_ns(), 0, 0);
}

static __always_inline int unmap_exit(struct task_state *ts)
{
	struct link_state *link = &ts->link;

	if (!link->cache || ts->args[0] != link->cache)
		return 0;
	tell_linked(ts, ts->enter_ns);
	if (!link->is_entered)
		return 0;
	link->is_entered = 0;
	link->cache = 0;
	emit(ts, SL_MAPPING_DONE, ts->enter_ns, bpf_ktime_get_ns(), ts->args[0], 0);
	return 0;
}

__noinline int link_exit(struct task_state *ts, long result)
{
	if (!ts || (result < 0 && result >= -4095))
		return 0;
	switch (ts->nr) {
	case __NR_mmap:
		map_exit(ts, result);
		return growth_exit(ts, result);
	case __NR_brk:
	case __NR_mremap:
		return growth_exit(ts, result);
	case __NR_mprotect:
		return protect_exit(ts);
	case __NR_munmap:
		return unmap_exit(ts);
	case __NR_close:
		if (ts->link.entry && !ts->link.setup_ns)
			ts->link.closed_ns = bpf_ktime_get_ns();
		return 0;
	default: /* set_tid_address, rseq: the last calls before it relocates */
		if (ts->link.entry)
			ts->link.setup_ns = bpf_ktime_get_ns();
		return 0;
	}
}

int link_begin(struct task_state *ts, __u64 loader, __u64 entry)
{
	if (!ts)
		return 0;
	__builtin_memset(&ts->link, 0, sizeof(ts->link));
	if (!loader)
		return 0;
	ts->link.loader = loader;
	ts->link.entry = entry;
	ts->link.protects = 2; /* of the loader itself and of the program */
	ts->link.enters = 1;
	return 0;
}

/* What nobody has executed in a memory yet has no page there: the first call of a constructor is a
 * fault at its first instruction, with the place it was called from on top of the stack. */
__noinline int link_fetched(__u64 address, __u64 regs)
{
	struct task_state *ts = task_state_of(bpf_get_current_task_btf());
	__u64 caller = 0, now;
	__u32 flags;

	if (!ts || !ts->link.enters || !ts->link.loader ||
	    address != BPF_CORE_READ((struct pt_regs *)regs, ip))
		return 0;
	now = bpf_ktime_get_ns();
	if (address != ts->link.entry &&
	    (bpf_probe_read_user(&caller, sizeof(caller),
				 (void *)BPF_CORE_READ((struct pt_regs *)regs, sp)) ||
	     caller - ts->link.loader >= LOADER_BYTES || address - ts->link.loader < LOADER_BYTES))
		return 0;
	/* What it calls before it has closed its cache, it calls to relocate. */
	if (!ts->link.cache && address != ts->link.entry)
		tell_linked(ts, now);
	flags = address == ts->link.entry ? SL_ENTER_PROGRAM : 0;
	if (flags) {
		ts->link.entry = 0;
		memory_tell(memory_key(bpf_get_current_task_btf()), bpf_get_current_pid_tgid(), 0);
	}
	ts->link.enters--;
	ts->link.is_entered = 1;
	emit(ts, SL_MAPPING_ENTER, now, now, address, flags);
	overhead_add(ts, now, 1);
	return 0;
}
