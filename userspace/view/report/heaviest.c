/* SPDX-License-Identifier: MIT */
/* A start of some milliseconds has few samples. Of several runs, those of the others count where a row is
 * a phase of a program as a whole, so that it is the same in each. */
#include "userspace/view/report/heaviest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/base/utf8.h"
#include "userspace/model/place.h"
#include "userspace/model/shares.h"
#include "userspace/view/report/import_share.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"

#define LEAST	       0.20 /* of the row's time on the CPU */
#define LEAST_SURE     0.10 /* … is what it has with 97.5 % certainty */
#define LEAST_N	       3    /* samples */
#define MAX_NAMES      2
#define MAX_LOADING    100000 /* segments of a row that are looked at for the library */
#define MANY_LIBRARIES 5      /* fewer cannot each have less than LEAST */
#define MAX_BIG	       32
#define MAX_NAME       ((size_t)64 << 10)
#define NEARLY_ALL     0.9
#define IN_FUNCTION    0.8 /* of an import: what a function must have to be named instead */

int heaviest_new(const struct session *s, const struct run *run, struct heaviest *ret)
{
	*ret = (struct heaviest){ .s = s, .run = run };
	return sample_index_of(run, &ret->index);
}

void heaviest_done(struct heaviest *h)
{
	vec_done(&h->index);
}

/* Functions with enough of a row, what they called included. */
struct big {
	const struct share *share;
	int64_t innermost_ns; /* no other of these was called by it then */
};

struct row_code {
	struct sample_rows rows;
	struct share_list shares;
	int64_t sum_ns;
	struct big big[MAX_BIG];
	size_t n_big;
};

/* ---- samples of a row ---- */

static bool is_critical_of(const struct cpu_sample *row, int process, int phase)
{
	return row->is_critical && row->process == process && (int)row->phase == phase;
}

/* Whether the row is nearly all there is of its process's phase, and of nothing else. */
static bool is_whole_phase(const struct heaviest *h, const struct stretch *stretch)
{
	const int phase = stretch_phase(stretch);
	int64_t all_ns = 0;
	for (size_t i = 0; i < h->run->n_samples; i++)
		if (is_critical_of(&h->run->samples[i], stretch->process, phase))
			all_ns = sum_known(all_ns, h->run->samples[i].weight_ns);
	return stretch->n_others == 0 &&
	       (double)stretch->phases_ns[phase] >= NEARLY_ALL * (double)stretch->duration_ns &&
	       (double)stretch->causes_ns[CAUSE_CPU] >= NEARLY_ALL * (double)all_ns;
}

static int add_other_runs(const struct heaviest *h, const struct stretch *stretch,
			  struct shares *shares, struct sample_rows *rows)
{
	const int phase = stretch_phase(stretch);
	int rc = 0;
	for (size_t i = 0; i < h->s->n_runs && rc == 0; i++) {
		const struct run *run = &h->s->runs[i];
		const size_t first = rows->n;
		for (size_t k = 0; k < run->n_samples && run != h->run && rc == 0; k++)
			if (is_critical_of(&run->samples[k], stretch->process, phase))
				rc = vec_push(rows, run->samples[k]);
		if (rc == 0 && rows->n > first)
			rc = shares_add(shares, rows->items + first, rows->n - first);
	}
	return rc;
}

static int find_shares(const struct heaviest *h, const struct stretch *stretch,
		       struct row_code *code)
{
	_cleanup_(shares_freep) struct shares *shares = NULL;
	size_t n_taken = 0;
	int rc = shares_new(h->s, &shares);
	if (rc == 0)
		rc = path_samples(h->run, &h->index, stretch->from, stretch->to, &code->rows);
	if (rc == 0)
		rc = shares_add(shares, code->rows.items, code->rows.n);
	if (rc == 0 && is_whole_phase(h, stretch))
		rc = add_other_runs(h, stretch, shares, &code->rows);
	if (rc == 0)
		rc = shares_finish(shares, &code->shares, &code->sum_ns, &n_taken);
	return rc;
}

/* ---- which functions ---- */

static void find_big(struct row_code *code)
{
	vec_foreach(share, &code->shares) {
		if (code->n_big < MAX_BIG && share->function != NULL &&
		    (double)share->total_ns >= LEAST * (double)code->sum_ns &&
		    share->total_low >= LEAST_SURE && share->n_total >= LEAST_N)
			code->big[code->n_big++].share = share;
	}
}

static struct big *big_of(struct row_code *code, const struct frame *f)
{
	for (size_t i = 0; i < code->n_big && f->function != NULL; i++) {
		const struct share *share = code->big[i].share;
		if (strcmp(share->function, f->function) == 0 &&
		    strcmp(text_of(share->module), text_of(f->module)) == 0)
			return &code->big[i];
	}
	return NULL;
}

/* Code that everything calls counts for its caller, but where there is nothing else. */
static void find_innermost(const struct session *s, struct row_code *code)
{
	vec_foreach(row, &code->rows) {
		const struct stack *stack = session_stack(s, row->stack);
		const struct frame *place = stack_place(s, row->stack);
		const bool is_any = place == NULL || is_common_code(place);
		bool is_reached = is_any;
		for (size_t i = 0; stack != NULL && i < stack->n_frames; i++) {
			const struct frame *f = session_frame(s, stack->frames[i]);
			is_reached = is_reached || f == place;
			/* In this order: few are big, and to tell common code takes a while. */
			struct big *big = f != NULL && is_reached ? big_of(code, f) : NULL;
			if (big == NULL || (!is_any && is_common_code(f)))
				continue;
			big->innermost_ns += row->weight_ns;
			break;
		}
	}
}

/* Most of its time in none of the others; and not what nearly everything runs in, as main, unless it is
 * itself that runs. */
static bool is_telling(const struct row_code *code, const struct big *big)
{
	const double sum = (double)code->sum_ns, total = (double)big->share->total_ns;
	const bool runs_all =
		total >= NEARLY_ALL * sum || strcmp(big->share->function, "main") == 0;
	return 2 * (double)big->innermost_ns >= total &&
	       (!runs_all || (double)big->share->self_ns >= LEAST * sum);
}

static int by_total(const void *left, const void *right)
{
	const struct big *a = left, *b = right;
	if (a->share->total_ns != b->share->total_ns)
		return a->share->total_ns > b->share->total_ns ? -1 : 1;
	return strcmp(a->share->function, b->share->function);
}

/* ---- words ---- */

static void add_percent(struct buf *out, int64_t ns, int64_t sum_ns)
{
	(void)buf_addf(out, "%.0f %% in ", 100 * (double)ns / (double)sum_ns);
}

/* The program's own code goes without saying. */
static bool is_own_code(const struct heaviest *h, const struct stretch *stretch, const char *module)
{
	const struct process *p = process_find(h->run, stretch->process);
	const char *exe = stretch->image != NULL ? stretch->image->exe : p != NULL ? p->exe : NULL;
	return exe != NULL && strcmp(label_base(exe), label_base(module)) == 0;
}

/* Takes back what was added since @end where all since @begin is too wide. */
static void drop_if_long(struct buf *out, size_t begin, size_t end, size_t columns)
{
	if (text_width(buf_str(out) + begin, out->len - begin) > columns)
		buf_truncate(out, end);
}

/* Of "int a.b.Server.index" what fits: without the type, and of its scopes the innermost ones, but for the
 * last one. */
static const char *inner_name(const char *name, size_t columns)
{
	int depth = 0;
	for (const char *at = name; *at != '\0'; at++) {
		depth += *at == '<' ? 1 : *at == '>' ? -1 : 0;
		name = *at == ' ' && depth == 0 && at[1] != '\0' ? at + 1 : name;
	}
	while (strchr(name, '<') == NULL && text_width(name, strlen(name)) > columns) {
		const size_t n = strcspn(name, ".:");
		const char *next = name + n + strspn(name + n, ".:");
		if (n == 0 || strpbrk(next, ".:") == NULL)
			break;
		name = next;
	}
	return name;
}

/* Of C++ and Java the arguments go first, of V8's names the place. */
static size_t end_of_name(const char *name)
{
	static const char *const ends[] = { "(", " /", " file:", " node:" };
	size_t n = strlen(name);
	for (size_t i = 0; i < N_OF(ends) && n > 0; i++) {
		const char *end = strstr(name + 1, ends[i]);
		n = end != NULL && (size_t)(end - name) < n ? (size_t)(end - name) : n;
	}
	return n;
}

static void cut_name(struct buf *out, size_t begin, size_t columns)
{
	_cleanup_(buf_done) struct buf whole = { .limit = MAX_NAME };
	(void)buf_adds(&whole, buf_str(out) + begin);
	if (columns < 6 || text_width(buf_str(&whole), whole.len) <= columns)
		return;
	buf_truncate(&whole, end_of_name(buf_str(&whole)));
	const char *name = inner_name(buf_str(&whole), columns);
	const size_t n = strlen(name);
	const bool is_long = text_width(name, n) > columns;
	buf_truncate(out, begin);
	(void)buf_add(out, name, is_long ? text_fit(name, n, columns - 3) : n);
	(void)buf_adds(out, is_long ? "..." : "");
}

/* An import is named where no function in it tells more: those of the interpreter do not. */
static bool name_import(const struct heaviest *h, const struct stretch *stretch,
			const struct row_code *code, size_t columns, struct buf *out)
{
	const int64_t sum_ns = stretch->causes_ns[CAUSE_CPU];
	struct heavy_import import;
	const int rc = import_of_stretch(h->run, stretch, LEAST, &import);
	if (rc <= 0) {
		out->error = rc < 0 ? rc : out->error;
		return false;
	}
	const double share = (double)import.ns / (double)sum_ns;
	for (size_t i = 0; i < code->n_big; i++)
		if (is_telling(code, &code->big[i]) &&
		    !is_module_body(code->big[i].share->function) &&
		    !is_interpreter(code->big[i].share->frame) &&
		    (double)code->big[i].share->total_ns >=
			    IN_FUNCTION * share * (double)code->sum_ns)
			return false;
	add_percent(out, import.ns, sum_ns);
	(void)buf_adds(out, "import ");
	const size_t name = out->len;
	(void)buf_add(out, import.name, import.n_name);
	cut_name(out, name, columns > name ? columns - name : 0);
	return true;
}

static size_t name_functions(const struct heaviest *h, const struct stretch *stretch,
			     struct row_code *code, size_t columns, struct buf *out)
{
	const struct share *first = NULL;
	const size_t begin = out->len;
	size_t n = 0;
	if (code->n_big > 0)
		qsort(code->big, code->n_big, sizeof(code->big[0]), by_total);
	for (size_t i = 0; i < code->n_big && n < MAX_NAMES; i++) {
		const struct share *share = code->big[i].share;
		const size_t end = out->len;
		if (!is_telling(code, &code->big[i]))
			continue;
		first = n == 0 ? share : first;
		(void)buf_adds(out, n > 0 ? ", " : "");
		add_percent(out, share->total_ns, code->sum_ns);
		const size_t name = out->len;
		if (share->module != NULL && is_module_body(share->function))
			(void)buf_adds(out, label_base(share->module));
		else
			label_frame(share->frame, true, out);
		if (n == 0)
			cut_name(out, name, columns - (name - begin));
		n++;
		drop_if_long(out, begin, n > 1 ? end : out->len, columns);
	}
	if (n == 1 && first->module != NULL && !is_module_body(first->function) &&
	    !is_own_code(h, stretch, first->module)) {
		const size_t end = out->len;
		(void)buf_addf(out, " (%s)", module_label(h->s->arena, first->module));
		drop_if_long(out, begin, end, columns);
	}
	return n;
}

static void name_module(const struct heaviest *h, const struct stretch *stretch,
			const struct share_list *list, int64_t sum_ns, struct buf *out)
{
	const char *heaviest = NULL;
	int64_t most_ns = 0;
	size_t n_all = 0, n_most = 0;
	vec_foreach(a, list) {
		int64_t ns = 0;
		size_t n = 0;
		n_all += a->n_self;
		vec_foreach(b, list) {
			const bool is_same = a->module != NULL && b->module != NULL &&
					     strcmp(a->module, b->module) == 0;
			ns += is_same ? b->self_ns : 0;
			n += is_same ? b->n_self : 0;
		}
		if (ns > most_ns) {
			heaviest = a->module;
			most_ns = ns;
			n_most = n;
		}
	}
	if (heaviest == NULL || heaviest[0] == '\0' || n_most < LEAST_N || n_all == 0 ||
	    is_own_code(h, stretch, heaviest))
		return;
	const double p = (double)most_ns / (double)sum_ns;
	const struct share_interval sure = share_interval(&(struct share_sample){
		.share = p, .weight = (double)n_all, .squares = (double)n_all });
	if (p < LEAST || sure.low < LEAST_SURE)
		return;
	add_percent(out, most_ns, sum_ns);
	(void)buf_adds(out, module_label(h->s->arena, heaviest));
}

/* ---- libraries ---- */

/* A system call has no such name. */
static bool is_library(const char *detail)
{
	return strchr(detail, '/') != NULL || strcmp(detail, LIBRARY_LOADER) == 0;
}

static int64_t loading_ns(const struct heaviest *h, const struct stretch *stretch,
			  const char *library)
{
	int64_t ns = 0;
	for (size_t i = stretch->from; i < stretch->to; i++) {
		const struct segment *s = &h->run->segments[i];
		if (s->cause == CAUSE_CPU && strcmp(s->detail, library) == 0)
			ns = sum_known(ns, s->duration_ns);
	}
	return ns;
}

/* While libraries are loaded it is known whose the time is, stacks or not. */
static void name_library(const struct heaviest *h, const struct stretch *stretch, struct buf *out)
{
	const int phase = stretch_phase(stretch);
	const int64_t sum_ns = stretch->causes_ns[CAUSE_CPU];
	const char *heaviest = NULL;
	int64_t most_ns = 0;
	if ((phase != PHASE_LINK && phase != PHASE_INIT) || stretch->is_one_detail)
		return;
	for (size_t i = stretch->from; i < stretch->to && i < stretch->from + MAX_LOADING; i++) {
		const struct segment *s = &h->run->segments[i];
		if (s->cause != CAUSE_CPU || s->duration_ns <= most_ns || !is_library(s->detail))
			continue;
		heaviest = s->detail;
		most_ns = s->duration_ns;
	}
	if (heaviest == NULL)
		return;
	most_ns = loading_ns(h, stretch, heaviest);
	if ((double)most_ns < LEAST * (double)sum_ns)
		return;
	add_percent(out, most_ns, sum_ns);
	(void)buf_adds(out, label_base(heaviest));
}

/* Of many libraries none has much of it, and the loader's functions would tell no more. */
static void name_many(const struct heaviest *h, const struct stretch *stretch, struct buf *out)
{
	size_t n = 0;
	for (size_t i = 0; i < h->run->n_libraries; i++) {
		const struct library *l = &h->run->libraries[i];
		n += l->process == stretch->process && is_library(l->path) &&
		     strcmp(l->path, LIBRARY_LOADER) != 0 && l->start_ns >= stretch->start_ns &&
		     l->start_ns - stretch->start_ns < stretch->duration_ns;
	}
	if (n >= MANY_LIBRARIES)
		(void)buf_addf(out, "of %zu libraries", n);
}

static void row_code_done(struct row_code *code)
{
	vec_done(&code->rows);
	vec_done(&code->shares);
}

static int name_code(const struct heaviest *h, const struct stretch *stretch, size_t columns,
		     struct buf *out)
{
	_cleanup_(row_code_done) struct row_code code = { 0 };
	if (!h->run->has_samples || stretch->causes_ns[CAUSE_CPU] <= 0)
		return 0;
	const int rc = find_shares(h, stretch, &code);
	if (rc < 0 || code.sum_ns <= 0)
		return rc;
	find_big(&code);
	find_innermost(h->s, &code);
	if (name_import(h, stretch, &code, columns, out))
		return out->error;
	if (name_functions(h, stretch, &code, columns, out) == 0)
		name_module(h, stretch, &code.shares, code.sum_ns, out);
	return out->error;
}

/* ---- of a phase ---- */

static int take_phase(const struct heaviest *h, enum phase phase, struct row_code *code)
{
	_cleanup_(shares_freep) struct shares *shares = NULL;
	size_t n_taken = 0;
	int rc = shares_new(h->s, &shares);
	for (size_t i = 0; i < h->run->n_samples && rc == 0; i++)
		if (h->run->samples[i].is_critical && h->run->samples[i].phase == phase)
			rc = vec_push(&code->rows, h->run->samples[i]);
	if (rc == 0)
		rc = shares_add(shares, code->rows.items, code->rows.n);
	return rc == 0 ? shares_finish(shares, &code->shares, &code->sum_ns, &n_taken) : rc;
}

static bool is_sure(const struct row_code *code, const struct share *share, int64_t least_ns)
{
	return share->total_ns >= least_ns &&
	       2 * share->total_low * (double)code->sum_ns >= (double)least_ns;
}

int64_t heaviest_in_phase(const struct heaviest *h, enum phase phase, int64_t least_ns,
			  size_t columns, struct buf *out)
{
	_cleanup_(row_code_done) struct row_code code = { 0 };
	const int rc = take_phase(h, phase, &code);
	if (rc < 0)
		return rc;
	find_big(&code);
	find_innermost(h->s, &code);
	if (code.n_big > 0)
		qsort(code.big, code.n_big, sizeof(code.big[0]), by_total);
	for (size_t i = 0; i < code.n_big; i++) {
		const struct share *share = code.big[i].share;
		if (!is_telling(&code, &code.big[i]) || !is_sure(&code, share, least_ns) ||
		    is_interpreter(share->frame) || is_common_code(share->frame) ||
		    is_module_body(share->function) || strcmp(share->function, "main") == 0)
			continue;
		const size_t begin = out->len;
		label_frame(share->frame, true, out);
		cut_name(out, begin, columns);
		return out->error < 0 ? out->error : share->total_ns;
	}
	return 0;
}

int heaviest_name(const struct heaviest *h, const struct stretch *stretch, size_t columns,
		  struct buf *out)
{
	const size_t before = out->len;
	int rc = 0;
	/* The loader's own functions are the same for every library. */
	if (stretch_phase(stretch) != PHASE_LINK)
		rc = name_code(h, stretch, columns, out);
	if (rc == 0 && out->len == before && stretch->causes_ns[CAUSE_CPU] > 0)
		name_library(h, stretch, out);
	if (rc == 0 && out->len == before && stretch_phase(stretch) == PHASE_LINK)
		name_many(h, stretch, out);
	if (rc == 0 && out->len == before)
		rc = name_code(h, stretch, columns, out);
	return rc < 0 ? rc : out->error;
}
