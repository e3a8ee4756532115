/* SPDX-License-Identifier: MIT */
/* From a trace to a session: reads the facts, splits the events into runs at MARK SPAWN, folds
 * each run and finishes it, module by module. */
#include "userspace/model/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/log.h"
#include "userspace/base/units.h"
#include "userspace/model/build/allocator.h"
#include "userspace/model/build/internal.h"
#include "userspace/model/document/session_fields.h"
#include "userspace/model/metrics.h"

#define MAX_RUNS 100000 /* more than anybody repeats; bounds what a made-up trace can cost */

#define ARM_KEY	 "run.arm="
#define DROP_KEY "run.dropped="
/* A pair has three runs at most; what may be said of any run would cost the square of their number. */
#define DROP_REACH 8

struct span_list VEC(struct span);

static bool is_mark(const struct sl_event *event, unsigned int id)
{
	return event->kind == SL_KIND_MARK && ((const struct sl_mark *)event)->mark == id;
}

/* The collector prepares a run before it releases the command: it takes a look at the machine,
 * and the suspended command is tracked. Those events come before SPAWN but belong to it. */
static bool is_preparation(const struct sl_event *event)
{
	return event->kind == SL_KIND_TASK ||
	       (event->kind == SL_KIND_HOST &&
		((const struct sl_host *)event)->when == SL_WHEN_START);
}

/* Where the run of the SPAWN at @spawn begins; @floor is one past the previous SPAWN. */
static size_t first_of(const struct trace *t, size_t floor, size_t spawn)
{
	size_t gone = floor;
	for (size_t i = spawn; i > floor && gone == floor; i--)
		if (is_mark(t->events[i - 1], SL_MARK_GONE))
			gone = i;
	if (gone == floor)
		return spawn;
	for (size_t i = gone; i < spawn; i++)
		if (is_preparation(t->events[i]))
			return i;
	return spawn;
}

static bool meta_begins(const struct sl_meta *meta, const char *prefix)
{
	const size_t n = strlen(prefix);
	return event_text_length(&meta->event, meta->text) >= n &&
	       strncmp(meta->text, prefix, n) == 0;
}

/* By the number that its SPAWN bears. */
static void drop_run(const struct trace *t, struct span_list *spans, const struct sl_meta *meta)
{
	char digits[16] = "";
	const size_t key = strlen(DROP_KEY);
	const size_t n = event_text_length(&meta->event, meta->text) - key;
	uint64_t number;
	if (n >= sizeof(digits))
		return;
	memcpy(digits, meta->text + key, n);
	if (parse_u64(digits, &number) < 0)
		return;
	for (size_t i = spans->n; i > 0 && i + DROP_REACH > spans->n; i--) {
		struct span *span = &spans->items[i - 1];
		const struct sl_mark *spawn = (const void *)t->events[span->spawn];
		span->is_dropped |= spawn->value == number;
	}
}

static void read_run_fact(const struct trace *t, const struct sl_meta *meta,
			  struct span_list *spans)
{
	if (meta_begins(meta, "run.warmup=1"))
		vec_last(spans)->is_warmup = true;
	else if (meta_begins(meta, ARM_KEY))
		vec_last(spans)->arm = meta;
	else if (meta_begins(meta, DROP_KEY))
		drop_run(t, spans, meta);
}

static bool names_arm(const struct sl_meta *meta, const char *arm)
{
	const size_t n = strlen(arm), key = strlen(ARM_KEY);
	return meta_begins(meta, ARM_KEY) &&
	       event_text_length(&meta->event, meta->text) == key + n &&
	       strncmp(meta->text + key, arm, n) == 0;
}

static bool is_of_arm(const struct span *span, const char *arm)
{
	return arm == NULL || (span->arm != NULL && names_arm(span->arm, arm));
}

bool session_has_arm(const struct trace *t, const char *arm)
{
	for (size_t i = 0; i < t->n_events; i++) {
		if (t->events[i]->kind == SL_KIND_META &&
		    names_arm((const struct sl_meta *)t->events[i], arm))
			return true;
	}
	return false;
}

static int find_spans(const struct trace *t, struct span_list *spans)
{
	for (size_t i = 0; i < t->n_events; i++) {
		const struct sl_event *event = t->events[i];
		if (is_mark(event, SL_MARK_SPAWN) && spans->n < MAX_RUNS) {
			struct span span = { .first = 0, .spawn = i };
			if (spans->n > 0) {
				span.first = first_of(t, vec_last(spans)->spawn + 1, i);
				vec_last(spans)->last = span.first;
			}
			if (vec_push(spans, span) < 0)
				return -ENOMEM;
		} else if (event->kind == SL_KIND_META && spans->n > 0) {
			read_run_fact(t, (const struct sl_meta *)event, spans);
		}
	}
	if (spans->n > 0)
		vec_last(spans)->last = t->n_events;
	return 0;
}

/* ---- one run ---- */

/* R0: the command's execve entered the kernel. Without kernel events: its release. */
static void find_zero(struct builder *b)
{
	const struct trace *t = b->facts->trace;
	const struct sl_event *spawn = t->events[b->span->spawn];
	uint32_t pid = spawn->pid, ns_pid = spawn->pid;

	b->spawn_ns = spawn->time_ns;
	b->zero_ns = spawn->time_ns;
	b->zero_evidence = "released by startline; the execve itself was not seen";
	b->zero_source = "collector";
	for (size_t i = b->span->spawn; i < b->span->last; i++) {
		if (t->events[i]->kind != SL_KIND_EXEC)
			continue;
		const struct sl_exec *e = (const struct sl_exec *)t->events[i];
		/* startline may itself sit in a pid namespace: its number is then the ns_pid. */
		if (spawn->pid != 0 && e->event.pid != spawn->pid && e->ns_pid != spawn->pid)
			continue;
		const bool is_sane = e->enter_ns != 0 && e->enter_ns <= e->event.time_ns;
		b->zero_ns = is_sane ? e->enter_ns : e->event.time_ns;
		if (source_of(&e->event) == SL_SOURCE_BPF) {
			b->zero_evidence =
				is_sane ? "execve entered the kernel" : "execve returned";
			b->zero_source = "bpf";
		}
		pid = e->event.pid;
		ns_pid = e->ns_pid;
		break;
	}
	if (pid == 0)
		pid = 1; /* nobody told; there is a command all the same */
	(void)process_first(b, pid, ns_pid, b->spawn_ns < b->zero_ns ? b->spawn_ns : b->zero_ns);
}

static void copy_processes(struct builder *b)
{
	struct run *run = b->run;
	run->processes = keep(b, arena_alloc_array(b->arena, b->procs.n, sizeof(struct process)));
	if (run->processes == NULL)
		return;
	run->n_processes = b->procs.n;
	for (size_t i = 0; i < b->procs.n; i++)
		run->processes[i] = b->procs.items[i].out;
}

static void finish_counts(struct builder *b)
{
	struct run *run = b->run;
	const bool has_bpf = b->facts->bpf == NULL;
	run->switches_summed = b->switches_summed;
	run->cpus = b->facts->session->host.cpus;
	if (has_bpf) {
		run->threads_peak = b->threads_peak;
		run->file_opens = b->n_opens;
		run->file_misses = b->n_misses;
	}
}

static void finish_run(struct builder *b, bool is_last)
{
	if (b->procs.n == 0 || b->error < 0)
		return;
	waits_finish(b);
	processes_finish(b);
	ending_watch(b);
	if (b->watch == NULL)
		return;
	sockets_finish(b);
	ending_finish(b);
	memory_finish(b);
	resident_finish(b);
	allocators_finish(b);
	coverage_finish(b);
	phases_finish(b);
	ladder_finish(b);
	libraries_find(b);
	critical_path(b);
	samples_finish(b);
	sites_finish(b);
	growth_finish(b);
	libraries_finish(b);
	phases_judge(b);
	overhead_finish(b);
	call_sums_finish(b);
	files_finish(b);
	language_modules_finish(b);
	copy_processes(b);
	finish_counts(b);
	probes_finish(b);
	producers_finish(b, is_last);
	findings_finish(b);
	if (b->error == 0)
		b->run->values = keep(b, metrics_values(b->arena, b->run));
	if (b->run->values != NULL)
		probes_forget_values(b->facts->session, b->run->values);
}

static void builder_done(struct builder *b)
{
	vec_foreach(p, &b->procs) {
		vec_done(&p->images);
		vec_done(&p->heaps);
		for (enum resident_when look = 0; look < LOOK_COUNT; look++)
			vec_done(&p->looks[look].parts);
		vec_done(&p->steps);
		vec_done(&p->call_sums);
		vec_done(&p->links);
		vec_done(&p->library_parts);
	}
	vec_foreach(c, &b->connections)
		vec_done(&c->replies);
	vec_done(&b->procs);
	vec_done(&b->threads);
	vec_done(&b->intervals);
	vec_done(&b->calls);
	vec_done(&b->sockets);
	vec_done(&b->connections);
	vec_done(&b->deliveries);
	vec_done(&b->reaps);
	vec_done(&b->samples);
	vec_done(&b->sites);
	growth_notes_done(&b->growth);
	vec_done(&b->files);
	vec_done(&b->libraries);
	vec_done(&b->imports);
	vec_done(&b->module_opens);
	vec_done(&b->package_names);
	id_map_done(&b->by_pid);
	id_map_done(&b->by_ns_pid);
	id_map_done(&b->by_tid);
	id_map_done(&b->by_own_tid);
	id_map_done(&b->by_sock);
	id_map_done(&b->file_index);
	id_map_done(&b->package_index);
	(void)ready_watch_free(b->watch);
	free(b->is_spine);
}

/* A run that nobody asks about only tells how far its producers have counted. */
static void pass_run(struct facts *f, const struct span *span)
{
	producers_begin(f);
	for (size_t i = span->first; i < span->last; i++)
		producers_see(f, f->trace->events[i]);
}

static int build_run(struct facts *f, const struct span *span, bool is_last, struct run *ret)
{
	_cleanup_(builder_done) struct builder b = {
		.arena = f->session->arena,
		.facts = f,
		.run = ret,
		.span = span,
		.end_thread = -1,
	};
	record_clear(&run_record, ret);
	ret->exit_reason = "exit";
	ret->session = f->session;
	producers_begin(f);
	find_zero(&b);
	for (size_t i = span->first; i < span->last && b.error == 0; i++) {
		producers_see(f, f->trace->events[i]);
		fold_event(&b, f->trace->events[i]);
	}
	finish_run(&b, is_last);
	return b.error;
}

/* ---- the session ---- */

static int add_note(struct arena *a, struct note_text_list *notes, const char *text)
{
	const char *kept = text == NULL ? NULL : arena_intern(a, text);
	return kept == NULL ? -ENOMEM : vec_push(notes, kept);
}

static int write_notes(const struct facts *f, struct session *s)
{
	struct note_text_list notes = { 0 };
	const struct trace *t = f->trace;
	int rc = 0;

	if (f->bpf != NULL && rc == 0)
		rc = add_note(s->arena, &notes,
			      arena_printf(s->arena, "no kernel events: %s",
					   f->bpf[0] != '\0' ? f->bpf : "none were recorded"));
	if (f->shim != NULL && rc == 0)
		rc = add_note(s->arena, &notes,
			      arena_printf(s->arena, "no preload shim: %s",
					   f->shim[0] != '\0' ? f->shim : "nothing was recorded"));
	if ((t->is_truncated || !f->has_end) && rc == 0)
		rc = add_note(
			s->arena, &notes,
			"the recording has no end: startline was killed, or the file was cut");
	if (t->n_damaged > 0 && rc == 0)
		rc = add_note(s->arena, &notes,
			      arena_printf(s->arena, "%llu damaged blocks were skipped",
					   (unsigned long long)t->n_damaged));
	if (t->n_unknown > 0 && rc == 0)
		rc = add_note(s->arena, &notes,
			      arena_printf(s->arena, "%llu records of a later version were skipped",
					   (unsigned long long)t->n_unknown));
	for (size_t i = 0; i < s->n_probes && rc == 0; i++)
		if (s->probes[i].lost != NULL)
			rc = add_note(s->arena, &notes,
				      arena_printf(s->arena, "%s: %s", s->probes[i].name,
						   s->probes[i].lost));
	for (size_t i = 0; i < f->notes.n && rc == 0; i++)
		rc = add_note(s->arena, &notes, f->notes.items[i]);
	if (f->code.n_refused > 0 && rc == 0)
		rc = add_note(
			s->arena, &notes,
			arena_printf(s->arena,
				     "%zu samples have no stack: more than a session has room for "
				     "(fewer runs, or a lower --stacks)",
				     f->code.n_refused));
	for (size_t i = 0; i < s->n_runs && rc == 0; i++)
		if (s->runs[i].switches_summed > 0)
			rc = add_note(
				s->arena, &notes,
				"past the limit, sums stand for single waits after readiness");
	if (rc == 0 && notes.n > 0) {
		s->notes = arena_memdup(s->arena, notes.items, notes.n * sizeof(notes.items[0]));
		s->n_notes = s->notes != NULL ? notes.n : 0;
	}
	vec_done(&notes);
	return rc;
}

/* Each warm-up run says so itself; where none does, the first ones are by design. */
static void mark_warmups(const struct span_list *spans, int64_t n_warmup)
{
	for (size_t i = 0; i < spans->n; i++)
		if (spans->items[i].is_warmup)
			return;
	for (size_t i = 0; i < spans->n && (int64_t)i < n_warmup; i++)
		spans->items[i].is_warmup = true;
}

static int64_t count_warmups(const struct span_list *spans, const char *arm)
{
	int64_t n = 0;
	for (size_t i = 0; i < spans->n; i++)
		n += spans->items[i].is_warmup && is_of_arm(&spans->items[i], arm);
	return n;
}

static int build_runs(struct facts *f, struct session *s, const struct span_list *spans,
		      const char *arm)
{
	f->n_runs = spans->n;
	mark_warmups(spans, s->design.warmup);
	s->runs = arena_alloc_array(s->arena, spans->n, sizeof(struct run));
	if (s->runs == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < spans->n; i++) {
		const struct span *span = &spans->items[i];
		if (span->is_warmup || span->is_dropped || !is_of_arm(span, arm)) {
			pass_run(f, span);
			continue;
		}
		const int rc = build_run(f, span, i + 1 == spans->n, &s->runs[s->n_runs]);
		if (rc < 0)
			return rc;
		s->n_runs++;
	}
	return 0;
}

/* What an arm ran is not what the recording began with. */
static void take_command(struct session *s)
{
	if (s->runs == NULL || s->n_runs == 0 || s->runs[0].n_processes == 0)
		return;
	const struct process *command = &s->runs[0].processes[0];
	if (command->n_images > 0 && command->images[0].argv.n > 0)
		s->command = command->images[0].argv;
}

static int build(const struct trace *trace, struct session *s, struct facts *f,
		 struct span_list *spans, const char *arm)
{
	int rc = facts_read(trace, s, f);
	if (rc == 0)
		rc = find_spans(trace, spans);
	if (rc < 0)
		return fail(rc, "not enough memory for the recording");
	if (spans->n == 0)
		return fail(-ENODATA, "the recording holds no run: nothing was started in it");
	rc = build_runs(f, s, spans, arm);
	if (arm != NULL)
		take_command(s);
	if (rc == 0)
		rc = code_finish(&f->code, s);
	for (size_t i = 0; i < s->n_runs && rc == 0; i++) {
		rc = constructors_name(s, &s->runs[i]);
		if (rc == 0)
			rc = hot_function(s, &s->runs[i]);
		if (rc == 0)
			rc = repeated_work(s, &s->runs[i]);
		if (rc == 0)
			rc = heap_findings(s, &s->runs[i]);
	}
	if (rc == 0)
		rc = write_notes(f, s);
	if (rc < 0)
		return fail(rc, "not enough memory for the recording");
	if (s->n_runs == 0)
		return fail(-ENODATA,
			    arm == NULL ? "the recording holds only warm-up runs"
					: "the recording holds no run of '%s' that counts",
			    arm);
	if (s->design.runs == UNKNOWN)
		s->design.runs = (int64_t)s->n_runs;
	if (s->design.warmup == UNKNOWN)
		s->design.warmup = count_warmups(spans, arm);
	return metrics_collect(s);
}

int session_build(const struct trace *trace, struct session **ret)
{
	return session_build_arm(trace, NULL, ret);
}

int session_build_arm(const struct trace *trace, const char *arm, struct session **ret)
{
	struct session *s = NULL;
	int rc = session_new(&s);
	if (rc < 0)
		return rc;
	s->version = NULL; /* of what recorded it, if the trace says */
	struct facts facts = { 0 };
	struct span_list spans = { 0 };
	rc = build(trace, s, &facts, &spans, arm);
	facts_done(&facts);
	vec_done(&spans);
	if (rc < 0) {
		(void)session_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

const struct stack *session_stack(const struct session *s, int64_t place)
{
	return place >= 0 && (uint64_t)place < s->n_stacks ? &s->stacks[place] : NULL;
}

const struct frame *session_frame(const struct session *s, int64_t place)
{
	return place >= 0 && (uint64_t)place < s->n_frames ? &s->frames[place] : NULL;
}

int session_add_note(struct session *s, const char *text)
{
	const char **notes = arena_alloc_array(s->arena, s->n_notes + 1, sizeof(*notes));
	if (notes == NULL)
		return -ENOMEM;
	if (s->n_notes > 0)
		memcpy(notes, s->notes, s->n_notes * sizeof(*notes));
	notes[s->n_notes++] = text;
	s->notes = notes;
	return 0;
}

struct session *session_free(struct session *s)
{
	if (s != NULL)
		(void)arena_free(s->arena);
	return NULL;
}
