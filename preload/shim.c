/* SPDX-License-Identifier: MIT */
/* Beginning: at the first hook that is called or in the constructor, whichever comes first (the
 * loader allocates long before constructors run), and again in each forked child. */
#include "preload/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bpf/exact.h"
#include "preload/announce.h"
#include "preload/exact.h"
#include "preload/hooks.h"
#include "preload/hooks_sampling.h"
#include "preload/own_allocator.h"
#include "preload/real.h"
#include "preload/sample.h"
#include "preload/sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

enum { COVER_TEXT_MAX = 255 };

struct shim shim HIDDEN;

static struct process_facts facts;

static bool is_filtered(void)
{
	if ((shim.settings.flags & SHIM_UNDER_FILTER) != 0)
		return false;
	/* EINVAL: a kernel without seccomp. */
	const long mode = sys_call3(SYS_prctl, PR_GET_SECCOMP, 0, 0);
	return mode != 0 && mode != -EINVAL;
}

static void hide_settings(void)
{
	struct settings_region region;
	const char *first = facts.envp[0];

	settings_strip(&shim.settings, facts.envp, &region);
	if (region.start != NULL && !shim.is_sealed)
		region_set(&facts.image, facts.envp, first, region.start, region.end);
}

void shim_prepare(void)
{
	if (__atomic_load_n(&shim.is_prepared, __ATOMIC_ACQUIRE))
		return;
	/* Two threads may get here at once (never seen: the loader allocates first); they do the same
	 * and stripping twice is stripping once. */
	if (!real_resolve()) {
		shim.is_off = true;
	} else {
		real_facts(&facts);
		shim.is_off = facts.is_secure || !settings_read(facts.envp, &shim.settings);
		shim.stack_end = (uintptr_t)facts.envp;
		/* Also an image that began under a filter is left alone. */
		shim.is_sealed |= !shim.is_off && is_filtered();
		if (!shim.is_off)
			hide_settings();
		shim.counts = !shim.is_off && (shim.settings.flags & SHIM_COUNTS_HEAP) != 0 &&
			      !facts.has_sanitizer && !facts.has_own_malloc;
	}
	new_prepare();
	__atomic_store_n(&shim.is_prepared, true, __ATOMIC_RELEASE);
}

bool shim_is_own_process(void)
{
	return (uint32_t)sys_call3(SYS_getpid, 0, 0, 0) == shim.pid;
}

bool shim_may_call(void)
{
	shim_prepare();
	if (shim.is_off || shim.is_sealed)
		return false;
	if (!is_filtered())
		return true;
	/* Not kept where this may be a vfork child, whose filter is not its parent's. */
	if (generation_now() == 0)
		shim.is_sealed = true;
	return false;
}

/* The page that holds `life` is cleared in a child of fork, so a parent's lane cannot be written by
 * it. Without that (Linux < 4.14) there is no safe way to count. */
static bool protect_life(void)
{
	return sys_call3(SYS_madvise, (long)&life_page, sizeof(life_page), MADV_WIPEONFORK) == 0;
}

/* In a child the ancestor's lane is only in the way: as long as anybody maps it, it looks alive. Covered,
 * not unmapped: another thread may be writing there just now. */
static void lane_abandon(struct sl_lane *lane)
{
	(void)sys_call6(SYS_mmap, (long)lane, lane->bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static uint32_t records_end(void)
{
	const bool is_tier = (shim.settings.flags & SHIM_WRAPS_NETWORK) != 0;

	return is_tier ? SL_LANE_RECORDS_NET : SL_LANE_RECORDS;
}

/* ---- records ---- */

static struct sl_event *record_of(struct sl_lane *lane, size_t size, uint64_t time_ns, uint32_t pid,
				  uint32_t tid)
{
	if (shim.is_off || shim.is_sealed || lane == NULL)
		return NULL;
	struct sl_event *event = lane_reserve(lane, size);
	if (event == NULL)
		return NULL;
	event->flags = SL_SOURCE_SHIM | SL_FLAG_NS_IDS;
	event->time_ns = time_ns;
	event->pid = pid;
	event->tid = tid;
	return event;
}

static struct sl_event *record_in(struct sl_lane *lane, size_t size)
{
	if (shim.is_off || shim.is_sealed || lane == NULL)
		return NULL;
	/* Asked for, not remembered: a vfork child writes into its parent's lane. */
	return record_of(lane, size, clock_ns(), (uint32_t)sys_call3(SYS_getpid, 0, 0, 0),
			 (uint32_t)sys_call3(SYS_gettid, 0, 0, 0));
}

struct sl_event *shim_record(size_t size)
{
	return record_in(life.lane, size);
}

/* What the first thread of the lane's own process passes, so that nobody need be asked for ids. */
static void mark_own(enum sl_mark_id mark, uint64_t time_ns)
{
	struct sl_event *event =
		record_of(life.lane, sizeof(struct sl_mark), time_ns, shim.pid, shim.pid);

	if (event == NULL)
		return;
	((struct sl_mark *)(void *)event)->mark = mark;
	lane_commit(event, SL_KIND_MARK);
}

void shim_mark_main(void)
{
	if (!shim.is_off && life.lane != NULL)
		mark_own(SL_MARK_MAIN, clock_ns());
}

bool shim_has_own_malloc(void)
{
	return facts.has_own_malloc && !facts.is_go;
}

/* Of a path the beginning will do. */
static size_t cover_text(const char *text)
{
	size_t n = 0;

	while (text != NULL && n < COVER_TEXT_MAX && text[n] != '\0')
		n++;
	return n;
}

static size_t cover_size(const char *text)
{
	return sizeof(struct sl_cover) + cover_text(text) + 1;
}

static void cover_fill(struct sl_event *event, enum sl_cover_reason reason, bool is_next,
		       const char *text)
{
	if (event == NULL)
		return;
	struct sl_cover *cover = (struct sl_cover *)(void *)event;
	cover->reason = reason;
	cover->next = is_next;
	cover->ns_pid = event->pid;
	const size_t n = cover_text(text);
	if (text != NULL)
		copy_bytes(cover->text, text, n);
	cover->text[n] = '\0';
	lane_commit(event, SL_KIND_COVER);
}

/* Programs that start many others which the shim cannot enter have more to say of them than fits. For
 * that they make another lane, which is given up for the next when it is full. */
static struct sl_lane *lane_for_notices(size_t size)
{
	struct sl_lane *lane = life.lane != NULL ? life.lane : shim.lane;
	uint32_t expected = 0;

	if (life.lane == NULL || shim.is_sealed || lane_has_room(lane, size))
		return lane;
	if (life.notices != NULL && lane_has_room(life.notices, size))
		return life.notices;
	/* A second thread goes without. */
	if (!__atomic_compare_exchange_n(&life.is_extending, &expected, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return lane;
	const struct lane_spec spec = {
		.directory = shim.settings.directory,
		.records_end = records_end(),
		.ns_pid = shim.pid,
		.flags = SL_LANE_NOTICES,
		.start_ns = clock_ns(),
		.tree = tree,
	};
	struct sl_lane *more = lane_open(&spec);
	if (more != NULL) {
		/* Never unmapped while others may be writing there: covered. */
		if (shim.notices != NULL)
			lane_abandon(shim.notices);
		shim.notices = life.notices = more;
	}
	__atomic_store_n(&life.is_extending, 0, __ATOMIC_RELEASE);
	return more != NULL ? more : lane;
}

void shim_cover(enum sl_cover_reason reason, bool is_next, const char *text)
{
	const size_t size = cover_size(text);

	cover_fill(record_in(lane_for_notices(size), size), reason, is_next, text);
}

struct sl_event *shim_notice(size_t size)
{
	return record_in(lane_for_notices(size), size);
}

static void cover_own_image(uint64_t time_ns)
{
	enum sl_cover_reason reason = SL_COVER_OFF;
	const char *text = NULL;

	if (shim.counts)
		reason = SL_COVER_COUNTED;
	else if (facts.has_sanitizer)
		reason = SL_COVER_SANITIZER;
	else if (facts.has_own_malloc)
		reason = SL_COVER_OWN_ALLOCATOR, text = facts.is_go ? "Go" : NULL;
	else
		text = "not asked to count";
	cover_fill(record_of(life.lane, cover_size(text), time_ns, shim.pid, shim.pid), reason,
		   false, text);
}

void shim_spent(uint64_t begin_ns)
{
	/* Relaxed: a sum of its own. A child without a lane writes its parent's. */
	if (shim.lane != NULL)
		(void)__atomic_fetch_add(&shim.lane->own_ns, clock_ns() - begin_ns,
					 __ATOMIC_RELAXED);
}

/* ---- beginning ---- */

static bool lane_begin(void)
{
	const bool is_forked = shim.last_generation != 0;
	struct lane_spec spec = {
		.directory = shim.settings.directory,
		.records_end = records_end(),
		.ns_pid = (uint32_t)sys_call3(SYS_getpid, 0, 0, 0),
		.flags = (is_forked ? SL_LANE_FORKED : 0u) | (shim.counts ? SL_LANE_COUNTS : 0u),
		.start_ns = clock_ns(),
	};

	if (!is_forked) {
		struct sl_tree *shared = tree_open(spec.directory);
		if (shared == NULL || !protect_life())
			return false;
		tree = shared;
	}
	spec.tree = tree;
	struct sl_lane *lane = lane_open(&spec);
	if (lane == NULL)
		return false;
	if (shim.lane != NULL) {
		lane->inherited = counters_most(shim.lane);
		lane_abandon(shim.lane);
	}
	if (shim.notices != NULL)
		lane_abandon(shim.notices);
	shim.notices = NULL;
	const uint32_t ancestor_pid = shim.pid;
	shim.lane = lane;
	shim.pid = spec.ns_pid;
	shim.last_generation += GENERATION_STEP;
	shim.sample_bytes = shim.counts ? sample_bytes_of(tree) : 0;
	life.lane = lane;
	const bool wants_exact = shim.counts && tree->exact != SL_EXACT_OFF;
	shim.is_exact = wants_exact && exact_begin();
	lane->exact_refused = wants_exact && !shim.is_exact;
	announce(is_forked, ancestor_pid);
	/* What was announced must not be younger than what happened to it. */
	const uint64_t time_ns =
		(shim.settings.flags & SHIM_WRAPS_NETWORK) != 0 ? clock_ns() : spec.start_ns;
	cover_own_image(time_ns);
	load_cover();
	if (!is_forked)
		mark_own(SL_MARK_LINKED, time_ns);
	else
		shim_spent(spec.start_ns);
	__atomic_store_n(&life.generation, shim.last_generation, __ATOMIC_RELEASE);
	return true;
}

bool shim_is_same_user(void)
{
	return facts.uid != NO_UID && (uint32_t)sys_call3(SYS_getuid, 0, 0, 0) == facts.uid;
}

/* A process that has given up root cannot open a lane in root's directory. (The directory stays closed
 * to it: whoever writes there could also truncate the page that all shims share, which would be a SIGBUS
 * in root's processes.) This call asks for the real user without capabilities, which is what an exec
 * leaves. */
bool shim_may_write(void)
{
	/* A cheaper call, and the usual answer: the image that opened its lane was the same user. */
	if (shim.lane != NULL && shim_is_same_user())
		return true;
	const long result =
		sys_call3(SYS_faccessat, AT_FDCWD, (long)shim.settings.directory, W_OK | X_OK);

	return result != -EACCES && result != -EPERM;
}

/* A forked child's last word, in its ancestor's lane: about itself and about what it may execute. */
static void note_refusal(void)
{
	if (shim.lane == NULL || shim_may_write())
		return;
	shim_cover(SL_COVER_USER, false, NULL);
	shim_cover(SL_COVER_USER, true, NULL);
}

bool shim_start(void)
{
	shim_prepare();
	if (shim.is_off)
		return false;
	if (__atomic_load_n(&life.generation, __ATOMIC_ACQUIRE) != 0)
		return true;
	/* At its beginning an image has just been asked. */
	if (shim.is_sealed || (shim.last_generation != 0 && !shim_may_call()))
		return false;
	/* A signal handler in the middle of this, or a second thread, goes without. */
	uint32_t expected = 0;
	if (!__atomic_compare_exchange_n(&life.is_starting, &expected, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	const bool is_begun = lane_begin();
	if (!is_begun) {
		note_refusal();
		shim.is_off = true;
	}
	return is_begun;
}

/* With a seccomp filter a forked child cannot open a lane. */
static bool counts_in_ancestor(void)
{
	return shim.is_sealed && shim.lane != NULL && !shim.is_off && shim.counts;
}

struct sl_lane_slot *shim_slot(void)
{
	const uint64_t generation = generation_now();
	const uint64_t fast = generation + (shim.is_exact	     ? GENERATION_EXACT
					    : shim.sample_bytes != 0 ? GENERATION_SAMPLES
								     : 0);

	if (thread_state.generation == fast)
		return thread_state.slot;
	if (thread_state.generation == GENERATION_INSIDE)
		return NULL;
	if (generation != 0 && thread_state.generation == generation + GENERATION_SLOW) {
		/* Upgraded as soon as the size word is trusted; the shared slot never is. */
		if (shim.is_trusted && thread_state.slot != &life.lane->shared)
			thread_state.generation = fast;
		return thread_state.slot;
	}
	if (generation == 0 && counts_in_ancestor())
		return &life.in_ancestor;
	if (!shim_start() || !shim.counts)
		return NULL;
	thread_state.slot = counters_claim(life.lane, thread_pointer());
	if (shim.is_exact)
		exact_thread_begin();
	if (shim.sample_bytes != 0)
		sample_begin();
	thread_state.generation = generation_now() + GENERATION_SLOW;
	return thread_state.slot;
}

/* A hint, no more: the collector notices by itself when a process has ended, only a little later. */
__attribute__((destructor)) static void shim_destructor(void)
{
	own_allocator_end();
	announce_end();
	if (life.lane != NULL)
		counters_leave(life.lane);
}

__attribute__((constructor)) static void shim_constructor(void)
{
	(void)shim_start();
}
