/* SPDX-License-Identifier: MIT */
/* The parts of a comparison. 0 or -ENOMEM. */
#ifndef USERSPACE_MODEL_COMPARE_INTERNAL_H
#define USERSPACE_MODEL_COMPARE_INTERNAL_H

#include "userspace/base/vec.h"
#include "userspace/model/compare/compare.h"

/* By processes, where both sides know of which the values are. */
bool may_compare_processes(const struct change *c);
/* Bytes and calls an operation, of another tool. */
bool is_counted(const struct change *c);
/* @least: processes differ by no less, whatever else is expected. */
int compare_processes(struct change *c, double least);
/* Once more with what all of them together show about the noise. */
int compare_processes_together(struct comparison *c);

/* speed.c: sets speed_slope and log_speed. */
int compare_speeds(struct change *c);
/* By how much a time of a run with that speed is longer at the speed that both sides are compared at. */
double speed_factor(const struct change *c, double speed);
/* The change that is compared at equal speed, NULL: none is. */
const struct change *compared_at_speed(const struct comparison *c);

/* Sets incomparable and host_notes. */
int compare_hosts(struct comparison *c);
/* Which name of one side is which of the other. Texts live in @arena; the rest is freed by
 * alignment_done(), also when alignment_new() failed. */
struct alignment;
int alignment_new(struct arena *arena, const struct session *base, const struct session *head,
		  struct alignment **ret);
void alignment_done(struct alignment *a); /* NULL is fine */
/* The name of process @id of @run, the same for what is the same on both sides; interned. "": no
 * such process. */
const char *aligned_process(struct alignment *a, const struct run *run, int id);
/* The name of a segment's object, which may be a command line; likewise. */
const char *aligned_detail(struct alignment *a, const struct segment *segment);

/* A segment in which a program is linked, on the CPU: its detail is what is being loaded, and the same name
 * for other versions and places of it. */
bool segment_is_loading(const struct segment *s);

/* functions.c: which code a part of the time on the CPU was spent in, or waited. */
struct code_function {
	const char *name, *module; /* interned; module "": the program itself */
};
/* The name of @f in a process that executes @exe (or NULL): without what is different in another build. False: it
 * has none, or memory is short. Texts live in @arena. */
bool code_function_of(struct arena *arena, const char *exe, const struct frame *f,
		      struct code_function *ret);
struct code_names;
/* What differs by less is not worth a row: of the larger total. */
double code_least_ns(const struct session *base, const struct session *head);
/* Sets NULL where not all runs of both sides have stacks. Texts live in @arena; the rest is freed by
 * code_names_done(). -ENOMEM. */
int code_names_new(struct arena *arena, const struct session *base, const struct session *head,
		   struct code_names **ret);
void code_names_done(struct code_names *c); /* NULL is fine */
/* Whether the function that @sample of @run was in differs by so much that it may be a row of its own;
 * @side: 0 base, 1 head. @has_owner: it is known what was being loaded, so that code that everything calls,
 * or that only loads, says less than that. */
bool code_named(struct code_names *c, int side, const struct run *run,
		const struct cpu_sample *sample, bool has_owner, struct code_function *ret);
/* Whether times per run prove that something takes more or less. -ENOMEM. */
int code_is_proven(const int64_t *base_ns, size_t n_base, const int64_t *head_ns, size_t n_head,
		   bool *ret);

/* imports.c: which module of a language was being loaded. */
#define NO_IMPORT (-1)
struct import_names;
struct import_mark { /* since when which one is the innermost */
	int process, id;
	int64_t thread, at_ns;
	size_t order;
};
struct import_line VEC(struct import_mark); /* of a run, by process, thread and time */
/* Sets NULL where not all runs of both sides know. Texts live in @arena; the rest is freed by
 * import_names_done(). -ENOMEM. */
int import_names_new(struct arena *arena, const struct session *base, const struct session *head,
		     struct import_names **ret);
void import_names_done(struct import_names *n); /* NULL is fine */
/* How many differ by enough to be rows, or load such: ids are below it. NULL: 0. */
size_t import_count(const struct import_names *n);
/* The next one outwards that may be a row; it has a lower id, or is NO_IMPORT. */
int import_parent(const struct import_names *n, int id);
const char *import_name(const struct import_names *n, int id); /* NULL of NO_IMPORT */
/* The caller frees @ret's items, also after a failure. -ENOMEM. */
int import_line_of(const struct import_names *n, const struct run *run, struct import_line *ret);
/* What @segment's thread loaded at @at_ns, as far as it may be a row: an id or NO_IMPORT. Until then it is
 * that: later than @at_ns. */
int import_at(const struct import_line *line, const struct segment *segment, int64_t at_ns,
	      int64_t *ret_until_ns);

/* Where the two sides have the same tree of files in different places. "" when they have not. */
struct checkouts {
	const char *base, *head;
};
struct text_list;
/* From texts that only one side has; @shared are those that both have. -ENOMEM. */
int checkouts_find(struct arena *arena, const struct text_list *base, const struct text_list *head,
		   const struct text_list *shared, struct checkouts *ret);
/* @text with '*' for each @prefix that begins a path; interned. NULL: no memory. */
const char *checkout_removed(struct arena *arena, const char *text, const char *prefix);

/* The name of a file that was opened, or of a peer; likewise. */
const char *aligned_name(struct alignment *a, const char *text);
/* The command line of a program that was executed; likewise. */
const char *aligned_image(struct alignment *a, const struct image *image);

/* Against nothing at all everything is more: how a session is asked what it is made of. */
static inline bool is_nothing(const struct session *s)
{
	return s->n_runs == 0 && s->n_series == 0;
}

/* Sets memory. */
int compare_memory(struct comparison *c, struct alignment *alignment);
/* Sets sites. */
int compare_sites(struct comparison *c);
/* Sets objects. */
int compare_objects(struct comparison *c, struct alignment *alignment);
/* Sets the contributions: of startups, and where there are none, of the tests of suites. */
int compare_startups(struct comparison *c, struct alignment *alignment);
int compare_suites(struct comparison *c);
/* … of pipelines those of their steps, and sets these. */
int compare_steps(struct comparison *c);
void steps_free(struct comparison *c);
/* The largest first; what only moved is found. */
void sort_contributions(struct comparison *c);

#endif
