/* SPDX-License-Identifier: MIT */
/* Named findings: what is wrong, what it costs, the evidence, what to do. Each is a row here;
 * the same run always gives the same findings. */
#include "userspace/model/build/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/model/build/resident_findings.h"
#include "userspace/model/imports.h"
#include "userspace/model/syscalls.h"

#define LIE_MIN_NS 1000000 /* 1 ms: below it no client notices */

/* One call that is most of the time in the kernel, and not because of a few that take long. */
#define CALLS_MIN	1000
#define CALLS_MIN_NS	10000000
#define CALLS_MIN_SHARE 0.5

/* The port is open, so clients connect and wait, but nobody takes them yet. */
static bool early_listen(struct builder *b, struct finding *ret)
{
	const struct run *run = b->run;
	const struct listener *worst = NULL;
	int64_t worst_ns = LIE_MIN_NS - 1;
	for (size_t i = 0; i < run->n_listeners; i++) {
		const struct listener *l = &run->listeners[i];
		if (l->listen_ns == UNKNOWN || l->accept_ready_ns == UNKNOWN ||
		    l->accept_ready_ns - l->listen_ns <= worst_ns)
			continue;
		worst = l;
		worst_ns = l->accept_ready_ns - l->listen_ns;
	}
	if (worst == NULL)
		return false;
	ret->cost_ns = worst_ns;
	ret->evidence = arena_printf(b->arena, "%s: listen at %.1f ms, served from %.1f ms on (%s)",
				     worst->endpoint, (double)worst->listen_ns / 1e6,
				     (double)worst->accept_ready_ns / 1e6, worst->evidence);
	ret->remedy = "call listen when the program can serve, or wait for accept_ready "
		      "(--ready accept) instead of probing the port";
	return true;
}

/* It asks again and again whether a peer is there, and mostly sleeps. */
static bool retry_sleep(struct builder *b, struct finding *ret)
{
	if (b->retry_detail == NULL)
		return false;
	ret->cost_ns = b->retry_ns;
	ret->evidence = arena_printf(b->arena,
				     "%s: %.1f ms passed before it was tried again with "
				     "success, or given up",
				     b->retry_detail, (double)b->retry_ns / 1e6);
	ret->remedy = "start the peer earlier, or wait until it is ready (startline wait --ready "
		      "tcp:HOST:PORT) instead of connecting and sleeping in turns";
	return true;
}

/* Short calls that only their number makes dear. */
static bool many_calls(struct builder *b, struct finding *ret)
{
	struct syscall_list sums = { 0 };
	if (syscalls_sum(b->run, &sums) < 0)
		b->error = -ENOMEM;
	bool is_found = false;
	if (sums.n > 0) {
		const struct syscall *most = &sums.items[0];
		const double share = syscalls_share(b->run, &sums, most->cpu_ns);
		is_found = share >= CALLS_MIN_SHARE && most->cpu_ns >= CALLS_MIN_NS &&
			   most->calls >= CALLS_MIN;
		ret->cost_ns = most->cpu_ns;
		ret->evidence = arena_printf(
			b->arena, "%lld %s calls were %.1f %% of the system time, %.1f ms",
			(long long)most->calls, most->name, 100 * share,
			(double)most->cpu_ns / 1e6);
	}
	ret->remedy = "make fewer of them: ask once and keep the answer, or more at a time "
		      "(--view syscalls --format csv tells which process makes them)";
	vec_done(&sums);
	return is_found;
}

/* ---- libraries ---- */

#define LIBRARY_MIN_NS	  1000000 /* on the critical path … */
#define LIBRARY_MIN_SHARE 0.05	  /* … and of it that much, or … */
#define LIBRARY_BIG_NS	  20000000
#define REPEATED_MIN	  10 /* processes */

/* What a step of a library took on the critical path. */
typedef int64_t took_fn(const struct run *run, const struct library *l);

static bool is_worth_it(const struct run *run, int64_t cost_ns)
{
	return cost_ns >= LIBRARY_MIN_NS &&
	       (cost_ns >= LIBRARY_BIG_NS ||
		(double)cost_ns >= LIBRARY_MIN_SHARE * (double)run->startup_total_ns);
}

/* Of a step that took @step_ns what can lie on the critical path. */
static int64_t critical(const struct library *l, int64_t step_ns)
{
	if (step_ns == UNKNOWN || l->path_ns == UNKNOWN || strcmp(l->path, LIBRARY_LOADER) == 0)
		return 0;
	return step_ns < l->path_ns ? step_ns : l->path_ns;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* The library whose step took longest on the critical path; NULL: none is worth a word. */
static const struct library *costliest(const struct run *run, took_fn *took, int64_t *ret_ns)
{
	const struct library *worst = NULL;
	int64_t most_ns = 0;
	for (size_t i = 0; i < run->n_libraries; i++) {
		const struct library *l = &run->libraries[i];
		const int64_t ns = took(run, l);
		if (ns <= most_ns)
			continue;
		worst = l;
		most_ns = ns;
	}
	if (worst == NULL || !is_worth_it(run, most_ns))
		return NULL;
	*ret_ns = most_ns;
	return worst;
}

/* Relocation touches pages of the file that may have to be read first: that is a disk's time, and a row of
 * its own in the breakdown. */
static bool is_read_for(const struct segment *s, const struct library *l)
{
	return s->process == l->process && s->phase == PHASE_LINK &&
	       (s->cause == CAUSE_PAGE_FAULT || s->cause == CAUSE_FILE_READ) &&
	       strcmp(s->detail, l->path) == 0;
}

static int64_t relocation_took(const struct run *run, const struct library *l)
{
	int64_t ns = critical(l, l->relocate_ns);
	for (size_t i = 0; i < run->n_segments && ns >= LIBRARY_MIN_NS; i++)
		if (is_read_for(&run->segments[i], l))
			ns -= run->segments[i].duration_ns;
	return ns;
}

static int64_t constructors_took(const struct run *run, const struct library *l)
{
	(void)run;
	return critical(l, l->init_ns);
}

static bool heavy_relocation(struct builder *b, struct finding *ret)
{
	const struct library *worst = costliest(b->run, relocation_took, &ret->cost_ns);
	if (worst == NULL)
		return false;
	ret->evidence = arena_printf(b->arena, "%s: relocated for %.1f ms", base_name(worst->path),
				     (double)ret->cost_ns / 1e6);
	ret->remedy = "have fewer symbols looked up by name (-fvisibility=hidden, -Wl,-Bsymbolic), "
		      "functions when they are called (-Wl,-z,lazy), and the other relocations "
		      "packed (-Wl,-z,pack-relative-relocs); or load it when it is needed (dlopen)";
	return true;
}

const struct library *slowest_constructors(const struct run *run, int64_t *ret_ns)
{
	return costliest(run, constructors_took, ret_ns);
}

static bool slow_constructor(struct builder *b, struct finding *ret)
{
	const struct library *worst = slowest_constructors(b->run, &ret->cost_ns);
	if (worst == NULL)
		return false;
	ret->evidence = arena_printf(b->arena, "%s: its constructors took %.1f ms",
				     base_name(worst->path), (double)ret->cost_ns / 1e6);
	ret->remedy = "do that work when it is needed first (--view functions names what runs in "
		      "phase init)";
	return true;
}

static bool library_search(struct builder *b, struct finding *ret)
{
	const struct run *run = b->run;
	const struct library *worst = NULL;
	int64_t misses = 0;
	size_t n = 0;
	for (size_t i = 0; i < run->n_libraries; i++) {
		const struct library *l = &run->libraries[i];
		if (l->misses <= 0)
			continue;
		ret->cost_ns += critical(l, l->search_ns);
		misses += l->misses;
		n++;
		if (l->missed.n > 0 && (worst == NULL || l->missed.n > worst->missed.n))
			worst = l;
	}
	if (worst == NULL || !is_worth_it(run, ret->cost_ns))
		return false;
	const struct text_list *missed = &worst->missed;
	ret->evidence = arena_printf(
		b->arena, "%lld opens failed before %zu libraries were found; %s is not in %s%s",
		(long long)misses, n, base_name(worst->path), missed->items[0],
		missed->n == 1 ? "" : arena_printf(b->arena, " and %zu more", missed->n - 1));
	ret->remedy =
		"put the directory that has them first in LD_LIBRARY_PATH or RUNPATH and leave "
		"out the others, or have ldconfig list it (--view libraries has all)";
	return true;
}

struct linked { /* a process */
	const char *exe;
	int64_t path_ns;
};

static int by_exe(const void *left, const void *right)
{
	const struct linked *a = left, *b = right;
	return strcmp(a->exe, b->exe);
}

/* The same libraries for the same program, again and again. */
static bool repeated_linking(struct builder *b, struct finding *ret)
{
	const struct run *run = b->run;
	_cleanup_free_ struct linked *all = keep(b, calloc(run->n_processes + 1, sizeof(*all)));
	const char *worst = NULL;
	size_t worst_n = 0;
	if (all == NULL)
		return false;
	for (size_t i = 0; i < run->n_processes; i++)
		all[i].exe = run->processes[i].exe != NULL ? run->processes[i].exe : "";
	for (size_t i = 0; i < run->n_libraries; i++)
		if (run->libraries[i].path_ns > 0)
			all[run->libraries[i].process - 1].path_ns += run->libraries[i].path_ns;
	qsort(all, run->n_processes, sizeof(*all), by_exe);
	for (size_t i = 0, next; i < run->n_processes; i = next) {
		int64_t sum_ns = 0;
		size_t n = 0;
		for (next = i; next < run->n_processes && strcmp(all[next].exe, all[i].exe) == 0;
		     next++) {
			sum_ns += all[next].path_ns;
			n += all[next].path_ns > 0;
		}
		if (n < REPEATED_MIN || sum_ns <= ret->cost_ns)
			continue;
		worst = all[i].exe;
		worst_n = n;
		ret->cost_ns = sum_ns;
	}
	if (worst == NULL || !is_worth_it(run, ret->cost_ns))
		return false;
	ret->evidence =
		arena_printf(b->arena,
			     "%s: its libraries were loaded and relocated by %zu processes, "
			     "for %.1f ms on the critical path",
			     worst, worst_n, (double)ret->cost_ns / 1e6);
	ret->remedy =
		"start it once for many inputs, or link it statically or against fewer libraries";
	return true;
}

/* ---- modules of languages ---- */

#define IMPORT_MIN_NS	 5000000 /* on the critical path, and … */
#define IMPORT_MIN_SHARE 0.15	 /* … of it, waiting for a CPU left out */
#define IMPORTS_NAMED	 3

/* "numpy 119 ms (24 %), app.db 80 ms (16 %, by app)" */
static const char *list_imports(struct builder *b, const struct heavy_import_list *list)
{
	const char *text = "";
	for (size_t i = 0; i < list->n && i < IMPORTS_NAMED && text != NULL; i++) {
		const struct heavy_import *m = &list->items[i];
		text = arena_printf(b->arena, "%s%s%.*s %.1f ms (%.0f %%%s%s)", text,
				    i > 0 ? ", " : "", (int)m->n_name, m->name, (double)m->ns / 1e6,
				    100 * (double)m->ns / (double)startup_own_ns(b->run),
				    m->by != NULL ? ", by " : "", m->by != NULL ? m->by : "");
	}
	return text;
}

static bool heavy_import(struct builder *b, struct finding *ret)
{
	const struct run *run = b->run;
	const double share = IMPORT_MIN_SHARE * (double)startup_own_ns(run);
	_cleanup_vec_ struct heavy_import_list list = { 0 };
	_cleanup_free_ int64_t *path_ns =
		keep(b, calloc(run->n_language_modules + 1, sizeof(*path_ns)));
	for (size_t i = 0; path_ns != NULL && i < run->n_language_modules; i++)
		path_ns[i] = run->language_modules[i].total_path_ns;
	if (path_ns == NULL || startup_own_ns(run) <= 0)
		return false;
	if (imports_heaviest(run, path_ns, share < IMPORT_MIN_NS ? IMPORT_MIN_NS : (int64_t)share,
			     &list) < 0)
		b->error = -ENOMEM;
	if (list.n == 0)
		return false;
	for (size_t i = 0; i < list.n && i < IMPORTS_NAMED; i++)
		ret->cost_ns += list.items[i].ns;
	ret->evidence =
		arena_printf(b->arena, "loaded on the critical path: %s", list_imports(b, &list));
	ret->remedy = "load it in the function that needs it, load less of it, or do without it "
		      "(--view modules tells what it loads itself)";
	return true;
}

static const struct {
	const char *id;
	bool (*find)(struct builder *b, struct finding *ret);
} rows[] = {
	{ "early-listen", early_listen },
	{ "retry-sleep", retry_sleep },
	{ "many-calls", many_calls },
	{ "heavy-relocation", heavy_relocation },
	{ SLOW_CONSTRUCTOR, slow_constructor },
	{ "library-search", library_search },
	{ "repeated-linking", repeated_linking },
	{ "heavy-import", heavy_import },
	{ "dominant-mapping", dominant_mapping },
	{ "thread-arenas", thread_arenas },
	{ "unshared-pages", unshared_pages },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

void findings_finish(struct builder *b)
{
	struct run *run = b->run;
	run->findings = keep(b, arena_alloc_array(b->arena, N_ROWS, sizeof(struct finding)));
	for (size_t i = 0; i < N_ROWS && run->findings != NULL; i++) {
		struct finding finding = { .id = rows[i].id };
		if (rows[i].find(b, &finding))
			run->findings[run->n_findings++] = finding;
	}
}

int64_t startup_own_ns(const struct run *run)
{
	int64_t ns = run->startup_total_ns;
	for (size_t i = 0; i < run->n_segments; i++)
		ns -= cause_is_cpu_wait(run->segments[i].cause) ? run->segments[i].duration_ns : 0;
	return ns;
}

int finding_add(struct session *s, struct run *run, struct finding finding)
{
	struct finding *all =
		arena_alloc_array(s->arena, run->n_findings + 1, sizeof(struct finding));
	if (all == NULL || finding.evidence == NULL)
		return -ENOMEM;
	if (run->n_findings > 0)
		memcpy(all, run->findings, run->n_findings * sizeof(*all));
	all[run->n_findings++] = finding;
	run->findings = all;
	return 0;
}
