/* SPDX-License-Identifier: MIT */
/* Which process an event is about. TASK begins a process, EXIT ends it, and a pid that comes
 * again begins another one; an event of a pid nobody announced makes a process too, because
 * records get lost. Shim events may carry the pid of a namespace. */
#include "userspace/model/build/internal.h"

#include <string.h>
#include <sys/wait.h>

#include "userspace/base/units.h"
#include "userspace/model/document/session_fields.h"

#define MAX_REUSES 64 /* see threads.c */

static int process_new(struct builder *b, uint32_t pid, uint32_t ns_pid, uint64_t start_ns)
{
	const int index = (int)b->procs.n;
	struct proc fresh = {
		.pid = pid,
		.ns_pid = ns_pid,
		.start_ns = start_ns,
		.parent = -1,
		.main_thread = -1,
		.last_thread = -1,
		.ender = -1,
		.live_threads = 1,
		.older_pid = id_map_get(&b->by_pid, pid),
		.older_ns_pid = ns_pid == 0 ? -1 : id_map_get(&b->by_ns_pid, ns_pid),
	};
	record_clear(&process_record, &fresh.out);
	if (vec_push(&b->procs, fresh) < 0 || id_map_set(&b->by_pid, pid, index) < 0 ||
	    (ns_pid != 0 && id_map_set(&b->by_ns_pid, ns_pid, index) < 0)) {
		b->error = -ENOMEM;
		return -1;
	}
	if (++b->threads_now > b->threads_peak)
		b->threads_peak = b->threads_now;
	return index;
}

int process_first(struct builder *b, uint32_t pid, uint32_t ns_pid, uint64_t start_ns)
{
	const int index = process_new(b, pid, ns_pid, start_ns);
	if (index >= 0)
		b->procs.items[index].main_thread = thread_new(b, pid, index, -1, start_ns);
	return index;
}

int process_lookup(const struct builder *b, uint32_t pid, uint64_t at_ns)
{
	const int newest = id_map_get(&b->by_pid, pid);
	int index = newest;
	for (int step = 0; index >= 0 && step < MAX_REUSES; step++) {
		if (b->procs.items[index].start_ns <= at_ns)
			return index;
		index = b->procs.items[index].older_pid;
	}
	return newest;
}

int process_lookup_ns(const struct builder *b, uint32_t ns_pid, uint64_t at_ns)
{
	const int newest = id_map_get(&b->by_ns_pid, ns_pid);
	int index = newest;
	for (int step = 0; index >= 0 && step < MAX_REUSES; step++) {
		if (b->procs.items[index].start_ns <= at_ns)
			return index;
		index = b->procs.items[index].older_ns_pid;
	}
	return newest;
}

int process_of(struct builder *b, const struct sl_event *event)
{
	if (event->pid == 0)
		return -1;
	int index = -1;
	if ((event->flags & SL_FLAG_NS_IDS) != 0) {
		index = process_lookup_ns(b, event->pid, event->time_ns);
		/* With kernel events every process is known by its real pid; a number from some
		 * namespace must not become a process of its own. */
		if (index < 0 && b->facts->bpf != NULL)
			index = process_new(b, event->pid, event->pid, event->time_ns);
		return index;
	}
	index = process_lookup(b, event->pid, event->time_ns);
	if (index < 0 && source_of(event) != SL_SOURCE_BPF)
		index = process_lookup_ns(b, event->pid, event->time_ns);
	/* Between two runs the next command waits for its release. */
	const bool is_of_next =
		source_of(event) == SL_SOURCE_BPF && b->gone_ns != 0 && event->time_ns > b->gone_ns;
	if (index < 0 && !is_of_next)
		index = process_first(b, event->pid, 0, event->time_ns);
	return index;
}

static void set_ns_pid(struct builder *b, int index, uint32_t ns_pid)
{
	struct proc *p = &b->procs.items[index];
	if (ns_pid == 0 || p->ns_pid == ns_pid)
		return;
	p->ns_pid = ns_pid;
	const int older = id_map_get(&b->by_ns_pid, ns_pid);
	p->older_ns_pid = older == index ? -1 : older;
	if (id_map_set(&b->by_ns_pid, ns_pid, index) < 0)
		b->error = -ENOMEM;
}

static void new_thread(struct builder *b, const struct sl_task *e, int creator)
{
	const int proc = process_of(b, &e->event);
	if (proc < 0)
		return;
	const int index = thread_new(b, e->event.tid, proc, creator, e->event.time_ns);
	thread_has_own_tid(b, index, e->own_tid);
	b->procs.items[proc].live_threads++;
	if (++b->threads_now > b->threads_peak)
		b->threads_peak = b->threads_now;
}

/* Whether @p has a life of its own already, so that a TASK means another one. */
static bool is_taken(const struct proc *p, bool is_attached)
{
	return p->has_task || p->end_ns != 0 || (p->images.n > 0 && !is_attached);
}

/* Who forked. It must be in the books before its child: parents have lower indices. */
static int parent_of(struct builder *b, const struct sl_task *e, bool is_attached)
{
	const int parent = id_map_get(&b->by_pid, e->parent_pid);
	if (parent >= 0 || is_attached || e->parent_pid == 0 ||
	    e->event.pid == b->procs.items[0].pid)
		return parent;
	return process_first(b, e->parent_pid, 0, e->event.time_ns);
}

/* Numbers are given out again only when all others were. */
#define REUSE_NS (1 * NS_PER_S)

/* Who is on its way out may still be found in /proc. */
static bool is_leaving(const struct proc *p, const struct sl_event *event)
{
	return source_of(event) == SL_SOURCE_COLLECT && p->end_ns != 0 &&
	       event->time_ns >= p->end_ns && event->time_ns - p->end_ns < REUSE_NS;
}

/* Without kernel events a process is announced by each image and found in /proc as well: whose
 * child it is may be news, that it exists is not. */
static bool process_is_known(struct builder *b, const struct sl_task *e)
{
	if (source_of(&e->event) == SL_SOURCE_BPF || b->facts->bpf == NULL)
		return false;
	const int index = process_lookup(b, e->event.pid, e->event.time_ns);
	if (index < 0 ||
	    (b->procs.items[index].end_ns != 0 && !is_leaving(&b->procs.items[index], &e->event)))
		return false;
	struct proc *p = &b->procs.items[index];
	const int parent = process_lookup(b, e->parent_pid, e->event.time_ns);
	if (p->parent < 0 && index > 0 && parent < index)
		p->parent = parent;
	p->has_task = true;
	/* A sample may have been the first to tell of it, and what follows has this number. */
	set_ns_pid(b, index, e->ns_pid);
	return true;
}

void process_task(struct builder *b, const struct sl_task *e)
{
	const struct sl_event *event = &e->event;
	if (event->pid == 0 || event->tid == 0)
		return;
	const bool is_attached = (e->flags & SL_TASK_ATTACHED) != 0;
	const int creator = thread_lookup(b, e->parent_tid, event->time_ns);
	if ((e->flags & SL_TASK_THREAD) != 0) {
		new_thread(b, e, creator);
		return;
	}

	if (process_is_known(b, e))
		return;
	const int parent = parent_of(b, e, is_attached);
	int index = id_map_get(&b->by_pid, event->pid);
	if (index < 0 && source_of(event) != SL_SOURCE_BPF)
		index = id_map_get(&b->by_ns_pid, event->pid);
	if (index < 0 || is_taken(&b->procs.items[index], is_attached)) {
		/* Its last user's EXIT may be lost: the number says it ended. */
		if (index >= 0 && b->procs.items[index].end_ns == 0)
			b->procs.items[index].end_ns = event->time_ns;
		index = process_new(b, event->pid, e->ns_pid, event->time_ns);
		if (index < 0)
			return;
		const int thread = thread_new(b, event->tid, index, creator, event->time_ns);
		b->procs.items[index].main_thread = thread;
	}
	thread_has_own_tid(b, b->procs.items[index].main_thread, e->own_tid);
	set_ns_pid(b, index, e->ns_pid);
	struct proc *p = &b->procs.items[index];
	p->has_task = true;
	p->out.is_attached = is_attached;
	/* The command's parent is startline. */
	if (index > 0 && parent < index)
		p->parent = parent;
}

/* execve from another thread than the first: that thread goes on under the process's id. */
static void move_leader(struct builder *b, int proc, const struct sl_exec *e)
{
	const int caller = thread_lookup(b, e->caller_tid, e->event.time_ns);
	const int leader = id_map_get(&b->by_tid, e->event.pid);
	if (caller < 0 || b->threads.items[caller].proc != proc || caller == leader)
		return;
	const int heir = thread_new(b, e->event.pid, proc, caller, e->event.time_ns);
	if (heir < 0)
		return;
	b->threads.items[caller].end_ns = e->event.time_ns;
	b->procs.items[proc].main_thread = heir;
}

void process_exec(struct builder *b, const struct sl_exec *e)
{
	int index = process_of(b, &e->event);
	if (index < 0)
		return;
	struct proc *p = &b->procs.items[index];
	if (b->facts->bpf != NULL && is_leaving(p, &e->event))
		return;
	if (p->end_ns != 0 && p->end_ns < e->event.time_ns) {
		/* A dead process does not execute: its successor's TASK was lost. */
		index = process_first(b, e->event.pid, e->ns_pid, e->event.time_ns);
		if (index < 0)
			return;
		p = &b->procs.items[index];
	}
	set_ns_pid(b, index, e->ns_pid);
	if (e->caller_tid != 0 && e->caller_tid != e->event.pid)
		move_leader(b, index, e);
	p = &b->procs.items[index];
	b->threads_now -= p->live_threads - 1;
	p->live_threads = 1;
	p->name = p->title = NULL;
	/* What the shim was not in cannot hand it on. */
	if (p->cover_next != NULL || p->cover == NULL || coverage_is_in(p->cover))
		p->cover = p->cover_next;
	p->cover_next = NULL;
	image_exec(b, p, e);
}

static void end_thread(struct builder *b, int proc, const struct sl_exit *e)
{
	const int index = id_map_get(&b->by_tid, e->event.tid);
	if (index < 0 || b->threads.items[index].proc != proc)
		return;
	b->threads.items[index].end_ns = e->event.time_ns;
	b->procs.items[proc].last_thread = index;
	if ((e->flags & SL_EXIT_GROUP) != 0)
		b->procs.items[proc].ender = index;
}

/* The command is waited for: its end comes with a status, a little later. */
static bool says_how(int index, const struct sl_exit *e)
{
	return index > 0 || (e->flags & SL_EXIT_NO_STATUS) == 0;
}

void process_exit(struct builder *b, const struct sl_exit *e)
{
	const int index = process_of(b, &e->event);
	if (index < 0)
		return;
	end_thread(b, index, e);
	struct proc *p = &b->procs.items[index];
	const bool is_last = (e->flags & SL_EXIT_PROCESS) != 0;
	const int64_t n_ended = is_last ? p->live_threads : p->live_threads > 1;
	p->live_threads -= n_ended;
	b->threads_now -= n_ended;
	const int64_t run_ns = counter(e->run_ns);
	if (run_ns != UNKNOWN && p->out.run_ns < INT64_MAX - run_ns)
		p->out.run_ns = p->out.run_ns == UNKNOWN ? run_ns : p->out.run_ns + run_ns;
	if (!is_last || p->end_ns != 0 || !says_how(index, e))
		return;
	p->end_ns = e->event.time_ns;
	if ((e->flags & SL_EXIT_NO_STATUS) != 0)
		return;
	if (WIFEXITED((int)e->status))
		p->out.exit_code = WEXITSTATUS((int)e->status);
	else if (WIFSIGNALED((int)e->status))
		p->out.exit_signal = WTERMSIG((int)e->status);
	/* It ends all threads alike: what the program did is what its first one did. */
	if (WIFSIGNALED((int)e->status) && p->ender < 0)
		p->ender = p->main_thread;
}

static int64_t kinds_sum(const struct resident_kinds *kinds)
{
	int64_t sum = 0;
	if (!kinds->is_known ||
	    __builtin_add_overflow(kinds->anonymous_bytes, kinds->file_bytes, &sum) ||
	    __builtin_add_overflow(sum, kinds->shared_bytes, &sum))
		return 0;
	return sum;
}

/* A process always has some: all 0 is not known. */
static void note_kinds(struct resident_kinds *most, const __u64 *bytes)
{
	const struct resident_kinds kinds = {
		.is_known = true,
		.anonymous_bytes = counter(bytes[SL_MEMORY_ANONYMOUS]),
		.file_bytes = counter(bytes[SL_MEMORY_FILE]),
		.shared_bytes = counter(bytes[SL_MEMORY_SHARED]),
	};
	if (kinds_sum(&kinds) > kinds_sum(most))
		*most = kinds;
}

void process_usage(struct builder *b, const struct sl_usage *e)
{
	const int index = process_of(b, &e->event);
	if (index < 0 || e->when >= WHEN_LIMIT || e->when == 0)
		return;
	const uint64_t all_else = SL_USAGE_NO_IO | SL_USAGE_NO_NET | SL_USAGE_NO_CPU;
	struct proc *p = &b->procs.items[index];
	/* What a process says of its memory alone takes nothing else away. */
	if ((e->flags & all_else) != all_else)
		p->usage[e->when] = e;
	b->has_ready_usage |= e->when == SL_WHEN_READY;
	const int64_t peak = counter(e->rss_peak_bytes);
	/* Each image has its own peak; the process's is the highest of them. */
	if ((e->flags & SL_USAGE_NO_RSS) == 0 && peak > p->out.peak_rss_bytes)
		p->out.peak_rss_bytes = peak;
	note_kinds(&p->out.peak_kinds, e->rss_peak_kinds);
	/* Nobody may have seen the peak itself. */
	note_kinds(&p->out.peak_kinds, e->rss_kinds);
}

void process_name(struct builder *b, const struct sl_name *e)
{
	const int index = process_of(b, &e->event);
	if (index < 0)
		return;
	struct proc *p = &b->procs.items[index];
	if (e->is_title != 0)
		p->title = e;
	else if (e->event.tid == e->event.pid)
		p->name = e;
}

/* Its title, if it is not just what its parent was called by; else what its first thread calls itself. */
static void set_name(struct builder *b, struct proc *p)
{
	const struct text_list *argv = &p->out.argv;
	const char *title =
		p->title != NULL ? text_of(b->arena, &p->title->event, p->title->text) : "";
	size_t n = strlen(title);
	while (n > 0 && title[n - 1] == ' ')
		n--;
	const bool is_inherited =
		argv->n > 0 && strncmp(title, argv->items[0], SL_NAME_MAX - 1) == 0;
	if (n > 0 && !is_inherited)
		p->out.name = arena_internn(b->arena, title, n);
	else if (p->name != NULL)
		p->out.name = text_of(b->arena, &p->name->event, p->name->text);
}

static void apply_usage(struct process *out, const struct sl_usage *u)
{
	if ((u->flags & SL_USAGE_NO_CPU) == 0) {
		out->user_ns = counter(u->user_ns);
		out->system_ns = counter(u->system_ns);
		out->run_ns = counter(u->run_ns);
		out->minor_faults = counter(u->minor_faults);
		out->major_faults = counter(u->major_faults);
		out->voluntary_switches = counter(u->voluntary_switches);
		out->involuntary_switches = counter(u->involuntary_switches);
		out->threads_peak = u->threads_peak > 0 ? (int64_t)u->threads_peak : UNKNOWN;
	}
	if ((u->flags & SL_USAGE_NO_IO) == 0) {
		out->read_bytes = counter(u->read_bytes);
		out->write_bytes = counter(u->write_bytes);
		out->read_chars = counter(u->read_chars);
		out->write_chars = counter(u->write_chars);
	}
	if ((u->flags & SL_USAGE_NO_NET) == 0) {
		out->net_rx_bytes = counter(u->net_rx_bytes);
		out->net_tx_bytes = counter(u->net_tx_bytes);
	}
}

/* A forked child runs what its parent ran then. Parents come first, so theirs is known. */
static void inherit_image(const struct builder *b, struct proc *p)
{
	if (p->parent < 0)
		return;
	const struct proc *parent = &b->procs.items[p->parent];
	const struct image_note *i = image_at(parent, p->start_ns);
	p->out.exe = i != NULL ? i->out.exe : parent->out.exe;
	p->out.argv = i != NULL ? i->out.argv : parent->out.argv;
}

/* Without kernel events an image that the shim cannot enter is known by what was said before it. */
static void name_from_cover(struct builder *b, struct proc *p)
{
	const struct sl_cover *next = p->cover_next;
	if (next == NULL)
		return;
	const char *path = text_of(b->arena, &next->event, next->text);
	p->cover = next;
	p->out.argv = (struct text_list){ 0 };
	p->out.exe = next->reason != SL_COVER_OFF && path[0] != '\0' ? path : NULL;
}

static void finish_one(struct builder *b, int index)
{
	struct proc *p = &b->procs.items[index];
	struct process *out = &p->out;
	static const int newest_first[] = { SL_WHEN_EXIT, SL_WHEN_READY, SL_WHEN_EXEC,
					    SL_WHEN_START };

	out->id = index + 1;
	out->parent = p->parent + 1;
	out->pid = p->pid;
	out->start_ns = p->start_ns <= b->zero_ns ? 0 : rel(b, p->start_ns);
	out->exit_ns = rel(b, p->end_ns);
	for (size_t i = 0; i < sizeof(newest_first) / sizeof(newest_first[0]); i++) {
		if (p->usage[newest_first[i]] == NULL)
			continue;
		apply_usage(out, p->usage[newest_first[i]]);
		break;
	}
	const struct sl_usage *ready = p->usage[SL_WHEN_READY];
	if (ready != NULL && (ready->flags & SL_USAGE_NO_RSS) == 0)
		out->ready_rss_bytes = counter(ready->rss_bytes);
	if (ready != NULL)
		note_kinds(&out->ready_kinds, ready->rss_kinds);
	images_finish(b, p);
	if (b->facts->bpf != NULL)
		name_from_cover(b, p);
	if (out->exe == NULL)
		inherit_image(b, p);
	set_name(b, p);
}

/* Of a run that ends with readiness both looks are about the same. */
static void set_speed(struct builder *b)
{
	uint64_t samples = 0, sum = 0;
	vec_foreach(p, &b->procs) {
		const struct sl_usage *u = p->usage[SL_WHEN_EXIT];
		if (u != NULL && (__builtin_add_overflow(samples, u->speed_samples, &samples) ||
				  __builtin_add_overflow(sum, u->speed_sum, &sum)))
			return;
	}
	if (samples > 0 && sum > 0)
		b->run->cpu_speed = counter(sum / samples);
}

void processes_finish(struct builder *b)
{
	set_speed(b);
	for (size_t i = 0; i < b->procs.n; i++)
		finish_one(b, (int)i);
	/* Without kernel events the command's own words are known all the same. */
	if (b->procs.n > 0 && b->procs.items[0].out.argv.n == 0 &&
	    b->procs.items[0].cover_next == NULL)
		b->procs.items[0].out.argv = b->facts->session->command;
}
