/* SPDX-License-Identifier: MIT */
/* Named findings: what is wrong, what it costs, the evidence, what to do. Each is a row here;
 * the same run always gives the same findings. */
#include "userspace/model/build/internal.h"

#include <errno.h>

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

static const struct {
	const char *id;
	bool (*find)(struct builder *b, struct finding *ret);
} rows[] = {
	{ "early-listen", early_listen },
	{ "retry-sleep", retry_sleep },
	{ "many-calls", many_calls },
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
