/* SPDX-License-Identifier: MIT */
/* Listeners and epoll sets of this process, by descriptor, for the tier without kernel probes. Only what
 * cannot wait is decided here: whether a wait that begins includes a listener. Whether that makes it
 * ready is for the reader of the events to say.
 *
 * No lock: an entry is claimed by an exchange, filled, then published by storing the word that others
 * look for; flags are exchanged, so each event is sent once. Tables grow, by mappings that are never
 * given back; what finds no room is counted as lost. A descriptor that was closed behind our back is
 * found out by the socket's inode, which is also its identity across fork. */
#include <sys/epoll.h>
#include <sys/mman.h>

#include "preload/network.h"
#include "preload/shim.h"

enum {
	CHUNK_BYTES = 65536,
	DESCRIPTORS = 1 << 20, /* the usual highest limit of a process */
	MAX_CHUNKS = 128,
	MAX_NESTING = 5,    /* as the kernel has it */
	MAX_COPIES = 65536, /* of a listener's descriptor: looked for up to here */
};

/* Rows of equal size in chunks that are mapped when they are first needed. */
struct rows {
	uint32_t row_bytes;
	uint32_t n_used; /* rows handed out so far, some of them free again */
	unsigned char *chunks[MAX_CHUNKS];
};

enum { IS_READY = 1, IS_FAILED = 2, IS_EDGE = 4 };

/* Accepts that are told of: the first may be startline's own. */
enum { TOLD_ACCEPTS = 2 };

/* Of both kinds of object the first word tells whether the row is taken. */
struct listener {
	uint32_t n_descriptors; /* 0: the row is free; stored last */
	uint32_t flags;
	uint64_t sock;
	uint64_t edge_ns; /* an edge-triggered wait was last told of */
	uint32_t n_edges;
	uint32_t n_accepted; /* counted up to TOLD_ACCEPTS */
	int fd;		     /* one of them */
	struct sl_addr local;
};

struct set {
	uint32_t n_descriptors;
	uint32_t n_waiting; /* threads, just now */
};

/* A set holds a listener or another set. */
struct link {
	uint32_t set; /* its number; 0: the row is free; stored last */
	uint32_t member;
	uint32_t events;
};

/* Numbers of objects; those of listeners and of sets are apart. 0: none. */
#define IS_SET 0x80000000u

/* Not in the page that every program writes at its start. */
#define COLD __attribute__((section(".cold")))

static struct rows listeners COLD = { .row_bytes = sizeof(struct listener) };
static struct rows sets COLD = { .row_bytes = sizeof(struct set) };
static struct rows links COLD = { .row_bytes = sizeof(struct link) };
static uint32_t *descriptors; /* numbers of objects, by descriptor */

uint32_t network_unready HIDDEN;

#define LOAD(x)	    __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)

/* ---- tables ---- */

static void *map(size_t bytes)
{
	const long at = sys_call6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return sys_failed(at) ? NULL : (void *)at;
}

/* Row @i, which has been handed out; NULL: its chunk could not be had. */
static void *row_at(const struct rows *r, uint32_t i)
{
	const uint32_t per_chunk = CHUNK_BYTES / r->row_bytes;
	unsigned char *chunk = i / per_chunk < MAX_CHUNKS ? LOAD(r->chunks[i / per_chunk]) : NULL;

	return chunk == NULL ? NULL : chunk + (size_t)(i % per_chunk) * r->row_bytes;
}

static uint32_t n_rows(const struct rows *r)
{
	const uint32_t n = LOAD(r->n_used), most = MAX_CHUNKS * (CHUNK_BYTES / r->row_bytes);

	return n < most ? n : most;
}

enum { BEING_FILLED = UINT32_MAX };

/* A free row, whose first word is now BEING_FILLED; counted as lost: NULL. */
static void *row_claim(struct rows *r, uint32_t *ret)
{
	for (uint32_t i = 0;; i++) {
		const uint32_t per_chunk = CHUNK_BYTES / r->row_bytes;
		if (i / per_chunk >= MAX_CHUNKS)
			break;
		unsigned char *none = NULL, **chunk = &r->chunks[i / per_chunk];
		if (LOAD(*chunk) == NULL) {
			unsigned char *fresh = map(CHUNK_BYTES);
			if (fresh == NULL)
				break;
			if (!__atomic_compare_exchange_n(chunk, &none, fresh, false,
							 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
				(void)sys_call3(SYS_munmap, (long)fresh, CHUNK_BYTES, 0);
		}
		uint32_t expected = 0, *first = row_at(r, i);
		if (!__atomic_compare_exchange_n(first, &expected, BEING_FILLED, false,
						 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		uint32_t used = LOAD(r->n_used);
		while (used < i + 1 &&
		       !__atomic_compare_exchange_n(&r->n_used, &used, i + 1, false,
						    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			;
		*ret = i;
		return first;
	}
	network_lost();
	return NULL;
}

static uint32_t object_at(int fd)
{
	uint32_t *all = LOAD(descriptors);

	return all == NULL || fd < 0 || fd >= DESCRIPTORS ? 0 : LOAD(all[fd]);
}

static void object_put(int fd, uint32_t number)
{
	uint32_t *all = LOAD(descriptors), *none = NULL;

	if (all == NULL && number != 0) {
		/* Pages of it that are not needed are never touched. */
		all = map(DESCRIPTORS * sizeof(*all));
		if (all != NULL &&
		    !__atomic_compare_exchange_n(&descriptors, &none, all, false, __ATOMIC_ACQ_REL,
						 __ATOMIC_ACQUIRE)) {
			(void)sys_call3(SYS_munmap, (long)all, DESCRIPTORS * sizeof(*all), 0);
			all = none;
		}
	}
	if (all != NULL && fd >= 0 && fd < DESCRIPTORS)
		STORE(all[fd], number);
	else if (number != 0)
		network_lost();
}

static struct listener *listener_numbered(uint32_t number)
{
	if (number == 0 || (number & IS_SET) != 0)
		return NULL;
	return row_at(&listeners, number - 1);
}

static struct set *set_numbered(uint32_t number)
{
	return (number & IS_SET) == 0 ? NULL : row_at(&sets, (number & ~IS_SET) - 1);
}

/* Whether @flag was not set before. */
static bool flag_first(struct listener *l, uint32_t flag)
{
	return (__atomic_fetch_or(&l->flags, flag, __ATOMIC_ACQ_REL) & flag) == 0;
}

/* ---- descriptors come and go ---- */

static void links_drop(uint32_t number)
{
	for (uint32_t i = 0; i < n_rows(&links); i++) {
		struct link *link = row_at(&links, i);
		const uint32_t set = link == NULL ? 0 : LOAD(link->set);
		if (set != 0 && set != BEING_FILLED && (set == number || link->member == number))
			STORE(link->set, 0);
	}
}

static int other_descriptor_of(uint32_t number)
{
	int fd = 0;

	while (fd < MAX_COPIES && object_at(fd) != number)
		fd++;
	return fd < MAX_COPIES ? fd : -1;
}

/* How many descriptors stand for an object; NULL: it is none. */
static uint32_t *count_of(uint32_t number)
{
	struct listener *l = listener_numbered(number);
	struct set *set = set_numbered(number);

	return l != NULL ? &l->n_descriptors : set != NULL ? &set->n_descriptors : NULL;
}

/* @fd no longer stands for @number. */
static void object_leave(int fd, uint32_t number)
{
	struct listener *l = listener_numbered(number);
	uint32_t *n = count_of(number);

	object_put(fd, 0);
	if (n == NULL)
		return;
	if (LOAD(*n) > 1) {
		(void)__atomic_fetch_sub(n, 1, __ATOMIC_ACQ_REL);
		if (l != NULL && l->fd == fd)
			l->fd = other_descriptor_of(number);
		return;
	}
	links_drop(number);
	/* Not told: another process may still have it. */
	if (l != NULL && flag_first(l, IS_READY))
		(void)__atomic_fetch_sub(&network_unready, 1, __ATOMIC_RELAXED);
	STORE(*n, 0);
}

/* A vfork child's descriptors are its own, the tables are its parent's. */
static bool is_ours_to_change(void)
{
	return network_may_look() && shim_start() && shim_is_own_process();
}

void descriptor_closed(int fd)
{
	const uint32_t number = object_at(fd);

	if (unlikely(number != 0) && is_ours_to_change())
		object_leave(fd, number);
}

void descriptor_copied(int from, int to)
{
	const uint32_t number = object_at(from), before = object_at(to);

	if (likely(number == before) || !is_ours_to_change())
		return;
	if (before != 0)
		object_leave(to, before);
	uint32_t *n = count_of(number);
	if (n == NULL)
		return;
	(void)__atomic_fetch_add(n, 1, __ATOMIC_ACQ_REL);
	object_put(to, number);
}

/* The listener of @fd, if it still is that socket. */
static struct listener *listener_checked(int fd)
{
	const uint32_t number = object_at(fd);
	struct listener *l = listener_numbered(number);

	if (l == NULL || socket_of(fd) == l->sock)
		return l;
	object_leave(fd, number);
	return NULL;
}

/* ---- listeners ---- */

void listener_add(int fd)
{
	uint32_t i = 0;

	if (listener_checked(fd) != NULL) /* nginx listens twice on one socket */
		return;
	const uint64_t sock = socket_of(fd);
	struct listener *l = sock == 0 ? NULL : row_claim(&listeners, &i);
	if (l == NULL)
		return;
	l->flags = 0;
	l->sock = sock;
	l->fd = fd;
	l->edge_ns = 0;
	l->n_edges = l->n_accepted = 0;
	(void)address_of(fd, false, &l->local);
	(void)__atomic_fetch_add(&network_unready, 1, __ATOMIC_RELAXED);
	STORE(l->n_descriptors, 1);
	object_put(fd, i + 1);
}

/* Edge-triggered waits are told again and again, each may be the last before the first accept; in the
 * long run less often, so that there is room for all else. */
static bool edge_is_due(struct listener *l)
{
	enum { OFTEN = 256, OFTEN_NS = 1000000, RARELY_NS = 500000000 };
	const uint64_t now = clock_ns();
	const uint32_t n = __atomic_load_n(&l->n_edges, __ATOMIC_RELAXED);

	if (now - __atomic_load_n(&l->edge_ns, __ATOMIC_RELAXED) <
	    (n < OFTEN ? OFTEN_NS : RARELY_NS))
		return false;
	__atomic_store_n(&l->edge_ns, now, __ATOMIC_RELAXED);
	__atomic_store_n(&l->n_edges, n + 1, __ATOMIC_RELAXED);
	return true;
}

static void listener_ready(struct listener *l, enum sl_ready_how how)
{
	const bool is_final = how != SL_HOW_EPOLL_EDGE;

	if ((LOAD(l->flags) & IS_READY) != 0 || !network_may_look() ||
	    (!is_final && !edge_is_due(l)))
		return;
	if (socket_of(l->fd) != l->sock) {
		object_leave(l->fd, object_at(l->fd));
		return;
	}
	if (is_final && !flag_first(l, IS_READY))
		return;
	if (is_final)
		(void)__atomic_fetch_sub(&network_unready, 1, __ATOMIC_RELAXED);
	network_event(&(struct network_fact){ .op = SL_NET_ACCEPT_READY,
					      .how = how,
					      .sock = l->sock,
					      .fd = l->fd,
					      .addr = &l->local });
}

bool listener_accepting(int fd)
{
	struct listener *l = listener_numbered(object_at(fd));

	if (l != NULL && (LOAD(l->flags) & IS_READY) != 0)
		return LOAD(l->n_accepted) < TOLD_ACCEPTS || (LOAD(l->flags) & IS_FAILED) == 0;
	if (!network_may_look())
		return false;
	l = listener_checked(fd);
	if (l == NULL) { /* inherited through exec, or passed */
		listener_add(fd);
		l = listener_numbered(object_at(fd));
	}
	if (l == NULL)
		return false;
	listener_ready(l, (LOAD(l->flags) & IS_EDGE) != 0 ? SL_HOW_EDGE_ACCEPT : SL_HOW_ACCEPT);
	return true;
}

void listener_accepted(int fd, uint64_t enter_ns, int result)
{
	struct listener *l = listener_numbered(object_at(fd));
	struct sl_addr peer = { 0 };

	if (l == NULL || !network_may_look())
		return;
	if (result < 0 ? !flag_first(l, IS_FAILED)
		       : LOAD(l->n_accepted) >= TOLD_ACCEPTS ||
				 __atomic_fetch_add(&l->n_accepted, 1, __ATOMIC_ACQ_REL) >=
					 TOLD_ACCEPTS)
		return;
	if (result >= 0)
		(void)address_of(result, true, &peer);
	network_event(&(struct network_fact){ .op = SL_NET_ACCEPT,
					      .enter_ns = enter_ns,
					      .sock = result >= 0 ? socket_of(result) : 0,
					      .other = l->sock,
					      .result = result,
					      .fd = result >= 0 ? result : -1,
					      .addr = result >= 0 ? &peer : NULL });
}

/* ---- epoll ---- */

/* The number of the set behind @epoll_fd, which becomes known now if it was not; 0: no room. */
static uint32_t set_number(int epoll_fd)
{
	uint32_t i = 0, number = object_at(epoll_fd);

	if ((number & IS_SET) != 0)
		return number;
	if (number != 0)
		object_leave(epoll_fd, number);
	struct set *set = row_claim(&sets, &i);
	if (set == NULL)
		return 0;
	set->n_waiting = 0;
	STORE(set->n_descriptors, 1);
	number = (i + 1) | IS_SET;
	object_put(epoll_fd, number);
	return number;
}

void epoll_made(int epoll_fd)
{
	if (is_ours_to_change())
		(void)set_number(epoll_fd);
}

static struct link *link_of(uint32_t set, uint32_t member)
{
	for (uint32_t i = 0; i < n_rows(&links); i++) {
		struct link *link = row_at(&links, i);
		if (link != NULL && LOAD(link->set) == set && link->member == member)
			return link;
	}
	return NULL;
}

/* A wait on @set begins, or on another that holds it, perhaps edge-triggered. */
static void set_waited(uint32_t set, enum sl_ready_how how, bool is_edge, int depth)
{
	for (uint32_t i = 0; i < n_rows(&links); i++) {
		struct link *link = row_at(&links, i);
		if (link == NULL || LOAD(link->set) != set ||
		    (link->events & (EPOLLIN | EPOLLRDNORM)) == 0)
			continue;
		struct listener *l = listener_numbered(link->member);
		const bool is_any_edge = is_edge || (link->events & EPOLLET) != 0;
		if (l != NULL && is_any_edge)
			(void)flag_first(l, IS_EDGE);
		if (l != NULL)
			listener_ready(l, is_any_edge ? SL_HOW_EPOLL_EDGE : how);
		else if (depth < MAX_NESTING)
			set_waited(link->member, how, is_any_edge, depth + 1);
	}
}

static bool is_waited(uint32_t number, int depth)
{
	const struct set *set = set_numbered(number);

	if (set != NULL && __atomic_load_n(&set->n_waiting, __ATOMIC_RELAXED) != 0)
		return true;
	for (uint32_t i = 0; depth < MAX_NESTING && i < n_rows(&links); i++) {
		const struct link *link = row_at(&links, i);
		if (link != NULL && LOAD(link->set) != 0 && link->member == number &&
		    is_waited(link->set, depth + 1))
			return true;
	}
	return false;
}

void epoll_contains(int epoll_fd, int fd, uint32_t events)
{
	const uint32_t member = object_at(fd);
	struct listener *l = listener_numbered(member);
	uint32_t i = 0;

	if (member == 0 || !is_ours_to_change())
		return;
	const uint32_t set = set_number(epoll_fd);
	struct link *link = set == 0 ? NULL : link_of(set, member);
	if (link == NULL && set != 0)
		link = row_claim(&links, &i);
	if (link == NULL)
		return;
	if (l != NULL && (events & EPOLLET) != 0)
		(void)flag_first(l, IS_EDGE);
	link->member = member;
	link->events = events;
	STORE(link->set, set);
	/* Somebody waits on this set already: then the add is the moment. */
	if (network_unready != 0 && is_waited(set, 0))
		set_waited(set, SL_HOW_EPOLL, false, 0);
}

void epoll_lacks(int epoll_fd, int fd)
{
	const uint32_t member = object_at(fd);
	struct link *link = member == 0 ? NULL : link_of(object_at(epoll_fd), member);

	if (link != NULL && is_ours_to_change())
		STORE(link->set, 0);
}

bool epoll_waits(int epoll_fd)
{
	struct set *set = set_numbered(object_at(epoll_fd));

	if (set == NULL)
		return false;
	(void)__atomic_fetch_add(&set->n_waiting, 1, __ATOMIC_RELAXED);
	if (network_unready != 0)
		set_waited(object_at(epoll_fd), SL_HOW_EPOLL, false, 0);
	return true;
}

void epoll_waited(int epoll_fd)
{
	struct set *set = set_numbered(object_at(epoll_fd));

	/* Another thread may have closed it meanwhile. */
	if (set != NULL && __atomic_load_n(&set->n_waiting, __ATOMIC_RELAXED) != 0)
		(void)__atomic_fetch_sub(&set->n_waiting, 1, __ATOMIC_RELAXED);
}

void listener_waited(int fd, enum sl_ready_how how)
{
	const uint32_t number = object_at(fd);
	struct listener *l = listener_numbered(number);

	if (likely(number == 0))
		return;
	if (l == NULL)
		set_waited(number, how, false, 0);
	else
		listener_ready(l, how);
}
