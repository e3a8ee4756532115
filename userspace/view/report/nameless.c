/* SPDX-License-Identifier: MIT */
/* Code without names on the critical path: whose it is, how much of it, and what would name it. */

#include <string.h>

#include "userspace/base/cleanup.h"
#include "userspace/view/report/label.h"
#include "userspace/view/report/parts.h"

#define MAX_NAMELESS 3	  /* modules told of */
#define MANY	     1024 /* modules that are told apart */

static const char made_code[] = "[JIT]";

struct nameless {
	const char *module;
	const struct frame *frame; /* one of its places */
	int process;
	int64_t ns;
};

struct nameless_list VEC(struct nameless);

/* What makes a program that compiles while it runs write /tmp/perf-PID.map. */
static const struct {
	const char *program; /* its name begins so */
	const char *remedy;
} writers[] = {
	{ "java", "-XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit "
		  "-XX:+PreserveFramePointer (HotSpot, since 17)" },
	{ "node", "--perf-basic-prof --interpreted-frames-native-stack" },
	{ "php", "-d opcache.jit_debug=0x10" },
	{ "ruby", "--yjit-perf" },
	{ "dotnet", "DOTNET_PerfMapEnabled=1 in its environment" },
	{ "beam", "+JPperf true" },
};

/* Outside of the kernel, whose functions all have names where any has. */
static const struct frame *innermost(const struct session *s, int64_t place)
{
	const struct stack *stack = session_stack(s, place);
	for (size_t i = 0; stack != NULL && i < stack->n_frames; i++) {
		const struct frame *f = session_frame(s, stack->frames[i]);
		if (f != NULL && f->module != NULL && strcmp(f->module, "[kernel]") != 0)
			return f;
	}
	return NULL;
}

static int add(struct nameless_list *all, const struct frame *f, const struct cpu_sample *row)
{
	const bool is_made = strcmp(f->module, made_code) == 0;
	vec_foreach(n, all) {
		if (strcmp(n->module, f->module) == 0 && (!is_made || n->process == row->process)) {
			n->ns = sum_known(n->ns, row->weight_ns);
			return 0;
		}
	}
	if (all->n == MANY)
		return 0;
	return vec_push(all, ((struct nameless){ .module = f->module,
						 .frame = f,
						 .process = row->process,
						 .ns = row->weight_ns }));
}

static void say_made(const struct run *run, const struct nameless *n, double share, struct table *t)
{
	const struct process *p = process_find(run, n->process);
	const char *exe = p != NULL && p->exe != NULL ? label_base(p->exe) : "it";
	const char *remedy = "have it write /tmp/perf-PID.map";
	for (size_t i = 0; i < N_OF(writers); i++)
		if (strncmp(exe, writers[i].program, strlen(writers[i].program)) == 0)
			remedy = writers[i].remedy;
	table_note(t, "%.0f %% ran in code without names that %s made at run time; for names: %s",
		   100 * share, exe, remedy);
}

static void say_file(const struct nameless *n, double share, struct table *t)
{
	const char *base = label_base(n->module);
	/* Of the loader --view libraries tells more than its functions would. */
	if (strncmp(base, "ld-", 3) == 0)
		return;
	table_note(
		t,
		"%.0f %% ran in functions of %s that have no names; for names: its debug symbols "
		"(a package -dbg, -dbgsym or -debuginfo)%s%s",
		100 * share, base, n->frame->build_id != NULL ? ", build-id " : "",
		text_of(n->frame->build_id));
}

void note_nameless(const struct session *s, const struct run *run, double least, bool is_made_only,
		   struct table *t)
{
	_cleanup_vec_ struct nameless_list all = { 0 };
	int64_t sum_ns = 0;
	int rc = 0;
	for (size_t i = 0; i < run->n_samples && rc == 0; i++) {
		const struct cpu_sample *row = &run->samples[i];
		const struct frame *f = row->is_critical ? innermost(s, row->stack) : NULL;
		sum_ns = sum_known(sum_ns, row->is_critical ? row->weight_ns : 0);
		if (f != NULL && f->function == NULL && !row->is_open)
			rc = add(&all, f, row);
	}
	table_fail(t, rc);
	for (size_t told = 0; told < MAX_NAMELESS; told++) {
		struct nameless *most = NULL;
		vec_foreach(n, &all)
			if (most == NULL || n->ns > most->ns)
				most = n;
		if (most == NULL || sum_ns <= 0 || (double)most->ns < least * (double)sum_ns)
			return;
		const double share = (double)most->ns / (double)sum_ns;
		if (strcmp(most->module, made_code) == 0)
			say_made(run, most, share, t);
		else if (!is_made_only)
			say_file(most, share, t);
		most->ns = 0;
	}
}
