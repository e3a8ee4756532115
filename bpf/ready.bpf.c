/* SPDX-License-Identifier: MIT OR GPL-2.0 */
/* Accept-readiness: the first time a thread stands ready to take a connection from a listener.
 *
 * Only listeners for which that has not happened yet are looked at; with none pending all this costs
 * one comparison per wait call.
 *
 * poll and select name their descriptors, in the program's memory. epoll does not: but whoever
 * polls a socket has an entry in its wait queue, so the queue of each pending listener is
 * walked when an epoll wait begins (is it this epoll set that watches the listener?) and when a
 * listener gets watched (does somebody wait in that epoll set already?). Nothing needs to be
 * remembered about epoll_ctl, and sets inherited or passed on just work.
 *
 * What kind an entry is, the entry itself tells: those of epoll and of poll hold the address of the very
 * queue they hang in, and the file of the socket. No address of a kernel function is needed. */
#include "bpf/net.bpf.h"
#include "bpf/overhead.bpf.h"

#include <asm/unistd_64.h>

#define PENDING_MAX   256	/* listeners that nobody is ready to accept from, at one time */
#define WAITERS_MAX   32	/* entries of one wait queue that are looked at */
#define HOLDERS_MAX   8		/* … of an epoll set's own */
#define NESTS_MAX     4		/* levels above a set: the kernel allows no more (EP_MAX_NESTS) */
#define POLLED_SETS   4		/* epoll sets among the descriptors of one poll */
#define INHERITED_MAX 256	/* descriptors looked at for listeners after an exec */
#define EDGE_AGAIN_NS 1000000	/* an edge-triggered wait is sent again at most this often … */
#define EDGE_LATER_NS 100000000 /* … and so often once it has gone on for EDGE_LONG_NS */
#define EDGE_LONG_NS  1000000000

#define POLL_READ 0x0041u /* POLLIN, POLLRDNORM; those of epoll are the same */
#define POLL_EDGE 0x80000000u

/* A slot of the array of pending listeners. The array is what is walked: going through a hash map
 * takes microseconds, however few are in it. */
struct pending {
	__u64 id; /* 0: free */
	__u64 sk;
	__u64 edge_ns;	     /* last time an edge-triggered wait was sent; 0: never */
	__u64 first_edge_ns; /* … and the first time */
	__u64 is_datagram;
};

#define SLOT_TAKEN (~0ull) /* pending.id while a slot is filled in */
#define SLOT_TRIES 8

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PENDING_MAX);
	__type(key, __u32);
	__type(value, struct pending);
} pending SEC(".maps");

/* All listeners, by identity; the value is the slot, also of those that have left theirs. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} listeners SEC(".maps");

__u32 has_listeners = 0;
__u32 pending_count = 0;
__u32 pending_datagrams = 0; /* of these */
__u64 pending_next = 0;	     /* slots taken so far; they are taken in turn */

static __always_inline struct pending *pending_of(__u64 id)
{
	const __u32 *slot = bpf_map_lookup_elem(&listeners, &id);
	struct pending *p = slot ? bpf_map_lookup_elem(&pending, slot) : NULL;

	return p && p->id == id ? p : NULL;
}

/* False if another thread has just done so. */
static __always_inline bool pending_remove(struct pending *p, __u64 id)
{
	if (__sync_val_compare_and_swap(&p->id, id, 0) != id)
		return false;
	__sync_fetch_and_sub(&pending_count, 1);
	if (p->is_datagram)
		__sync_fetch_and_sub(&pending_datagrams, 1);
	return true;
}

/* False: no free slot. */
static __always_inline bool pending_add(__u64 sk, __u64 id, bool is_datagram)
{
	struct pending *p;
	__u32 slot;

	for (int i = 0; i < SLOT_TRIES; i++) {
		slot = fetch_add(&pending_next, 1) % PENDING_MAX;
		p = bpf_map_lookup_elem(&pending, &slot);
		if (!p || __sync_val_compare_and_swap(&p->id, 0, SLOT_TAKEN) != 0)
			continue;
		p->sk = sk;
		p->edge_ns = 0;
		p->is_datagram = is_datagram;
		bpf_map_update_elem(&listeners, &id, &slot, BPF_ANY);
		p->id = id;
		__sync_fetch_and_add(&pending_count, 1);
		if (is_datagram)
			__sync_fetch_and_add(&pending_datagrams, 1);
		return true;
	}
	return false;
}

__noinline int ready_stand(__u64 id, __u32 how, __s32 fd, __u64 enter_ns, __u64 pid_tid)
{
	struct net_fact fact = { .op = SL_NET_ACCEPT_READY, .address = NET_LOCAL };
	struct pending *p = pending_of(id);
	const __u64 now = bpf_ktime_get_ns();

	if (!p)
		return 0;
	fact.sk = p->sk;
	fact.id = id;
	fact.fd = fd;
	fact.enter_ns = enter_ns;
	fact.pid_tid = pid_tid;
	fact.how = how;
	if (how == SL_HOW_EPOLL_EDGE && !p->is_datagram) {
		if (!p->edge_ns)
			p->first_edge_ns = now;
		else if (now - p->edge_ns <
			 (now - p->first_edge_ns < EDGE_LONG_NS ? EDGE_AGAIN_NS : EDGE_LATER_NS))
			return 0;
		p->edge_ns = now;
		return net_emit(&fact, NULL);
	}
	if (how == SL_HOW_ACCEPT && p->edge_ns)
		fact.how = SL_HOW_EDGE_ACCEPT;
	if (pending_remove(p, id)) /* of two threads at once, one */
		net_emit(&fact, NULL);
	return 0;
}

/* ---- who waits on a listener ---- */

struct walk {
	__u64 sets[POLLED_SETS]; /* that are being waited on, 0 behind them; none: any on which a
				  * thread waits */
	__u64 enter_ns;
	__u64 id;      /* the listener looked at */
	__u64 queue;   /* of its socket, in which it is kept */
	__u64 place;   /* in the queue; 0: the next listener comes */
	__u32 slot;    /* of the next listener */
	__u32 waiters; /* that may still be looked at in this queue */
};

static __always_inline __u64 pid_tid_of(const struct task_struct *task)
{
	return ((__u64)BPF_CORE_READ(task, tgid) << 32) | (__u32)BPF_CORE_READ(task, pid);
}

/* A thread waiting in the epoll set @ep, or NULL. */
static __always_inline const struct task_struct *epoll_waiter(const struct eventpoll *ep)
{
	const struct list_head *head, *first;
	const struct wait_queue_entry *entry;

	head = (const void *)ep + bpf_core_field_offset(struct eventpoll, wq) +
	       bpf_core_field_offset(struct wait_queue_head, head);
	first = BPF_CORE_READ(head, next);
	if (!first || first == head)
		return NULL;
	entry = (const void *)first - bpf_core_field_offset(struct wait_queue_entry, entry);
	return BPF_CORE_READ(entry, private);
}

/* The epoll item whose entry in @queue is @entry, or NULL if it is none. */
static __always_inline const struct epitem *epoll_item(const struct wait_queue_entry *entry,
						       __u64 queue)
{
	const struct eppoll_entry *poll;

	poll = (const void *)entry - bpf_core_field_offset(struct eppoll_entry, wait);
	if ((__u64)BPF_CORE_READ(poll, whead) != queue)
		return NULL;
	return BPF_CORE_READ(poll, base);
}

static __always_inline bool is_among(const __u64 sets[POLLED_SETS], __u64 ep)
{
	for (int i = 0; i < POLLED_SETS; i++) {
		if (sets[i] == ep)
			return true;
	}
	return false;
}

/* Whether a thread waits in @ep, or begins to: then its ids (0: the current one's) in
 * *@ret_pid_tid. */
static __always_inline bool epoll_is_waited(const struct eventpoll *ep, const struct walk *walk,
					    __u64 *ret_pid_tid)
{
	const struct task_struct *task;

	if (walk->sets[0])
		return ep && is_among(walk->sets, (__u64)ep);
	task = epoll_waiter(ep);
	if (task)
		*ret_pid_tid = pid_tid_of(task);
	return task != NULL;
}

/* The thread that polls through @entry of @queue, which is the queue of @file; NULL: @entry is
 * another's, or nobody polls any more. */
static __always_inline const struct task_struct *poller(const struct wait_queue_entry *entry,
							__u64 queue, __u64 file)
{
	const struct poll_table_entry *poll;
	const struct poll_wqueues *waits;

	poll = (const void *)entry - bpf_core_field_offset(struct poll_table_entry, wait);
	if ((__u64)BPF_CORE_READ(poll, wait_address) != queue ||
	    (__u64)BPF_CORE_READ(poll, filp) != file)
		return NULL;
	waits = BPF_CORE_READ(entry, private);
	return BPF_CORE_READ(waits, polling_task);
}

/* A set, on its way up to the sets that hold it. */
struct climb {
	__u64 ep;
	__u64 next;    /* the first set that holds it */
	__u64 pid_tid; /* of who waits; 0: the current thread */
	__u32 is_edge; /* a set on the way is registered edge-triggered */
};

/* One of who polls climb->ep: true if it is a thread, or a set in which a thread waits. */
int epoll_holder(const struct walk *walk, struct climb *climb, __u64 place);
__noinline int epoll_holder(const struct walk *walk, struct climb *climb, __u64 place)
{
	const struct wait_queue_entry *entry;
	const struct eventpoll *ep, *parent;
	const struct task_struct *task;
	const struct epitem *item;
	__u64 file, queue;
	__u32 events;

	if (!walk || !climb)
		return 0;
	ep = (const struct eventpoll *)climb->ep;
	queue = climb->ep + bpf_core_field_offset(struct eventpoll, poll_wait);
	file = (__u64)BPF_CORE_READ(ep, file);
	entry = (const void *)place - bpf_core_field_offset(struct wait_queue_entry, entry);
	item = epoll_item(entry, queue);
	if (item && (__u64)BPF_CORE_READ(item, ffd.file) == file) {
		events = BPF_CORE_READ(item, event.events);
		if (!(events & POLL_READ))
			return 0;
		parent = BPF_CORE_READ(item, ep);
		if (!climb->next) {
			climb->next = (__u64)parent;
			climb->is_edge |= events & POLL_EDGE;
		}
		if (!epoll_is_waited(parent, walk, &climb->pid_tid))
			return 0;
		climb->is_edge |= events & POLL_EDGE;
		return 1;
	}
	task = walk->sets[0] ? NULL : poller(entry, queue, file);
	if (task)
		climb->pid_tid = pid_tid_of(task);
	return task != NULL;
}

/* One level up, as epoll_holder(). Else climb->ep is the first set that holds it, or 0. */
static __always_inline bool epoll_climb(const struct walk *walk, struct climb *climb)
{
	const struct list_head *head, *place;

	place = head = (const void *)climb->ep +
		       bpf_core_field_offset(struct eventpoll, poll_wait) +
		       bpf_core_field_offset(struct wait_queue_head, head);
	climb->next = 0;
	for (int i = 0; i < HOLDERS_MAX; i++) {
		place = BPF_CORE_READ(place, next);
		if (!place || place == head)
			break;
		if (epoll_holder(walk, climb, (__u64)place))
			return true;
	}
	climb->ep = climb->next;
	return false;
}

/* Whether a thread waits in @climb's set, or in one that holds it, however far up. */
static __always_inline bool epoll_stands_ready(const struct walk *walk, struct climb *climb)
{
	if (epoll_is_waited((const struct eventpoll *)climb->ep, walk, &climb->pid_tid))
		return true;
	for (int i = 0; i < NESTS_MAX && climb->ep; i++) {
		if (epoll_climb(walk, climb))
			return true;
	}
	return false;
}

/* One entry of a listener's wait queue. True if a thread stands ready through it. Global, as are
 * others called in loops here: the verifier then looks at it once and not for every turn. */
int entry_is_ready(const struct walk *walk, __u64 number);
__noinline int entry_is_ready(const struct walk *walk, __u64 number)
{
	const struct wait_queue_entry *entry = (const void *)number;
	const struct task_struct *task;
	const struct socket *socket;
	const struct epitem *item;
	struct climb climb = { 0 };
	__u32 events;
	__u64 file;

	if (!walk)
		return 0;
	socket = (const void *)walk->queue - bpf_core_field_offset(struct socket, wq.wait);
	file = (__u64)BPF_CORE_READ(socket, file);
	item = epoll_item(entry, walk->queue);
	if (item && (__u64)BPF_CORE_READ(item, ffd.file) == file) {
		events = BPF_CORE_READ(item, event.events);
		climb.ep = (__u64)BPF_CORE_READ(item, ep);
		if (!(events & POLL_READ) || !epoll_stands_ready(walk, &climb))
			return 0;
		ready_stand(walk->id,
			    (events | climb.is_edge) & POLL_EDGE ? SL_HOW_EPOLL_EDGE : SL_HOW_EPOLL,
			    BPF_CORE_READ(item, ffd.fd), walk->enter_ns, climb.pid_tid);
		return 1;
	}
	task = walk->sets[0] ? NULL : poller(entry, walk->queue, file);
	if (task)
		ready_stand(walk->id, SL_HOW_POLL, -1, walk->enter_ns, pid_tid_of(task));
	return task != NULL;
}

/* The next pending listener's queue. False: there is none. */
static __always_inline bool walk_next(struct walk *walk)
{
	const __u32 slot = walk->slot++;
	const struct sock *sk;
	struct pending *p;
	__u64 id;

	p = slot < pending_next ? bpf_map_lookup_elem(&pending, &slot) : NULL;
	if (!p)
		return false;
	id = p->id;
	if (!id || id == SLOT_TAKEN)
		return true;
	sk = (const struct sock *)p->sk;
	if (id_of_sk((__u64)sk) != id) { /* closed in the meantime */
		pending_remove(p, id);
		return true;
	}
	walk->id = id;
	walk->queue =
		(__u64)BPF_CORE_READ(sk, sk_wq) + bpf_core_field_offset(struct socket_wq, wait);
	walk->place = walk->queue + bpf_core_field_offset(struct wait_queue_head, head);
	walk->waiters = WAITERS_MAX;
	return true;
}

_Static_assert(PENDING_MAX *(WAITERS_MAX + 2) <= TURNS, "the walk comes to its end");

/* A turn for each pending listener, for each entry of its queue, and for the end of that. */
static long walk_turn(void *map, const __u32 *turn, void *value, struct walk *walk)
{
	const __u64 head = walk->queue + bpf_core_field_offset(struct wait_queue_head, head);
	const struct list_head *place = (const void *)walk->place;

	if (!place)
		return !walk_next(walk);
	walk->place = (__u64)BPF_CORE_READ(place, next);
	if (!walk->place || walk->place == head || !walk->waiters-- ||
	    entry_is_ready(walk,
			   walk->place - bpf_core_field_offset(struct wait_queue_entry, entry)))
		walk->place = 0;
	return 0;
}

/* @sets: NULL: any. */
static __always_inline int walk_pending(const __u64 *sets, __u64 enter_ns)
{
	struct walk walk = { .enter_ns = enter_ns,
			     .queue = unknown_zero,
			     .place = unknown_zero,
			     .slot = unknown_zero,
			     .waiters = unknown_zero };

	if (sets)
		__builtin_memcpy(walk.sets, sets, sizeof(walk.sets));
	bpf_for_each_map_elem(&turns, walk_turn, &walk, 0);
	return 0;
}

/* ---- listeners come ---- */

/* False if it is known already: listen may be called twice, and a listener inherited often. */
static __always_inline bool listener_add(__u64 sk, __u64 id, bool is_datagram)
{
	const __u32 none = PENDING_MAX;

	has_listeners = 1;
	if (!id || bpf_map_update_elem(&listeners, &id, &none, BPF_NOEXIST))
		return false;
	if (pending_add(sk, id, is_datagram))
		return true;
	sl_number(NULL, true, SL_KIND_NET); /* its ACCEPT_READY will be missing */
	return false;
}

/* A thread may have waited before it listened: at @now. @sk 0: any listener. */
__noinline int ready_listener(__u64 sk, __u64 id, __u64 now)
{
	if (sk && !listener_add(sk, id, type_of_sk(sk) == SOCK_DGRAM))
		return 0;
	return walk_pending(NULL, now);
}

struct inherited {
	__u64 open_fds; /* the kernel's bit map */
	__u64 word;	/* of it, the current one in bit 0 */
	__u32 count;
};

/* A listener that was there before the program began: socket activation, or a server that
 * executed itself anew. */
int inherited_fd(__s32 fd);
__noinline int inherited_fd(__s32 fd)
{
	struct net_fact fact = { .op = SL_NET_INHERITED, .address = NET_LOCAL, .fd = fd };

	fact.sk = sk_of_fd(fd);
	if (!fact.sk || !is_listening(fact.sk))
		return 0;
	fact.id = id_of_sk(fact.sk);
	if (first_time(fact.id, ONCE_INHERITED, bpf_get_current_pid_tgid() >> 32))
		net_emit(&fact, NULL);
	return listener_add(fact.sk, fact.id, false);
}

static long inherit(void *map, const __u32 *turn, void *value, struct inherited *fds)
{
	const __u32 fd = *turn;

	if (fd >= fds->count)
		return 1;
	if (fd % 64 == 0 &&
	    bpf_probe_read_kernel(&fds->word, sizeof(fds->word), (void *)(fds->open_fds + fd / 8)))
		return 1;
	if (fds->word & 1)
		inherited_fd(fd);
	fds->word >>= 1;
	return 0;
}

__noinline int ready_inherited(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct inherited fds = { .word = unknown_zero };

	if (!fdt)
		return 0;
	fds.open_fds = (__u64)BPF_CORE_READ(fdt, open_fds);
	fds.count = BPF_CORE_READ(fdt, max_fds);
	if (fds.count > INHERITED_MAX)
		fds.count = INHERITED_MAX;
	bpf_for_each_map_elem(&turns, inherit, &fds, 0);
	return 0;
}

/* ---- waits ---- */

/* The descriptors of one poll or select call. */
struct fds {
	__u64 pointer;
	__u64 enter_ns;
	__u64 word; /* select: descriptors to read from, the current one in bit 0 */
	__u32 count;
	__u16 how; /* SL_HOW_POLL, SL_HOW_SELECT */
	__u16 n_sets;
	__u64 sets[POLLED_SETS]; /* epoll sets among them */
};

struct poll_fd {
	__s32 fd;
	__u16 events;
	__u16 revents;
};

/* The epoll set behind @fd, as a number, or 0. */
static __always_inline __u64 epoll_of_fd(__s32 fd)
{
	struct file *file = file_of_fd(bpf_get_current_task_btf(), fd);
	const struct eventpoll *ep = file ? BPF_CORE_READ(file, private_data) : NULL;

	/* Only what is an epoll set points back like this. */
	return ep && BPF_CORE_READ(ep, file) == file ? (__u64)ep : 0;
}

int polled_fd(struct fds *fds, __s32 fd);
__noinline int polled_fd(struct fds *fds, __s32 fd)
{
	const __u64 sk = sk_of_fd(fd);
	__u64 ep;

	if (!fds)
		return 0;
	if (sk)
		return ready_stand(id_of_sk(sk), fds->how, fd, fds->enter_ns, 0);
	ep = epoll_of_fd(fd);
	if (ep && fds->n_sets < POLLED_SETS)
		fds->sets[fds->n_sets++ & (POLLED_SETS - 1)] = ep;
	return 0;
}

static long poll_fd(void *map, const __u32 *turn, void *value, struct fds *fds)
{
	const __u32 i = *turn;
	struct poll_fd one;

	if (i >= fds->count ||
	    bpf_probe_read_user(&one, sizeof(one), (void *)(fds->pointer + i * sizeof(one))))
		return 1;
	if (one.fd >= 0 && (one.events & POLL_READ))
		polled_fd(fds, one.fd);
	return 0;
}

static long select_fd(void *map, const __u32 *turn, void *value, struct fds *fds)
{
	const __u32 fd = *turn;

	if (fd >= fds->count)
		return 1;
	if (fd % 64 == 0 &&
	    bpf_probe_read_user(&fds->word, sizeof(fds->word), (void *)(fds->pointer + fd / 8)))
		return 1;
	if (fds->word & 1)
		polled_fd(fds, fd);
	fds->word >>= 1;
	return 0;
}

__noinline int ready_enter(struct task_state *ts)
{
	struct fds fds = { 0 };

	if (!ts || !pending_count)
		return 0;
	fds.enter_ns = ts->enter_ns;
	switch (ts->nr) {
	case __NR_accept:
	case __NR_accept4:
		return ready_stand(ts->net.other, SL_HOW_ACCEPT, ts->args[0], ts->enter_ns, 0);
	case __NR_poll:
	case __NR_ppoll:
		fds.pointer = ts->args[0];
		fds.count = ts->args[1];
		fds.how = SL_HOW_POLL;
		bpf_for_each_map_elem(&turns, poll_fd, &fds, 0);
		break;
	case __NR_select:
	case __NR_pselect6:
		fds.pointer = ts->args[1];
		fds.count = ts->args[0];
		fds.how = SL_HOW_SELECT;
		bpf_for_each_map_elem(&turns, select_fd, &fds, 0);
		break;
	case __NR_epoll_wait:
	case __NR_epoll_pwait:
	case __NR_epoll_pwait2:
		fds.sets[0] = epoll_of_fd(ts->args[0]);
		break;
	default:
		return 0;
	}
	/* What is waited on may be a set, or hold one, that holds a listener. */
	return fds.sets[0] ? walk_pending(fds.sets, ts->enter_ns) : 0;
}

/* A call that reads begins: on a bound datagram socket that is what accept is on a listener. */
__noinline int ready_receive(struct task_state *ts)
{
	const __u64 sk = ts ? sk_of_fd(ts->args[0]) : 0;

	if (!ts || !sk || type_of_sk(sk) != SOCK_DGRAM)
		return 0;
	return ready_stand(id_of_sk(sk), SL_HOW_RECEIVE, ts->args[0], ts->enter_ns, 0);
}
