/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Walks the interpreter's own chain of frames, which lies in the heap, from the current one outwards. Where
 * things lie the collector says, once it has seen that a process is an interpreter; names and lines it
 * reads itself, later. Everything that is read here belongs to the program, and may lie.
 *
 * What a walk knows is in a map, and not on the stack: verifiers forget nothing of that. */
#include "bpf/stack_python.bpf.h"

#include "bpf/process.bpf.h"
#include "bpf/stack.bpf.h"

#define TURNS_MAX	512 /* of a walk: threads looked at, frames passed */
#define OWNED_BY_CSTACK 3   /* _frameowner, 3.12 and later */

struct pythons_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32); /* process, as startline's pid namespace counts */
	__type(value, struct python_process);
};
struct pythons_map pythons SEC(".maps");

struct python_walk {
	struct python_process of;
	__u64 interpreter, thread, frame;
	__u64 process, time_ns;
	__u32 pid; /* as startline's pid namespace counts */
	__u32 tid; /* as the thread's own does */
	__u32 n, turns, n_told;
	/* A record: struct stack_snapshot, and the frames as its bytes. */
	__u64 head[sizeof(struct stack_snapshot) / sizeof(__u64)];
	struct python_frame_taken frames[PYTHON_FRAMES];
};
_Static_assert(sizeof(struct stack_snapshot) % sizeof(__u64) == 0, "no gap before its bytes");

/* An interrupt may come in between. */
struct python_walks_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct python_walk);
};
struct python_walks_map python_walks SEC(".maps");

__u32 has_pythons = 0;

/* Code objects that were told, by what they are known by. One may take another's place: then that is told
 * again. */
#define SEEN	 8192
#define TOLD_MAX 16 /* at one sample; the others at the next ones */
__u64 python_seen[SEEN];

static __always_inline bool is_thread(const struct python_walk *w)
{
	return pointer_at(w->thread, w->of.native_thread_id) == w->tid;
}

/* One thread state further on in the lists of all interpreters. */
static long next_thread(void *map, const void *key, void *value, __u32 *slot)
{
	struct python_walk *w = bpf_map_lookup_elem(&python_walks, slot);

	if (!w || w->turns++ >= TURNS_MAX)
		return 1;
	if (w->thread) {
		if (is_thread(w))
			return 1;
		w->thread = pointer_at(w->thread, w->of.thread_next);
		return 0;
	}
	w->interpreter = w->interpreter ? pointer_at(w->interpreter, w->of.interpreter_next)
					: pointer_at(w->of.runtime, w->of.interpreters_head);
	if (!w->interpreter)
		return 1;
	w->thread = pointer_at(w->interpreter, w->of.threads_head);
	return 0;
}

static __always_inline bool is_entry_frame(const struct python_walk *w)
{
	const __u32 offset = w->of.is_entry ? w->of.is_entry : w->of.owner;
	__u8 byte = 0;

	if (bpf_probe_read_user(&byte, 1, (void *)(w->frame + offset)))
		return true;
	return w->of.is_entry ? byte != 0 : byte == OWNED_BY_CSTACK;
}

static __always_inline void note_frame(const struct python_walk *w, struct python_frame_taken *to)
{
	const __u64 code = pointer_at(w->frame, w->of.code);
	const __u64 first = code + w->of.instructions;
	const __u64 at = pointer_at(w->frame, w->of.instruction);

	to->code = code;
	to->offset = at < first || at - first > ~0u ? ~0u : at - first;
	to->is_entry = 0;
	if (bpf_probe_read_user(to->names, sizeof(to->names), (void *)(code + w->of.filename)))
		to->names[0] = to->names[1] = to->names[2] = 0;
}

static __always_inline __u64 piece(void *to, __u32 size, __u64 address)
{
	return address && bpf_probe_read_user(to, size, (void *)address) == 0 ? address : 0;
}

static __noinline int tell_code(const struct python_walk *w, __u64 code)
{
	struct python_code_taken *taken;
	struct stack_snapshot *s;

	if (!w)
		return 0;
	s = bpf_ringbuf_reserve(&stack_ring, sizeof(*s) + sizeof(*taken), 0);
	if (!s)
		return 0;
	taken = (struct python_code_taken *)s->bytes;
	taken->addresses[0] = piece(taken->code, sizeof(taken->code), code);
	taken->addresses[1] =
		piece(taken->file, sizeof(taken->file), pointer_at(code, w->of.filename));
	taken->addresses[2] = piece(taken->name, sizeof(taken->name), pointer_at(code, w->of.name));
	taken->addresses[3] =
		piece(taken->lines, sizeof(taken->lines), pointer_at(code, w->of.line_table));
	s->time_ns = w->time_ns;
	s->own_pid = w->pid;
	s->reason = SNAPSHOT_PYTHON_CODE;
	s->n_bytes = sizeof(*taken);
	bpf_ringbuf_submit(s, BPF_RB_NO_WAKEUP);
	return 1;
}

static __always_inline void meet_code(struct python_walk *w, const struct python_frame_taken *frame)
{
	__u64 known_by = frame->code * 0x9e3779b97f4a7c15ull ^ frame->names[0] ^ w->process;
	__u32 at;

	known_by = (known_by ^ known_by >> 29) * 0xbf58476d1ce4e5b9ull ^ frame->names[2];
	at = (known_by >> 32) & (SEEN - 1);
	if (python_seen[at] == known_by || w->n_told++ >= TOLD_MAX)
		return;
	if (tell_code(w, frame->code))
		python_seen[at] = known_by;
}

/* One frame further out. */
static long next_frame(void *map, const void *key, void *value, __u32 *slot)
{
	struct python_walk *w = bpf_map_lookup_elem(&python_walks, slot);
	bool is_entry;
	__u32 n;

	if (!w || !w->frame || w->turns++ >= TURNS_MAX)
		return 1;
	is_entry = is_entry_frame(w);
	n = w->n;
	if (w->of.is_entry || !is_entry) {
		if (n >= PYTHON_FRAMES)
			return 1;
		note_frame(w, &w->frames[n]);
		meet_code(w, &w->frames[n]);
		w->n = ++n;
	}
	n--; /* below 0 it is large: older verifiers (6.1) do not learn from n != 0 */
	if (is_entry && n < PYTHON_FRAMES)
		w->frames[n].is_entry = 1;
	w->frame = pointer_at(w->frame, w->of.previous);
	return 0;
}

static __always_inline void find_frame(struct python_walk *w, struct task_state *ts, __u32 *slot)
{
	w->interpreter = 0;
	w->thread = ts->python_thread;
	w->turns = 0;
	if (!is_thread(w)) {
		w->thread = 0;
		bpf_for_each_map_elem(&turns, next_thread, slot, 0);
	}
	ts->python_thread = w->thread;
	w->frame = pointer_at(w->thread, w->of.current_frame);
	if (w->of.frame_of_cframe)
		w->frame = pointer_at(w->frame, w->of.frame_of_cframe);
}

static __always_inline void tell_frames(struct python_walk *w, struct task_struct *task,
					__u64 time_ns, __u32 slot)
{
	struct stack_snapshot *head = (struct stack_snapshot *)w->head;
	__u32 n = w->n;

	head->time_ns = time_ns;
	head->pid = task->tgid;
	head->tid = task->pid;
	head->own_pid = w->pid;
	head->own_tid = own_id(task);
	head->reason = SNAPSHOT_PYTHON;
	head->syscall = slot;
	if (n > PYTHON_FRAMES)
		n = PYTHON_FRAMES;
	head->n_bytes = n * sizeof(w->frames[0]);
	bpf_ringbuf_output(&stack_ring, head, sizeof(*head) + n * sizeof(w->frames[0]),
			   BPF_RB_NO_WAKEUP);
}

__noinline int python_take(struct task_state *ts, __u64 time_ns, __u32 slot)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct python_process *of;
	struct python_walk *w;
	__u32 pid;

	if (!ts || is_over)
		return 0;
	pid = own_id(BPF_CORE_READ(task, group_leader));
	of = bpf_map_lookup_elem(&pythons, &pid);
	w = bpf_map_lookup_elem(&python_walks, &slot);
	if (!of || !w)
		return 0;
	w->of = *of;
	w->pid = pid;
	w->tid = ns_id(task);
	w->process = (__u64)pid << 32 ^ BPF_CORE_READ(task, group_leader, start_time);
	w->time_ns = time_ns;
	w->n_told = 0;
	find_frame(w, ts, &slot);
	w->n = 0;
	w->turns = 0;
	bpf_for_each_map_elem(&turns, next_frame, &slot, 0);
	if (w->n)
		tell_frames(w, task, time_ns, slot);
	return 0;
}
