/* SPDX-License-Identifier: MIT */
/* One lane, read with suspicion. See lane_reader.h. */
#include "userspace/collect/shim/lane_reader.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/clock.h"
#include "userspace/collect/run/emit.h"
#include "userspace/trace/kinds.h"

#define SECOND_NS 1000000000ll

enum { CHUNK = 2 * SL_EVENT_MAX, SLOTS_AT_ONCE = 16 };

/* More records than a lane can lose: a counter beyond it is not believed. */
#define MAX_ATTEMPTS (1ull << 40)

#define SMALLEST_BLOCK 32 /* bytes, of what allocators there are */

bool lane_name_is_valid(const char *name)
{
	size_t n = strspn(name, "0123456789");

	if (n == 0 || n > 10 || name[n] != '-')
		return false;
	const size_t m = strspn(name + n + 1, "0123456789");
	return m > 0 && m <= 20 && name[n + 1 + m] == '\0';
}

/* A target with a strange umask makes files that not even their owner may read. @name: one that it can
 * put anything under. */
static bool make_readable(int directory_fd, const char *name)
{
	char link[64];
	struct stat s;
	_cleanup_close_ const int fd = openat(directory_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &s) < 0 || !S_ISREG(s.st_mode) || s.st_nlink != 1)
		return false;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return chmod(link, 0600) == 0;
}

int lane_acquire(struct lane *l, int directory_fd, bool may_keep)
{
	if (l->fd >= 0)
		return l->fd;
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(directory_fd, l->name, flags);
	if (fd < 0 && errno == EACCES && make_readable(directory_fd, l->name))
		fd = openat(directory_fd, l->name, flags);
	if (may_keep)
		l->fd = fd;
	return fd;
}

void lane_release(const struct lane *l, int fd)
{
	if (fd != l->fd)
		(void)close(fd);
}

void lane_settle(struct lane *l, int directory_fd, int fd)
{
	(void)unlinkat(directory_fd, l->name, 0);
	l->fd = fd;
	l->is_unsettled = false;
}

static bool read_whole(int fd, void *to, size_t n, off_t at)
{
	return pread(fd, to, n, at) == (ssize_t)n;
}

/* ---- clocks ---- */

/* The offset the kernel states for the namespace of @pid's children, which is where it lives itself
 * unless it made one after its last fork. */
static bool stated_offset(uint32_t pid, int64_t *ret)
{
	char path[64], line[128];
	long long seconds = 0, ns = 0;
	bool is_found = false;

	(void)snprintf(path, sizeof(path), "/proc/%u/timens_offsets", pid);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		/* NOLINTNEXTLINE(cert-err34-c): the kernel's own text; three items or not found */
		if (sscanf(line, "monotonic %lld %lld", &seconds, &ns) == 2)
			is_found = true;
	}
	if (is_found)
		*ret = seconds * SECOND_NS + ns;
	return is_found;
}

/* In a time namespace the writer's CLOCK_MONOTONIC is not ours. The wall clock, which it read at the
 * same time, tells roughly; the kernel's own statement, if it fits that, exactly. */
int64_t lane_clock_offset(uint32_t pid, uint64_t wall_ns, uint64_t start_ns)
{
	const int64_t real = (int64_t)clock_ns(CLOCK_REALTIME), mono = (int64_t)now_ns();
	int64_t exact = 0;

	if (start_ns > INT64_MAX / 2 || wall_ns > INT64_MAX / 2)
		return 0;
	const int64_t age = real - (int64_t)wall_ns;
	const int64_t rough = (int64_t)start_ns - (mono - age);
	if (rough > -SECOND_NS && rough < SECOND_NS)
		return 0;
	if (!stated_offset(pid, &exact))
		return rough;
	const int64_t difference = exact - rough;
	return difference > -SECOND_NS && difference < SECOND_NS ? exact : 0;
}

static uint64_t our_time(const struct lane *l, uint64_t theirs)
{
	return theirs - (uint64_t)l->clock_offset_ns;
}

/* ---- header ---- */

static bool header_is_sane(const struct sl_lane *h, uint64_t file_bytes)
{
	const uint64_t slots = (uint64_t)h->n_slots * sizeof(struct sl_lane_slot);

	return h->version == SL_LANE_VERSION && h->bytes <= SL_LANE_MAX_BYTES &&
	       h->bytes <= file_bytes && h->records_offset == sizeof(struct sl_lane) &&
	       h->records_end >= h->records_offset && h->records_end <= h->slots_offset &&
	       h->records_end % 8 == 0 && h->slots_offset % 8 == 0 &&
	       h->slots_offset + slots <= h->bytes;
}

int lane_read_header(struct lane *l, int fd)
{
	struct sl_lane h;
	struct stat s;

	if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode))
		return -EBADMSG;
	if (!read_whole(fd, &h, sizeof(h), 0) || h.magic == 0)
		return -EAGAIN;
	if (h.magic != SL_LANE_MAGIC || !header_is_sane(&h, (uint64_t)s.st_size))
		return -EBADMSG;
	l->ns_pid = h.ns_pid;
	l->n_slots = h.n_slots;
	l->records_end = h.records_end;
	l->slots_offset = h.slots_offset;
	l->flags = h.flags;
	l->read_to = h.records_offset;
	l->clock_offset_ns = lane_clock_offset(h.ns_pid, h.wall_ns, h.start_ns);
	l->start_ns = our_time(l, h.start_ns);
	l->has_header = true;
	return 0;
}

/* ---- records ---- */

/* What a process may say in place of kernel probes: about itself, and that it has a child. */
static bool is_own_announcement(const struct lane *l, const struct sl_event *event)
{
	const struct sl_task *task = (const struct sl_task *)(const void *)event;

	if (!l->announces)
		return false;
	if (event->kind == SL_KIND_TASK)
		return task->flags == 0 && task->ns_pid == event->pid &&
		       (event->pid == l->ns_pid || task->parent_pid == l->ns_pid);
	return event->pid == l->ns_pid &&
	       (event->kind == SL_KIND_EXEC || event->kind == SL_KIND_ARGS);
}

static bool is_welcome(const struct lane *l, const struct sl_event *event, size_t room)
{
	if (!event_is_valid(event, room))
		return false;
	if (event->kind == SL_KIND_MARK) {
		const __u32 mark = ((const struct sl_mark *)(const void *)event)->mark;
		return mark == SL_MARK_LINKED || mark == SL_MARK_MAIN;
	}
	if (event->kind == SL_KIND_ALLOCATOR)
		return event->pid == l->ns_pid;
	return event->kind == SL_KIND_COVER || event->kind == SL_KIND_NET ||
	       is_own_announcement(l, event);
}

static void note_allocator(struct lane *l, const struct sl_allocator *e)
{
	if (e->when != SL_WHEN_START)
		return;
	l->allocator = e->allocator;
	l->allocated_at = e->allocated_at;
	l->freed_at = e->freed_at;
}

static int hand_over(struct lane *l, struct sl_event *event, struct sink sink)
{
	event->flags = SL_SOURCE_SHIM | SL_FLAG_NS_IDS;
	event->time_ns = our_time(l, event->time_ns);
	event->cpu = l->number;
	event->seq = l->next_seq;
	if (event->kind == SL_KIND_NET) {
		struct sl_net *net = (struct sl_net *)(void *)event;
		net->enter_ns = our_time(l, net->enter_ns);
	}
	if (event->kind == SL_KIND_ALLOCATOR)
		note_allocator(l, (const struct sl_allocator *)(const void *)event);
	if (event->kind == SL_KIND_EXEC)
		((struct sl_exec *)(void *)event)->enter_ns = event->time_ns;
	if (event->kind == SL_KIND_ARGS) {
		struct sl_args *args = (struct sl_args *)(void *)event;
		args->exec_ns = our_time(l, args->exec_ns);
	}
	return sink.event(sink.data, event);
}

/* Length of the run of records at @bytes that may be looked at: complete, or with @is_last any that
 * has a size. */
static size_t committed_bytes(const unsigned char *bytes, size_t n, bool is_last)
{
	size_t at = 0;

	while (n - at >= sizeof(struct sl_event)) {
		const struct sl_event *event = (const struct sl_event *)(const void *)(bytes + at);
		if (!event_is_sized(event, n - at) || (event->kind == SL_KIND_NONE && !is_last))
			break;
		at += event->size;
	}
	return at;
}

static int deliver(struct lane *l, unsigned char *bytes, size_t n, struct sink sink)
{
	int n_given = 0;

	for (size_t at = 0; n - at >= sizeof(struct sl_event);) {
		struct sl_event *event = (struct sl_event *)(void *)(bytes + at);
		if (!event_is_sized(event, n - at))
			break;
		const size_t size = event->size;
		if (is_welcome(l, event, n - at)) {
			const int r = hand_over(l, event, sink);
			if (r < 0)
				return r;
			n_given++;
			l->n_delivered++;
		}
		/* A record that was not given leaves a gap: that is what the number is for. */
		l->next_seq++;
		at += size;
	}
	return n_given;
}

static void note_attempts(struct lane *l, uint64_t cursor, uint64_t refused)
{
	uint64_t attempts = 0;

	if (__builtin_add_overflow(cursor >> 32, refused, &attempts) || attempts > MAX_ATTEMPTS)
		attempts = MAX_ATTEMPTS;
	l->n_attempts = attempts;
}

int lane_read_records(struct lane *l, int fd, bool is_last, struct sink sink)
{
	struct sl_lane h;
	int n_given = 0;

	if (!read_whole(fd, &h, sizeof(h), 0))
		return 0;
	note_attempts(l, h.cursor, h.refused);
	const uint32_t cursor = (uint32_t)h.cursor;
	const uint32_t end = cursor < l->records_end ? cursor : l->records_end;
	if (l->read_to >= end)
		return 0;
	_cleanup_free_ unsigned char *bytes = malloc(CHUNK);
	if (bytes == NULL)
		return -ENOMEM;
	while (l->read_to < end) {
		const size_t left = end - l->read_to;
		const size_t n = left < CHUNK ? left : CHUNK;
		if (!read_whole(fd, bytes, n, l->read_to))
			break;
		/* Read again what was found committed: in the first copy a record's contents may be
		 * older than its kind. */
		const size_t ready = committed_bytes(bytes, n, is_last);
		if (ready == 0 || !read_whole(fd, bytes, ready, l->read_to))
			break;
		const int r = deliver(l, bytes, ready, sink);
		if (r < 0)
			return r;
		n_given += r;
		l->read_to += (uint32_t)ready;
	}
	return n_given;
}

uint64_t lane_lost(const struct lane *l)
{
	return l->n_attempts > l->n_delivered ? l->n_attempts - l->n_delivered : 0;
}

/* ---- counters ---- */

static int64_t add_clamped(int64_t a, int64_t b)
{
	int64_t sum = 0;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return b < 0 ? INT64_MIN : INT64_MAX;
}

static void add_slot(const struct sl_lane_slot *s, struct lane_sums *sums)
{
	/* Unsigned sums of hostile numbers may wrap; that is harmless. */
	for (size_t i = 0; i < SL_HEAP_CALLS; i++)
		sums->calls[i] += s->calls[i];
	sums->requested_bytes += s->requested_bytes;
	sums->live_bytes = add_clamped(sums->live_bytes, s->live);
	for (size_t i = 0; i < SL_HEAP_BUCKETS; i++)
		sums->buckets[i] += s->buckets[i];
}

static uint64_t subtract_clamped(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* malloc's attempts are what is left of all attempts; frees without an allocation are unmatched. */
static void derive(struct lane_sums *sums)
{
	uint64_t n_allocated = 0;
	uint64_t *c = sums->calls;

	for (size_t i = 0; i < SL_HEAP_BUCKETS; i++)
		n_allocated += sums->buckets[i];
	const uint64_t others = c[SL_HEAP_CALLOC] + c[SL_HEAP_REALLOC] + c[SL_HEAP_MEMALIGN];
	c[SL_HEAP_MALLOC] = subtract_clamped(n_allocated + c[SL_HEAP_FAILED], others);
	c[SL_HEAP_UNMATCHED] =
		subtract_clamped(c[SL_HEAP_FREE] + c[SL_HEAP_REALLOC_FREE], n_allocated);
}

static int64_t positive(int64_t value)
{
	return value > 0 ? value : 0;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* What the allocator has made of all that was asked for, at most: a quarter more, as its size classes
 * are, and the smallest block. */
static int64_t most_allocated(const struct lane_sums *sums)
{
	uint64_t n = 0, bytes = sums->requested_bytes;

	for (size_t i = 0; i < SL_HEAP_BUCKETS; i++)
		n += sums->buckets[i];
	/* Alignment can cost any amount. */
	if (n > MAX_ATTEMPTS || bytes > INT64_MAX / 4 || sums->calls[SL_HEAP_MEMALIGN] > 0)
		return INT64_MAX / 2;
	return (int64_t)(bytes + bytes / 4 + n * SMALLEST_BLOCK);
}

/* Of a forked child's frees nobody knows which were of blocks that its parent allocated: none, or all
 * that it could inherit. What it allocated itself was never more than was allocated. */
static int64_t most_hidden(const struct sl_lane *h, const struct lane_sums *sums)
{
	const bool has_freed = sums->calls[SL_HEAP_FREE] + sums->calls[SL_HEAP_REALLOC_FREE] > 0;

	if ((h->flags & SL_LANE_FORKED) == 0 || !has_freed)
		return 0;
	return smaller(positive(h->inherited), most_allocated(sums));
}

static void derive_peak(const struct sl_lane *h, const struct sl_lane_slot *first, uint64_t n_slots,
			struct lane_sums *sums)
{
	const bool is_alone = n_slots <= 1 && h->slots_used <= 1;
	const int64_t lag = (int64_t)(n_slots * (uint64_t)SL_LANE_FLUSH_BYTES);
	int64_t peak = is_alone ? (first->up > first->high ? first->up : first->high) : h->peak;

	if (peak < sums->live_bytes)
		peak = sums->live_bytes;
	sums->lag_bytes = lag;
	sums->hidden_bytes = most_hidden(h, sums);
	/* Blocks allocated before the first flush are unseen too, but no more than there were. */
	const int64_t most = smaller(add_clamped(peak, (is_alone ? 0 : lag) + sums->hidden_bytes),
				     most_allocated(sums));
	sums->peak_bytes = positive(peak > h->own_peak ? peak : h->own_peak);
	sums->peak_error_bytes = positive(add_clamped(most, -sums->peak_bytes));
}

int lane_read_sums(const struct lane *l, int fd, struct lane_sums *ret)
{
	struct sl_lane h;
	struct sl_lane_slot slots[SLOTS_AT_ONCE];
	struct sl_lane_slot first = { 0 };

	*ret = (struct lane_sums){ 0 };
	if (!read_whole(fd, &h, sizeof(h), 0))
		return -EBADMSG;
	add_slot(&h.shared, ret);
	h.children.live = 0; /* not in this process */
	add_slot(&h.children, ret);
	const uint64_t n = h.slots_used < l->n_slots ? h.slots_used : l->n_slots;
	for (uint64_t i = 0; i < n; i += SLOTS_AT_ONCE) {
		const uint64_t now = n - i < SLOTS_AT_ONCE ? n - i : SLOTS_AT_ONCE;
		const off_t at = (off_t)(l->slots_offset + i * sizeof(slots[0]));
		if (!read_whole(fd, slots, now * sizeof(slots[0]), at))
			return -EBADMSG;
		for (uint64_t k = 0; k < now; k++)
			add_slot(&slots[k], ret);
		if (i == 0)
			first = slots[0];
	}
	derive(ret);
	derive_peak(&h, &first, n, ret);
	ret->tree_bytes = h.tree_bytes;
	ret->own_ns = h.own_ns;
	ret->own_ticks = h.own_ticks;
	ret->blocks_lost =
		(struct blocks_lost){ h.samples_lost, h.frees_lost, h.exact_refused != 0 };
	ret->rss_peak_bytes = h.rss_peak_bytes;
	memcpy(ret->rss_kinds, h.rss_kinds, sizeof(ret->rss_kinds));
	ret->left_ns = h.left_ns == 0 ? 0 : our_time(l, h.left_ns);
	return 0;
}

bool lane_is_abandoned(const struct lane *l, int fd)
{
	/* Should somebody open the file right now, the kernel tells us so by a signal: by one that is
	 * ignored unless asked for, instead of SIGIO, which kills. */
	(void)fcntl(fd, F_SETSIG, SIGURG);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
		return true;
	}
	if (errno == EAGAIN)
		return false;
	/* No leases here (another's file without CAP_LEASE): ask for the process. */
	return kill((pid_t)l->ns_pid, 0) < 0 && errno == ESRCH;
}
