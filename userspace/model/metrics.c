/* SPDX-License-Identifier: MIT */
/* THE metric table, and how each of them is read off a run. Each row has its paragraph in
 * docs/metrics.md. */
#include "userspace/model/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "userspace/base/nearest.h"
#include "userspace/model/build/internal.h"

/* A ratio as somebody typed it. */
#define VALUE_MAX 256

static double number(int64_t value)
{
	return value == UNKNOWN ? NAN : (double)value;
}

static double number_at(const void *object, size_t offset)
{
	return number(*(const int64_t *)(const void *)((const char *)object + offset));
}

static double of_run(const struct metric *metric, const struct run *r)
{
	return number_at(r, metric->of);
}

static double of_ready_run(const struct metric *metric, const struct run *r)
{
	return r->has_ready ? of_run(metric, r) : NAN;
}

/* ---- startup ---- */

/* Without the shim's marks link and init are part of main: they were not captured. */
static double of_phase(const struct metric *metric, const struct run *r)
{
	double sum = 0;
	if (!r->has_segments || (metric->of == PHASE_LINK && !r->has_link_phase) ||
	    (metric->of == PHASE_INIT && !r->has_init_phase))
		return NAN;
	for (size_t i = 0; i < r->n_segments; i++) {
		if (r->segments[i].phase == metric->of)
			sum += (double)r->segments[i].duration_ns;
	}
	return sum;
}

/* A thread of the tree can have kept the path off a CPU for as long as it was on one, and no longer: only
 * what exceeds that was the doing of others for certain. A quota's waits are not (cause_is_cpu_wait()). */
static double get_undisturbed(const struct metric *metric, const struct run *r)
{
	double waited_ns = 0, on_path_ns = 0, tree_ns = 0;
	(void)metric;
	if (!r->has_segments || r->n_processes == 0)
		return NAN;
	for (size_t i = 0; i < r->n_segments; i++) {
		const struct segment *s = &r->segments[i];
		const double duration_ns = (double)s->duration_ns;
		waited_ns += s->cause == CAUSE_RUNQUEUE ? duration_ns : 0;
		on_path_ns += s->state == ACTIVITY_RUNNING ? duration_ns : 0;
	}
	for (size_t i = 0; i < r->n_processes; i++)
		tree_ns += number(r->processes[i].run_ns);
	const double others_ns = waited_ns - fmax(0, tree_ns - on_path_ns);
	return isnan(tree_ns) ? NAN : number(r->startup_total_ns) - fmax(0, others_ns);
}

static double of_listener(const struct metric *metric, const struct run *r)
{
	const struct listener *l = run_listener(r);
	return l != NULL ? number_at(l, metric->of) : NAN;
}

static double get_listen_gap(const struct metric *metric, const struct run *r)
{
	const struct listener *l = run_listener(r);
	(void)metric;
	return l != NULL ? number(l->accept_ready_ns) - number(l->listen_ns) : NAN;
}

/* ---- sums over the tree: of the processes that could be read; NAN when none could ---- */

static double tree_sum(const struct run *r, size_t offset, bool is_of_heap)
{
	double sum = NAN;
	for (size_t i = 0; i < r->n_processes; i++) {
		const struct process *p = &r->processes[i];
		const double value = number_at(p, offset);
		if (!isnan(value) && (p->heap.is_known || !is_of_heap))
			sum = (isnan(sum) ? 0 : sum) + value;
	}
	return sum;
}

static double of_processes(const struct metric *metric, const struct run *r)
{
	return tree_sum(r, metric->of, false);
}

static double of_heaps(const struct metric *metric, const struct run *r)
{
	return tree_sum(r, metric->of, true);
}

static double get_utilization(const struct metric *metric, const struct run *r)
{
	(void)metric;
	return (tree_sum(r, offsetof(struct process, user_ns), false) +
		tree_sum(r, offsetof(struct process, system_ns), false)) /
	       (number(r->wall_ns) * number(r->cpus));
}

/* ---- counts ---- */

bool image_is_executed(const struct image *image)
{
	return strcmp(image->result, "ok") == 0;
}

bool connection_is_made(const struct connection *c)
{
	/* Connecting a datagram socket only stores an address: nothing goes out. */
	return strncmp(c->peer, "udp ", 4) != 0;
}

static double get_processes(const struct metric *metric, const struct run *r)
{
	(void)metric;
	/* /proc at a few moments is no count of processes. */
	return r->lost_bpf != UNKNOWN ? (double)r->n_processes : NAN;
}

static double get_execs(const struct metric *metric, const struct run *r)
{
	(void)metric;
	double n = 0;
	for (size_t i = 0; i < r->n_processes; i++)
		for (size_t k = 0; k < r->processes[i].n_images; k++)
			n += image_is_executed(&r->processes[i].images[k]);
	return r->lost_bpf != UNKNOWN ? n : NAN;
}

static double get_connects(const struct metric *metric, const struct run *r)
{
	(void)metric;
	double n = 0;
	if (r->lost_bpf == UNKNOWN && r->lost_shim == UNKNOWN)
		return NAN;
	for (size_t i = 0; i < r->n_connections; i++)
		n += connection_is_made(&r->connections[i]);
	return n;
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
#define DETAIL	 METRIC_DETAIL
#define AT_SPEED METRIC_AT_SPEED

#define RUN(member)	 of_run, NULL, offsetof(struct run, member)
#define READY(member)	 of_ready_run, NULL, offsetof(struct run, member)
#define PHASE(phase)	 of_phase, NULL, PHASE_##phase
#define LISTENER(member) of_listener, NULL, offsetof(struct listener, member)
#define SUM(member)	 of_processes, NULL, offsetof(struct process, member)
#define HEAP(member)	 of_heaps, NULL, offsetof(struct process, heap.member)
#define BY(function)	 function, NULL, 0
#define PER(function)	 NULL, function, 0

/* clang-format off */
const struct metric metrics[] = {
	{ "time.wall", "wall time", UNIT_NS, LOWER, CLASS_TIME, TOTAL | ADDS_UP, RUN(wall_ns) },
	{ "startup.ready", "ready", UNIT_NS, LOWER, CLASS_TIME, TOTAL | AT_READY, READY(ready_ns) },
	{ "startup.exec", "exec phase", UNIT_NS, LOWER, CLASS_TIME, 0, PHASE(EXEC) },
	{ "startup.link", "link phase", UNIT_NS, LOWER, CLASS_TIME, 0, PHASE(LINK) },
	{ "startup.init", "init phase", UNIT_NS, LOWER, CLASS_TIME, 0, PHASE(INIT) },
	{ "startup.main", "main phase", UNIT_NS, LOWER, CLASS_TIME, 0, PHASE(MAIN) },
	{ "startup.child", "waiting for children", UNIT_NS, LOWER, CLASS_TIME, 0, PHASE(CHILD) },
	{ "startup.undisturbed", "undisturbed by others", UNIT_NS, LOWER, CLASS_TIME, ADDS_UP | AT_SPEED, BY(get_undisturbed) },
	{ "startup.listen", "listen", UNIT_NS, LOWER, CLASS_TIME, 0, LISTENER(listen_ns) },
	{ "startup.accept_ready", "accept ready", UNIT_NS, LOWER, CLASS_TIME, 0, LISTENER(accept_ready_ns) },
	{ "startup.first_accept", "first accept", UNIT_NS, LOWER, CLASS_TIME, 0, LISTENER(first_accept_ns) },
	{ "startup.first_byte", "first byte", UNIT_NS, LOWER, CLASS_TIME, 0, LISTENER(first_byte_ns) },
	{ "startup.listen_gap", "port open, nobody serving", UNIT_NS, LOWER, CLASS_TIME, 0, BY(get_listen_gap) },
	{ "startup.library[]", "loading of a library", UNIT_NS, LOWER, CLASS_TIME, 0, PER(series_libraries) },
	{ "time.child[]", "wall time of children", UNIT_NS, LOWER, CLASS_TIME, 0, PER(series_children) },
	{ "cpu.user", "user CPU", UNIT_NS, LOWER, CLASS_TIME, ADDS_UP, SUM(user_ns) },
	{ "cpu.system", "system CPU", UNIT_NS, LOWER, CLASS_TIME, ADDS_UP, SUM(system_ns) },
	{ "cpu.utilization", "CPU utilization", UNIT_RATIO, NEITHER, CLASS_RATIO, 0, BY(get_utilization) },
	{ METRIC_SPEED, "speed of the CPUs", UNIT_COUNT, NEITHER, CLASS_SIZE, 0, RUN(cpu_speed) },
	{ "cpu.function[]", "CPU time in functions", UNIT_NS, LOWER, CLASS_TIME, DETAIL, PER(series_functions) },
	{ "mem.peak_rss", "peak resident", UNIT_BYTES, LOWER, CLASS_SIZE, GATED, RUN(peak_rss_bytes) },
	{ "mem.peak_cgroup", "peak of the cgroup", UNIT_BYTES, LOWER, CLASS_SIZE, ANY_TIER, RUN(peak_cgroup_bytes) },
	{ "mem.ready_rss", "resident at ready", UNIT_BYTES, LOWER, CLASS_SIZE, AT_READY, READY(ready_rss_bytes) },
	{ "mem.peak_pss", "peak, shared pages once", UNIT_BYTES, LOWER, CLASS_SIZE, 0, RUN(peak_pss_bytes) },
	{ "mem.ready_pss", "at ready, shared pages once", UNIT_BYTES, LOWER, CLASS_SIZE, AT_READY | ANY_TIER, READY(ready_pss_bytes) },
	{ "mem.ready_shared", "shared at ready", UNIT_BYTES, NEITHER, CLASS_SIZE, AT_READY | ANY_TIER, READY(ready_shared_bytes) },
	{ "heap.peak", "heap peak", UNIT_BYTES, LOWER, CLASS_SIZE, ANY_TIER, RUN(heap_peak_bytes) },
	{ "heap.ready", "heap at ready", UNIT_BYTES, LOWER, CLASS_SIZE, AT_READY | ANY_TIER, HEAP(ready_bytes) },
	{ "heap.exit", "never freed", UNIT_BYTES, LOWER, CLASS_SIZE, ANY_TIER, HEAP(exit_bytes) },
	{ "heap.allocs", "allocations", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP | ANY_TIER, HEAP(allocs) },
	{ "heap.frees", "frees", UNIT_COUNT, NEITHER, CLASS_EXACT, ADDS_UP | ANY_TIER, HEAP(frees) },
	{ "heap.bytes", "bytes requested", UNIT_BYTES, LOWER, CLASS_EXACT, ADDS_UP | ANY_TIER, HEAP(bytes) },
	{ "heap.site[]", "heap at ready by call site", UNIT_BYTES, LOWER, CLASS_SIZE, AT_READY | ANY_TIER | DETAIL, PER(series_sites) },
	{ "io.read", "read from storage", UNIT_BYTES, LOWER, CLASS_SIZE, ADDS_UP, SUM(read_bytes) },
	{ "io.write", "written to storage", UNIT_BYTES, LOWER, CLASS_SIZE, ADDS_UP, SUM(write_bytes) },
	{ "faults.minor", "minor faults", UNIT_COUNT, LOWER, CLASS_SIZE, ADDS_UP, SUM(minor_faults) },
	{ "faults.major", "major faults", UNIT_COUNT, LOWER, CLASS_SIZE, ADDS_UP, SUM(major_faults) },
	{ "ctx.voluntary", "voluntary switches", UNIT_COUNT, LOWER, CLASS_SIZE, ADDS_UP, SUM(voluntary_switches) },
	{ "ctx.involuntary", "involuntary switches", UNIT_COUNT, LOWER, CLASS_SIZE, ADDS_UP, SUM(involuntary_switches) },
	{ "proc.count", "processes", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, BY(get_processes) },
	{ "proc.execs", "programs executed", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, BY(get_execs) },
	{ "proc.threads_peak", "most threads at once", UNIT_COUNT, LOWER, CLASS_EXACT, 0, RUN(threads_peak) },
	{ "net.connects", "connections made", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, BY(get_connects) },
	{ "net.connect[]", "time to connect", UNIT_NS, LOWER, CLASS_TIME, OF_PEER, PER(series_connects) },
	{ "net.reply[]", "time to a reply", UNIT_NS, LOWER, CLASS_TIME, OF_PEER, PER(series_replies) },
	{ "net.rx", "bytes received", UNIT_BYTES, LOWER, CLASS_SIZE, ADDS_UP, SUM(net_rx_bytes) },
	{ "net.tx", "bytes sent", UNIT_BYTES, LOWER, CLASS_SIZE, ADDS_UP, SUM(net_tx_bytes) },
	{ "startup.module[]", "loading modules", UNIT_NS, LOWER, CLASS_TIME, DETAIL, PER(series_language_modules) },
	{ "sys.calls[]", "system calls", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP | DETAIL, PER(series_calls) },
	{ "files.opens", "files opened", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, RUN(file_opens) },
	{ "files.misses", "opens that failed", UNIT_COUNT, LOWER, CLASS_EXACT, ADDS_UP, RUN(file_misses) },
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
		values[i] = is_seen ? metrics[i].get(&metrics[i], run) : NAN;
	}
	return values;
}

void metrics_forget(const struct metric *metric, struct run *run)
{
	if (metric->get == of_run)
		*(int64_t *)(void *)((char *)run + metric->of) = UNKNOWN;
	for (size_t i = 0; metric->get == of_processes && i < run->n_processes; i++)
		*(int64_t *)(void *)((char *)&run->processes[i] + metric->of) = UNKNOWN;
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

const char *metrics_nearest(const char *id, char text[static METRIC_WORD_BYTES])
{
	const char *names[sizeof(metrics) / sizeof(*metrics)];
	const char *meant = NULL;
	const size_t n = strlen(id);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++) {
		names[i] = metrics[i].id;
		/* Without its brackets it is nearer to others. */
		if (names[i] != NULL && strncmp(names[i], id, n) == 0 &&
		    strcmp(names[i] + n, "[]") == 0)
			meant = names[i];
	}
	if (meant == NULL)
		meant = nearest_word(id, names);
	if (meant == NULL)
		return NULL;
	const bool has_pattern = strchr(meant, '[') != NULL;
	(void)snprintf(text, METRIC_WORD_BYTES, "%.*s%s", (int)strcspn(meant, "["), meant,
		       has_pattern ? "[PATTERN]" : "");
	return text;
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
