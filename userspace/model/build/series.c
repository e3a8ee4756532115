/* SPDX-License-Identifier: MIT */
/* The values of a metric over the runs, and their statistics. Metrics with a parameter pool
 * what matches it: every connection to a peer, every reply; children give one value a run. */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/model/build/internal.h"
#include "userspace/model/shares.h"
#include "userspace/model/sites.h"

#define MAX_PEERS	  32 /* rows of their own, per metric; the rest on demand */
#define MAX_PROGRAMS	  16 /* … and libraries */
#define LIBRARY_MIN_NS	  1000000
#define LIBRARY_SHARE	  0.02
#define MAX_FUNCTIONS	  8
#define BIG_FUNCTION	  0.05 /* of the critical path's time on the CPU, of the heap */
#define MAX_FUNCTION_NAME 200
#define MAX_CANDIDATES	  4096 /* distinct peers or programs that are counted at all */
#define LINE_BYTES	  4096 /* of a command line that is matched: fnmatch is not linear */

/* Values are gathered with malloc and moved to the arena when the series is complete. */
static int add_value(struct series *s, double value)
{
	/* A power of two is full: double it. */
	if ((s->n_values & (s->n_values - 1)) == 0) {
		const size_t cap = s->n_values == 0 ? 1 : s->n_values * 2;
		double *grown = realloc(s->values, cap * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		s->values = grown;
	}
	s->values[s->n_values++] = value;
	return 0;
}

static bool matches(const char *glob, const char *text)
{
	/* A literal name may hold brackets itself: "tcp [::1]:80". fnmatch() takes its time also for one
	 * without any. */
	return strcmp(glob, text) == 0 ||
	       (strpbrk(glob, "*?[\\") != NULL && fnmatch(glob, text, 0) == 0);
}

int series_add(struct series *s, double value)
{
	return add_value(s, value);
}

bool series_matches(const char *glob, const char *text)
{
	return matches(glob, text);
}

int series_connects(const struct run *run, const char *glob, struct series *ret)
{
	int rc = 0;
	for (size_t i = 0; i < run->n_connections && rc == 0; i++) {
		const struct connection *c = &run->connections[i];
		/* A refused connection was not established, however long that took. */
		if (c->duration_ns != UNKNOWN && strcmp(c->result, "ok") == 0 &&
		    matches(glob, c->peer))
			rc = add_value(ret, (double)c->duration_ns);
	}
	return rc;
}

int series_replies(const struct run *run, const char *glob, struct series *ret)
{
	int rc = 0;
	for (size_t i = 0; i < run->n_connections && rc == 0; i++) {
		const struct connection *c = &run->connections[i];
		if (c->n_replies == 0 || !matches(glob, c->peer))
			continue;
		for (size_t k = 0; k < c->n_replies && rc == 0; k++)
			rc = add_value(ret, (double)c->replies_ns[k]);
	}
	return rc;
}

/* One that nobody makes is not a missing one, as long as there is such a call. */
int series_calls(const struct run *run, const char *glob, struct series *ret)
{
	double n = syscall_matches(glob) ? 0 : NAN;
	for (size_t i = 0; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		if (!p->has_syscalls)
			n = NAN;
		for (size_t k = 0; k < p->n_syscalls; k++)
			if (p->syscalls[k].calls != UNKNOWN && matches(glob, p->syscalls[k].name))
				n += (double)p->syscalls[k].calls;
	}
	return add_value(ret, n);
}

/* Is one of those that led to it meant as well? Then its time is in that one's. */
static bool is_within(const struct run *run, const struct language_module *m, const char *glob)
{
	int64_t id = m->id;
	while (m->parent != UNKNOWN && m->parent >= 1 && m->parent < id) {
		m = &run->language_modules[m->parent - 1];
		id = m->id < id ? m->id : 1; /* a stored document may say anything */
		if (matches(glob, m->name))
			return true;
	}
	return false;
}

int series_language_modules(const struct run *run, const char *glob, struct series *ret)
{
	double sum = NAN;
	for (size_t i = 0; i < run->n_language_modules; i++) {
		const struct language_module *m = &run->language_modules[i];
		if (m->total_path_ns != UNKNOWN && m->id == (int64_t)i + 1 &&
		    matches(glob, m->name) && !is_within(run, m, glob))
			sum = (isnan(sum) ? 0 : sum) + (double)m->total_path_ns;
	}
	return add_value(ret, sum);
}

/* By path, or by the name alone. */
static bool is_library_meant(const struct library *l, const char *glob)
{
	const char *slash = strrchr(l->path, '/');
	return matches(glob, l->path) || (slash != NULL && matches(glob, slash + 1));
}

/* Where it is not loaded at all it is missing, and does not take no time. */
int series_libraries(const struct run *run, const char *glob, struct series *ret)
{
	double sum = NAN;
	const bool is_whole = run->libraries_cut == UNKNOWN || run->libraries_cut == 0;
	for (size_t i = 0; i < run->n_libraries && is_whole; i++) {
		const struct library *l = &run->libraries[i];
		if (l->path_ns != UNKNOWN && is_library_meant(l, glob))
			sum = (isnan(sum) ? 0 : sum) + (double)l->path_ns;
	}
	return add_value(ret, sum);
}

/* ---- time.child[] ---- */

struct life {
	int64_t start_ns, end_ns;
};

static int compare_lives(const void *left, const void *right)
{
	const struct life *a = left, *b = right;
	return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

/* argv from @first on as one line, cut; @as_typed: without the directory of the first word. */
static void command_line(const struct process *p, size_t first, bool as_typed,
			 char line[static LINE_BYTES])
{
	size_t at = 0;
	for (size_t i = first; i < p->argv.n && at + 1 < LINE_BYTES; i++) {
		const char *word = p->argv.items[i];
		const char *slash = i == first && as_typed ? strrchr(word, '/') : NULL;
		if (slash != NULL)
			word = slash + 1;
		if (i > first)
			line[at++] = ' ';
		const size_t n = strnlen(word, LINE_BYTES - 1 - at);
		memcpy(line + at, word, n);
		at += n;
	}
	line[at] = '\0';
}

/* "coverage report*" is also meant where it runs as "/usr/bin/python3 /usr/bin/coverage report". */
static bool is_meant(const struct process *p, const char *glob)
{
	char line[LINE_BYTES];
	command_line(p, 0, false, line);
	if (line[0] == '\0' || matches(glob, line))
		return line[0] != '\0';
	for (size_t first = 0; first < 2 && first < p->argv.n; first++) {
		command_line(p, first, true, line);
		if (line[0] != '\0' && matches(glob, line))
			return true;
	}
	return false;
}

static double union_of(struct life *lives, size_t n)
{
	int64_t sum = 0, until = INT64_MIN;
	qsort(lives, n, sizeof(*lives), compare_lives);
	for (size_t i = 0; i < n; i++) {
		const int64_t from = lives[i].start_ns > until ? lives[i].start_ns : until;
		if (lives[i].end_ns > from)
			sum += lives[i].end_ns - from;
		if (lives[i].end_ns > until)
			until = lives[i].end_ns;
	}
	return (double)sum;
}

int series_children(const struct run *run, const char *glob, struct series *ret)
{
	_cleanup_free_ struct life *lives = calloc(run->n_processes + 1, sizeof(*lives));
	size_t n = 0;
	if (lives == NULL)
		return -ENOMEM;
	for (size_t i = 1; i < run->n_processes; i++) {
		const struct process *p = &run->processes[i];
		if (!is_meant(p, glob))
			continue;
		const int64_t end_ns = p->exit_ns != UNKNOWN ? p->exit_ns : run->wall_ns;
		if (p->start_ns != UNKNOWN && end_ns != UNKNOWN)
			lives[n++] = (struct life){ p->start_ns, end_ns };
	}
	return add_value(ret, n > 0 ? union_of(lives, n) : NAN);
}

/* ---- a series ---- */

/* Moves the gathered values into the arena and adds the statistics. */
static int complete(struct arena *a, struct series *s)
{
	double *gathered = s->values;
	s->values = arena_memdup(a, gathered != NULL ? gathered : (double[]){ 0 },
				 s->n_values * sizeof(*gathered));
	free(gathered);
	if (s->values == NULL)
		return -ENOMEM;
	summary_of(s->values, s->n_values, &s->summary);
	return 0;
}

enum tier metrics_tier(const struct session *s, const struct metric *metric)
{
	if (s->n_runs == 0 || metric == NULL || (metric->traits & METRIC_ANY_TIER) != 0)
		return TIER_UNKNOWN;
	return s->runs[0].lost_bpf != UNKNOWN ? TIER_KERNEL_EVENTS : TIER_NO_KERNEL_EVENTS;
}

static int build_plain(struct session *s, size_t row, struct series *ret)
{
	int rc = 0;
	*ret = (struct series){
		.id = metrics[row].id,
		.metric = &metrics[row],
		.tier = metrics_tier(s, &metrics[row]),
	};
	for (size_t i = 0; i < s->n_runs && rc == 0; i++)
		rc = add_value(ret, s->runs[i].values[row]);
	const int done = complete(s->arena, ret);
	return rc < 0 ? rc : done;
}

static int build_pooled(struct session *s, const struct metric *metric, const char *parameter,
			struct series *ret)
{
	int rc = 0;
	const int base = (int)strlen(metric->id) - 2; /* without "[]" */
	*ret = (struct series){ .metric = metric, .tier = metrics_tier(s, metric) };
	ret->id = arena_printf(s->arena, "%.*s[%s]", base, metric->id, parameter);
	const bool is_lost = probes_lost_metric(s, metric->id);
	for (size_t i = 0; i < s->n_runs && rc == 0 && !is_lost; i++)
		rc = metric->collect(&s->runs[i], parameter, ret);
	const int done = complete(s->arena, ret);
	if (ret->id == NULL)
		return -ENOMEM;
	return rc < 0 ? rc : done;
}

/* ---- which parameters get a row of their own ---- */

struct candidate {
	const char *name; /* interned */
	size_t n_uses, order;
};

struct candidate_list VEC(struct candidate);

static int count_uses(struct session *s, struct candidate_list *list, struct id_map *index,
		      const char *name, size_t n)
{
	const char *key = arena_intern(s->arena, name);
	if (key == NULL)
		return -ENOMEM;
	const int known = id_map_get(index, (uint64_t)(uintptr_t)key);
	if (known >= 0 && list->items != NULL) {
		list->items[known].n_uses += n;
		return 0;
	}
	if (list->n == MAX_CANDIDATES)
		return 0;
	const struct candidate fresh = { .name = key, .n_uses = n, .order = list->n };
	const int rc = vec_push(list, fresh);
	return rc < 0 ? rc : id_map_set(index, (uint64_t)(uintptr_t)key, (int)list->n - 1);
}

static int count_use(struct session *s, struct candidate_list *list, struct id_map *index,
		     const char *name)
{
	return count_uses(s, list, index, name, 1);
}

static int most_used_first(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	if (a->n_uses != b->n_uses)
		return a->n_uses > b->n_uses ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* "gcc" gives "gcc" and @tail; characters that a glob would interpret match themselves. */
static const char *glob_of(struct arena *a, const char *name, const char *tail)
{
	char glob[512];
	size_t at = 0;
	for (size_t i = 0; name[i] != '\0' && at + 3 < sizeof(glob); i++) {
		if (strchr("*?[\\", name[i]) != NULL)
			glob[at++] = '\\';
		glob[at++] = name[i];
	}
	if (tail[0] != '\0')
		glob[at++] = tail[0];
	return arena_internn(a, glob, at);
}

static int find_programs(struct session *s, struct candidate_list *list, struct id_map *index)
{
	int rc = 0;
	for (size_t r = 0; r < s->n_runs; r++)
		for (size_t i = 1; i < s->runs[r].n_processes && rc == 0; i++) {
			const struct process *p = &s->runs[r].processes[i];
			/* A fork that executed nothing is not a program of its own. */
			if (p->n_images == 0 || p->argv.n == 0 || p->argv.items[0][0] == '\0')
				continue;
			const char *glob = glob_of(s->arena, p->argv.items[0], "*");
			rc = glob == NULL ? -ENOMEM : count_use(s, list, index, glob);
		}
	return rc;
}

static int find_peers(struct session *s, struct candidate_list *list, struct id_map *index,
		      bool with_replies)
{
	int rc = 0;
	for (size_t r = 0; r < s->n_runs; r++)
		for (size_t i = 0; i < s->runs[r].n_connections && rc == 0; i++) {
			const struct connection *c = &s->runs[r].connections[i];
			if (with_replies ? c->n_replies > 0 : c->duration_ns != UNKNOWN)
				rc = count_use(s, list, index, c->peer);
		}
	return rc;
}

static int find_calls(struct session *s, struct candidate_list *list, struct id_map *index)
{
	int rc = 0;
	for (size_t r = 0; r < s->n_runs; r++)
		for (size_t i = 0; i < s->runs[r].n_processes; i++) {
			const struct process *p = &s->runs[r].processes[i];
			for (size_t k = 0; k < p->n_syscalls && rc == 0; k++)
				if (p->syscalls[k].calls != UNKNOWN)
					rc = count_uses(s, list, index, p->syscalls[k].name,
							(size_t)p->syscalls[k].calls);
		}
	return rc;
}

/* Those with the largest part of the critical path for themselves; names alone, whatever the module. */
static int find_functions(struct session *s, struct candidate_list *list, struct id_map *index)
{
	_cleanup_(shares_freep) struct shares *shares = NULL;
	_cleanup_vec_ struct share_list all = { 0 };
	int64_t sum_ns = 0;
	size_t n_taken = 0;
	int rc = shares_new(s, &shares);
	for (size_t i = 0; i < s->n_runs && rc == 0; i++)
		if (s->runs[i].has_segments)
			rc = shares_add_run(shares, &s->runs[i], true);
	if (rc == 0)
		rc = shares_finish(shares, &all, &sum_ns, &n_taken);
	for (size_t i = 0; i < all.n && list->n < MAX_FUNCTIONS && rc == 0; i++) {
		const struct share *share = &all.items[i];
		if (share->function == NULL || strlen(share->function) > MAX_FUNCTION_NAME ||
		    (double)share->self_ns < BIG_FUNCTION * (double)sum_ns)
			continue;
		const char *glob = glob_of(s->arena, share->function, "");
		rc = glob == NULL ? -ENOMEM
				  : count_uses(s, list, index, glob, (size_t)share->self_ns);
	}
	return rc;
}

/* Those that hold most of the heap at readiness themselves, as far as more than a few samples say so. */
static int find_sites(struct session *s, struct candidate_list *list, struct id_map *index)
{
	struct site_functions f;
	int rc = site_functions_of(s, s->runs, s->n_runs, 0, &f);
	if (rc == 0)
		site_functions_sort(&f, SITE_READY);
	for (size_t i = 0; i < f.list.n && list->n < MAX_FUNCTIONS && rc == 0; i++) {
		const struct site_function *row = &f.list.items[i];
		const struct site_amount *self = &row->self[SITE_READY];
		if (row->name.name == NULL || strlen(row->name.name) > MAX_FUNCTION_NAME ||
		    self->samples < SITE_SAMPLES_MIN ||
		    self->mass.bytes < BIG_FUNCTION * f.whole[SITE_READY].mass.bytes)
			continue;
		const char *glob = glob_of(s->arena, row->name.name, "");
		rc = glob == NULL ? -ENOMEM
				  : count_uses(s, list, index, glob, (size_t)self->mass.bytes);
	}
	site_functions_done(&f);
	return rc;
}

static int find_modules(struct session *s, struct candidate_list *list, struct id_map *index)
{
	int rc = 0;
	for (size_t r = 0; r < s->n_runs; r++)
		for (size_t i = 0; i < s->runs[r].n_language_modules && rc == 0; i++) {
			const struct language_module *m = &s->runs[r].language_modules[i];
			if (m->total_path_ns != UNKNOWN && m->total_path_ns > 0)
				rc = count_uses(s, list, index, m->name, (size_t)m->total_path_ns);
		}
	return rc;
}

/* Small ones are noise: rows of their own have those that took 1 ms and 2 % of a start, where that
 * was most. */
static int find_libraries(struct session *s, struct candidate_list *list, struct id_map *index)
{
	int rc = 0;
	for (size_t r = 0; r < s->n_runs; r++)
		for (size_t i = 0; i < s->runs[r].n_libraries && rc == 0; i++) {
			const struct library *l = &s->runs[r].libraries[i];
			const char *slash = strrchr(l->path, '/');
			const double least = LIBRARY_SHARE * (double)s->runs[r].startup_total_ns;
			if (l->path_ns < LIBRARY_MIN_NS || (double)l->path_ns < least ||
			    slash == NULL)
				continue;
			const char *glob = glob_of(s->arena, slash + 1, "");
			rc = glob == NULL ? -ENOMEM
					  : count_uses(s, list, index, glob, (size_t)l->path_ns);
		}
	return rc;
}

struct series_list VEC(struct series);

static int find_parameters(struct session *s, const struct metric *metric,
			   struct candidate_list *list, struct id_map *index)
{
	if (metric->collect == series_children)
		return find_programs(s, list, index);
	if (metric->collect == series_language_modules)
		return find_modules(s, list, index);
	if (metric->collect == series_calls)
		return find_calls(s, list, index);
	if (metric->collect == series_functions)
		return find_functions(s, list, index);
	if (metric->collect == series_sites)
		return find_sites(s, list, index);
	if (metric->collect == series_libraries)
		return find_libraries(s, list, index);
	return find_peers(s, list, index, metric->collect == series_replies);
}

static int add_pooled(struct session *s, size_t row, struct series_list *out)
{
	struct candidate_list list = { 0 };
	struct id_map index = { 0 };
	if (probes_lost_metric(s, metrics[row].id))
		return 0;
	const bool is_few =
		metrics[row].collect == series_children || metrics[row].collect == series_libraries;
	const size_t limit = is_few ? MAX_PROGRAMS : MAX_PEERS;
	int rc = find_parameters(s, &metrics[row], &list, &index);

	if (list.n > 1)
		qsort(list.items, list.n, sizeof(list.items[0]), most_used_first);
	for (size_t i = 0; i < list.n && i < limit && rc == 0; i++) {
		struct series series;
		rc = build_pooled(s, &metrics[row], list.items[i].name, &series);
		if (rc == 0)
			rc = vec_push(out, series);
	}
	vec_done(&list);
	id_map_done(&index);
	return rc;
}

int metrics_collect(struct session *s)
{
	struct series_list out = { 0 };
	int rc = 0;
	for (size_t row = 0; row < metrics_count() && rc == 0; row++) {
		if (metrics[row].get == NULL) {
			rc = add_pooled(s, row, &out);
			continue;
		}
		struct series series;
		rc = build_plain(s, row, &series);
		if (rc == 0)
			rc = vec_push(&out, series);
	}
	if (rc == 0 && out.n > 0) {
		s->series = arena_memdup(s->arena, out.items, out.n * sizeof(out.items[0]));
		s->n_series = s->series != NULL ? out.n : 0;
		rc = s->series != NULL ? 0 : -ENOMEM;
	}
	vec_done(&out);
	return rc;
}

void metrics_mark_interleaved(struct session *s)
{
	const struct series *speed = metrics_find(s, METRIC_SPEED);
	for (size_t i = 0; i < s->n_series; i++) {
		struct series *series = &s->series[i];
		series->is_interleaved = series->metric->get != NULL;
		if ((series->metric->traits & METRIC_AT_SPEED) != 0 && speed != NULL &&
		    speed->n_values == series->n_values)
			series->speeds = speed->values;
	}
}

const struct series *metrics_find(struct session *s, const char *id)
{
	for (size_t i = 0; i < s->n_series; i++)
		if (strcmp(s->series[i].id, id) == 0)
			return &s->series[i];
	const size_t length = strlen(id);
	const char *bracket = strchr(id, '[');
	if (bracket == NULL || id[length - 1] != ']')
		return NULL;
	const size_t base = (size_t)(bracket - id);
	for (size_t row = 0; row < metrics_count(); row++) {
		if (metrics[row].collect == NULL || strlen(metrics[row].id) != base + 2 ||
		    strncmp(metrics[row].id, id, base) != 0)
			continue;
		const char *parameter = arena_strndup(s->arena, bracket + 1, length - base - 2);
		struct series *series = arena_alloc(s->arena, sizeof(*series));
		if (parameter == NULL || series == NULL ||
		    build_pooled(s, &metrics[row], parameter, series) < 0)
			return NULL;
		return series;
	}
	return NULL;
}
