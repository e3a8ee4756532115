/* SPDX-License-Identifier: MIT */
/* What the builders of reports share: names of processes, sums that may be unknown. */
#ifndef USERSPACE_VIEW_REPORT_PARTS_H
#define USERSPACE_VIEW_REPORT_PARTS_H

#include "userspace/base/buf.h"
#include "userspace/base/vec.h"
#include "userspace/model/session.h"
#include "userspace/view/report/report.h"

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The waiting of one state, cause and detail, summed over the path. */
struct wait_sum {
	enum activity state; /* runnable or blocked */
	enum cause cause;
	const char *detail;
	int64_t sum_ns, longest_ns;
	int64_t count;
	size_t first; /* place on the path */
};

struct wait_list VEC(struct wait_sum);

/* All waits of the run, in the order in which they first occur. The caller frees @ret's items,
 * also after a failure (-ENOMEM). */
int waits_sum(const struct run *run, struct wait_list *ret);

struct table *build_startup(const struct session *s, size_t run);
struct table *build_waterfall(const struct session *s, size_t run, size_t max_rows);
struct table *build_ladder(const struct session *s, size_t run);
struct table *build_short_ladder(const struct session *s, size_t run);
struct table *build_costs(const struct session *s, size_t run);
struct table *build_memory(const struct session *s, size_t run);
struct table *build_growth(const struct session *s, size_t run);
struct table *build_mappings(const struct session *s, size_t run);
struct table *build_touched(const struct session *s, size_t run);
/* Both, and the course of memory as a chart. Returns the page's error. */
int print_growth(const struct session *s, size_t run, struct page *page);
struct table *build_sites(const struct session *s, size_t run);
struct table *build_site_calls(const struct session *s, size_t run);
struct table *build_resident(const struct session *s, size_t run);
struct table *build_processes(const struct session *s, size_t run);
struct table *build_top_processes(const struct session *s, size_t run);
struct table *build_connections(const struct session *s, size_t run);
struct table *build_listeners(const struct session *s, size_t run);
struct table *build_libraries(const struct session *s, size_t run);
struct table *build_modules(const struct session *s, size_t run);
struct table *build_files(const struct session *s, size_t run);
struct table *build_syscalls(const struct session *s, size_t run);
struct table *build_functions(const struct session *s, size_t run);
struct table *build_stacks(const struct session *s, size_t run);
struct table *build_waits(const struct session *s, size_t run);
struct table *build_findings(const struct session *s, size_t run);
struct table *build_metrics(const struct session *s, size_t run);
struct table *build_main_metrics(const struct session *s, size_t run);
struct table *build_coverage(const struct session *s, size_t run);
struct table *build_probes(const struct session *s, size_t run);
/* Those of them without which something is lost. */
struct table *build_refused(const struct session *s, size_t run);

/* "" for NULL. */
static inline const char *text_of(const char *text)
{
	return text == NULL ? "" : text;
}

/* NULL when there is no process @id in the run. */
const struct process *process_find(const struct run *run, int id);

/* "redis-server", with "[pid]" behind it when the run has several processes. Replaces what is in
 * @ret and returns it; "-" when there is no such process. */
const char *process_label(const struct run *run, int id, struct buf *ret);

/* The arguments with blanks between, quoted where a shell would need it. Replaces what is in @ret
 * and returns it. */
const char *command_line(const struct text_list *argv, struct buf *ret);

/* What is known of both; UNKNOWN when neither is. Never overflows. */
int64_t sum_known(int64_t a, int64_t b);

/* Whose code has no names, where that is @least of the critical path's time on the CPU or more, and what would
 * name it; @is_made_only: only what was made at run time. */
void note_nameless(const struct session *s, const struct run *run, double least, bool is_made_only,
		   struct table *t);
/* The program's functions with what others did for them, over all runs. */
void note_places(const struct session *s, struct table *t);
/* How many stacks were taken, with @is_long how, or why none; and whose code has no names. */
void note_stacks(const struct session *s, const struct run *run, bool is_long, struct table *t);

/* The notes of what was not seen: processes without heap counts, by reason. */
void note_coverage(const struct session *s, size_t run, struct table *t);
struct site_functions;
/* Appends which functions hold most of the heap, as far as samples bear that out; nothing where none do. */
void tell_sites(const struct session *s, size_t run, struct buf *line);
/* How call sites were sampled, what was lost, what rows add up to; why there are none. @part: what is shown. */
void note_sites(const struct session *s, const struct run *run, const struct site_functions *f,
		enum site_part part, struct table *t);

/* The value of a fixed metric in a run; NAN when not captured. */
double run_value(const struct run *run, const char *metric_id);

/* "exit 0", "signal 9", "running". Replaces what is in @ret and returns it. */
const char *exit_text(const struct process *p, struct buf *ret);

#endif
