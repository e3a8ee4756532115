/* SPDX-License-Identifier: MIT */
/* The table of reports, which run stands for a session, and what a terminal allows. */

#include "userspace/view/report/report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "userspace/base/environment.h"
#include "userspace/base/units.h"
#include "userspace/view/report/parts.h"

#define MAX_WIDTH	160 /* beyond it the eye loses the line */
#define MAX_ASKED_WIDTH 2000
#define CI_WIDTH	120

const struct report reports[] = {
	{ "startup", "where the time from exec to ready went", build_startup, NULL },
	{ "ladder", "the milestones, and how each was seen", build_ladder, NULL },
	{ "memory", "resident memory, heap and faults per process", build_memory, print_growth },
	{ "growth", "how much memory each phase has added", build_growth, NULL },
	{ "mappings", "which functions have the kernel give memory", build_mappings, NULL },
	{ "touched", "which functions make memory resident, at page faults", build_touched, NULL },
	{ "sites", "which functions hold the heap, and what they allocated", build_sites, NULL },
	{ "site-calls", "the calls that led to it, as a tree", build_site_calls, NULL },
	{ "resident", "what resident memory consists of, per process", build_resident, NULL },
	{ "processes", "the tree of processes with their command lines", build_processes, NULL },
	{ "connections", "what was connected to, and how long it took", build_connections, NULL },
	{ "listeners", "the listening sockets and when each could be used", build_listeners, NULL },
	{ "libraries", "the loading of shared libraries, one by one", build_libraries, NULL },
	{ "modules", "modules of Python and others, and what loading them took", build_modules,
	  NULL },
	{ "files", "the files opened, or not there, and how long that took", build_files, NULL },
	{ "syscalls", "the system calls, summed by name", build_syscalls, NULL },
	{ "functions", "which functions the time on the CPU went to", build_functions, NULL },
	{ "stacks", "the calls on the critical path, as a tree", build_stacks, NULL },
	{ "waits", "what the critical path waited for", build_waits, NULL },
	{ "findings", "what is remarkable, and what to do about it", build_findings, NULL },
	{ "metrics", "every metric with its statistics over all runs", build_metrics, NULL },
	{ "coverage", "what was seen of each process, and why not the rest", build_coverage, NULL },
	{ "probes", "what the kernel's probes tell, and what was refused", build_probes, NULL },
	{ NULL, NULL, NULL, NULL },
};

const struct report *report_find(const char *name)
{
	for (const struct report *report = reports; report->name != NULL; report++) {
		if (strcmp(report->name, name) == 0)
			return report;
	}
	return NULL;
}

static bool most_are_ready(const struct session *s)
{
	size_t n_ready = 0;
	for (size_t i = 0; i < s->n_runs; i++)
		n_ready += s->runs[i].has_ready;
	return n_ready > 0 && n_ready * 2 >= s->n_runs;
}

static bool is_candidate(const struct run *run, bool is_ready)
{
	return run->has_ready == is_ready && run->startup_total_ns != UNKNOWN;
}

/* The place of @run among the candidates ordered by total, ties by index. */
static size_t rank_of(const struct session *s, size_t run, bool is_ready)
{
	const int64_t total_ns = s->runs[run].startup_total_ns;
	size_t rank = 0;
	for (size_t i = 0; i < s->n_runs; i++) {
		const int64_t other_ns = s->runs[i].startup_total_ns;
		if (is_candidate(&s->runs[i], is_ready))
			rank += other_ns < total_ns || (other_ns == total_ns && i < run);
	}
	return rank;
}

size_t report_run(const struct session *s)
{
	const bool is_ready = most_are_ready(s);
	size_t n = 0;
	for (size_t i = 0; i < s->n_runs; i++)
		n += is_candidate(&s->runs[i], is_ready);
	for (size_t i = 0; i < s->n_runs; i++) {
		if (is_candidate(&s->runs[i], is_ready) && rank_of(s, i, is_ready) == (n - 1) / 2)
			return i;
	}
	return 0;
}

static bool is_utf8_locale(void)
{
	/* In the order of precedence of POSIX, Base Definitions, 8.2. */
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	for (size_t i = 0; i < N_OF(names); i++) {
		const char *value = getenv(names[i]);
		if (value != NULL && value[0] != '\0')
			return strcasestr(value, "utf-8") != NULL ||
			       strcasestr(value, "utf8") != NULL;
	}
	return false;
}

/* What somebody asked for, else the terminal's; in the log of a CI job there is more room than on the
 * smallest terminal. */
static unsigned int width_of_page(int fd)
{
	uint64_t asked = 0;
	struct winsize size = { 0 };
	const char *columns = getenv("COLUMNS");
	if (columns != NULL && parse_u64(columns, &asked) == 0 && asked > 0)
		return asked > MAX_ASKED_WIDTH ? MAX_ASKED_WIDTH : (unsigned int)asked;
	if (fd >= 0 && isatty(fd))
		return ioctl(fd, TIOCGWINSZ, &size) != 0 ? 0
		       : size.ws_col > MAX_WIDTH	 ? MAX_WIDTH
							 : size.ws_col;
	return environment_is_ci() ? CI_WIDTH : 0;
}

void page_open(struct page *page, FILE *f)
{
	const int fd = fileno(f);
	*page = (struct page){ .f = f,
			       .format = page->format,
			       .is_utf8 = is_utf8_locale(),
			       .width = width_of_page(fd) };
	if (fd < 0 || !isatty(fd))
		return;
	const char *term = getenv("TERM");
	const char *no_color = getenv("NO_COLOR"); /* no-color.org: present and not empty */
	page->use_color = term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0 &&
			  (no_color == NULL || no_color[0] == '\0');
}
