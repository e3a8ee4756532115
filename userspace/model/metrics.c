/* SPDX-License-Identifier: MIT */
/* THE metric table, and how each of them is read off a run. Each row has its paragraph in
 * docs/metrics.md. */
#include "userspace/model/metrics.h"

#include <math.h>
#include <string.h>

#include "userspace/model/build/internal.h"
#include "userspace/model/build/series.h"

/* A ratio as somebody typed it. */
#define VALUE_MAX 256

static double number(int64_t value)
{
	return value == UNKNOWN ? NAN : (double)value;
}

/* ---- startup ---- */

static double get_wall(const struct run *r)
{
	return number(r->wall_ns);
}

static double get_ready(const struct run *r)
{
	return r->has_ready ? number(r->ready_ns) : NAN;
}

static double phase_sum(const struct run *r, enum phase phase)
{
	double sum = 0;
	if (!r->has_segments)
		return NAN;
	for (size_t i = 0; i < r->n_segments; i++)
		if (r->segments[i].phase == phase)
			sum += (double)r->segments[i].duration_ns;
	return sum;
}

static double get_exec(const struct run *r)
{
	return phase_sum(r, PHASE_EXEC);
}

/* Without the shim's marks link and init are part of main: they were not captured. */
static double get_link(const struct run *r)
{
	return r->has_link_phase ? phase_sum(r, PHASE_LINK) : NAN;
}

static double get_init(const struct run *r)
{
	return r->has_init_phase ? phase_sum(r, PHASE_INIT) : NAN;
}

static double get_main(const struct run *r)
{
	return phase_sum(r, PHASE_MAIN);
}

static double get_child(const struct run *r)
{
	return phase_sum(r, PHASE_CHILD);
}

static double get_listen(const struct run *r)
{
	const struct listener *l = run_listener(r);
	return l != NULL ? number(l->listen_ns) : NAN;
}

static double get_accept_ready(const struct run *r)
{
	const struct listener *l = run_listener(r);
	return l != NULL ? number(l->accept_ready_ns) : NAN;
}

static double get_first_accept(const struct run *r)
{
	const struct listener *l = run_listener(r);
	return l != NULL ? number(l->first_accept_ns) : NAN;
}

static double get_first_byte(const struct run *r)
{
	const struct listener *l = run_listener(r);
	return l != NULL ? number(l->first_byte_ns) : NAN;
}

static double get_listen_gap(const struct run *r)
{
	return get_accept_ready(r) - get_listen(r);
}

/* ---- sums over the tree: of the processes that could be read; NAN when none could ---- */

static double tree_sum(const struct run *r, size_t offset)
{
	double sum = NAN;
	for (size_t i = 0; i < r->n_processes; i++) {
		const char *p = (const char *)&r->processes[i];
		const int64_t value = *(const int64_t *)(const void *)(p + offset);
		if (value != UNKNOWN)
			sum = (isnan(sum) ? 0 : sum) + (double)value;
	}
	return sum;
}

#define TREE_SUM(function, member)                                    \
	static double function(const struct run *r)                   \
	{                                                             \
		return tree_sum(r, offsetof(struct process, member)); \
	}
TREE_SUM(get_user, user_ns)
TREE_SUM(get_system, system_ns)
TREE_SUM(get_read, read_bytes)
TREE_SUM(get_write, write_bytes)
TREE_SUM(get_minor, minor_faults)
TREE_SUM(get_major, major_faults)
TREE_SUM(get_voluntary, voluntary_switches)
TREE_SUM(get_involuntary, involuntary_switches)
TREE_SUM(get_rx, net_rx_bytes)
TREE_SUM(get_tx, net_tx_bytes)

static double get_utilization(const struct run *r)
{
	return (get_user(r) + get_system(r)) / (number(r->wall_ns) * number(r->cpus));
}

/* ---- memory ---- */

static double get_peak_rss(const struct run *r)
{
	return number(r->peak_rss_bytes);
}

static double get_peak_cgroup(const struct run *r)
{
	return number(r->peak_cgroup_bytes);
}

static double get_ready_rss(const struct run *r)
{
	return r->has_ready ? number(r->ready_rss_bytes) : NAN;
}

static double get_heap_peak(const struct run *r)
{
	return number(r->heap_peak_bytes);
}

static double heap_sum(const struct run *r, size_t offset)
{
	double sum = NAN;
	for (size_t i = 0; i < r->n_processes; i++) {
		const struct heap *heap = &r->processes[i].heap;
		const char *p = (const char *)heap;
		const int64_t value = *(const int64_t *)(const void *)(p + offset);
		if (heap->is_known && value != UNKNOWN)
			sum = (isnan(sum) ? 0 : sum) + (double)value;
	}
	return sum;
}

#define HEAP_SUM(function, member)                                 \
	static double function(const struct run *r)                \
	{                                                          \
		return heap_sum(r, offsetof(struct heap, member)); \
	}
HEAP_SUM(get_heap_ready, ready_bytes)
HEAP_SUM(get_heap_exit, exit_bytes)
HEAP_SUM(get_allocs, allocs)
HEAP_SUM(get_frees, frees)
HEAP_SUM(get_heap_bytes, bytes)

/* ---- counts ---- */

static double get_processes(const struct run *r)
{
	/* /proc at a few moments is no count of processes. */
	return r->lost_bpf != UNKNOWN ? (double)r->n_processes : NAN;
}

static double get_execs(const struct run *r)
{
	double n = 0;
	for (size_t i = 0; i < r->n_processes; i++)
		for (size_t k = 0; k < r->processes[i].n_images; k++)
			n += strcmp(r->processes[i].images[k].result, "ok") == 0;
	return r->lost_bpf != UNKNOWN ? n : NAN;
}

static double get_threads_peak(const struct run *r)
{
	return number(r->threads_peak);
}

static double get_connects(const struct run *r)
{
	double n = 0;
	if (r->lost_bpf == UNKNOWN && r->lost_shim == UNKNOWN)
		return NAN;
	/* Connecting a datagram socket only stores an address: nothing goes out. */
	for (size_t i = 0; i < r->n_connections; i++)
		n += strncmp(r->connections[i].peer, "udp ", 4) != 0;
	return n;
}

static double get_opens(const struct run *r)
{
	return number(r->file_opens);
}

static double get_misses(const struct run *r)
{
	return number(r->file_misses);
}

/* ---- the table ---- */

#define LOWER	 BETTER_LOWER
#define NEITHER	 BETTER_NEITHER
#define ADDS_UP	 METRIC_ADDS_UP
#define AT_READY METRIC_AT_READY
#define GATED	 METRIC_GATED
#define OF_PEER	 METRIC_OF_PEER
#define TOTAL	 METRIC_TOTAL
#define ANY_TIER METRIC_ANY_TIER

/* clang-format off */
const struct metric metrics[] = {
	{ "time.wall", "wall time", UNIT_NS, LOWER, CLASS_TIME, TOTAL | ADDS_UP, get_wall, NULL },
	{ "startup.ready", "ready", UNIT_NS, LOWER, CLASS_TIME, TOTAL | AT_READY, get_ready, NULL },
	{ "startup.exec", "exec phase", UNIT_NS, LOWER, CLASS_TIME, 0, get_exec, NULL },
	{ "startup.link", "link phase", UNIT_NS, LOWER, CLASS_TIME, 0, get_link, NULL },
	{ "startup.init", "init phase", UNIT_NS, LOWER, CLASS_TIME, 0, get_init, NULL },
	{ "startup.main", "main phase", UNIT_NS, LOWER, CLASS_TIME, 0, get_main, NULL },
	{ "startup.child", "waiting for children", UNIT_NS, LOWER, CLASS_TIME, 0, get_child, NULL },
	{ "startup.listen", "listen", UNIT_NS, LOWER, CLASS_TIME, 0, get_listen, NULL },
	{ "startup.accept_ready", "accept ready", UNIT_NS, LOWER, CLASS_TIME, 0, get_accept_ready, NULL },
	{ "startup.first_accept", "first accept", UNIT_NS, LOWER, CLASS_TIME, 0, get_first_accept, NULL },
	{ "startup.first_byte", "first byte", UNIT_NS, LOWER, CLASS_TIME, 0, get_first_byte, NULL },
	{ "startup.listen_gap", "port open, nobody serving", UNIT_NS, LOWER, CLASS_TIME, 0, get_listen_gap, NULL },
	{ "time.child[]", "wall time of children", UNIT_NS, LOWER, CLASS_TIME, 0, NULL, series_children },
	{ "cpu.user", "user CPU", UNIT_NS, LOWER, CLASS_TIME, ADDS_UP, get_user, NULL },
	{ "cpu.system", "system CPU", UNIT_NS, LOWER, CLASS_TIME, ADDS_UP, get_system, NULL },
	{ "cpu.utilization", "CPU utilization", UNIT_RATIO, NEITHER, CLASS_RATIO, 0, get_utilization, NULL },
	{ "mem.peak_rss", "peak resident", UNIT_BYTES, LOWER, CLASS_SIZE, GATED, get_peak_rss, NULL },
	{ "mem.peak_cgroup", "peak of the cgroup", UNIT_BYTES, LOWER, CLASS_SIZE, ANY_TIER, get_peak_cgroup, NULL },
	{ "mem.ready_rss", "resident at ready", UNIT_BYTES, LOWER, CLASS_SIZE, AT_READY, get_ready_rss, NULL },
	{ "heap.peak", "heap peak", UNIT_BYTES, LOWER, CLASS_SIZE, ANY_TIER, get_heap_peak, NULL },
	{ "heap.ready", "heap at ready", UNIT_BYTES, LOWER, CLASS_SIZE, AT_READY | ANY_TIER, get_heap_ready, NULL },
	{ "heap.exit", "never freed", UNIT_BYTES, LOWER, CLASS_SIZE, ANY_TIER, get_heap_exit, NULL },
	{ "heap.allocs", "allocations", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP | ANY_TIER, get_allocs, NULL },
	{ "heap.frees", "frees", UNIT_COUNT, NEITHER, CLASS_EXACT, ADDS_UP | ANY_TIER, get_frees, NULL },
	{ "heap.bytes", "bytes requested", UNIT_BYTES, LOWER, CLASS_EXACT, ADDS_UP | ANY_TIER, get_heap_bytes, NULL },
	{ "io.read", "read from storage", UNIT_BYTES, LOWER, CLASS_SIZE, ADDS_UP, get_read, NULL },
	{ "io.write", "written to storage", UNIT_BYTES, LOWER, CLASS_SIZE, ADDS_UP, get_write, NULL },
	{ "faults.minor", "minor faults", UNIT_COUNT, LOWER, CLASS_SIZE, ADDS_UP, get_minor, NULL },
	{ "faults.major", "major faults", UNIT_COUNT, LOWER, CLASS_SIZE, ADDS_UP, get_major, NULL },
	{ "ctx.voluntary", "voluntary switches", UNIT_COUNT, LOWER, CLASS_SIZE, ADDS_UP, get_voluntary, NULL },
	{ "ctx.involuntary", "involuntary switches", UNIT_COUNT, LOWER, CLASS_SIZE, ADDS_UP, get_involuntary, NULL },
	{ "proc.count", "processes", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, get_processes, NULL },
	{ "proc.execs", "programs executed", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, get_execs, NULL },
	{ "proc.threads_peak", "most threads at once", UNIT_COUNT, LOWER, CLASS_EXACT, 0, get_threads_peak, NULL },
	{ "net.connects", "connections made", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, get_connects, NULL },
	{ "net.connect[]", "time to connect", UNIT_NS, LOWER, CLASS_TIME, OF_PEER, NULL, series_connects },
	{ "net.reply[]", "time to a reply", UNIT_NS, LOWER, CLASS_TIME, OF_PEER, NULL, series_replies },
	{ "net.rx", "bytes received", UNIT_BYTES, LOWER, CLASS_SIZE, ADDS_UP, get_rx, NULL },
	{ "net.tx", "bytes sent", UNIT_BYTES, LOWER, CLASS_SIZE, ADDS_UP, get_tx, NULL },
	{ "files.opens", "files opened", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, get_opens, NULL },
	{ "files.misses", "opens that failed", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, get_misses, NULL },
	{ 0 },
};
/* clang-format on */

size_t metrics_count(void)
{
	return sizeof(metrics) / sizeof(metrics[0]) - 1;
}

/* Where the recording breaks off, what came until then is no total. */
static bool is_seen_whole(const struct run *run, const char *id)
{
	return strcmp(run->exit_reason, "truncated") != 0 ||
	       (run->has_ready &&
		(metric_is(id, METRIC_AT_READY) || strncmp(id, "startup.", 8) == 0));
}

double *metrics_values(struct arena *arena, const struct run *run)
{
	double *values = arena_alloc_array(arena, metrics_count(), sizeof(*values));
	for (size_t i = 0; values != NULL && i < metrics_count(); i++) {
		const bool is_seen = metrics[i].get != NULL && is_seen_whole(run, metrics[i].id);
		values[i] = is_seen ? metrics[i].get(run) : NAN;
	}
	return values;
}

static bool names_metric(const char *id, const struct metric *metric)
{
	const size_t n = strlen(metric->id);
	if (metric->collect == NULL)
		return strcmp(id, metric->id) == 0;
	return strncmp(id, metric->id, n - 1) == 0; /* "net.connect[" of "net.connect[]" */
}

const struct metric *metrics_row(const char *id)
{
	for (const struct metric *metric = metrics; metric->id != NULL; metric++) {
		if (names_metric(id, metric))
			return metric;
	}
	return NULL;
}

bool metric_is(const char *id, enum metric_trait trait)
{
	static const char suite_total[] = "suite.time";
	const struct metric *metric = metrics_row(id);
	if (metric == NULL)
		return trait == METRIC_TOTAL && strcmp(id, suite_total) == 0;
	return (metric->traits & trait) != 0;
}

/* ---- values as text ---- */

char *value_format(char text[static UNITS_BYTES], enum unit unit, double value)
{
	switch (unit) {
	case UNIT_NS:
		return format_ns(text, value);
	case UNIT_BYTES:
		return format_bytes(text, value);
	case UNIT_COUNT:
		return format_count(text, value);
	case UNIT_RATIO:
		break;
	}
	return format_percent(text, value);
}

static int parse_ratio(const char *s, double *ret)
{
	char number[VALUE_MAX];
	size_t n = strlen(s);
	if (n == 0 || n >= sizeof(number) || s[n - 1] != '%')
		return parse_double(s, ret);
	n -= n > 1 && s[n - 2] == ' ' ? 2 : 1;
	memcpy(number, s, n);
	number[n] = '\0';
	const int r = parse_double(number, ret);
	*ret /= r == 0 ? 100 : 1;
	return r;
}

int value_parse(const char *s, enum unit unit, double *ret)
{
	uint64_t whole = 0;
	int r = 0;
	switch (unit) {
	case UNIT_NS:
		r = parse_duration(s, &whole);
		break;
	case UNIT_BYTES:
		r = parse_bytes(s, &whole);
		break;
	case UNIT_RATIO:
		return parse_ratio(s, ret);
	case UNIT_COUNT:
		return parse_double(s, ret);
	}
	if (r == 0)
		*ret = (double)whole;
	return r;
}
