/* SPDX-License-Identifier: MIT */
/* The kernel probes as a source: loads and attaches them, hands over what is in their ring. The
 * only user of libbpf. Everything hangs on descriptors of this process: when it is killed, the
 * kernel takes the probes out. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "startline.skel.h"

#include "bpf/control.h"
#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/log.h"
#include "userspace/collect/bpf/links.h"
#include "userspace/collect/bpf/load.h"
#include "userspace/collect/bpf/probes.h"
#include "userspace/collect/bpf/wait_channel.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/source.h"
#include "userspace/stacks/kallsyms.h"

#define DRAIN_MAX	  200000 /* events per call: who fills the ring faster must not keep us here */
#define PAGE_BYTES	  4096ull
#define PLACES_LIMIT	  (8u << 20)
#define PLACE_NAME	  128
#define LIBBPF_TEXT_LIMIT (16u << 20) /* a verifier's log */

struct source_bpf {
	struct startline_bpf *skeleton; /* of `probes` */
	struct probes probes;
	struct sink sink; /* during source_bpf_drain() */
	size_t drained;
	bool is_finished;
};

/* ---- loading ---- */

__attribute__((format(printf, 2, 0))) static int print_libbpf(enum libbpf_print_level level,
							      const char *format, va_list args)
{
	(void)level;
	if (!log_shows(LOG_DEBUG))
		return 0;
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, LIBBPF_TEXT_LIMIT);
	(void)buf_addv(&text, format, args);
	/* A verifier's log has thousands of lines, and the last ones tell. */
	char *rest = text.data, *line;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			log_debug("%s", line);
	return 0;
}

static void note_imports(struct source_bpf *s, const struct sl_event *event)
{
	if (s->skeleton->bss->is_ready)
		return;
	if (event->kind == SL_KIND_EXEC && event->size >= sizeof(struct sl_exec))
		imports_executed(s->probes.imports, (const struct sl_exec *)event);
	else if (event->kind == SL_KIND_OPEN && event->size > sizeof(struct sl_open))
		imports_opened(s->probes.imports, (const struct sl_open *)event);
}

static int take_record(void *data, void *record, size_t size)
{
	struct source_bpf *s = data;
	const struct sl_event *event = record;
	if (size < sizeof(*event) || event->size < sizeof(*event) || event->size > size)
		return 0; /* the probes write no such record */
	note_imports(s, event);
	const int r = s->sink.event(s->sink.data, event);
	if (r < 0)
		return r;
	return ++s->drained >= DRAIN_MAX ? -EAGAIN : 0;
}

int source_bpf_open(const struct bpf_settings *settings, char *why, size_t why_size,
		    struct source_bpf **ret)
{
	struct source_bpf *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return probes_refused(-ENOMEM, why, why_size);
	(void)libbpf_set_print(print_libbpf);
	const int r = probes_open(settings, take_record, s, why, why_size, &s->probes);
	s->skeleton = s->probes.skeleton;
	if (r < 0) {
		(void)source_bpf_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct source_bpf *source_bpf_free(struct source_bpf *s)
{
	if (s == NULL)
		return NULL;
	probes_close(&s->probes);
	free(s);
	return NULL;
}

/* ---- what there is of them ---- */

static bool uses_uring(const struct source_bpf *s)
{
	return s->skeleton->bss->uses_uring != 0;
}

bool source_bpf_tells(const struct source_bpf *s, enum told what)
{
	static const enum probe probes[] = {
		[TOLD_MEMORY] = PROBE_RESIDENT,
		[TOLD_TASKS] = PROBE_TASKS,
		[TOLD_SWITCHES] = PROBE_SWITCHES,
		[TOLD_CALLS] = PROBE_CALLS,
	};
	return s != NULL && programs_have(&s->probes.programs, probes[what]);
}

bool source_bpf_probe(struct source_bpf *s, size_t *cursor, struct probe_report *ret)
{
	while (*cursor < PROBES)
		if (programs_report(&s->probes.programs, (enum probe)(*cursor)++, true, ret))
			return true;
	return false;
}

static int emit_probe(const struct probe_report *report, struct sink sink)
{
	const struct {
		const char *key, *value;
	} facts[] = {
		{ "probe.used", report->used },	      { "probe.error", report->error },
		{ "probe.metrics", report->metrics }, { "probe.causes", report->causes },
		{ "probe.lost", report->lost },	      { "probe.remedy", report->remedy },
	};
	int r = emit_meta(sink, "probe", "%s", report->name);
	for (size_t i = 0; r >= 0 && i < sizeof(facts) / sizeof(*facts); i++)
		if (facts[i].value != NULL && facts[i].value[0] != '\0')
			r = emit_meta(sink, facts[i].key, "%s", facts[i].value);
	return r;
}

static int emit_probes(struct source_bpf *s, bool of_uring, struct sink sink)
{
	struct programs *p = &s->probes.programs;
	int r = 0;
	for (enum probe probe = 0; r >= 0 && probe < PROBES; probe++) {
		struct probe_report report;
		if (programs_depend_on_uring(p, probe) == of_uring &&
		    programs_report(p, probe, uses_uring(s), &report))
			r = emit_probe(&report, sink);
	}
	return r;
}

int source_bpf_tell(struct source_bpf *s, bool has_shim, struct sink sink)
{
	s->probes.programs.has_shim = has_shim;
	return emit_probes(s, false, sink);
}

/* ---- while it records ---- */

static struct program *program(struct source_bpf *s, const char *name)
{
	return programs_find(&s->probes.programs, name);
}

/* Makes the kernel run handle_walk over all tasks, by reading what it prints. Where it cannot be had
 * (`coverage.probes` says so), nothing happens. */
static int walk(struct source_bpf *s, enum task_walk what, enum sl_when when, struct buf *ret)
{
	if (!programs_have(&s->probes.programs, PROBE_TASKS))
		return 0;
	_cleanup_close_ int fd = bpf_iter_create(program(s, "handle_walk")->link_fd);
	if (fd < 0)
		return fail(fd, "cannot walk the tasks: %s", strerror(-fd));
	s->skeleton->bss->walk = what;
	s->skeleton->bss->walk_when = when;
	int r;
	do
		r = fs_read_fd(fd, ret);
	while (r == -EAGAIN);
	return r < 0 ? fail(r, "cannot walk the tasks: %s", strerror(-r)) : 0;
}

static int walk_silently(struct source_bpf *s, enum task_walk what, enum sl_when when)
{
	_cleanup_(buf_done) struct buf nothing;
	buf_init(&nothing, PLACES_LIMIT);
	return walk(s, what, when, &nothing);
}

/* What an earlier run no longer needed. */
static int restore(struct source_bpf *s)
{
	if (!s->skeleton->bss->faults_are_off)
		return 0;
	s->skeleton->bss->faults_are_off = 0;
	links_attach_one(program(s, "handle_page_fault"));
	const int r = program(s, "handle_page_fault")->error;
	return r < 0 ? fail(r, "cannot attach the probes again: %s", strerror(-r)) : 0;
}

int source_bpf_track(struct source_bpf *s, int pidfd)
{
	const int map = bpf_map__fd(s->skeleton->maps.tasks);
	_cleanup_free_ uint32_t *state = calloc(1, bpf_map__value_size(s->skeleton->maps.tasks));
	if (state == NULL)
		return -ENOMEM;
	*state = TASK_TRACKED | TASK_ROOT;
	s->skeleton->bss->is_ready = 0;
	s->skeleton->bss->switch_count = 0;
	const int r = restore(s);
	if (r < 0)
		return r;
	if (bpf_map_update_elem(map, &pidfd, state, BPF_ANY) < 0)
		return fail(-errno, "cannot mark the process for recording: %s", strerror(errno));
	return walk_silently(s, WALK_ANNOUNCE, SL_WHEN_START);
}

int source_bpf_try(struct source_bpf *s, void (*work)(void *), void *data, uint64_t *ret_ns,
		   uint64_t *ret_calls)
{
	const int map = bpf_map__fd(s->skeleton->maps.tasks);
	const size_t size = bpf_map__value_size(s->skeleton->maps.tasks);
	_cleanup_close_ int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	_cleanup_free_ struct task_head *state = calloc(1, size);
	if (self < 0 || state == NULL || size < sizeof(*state))
		return -ENOMEM;
	state->flags = TASK_TRACKED;
	/* Records are not even counted then. */
	s->skeleton->bss->is_over = 1;
	int r = bpf_map_update_elem(map, &self, state, BPF_ANY);
	if (r >= 0) {
		work(data);
		r = bpf_map_lookup_elem(map, &self, state);
		const int gone = bpf_map_delete_elem(map, &self);
		r = r < 0 ? r : gone;
	}
	s->skeleton->bss->is_over = 0;
	if (r < 0)
		return fail(r, "cannot measure the probes: %s", strerror(-r));
	*ret_ns = state->probe_ns;
	*ret_calls = state->probe_calls;
	return 0;
}

int source_bpf_fd(const struct source_bpf *s)
{
	return bpf_map__fd(s->skeleton->maps.ring);
}

int source_bpf_drain(struct source_bpf *s, struct sink sink)
{
	s->sink = sink;
	s->drained = 0;
	int r = ring_buffer__consume(s->probes.ring);
	if (r < 0 && r != -EAGAIN)
		return r;
	if (!s->is_finished) {
		r = imports_follow(s->probes.imports, sink);
		if (r < 0)
			return r;
	}
	return (int)s->drained;
}

int source_bpf_snapshot(struct source_bpf *s, enum sl_when when)
{
	const int r = walk_silently(s, WALK_SUM, when);
	return r < 0 ? r : walk_silently(s, WALK_EMIT, when);
}

void source_bpf_own_end(struct source_bpf *s, const struct sl_addr *end)
{
	s->skeleton->bss->own_family = end->family;
	s->skeleton->bss->own_port = end->port;
	memcpy(s->skeleton->bss->own_name, end->bytes, sizeof(s->skeleton->bss->own_name));
}

int source_bpf_ready(struct source_bpf *s)
{
	s->skeleton->bss->switch_count = 0;
	s->skeleton->bss->is_ready = 1;
	return 0;
}

/* What the others see counts for the whole run: processes and their memory, CPU time in system
 * calls (which takes the scheduler's switches), files, listeners and connections that are yet to
 * come. An address that faulted only names what a thread waits for, and the breakdown ends at
 * readiness. */
int source_bpf_thin_out(struct source_bpf *s, struct sink sink)
{
	struct program *faults = program(s, "handle_page_fault");
	if (faults->link_fd < 0)
		return 0;
	s->skeleton->bss->faults_are_off = 1;
	links_detach_one(faults);
	memset(s->skeleton->bss->faults, 0, sizeof(s->skeleton->bss->faults));
	return emit_meta(sink, "source.bpf.detached", "%s", "page_fault_user");
}

void source_bpf_activity(const struct source_bpf *s, uint32_t *ret_threads,
			 uint64_t *ret_idle_since_ns)
{
	/* The kernel writes these while we look. */
	const volatile struct startline_bpf__bss *bss = s->skeleton->bss;
	*ret_threads = (uint32_t)bss->live_threads;
	*ret_idle_since_ns = bss->running == 0 ? bss->idle_since_ns : 0;
}

uint64_t source_bpf_resident(const struct source_bpf *s)
{
	const volatile struct startline_bpf__bss *bss = s->skeleton->bss;
	const uint64_t pages = bss->tree_pages;
	/* Sums of differences: they may be below 0 for a moment. */
	return (int64_t)pages > 0 ? pages * PAGE_BYTES : 0;
}

size_t source_bpf_ring_bytes(const struct source_bpf *s)
{
	return s->probes.ring_bytes;
}

/* ---- snapshots of stacks ---- */

void source_bpf_take_stacks(struct source_bpf *s, uint64_t gap_ns, uint64_t wait_ns)
{
	s->skeleton->bss->stack_gap_ns = gap_ns;
	s->skeleton->bss->stack_wait_ns = wait_ns;
}

int source_bpf_stack_fd(const struct source_bpf *s)
{
	return bpf_map__fd(s->skeleton->maps.stack_ring);
}

size_t source_bpf_stack_bytes(const struct source_bpf *s)
{
	return bpf_map__max_entries(s->skeleton->maps.stack_ring);
}

uint64_t source_bpf_stacks_lost(const struct source_bpf *s)
{
	return s->skeleton->bss->stack_drops;
}

int source_bpf_timer_fd(struct source_bpf *s)
{
	struct program *timer = programs_find(&s->probes.programs, "handle_timer");
	return programs_have(&s->probes.programs, PROBE_PYTHON) ? timer->fd : -1;
}

void source_bpf_take_python(struct source_bpf *s, pid_t pid, const struct python_process *python)
{
	const uint32_t key = (uint32_t)pid;
	const int fd = bpf_map__fd(s->skeleton->maps.pythons);
	if (python == NULL)
		(void)bpf_map_delete_elem(fd, &key);
	else if (bpf_map_update_elem(fd, &key, python, BPF_ANY) == 0)
		s->skeleton->bss->has_pythons = 1;
}

/* ---- the end ---- */

static int emit_symbol(struct sink sink, uint64_t ip, const char *name)
{
	static union {
		struct sl_symbol symbol;
		char bytes[sizeof(struct sl_symbol) + PLACE_NAME];
	} record;
	record.symbol.event = emit_header(SL_KIND_SYMBOL, sizeof(record), now_ns(), 0);
	record.symbol.ip = ip;
	(void)snprintf(record.symbol.text, PLACE_NAME, "%s", name);
	return sink.event(sink.data, &record.symbol.event);
}

/* @lines: as places_print() in bpf/places.bpf.h writes them. */
static int emit_places(struct sink sink, char *lines)
{
	char *line;
	int r = 0;
	while (r >= 0 && (line = strsep(&lines, "\n")) != NULL) {
		uint64_t number;
		const char *name = wait_channel_name(line, &number);
		if (name != NULL)
			r = emit_symbol(sink, number, name);
	}
	return r;
}

/* Those with numbers above @from, up to @to. One reading may end before all are printed, where there are
 * few tasks. */
static void print_places(struct source_bpf *s, uint64_t from, uint64_t to, struct buf *ret)
{
	struct startline_bpf__bss *bss = s->skeleton->bss;
	uint64_t before;
	bss->named_places = from;
	do
		before = bss->named_places;
	while (bss->named_places < to && walk(s, WALK_NAMES, 0, ret) >= 0 &&
	       bss->named_places > before);
}

/* The same by the addresses in the map. */
static void look_up_places(struct source_bpf *s, struct buf *ret)
{
	const int map = bpf_map__fd(s->skeleton->maps.places);
	_cleanup_(kallsyms_done) struct kallsyms names;
	uint64_t place[PLACE_FRAMES], number;
	const void *last = NULL;
	if (kallsyms_read(&names) < 0)
		return;
	while (bpf_map_get_next_key(map, last, place) == 0) {
		last = place;
		if (bpf_map_lookup_elem(map, place, &number) < 0)
			continue;
		(void)buf_addf(ret, "%llu", (unsigned long long)number);
		for (size_t i = 0; i < PLACE_FRAMES; i++) {
			const char *name = kallsyms_name(&names, place[i]);
			(void)buf_addf(ret, " %s", name != NULL ? name : "0x0");
		}
		(void)buf_addc(ret, '\n');
	}
}

/* Places without names are printed as unknown. */
static int name_places(struct source_bpf *s, struct sink sink)
{
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, PLACES_LIMIT);
	if (s->skeleton->bss->last_place == 0)
		return 0;
	if (programs_have(&s->probes.programs, PROBE_PLACES))
		print_places(s, 0, s->skeleton->bss->last_place, &text);
	else if (s->probes.programs.way[PROBE_PLACES] >= 0)
		look_up_places(s, &text);
	return text.data != NULL ? emit_places(sink, text.data) : 0;
}

/* ---- other addresses in the kernel ---- */

/* As many as a place holds, as if a thread had slept there. */
static void fill_place(const uint64_t *addresses, size_t n, size_t i, uint64_t ret[PLACE_FRAMES])
{
	for (size_t k = 0; k < PLACE_FRAMES; k++)
		ret[k] = i * PLACE_FRAMES + k < n ? addresses[i * PLACE_FRAMES + k] : 0;
}

/* A line of places_print(): what is behind the number, but for the names of kernel modules. */
static void take_names(char *line, uint64_t first, size_t n, kernel_name_fn *found, void *data)
{
	const char *word = strsep(&line, " ");
	const uint64_t number = strtoull(word, NULL, 10);
	size_t i = number > first ? (size_t)(number - first - 1) * PLACE_FRAMES : n;
	while (i < n && (word = strsep(&line, " ")) != NULL) {
		if (word[0] == '[')
			continue;
		if (strncmp(word, "0x", 2) != 0)
			found(data, i, word);
		i++;
	}
}

bool source_bpf_kernel_names(struct source_bpf *s, const uint64_t *addresses, size_t n,
			     kernel_name_fn *found, void *data)
{
	const int map = bpf_map__fd(s->skeleton->maps.places);
	const size_t n_places = (n + PLACE_FRAMES - 1) / PLACE_FRAMES;
	uint64_t place[PLACE_FRAMES];
	_cleanup_(buf_done) struct buf text;
	buf_init(&text, PLACES_LIMIT);
	if (!programs_have(&s->probes.programs, PROBE_PLACES))
		return false;
	/* The kernel may still be counting. */
	const uint64_t first =
		__atomic_fetch_add(&s->skeleton->bss->last_place, n_places, __ATOMIC_RELAXED);
	for (size_t i = 0; i < n_places; i++) {
		const uint64_t number = first + i + 1;
		fill_place(addresses, n, i, place);
		(void)bpf_map_update_elem(map, place, &number, BPF_NOEXIST);
	}
	print_places(s, first, first + n_places, &text);
	for (size_t i = 0; i < n_places; i++) {
		fill_place(addresses, n, i, place);
		(void)bpf_map_delete_elem(map, place);
	}
	char *rest = text.data, *line;
	while ((line = strsep(&rest, "\n")) != NULL)
		take_names(line, first, n, found, data);
	return true;
}

static int tell_drops(struct source_bpf *s, struct sink sink)
{
	const uint64_t skipped = links_skipped(&s->probes.programs);
	for (uint32_t kind = 0; kind < SL_KIND_LIMIT; kind++) {
		const uint64_t count =
			s->skeleton->bss->drop_counts[kind] + (kind == 0 ? skipped : 0);
		if (count == 0 && kind != 0)
			continue;
		const int r = emit_drops(sink, SL_SOURCE_BPF, kind, count);
		if (r < 0)
			return r;
	}
	return 0;
}

static int emit_tallies(struct source_bpf *s, struct sink sink)
{
	const int n =
		(int)(sizeof(s->skeleton->bss->cpu_counts) / sizeof(*s->skeleton->bss->cpu_counts));
	for (int cpu = 0; cpu < s->probes.n_cpus && cpu < n; cpu++) {
		const struct sl_tally tally = {
			.event = emit_header(SL_KIND_TALLY, sizeof(tally), now_ns(), 0),
			.source = SL_SOURCE_BPF,
			.producer = (uint32_t)cpu,
			.count = s->skeleton->bss->cpu_counts[cpu][0],
		};
		const int r = sink.event(sink.data, &tally.event);
		if (r < 0)
			return r;
	}
	return 0;
}

static int say_untold(struct source_bpf *s, struct sink sink)
{
	const uint32_t n = s->skeleton->bss->inferred_intervals;
	if (n == 0)
		return 0;
	return emit_meta(
		sink, "note",
		"this kernel did not tell of all switches: %u wait%s inferred from how long "
		"threads ran, and may lack the cause",
		n, n == 1 ? " is" : "s are");
}

static int say_unfollowed(struct source_bpf *s, struct sink sink)
{
	if (s->skeleton->bss->containers_of_v1 == 0)
		return 0;
	return emit_meta(sink, "note",
			 "containers were started in cgroups of version 1, which are not followed: "
			 "unless they have one of version 2 as well, what runs in them is missing");
}

int source_bpf_finish(struct source_bpf *s, struct sink sink)
{
	if (s->is_finished)
		return 0;
	s->is_finished = true;
	s->skeleton->bss->is_over = 1;
	int r = name_places(s, sink);
	links_detach(&s->probes.programs);
	while (r >= 0 && (r = source_bpf_drain(s, sink)) > 0)
		;
	if (r >= 0)
		r = tell_drops(s, sink);
	if (r >= 0)
		r = emit_probes(s, true, sink);
	if (r >= 0)
		r = say_untold(s, sink);
	if (r >= 0)
		r = say_unfollowed(s, sink);
	return r < 0 ? r : emit_tallies(s, sink);
}
