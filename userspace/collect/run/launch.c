/* SPDX-License-Identifier: MIT */
/* Before a run and at its start: opens the sources, prepares what watches for readiness, and
 * launches the command suspended until all of them know about it. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bpf/exact.h"
#include "preload/settings.h"
#include "userspace/base/log.h"
#include "userspace/collect/heap/exact.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/program.h"
#include "userspace/collect/run/run.h"

/* Off-CPU records after readiness; from then on sums per thread take over. */
#define SWITCH_LIMIT 2000000u
#define WHY_MAX	     256
/* Of the memory that startline shares with the command the ring takes no more than this part. */
#define RING_PART 64
#define RING_MOST (16u << 20)

static bool needs_output(const struct collect_spec *spec)
{
	for (size_t i = 0; i < spec->n_rules; i++) {
		if (spec->rules[i].type == READY_LOG)
			return true;
	}
	return false;
}

/* A source that was asked for by name must be there; one that "auto" asked for may be missing. */
static int report_source(struct collector *c, const struct collect_spec *spec, const char *name,
			 const char *key, int r, const char *why)
{
	if (r >= 0)
		return emit_meta(collector_sink(c), key, "ok");
	if (!(spec->probes & PROBE_AUTO))
		return fail(r, "--probes %s: not possible here: %s (try `startline doctor`)", name,
			    why);
	log_info("recording without %s: %s", name, why);
	return emit_meta(collector_sink(c), key, "%s", why);
}

static size_t ring_bytes(const struct collector *c, const struct collect_spec *spec)
{
	const uint64_t part = c->memory_limit_bytes / RING_PART;
	return spec->ring_bytes == 0 && part < RING_MOST ? (size_t)part + 1 : spec->ring_bytes;
}

/* One of the needed probes cannot be had, so none is. */
static int tell_refused(struct collector *c, const char *why)
{
	int r = emit_meta(collector_sink(c), "probe", "kernel events");
	if (r >= 0)
		r = emit_meta(collector_sink(c), "probe.error", "%s", why);
	if (r >= 0)
		r = emit_meta(collector_sink(c), "probe.remedy",
			      "`startline doctor` says what this machine lacks");
	return r;
}

static int tell_unfollowed(struct collector *c, const struct collect_spec *spec)
{
	if (c->bpf != NULL || (spec->follow_cgroup == NULL && !spec->follows_containers))
		return 0;
	return emit_meta(collector_sink(c), "note",
			 "what others start in %s is not recorded: only the kernel's probes can "
			 "follow it",
			 spec->follows_containers ? "containers" : "the cgroup");
}

static int open_bpf(struct collector *c, const struct collect_spec *spec)
{
	if (!(spec->probes & (PROBE_BPF | PROBE_AUTO)))
		return 0;
	uint64_t cgroup_id = 0;
	if (spec->follow_cgroup != NULL) {
		const int e = cgroup_id_of(spec->follow_cgroup, &cgroup_id);
		if (e < 0)
			return e;
	}
	const struct bpf_settings settings = {
		.cgroup_id = cgroup_id,
		.follows_containers = spec->follows_containers,
		.ring_bytes = ring_bytes(c, spec),
		.want_output = needs_output(spec),
		.wake_early = spec->n_rules > 0,
		.look_early = spec->looks_early,
		.switch_limit = SWITCH_LIMIT,
		.argv = spec->argv,
		.want_stacks = c->perf != NULL,
		.want_blocks = spec->heap.sample_bytes != 0,
	};
	char why[WHY_MAX] = "unknown reason";
	const uint64_t call_ps = overhead_measure_call();
	int r = source_bpf_open(&settings, why, sizeof(why), &c->bpf);
	r = report_source(c, spec, "bpf", "source.bpf", r, why);
	if (r >= 0 && c->bpf == NULL)
		r = tell_refused(c, why);
	if (r >= 0 && c->bpf != NULL)
		r = overhead_emit_calls(c->bpf, call_ps, collector_sink(c));
	if (r < 0 || c->bpf == NULL)
		return r;
	return emit_meta(collector_sink(c), "source.bpf.ring_bytes", "%zu",
			 source_bpf_ring_bytes(c->bpf));
}

unsigned int shim_flags(const struct collect_spec *spec, bool has_calls)
{
	const bool is_filtered = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) > 0;
	const bool takes_blocks = spec->heap.sample_bytes != 0;
	return (spec->heap.kind != HEAP_OFF ? SHIM_COUNTS_HEAP : 0) |
	       (has_calls ? 0 : SHIM_WRAPS_NETWORK) | (is_filtered ? SHIM_UNDER_FILTER : 0) |
	       (has_calls && takes_blocks ? SHIM_PROBES_TAKE_STACKS : 0);
}

static int open_shim(struct collector *c, const struct collect_spec *spec)
{
	if (!(spec->probes & (PROBE_SHIM | PROBE_AUTO)))
		return 0;
	const struct shim_settings settings = {
		.flags = shim_flags(spec, source_bpf_tells(c->bpf, TOLD_CALLS)),
		.uid = spec->user != NULL ? spec->user->uid : rights_uid(),
		.gid = spec->user != NULL ? spec->user->gid : rights_gid(),
		.sample_bytes = spec->heap.sample_bytes,
		.exact = spec->heap.kind != HEAP_EXACT ? SL_EXACT_OFF
			 : spec->slows_on_overrun      ? SL_EXACT_SLOW
						       : SL_EXACT_DEGRADE,
	};
	char why[WHY_MAX] = "unknown reason";
	int r = source_shim_open(&settings, why, sizeof(why), &c->shim);
	r = report_source(c, spec, "shim", "source.shim", r, why);
	if (r < 0 || c->shim == NULL)
		return r;
	return emit_meta(collector_sink(c), "source.shim.path", "%s", source_shim_path(c->shim));
}

static int finish_trial(struct collector *c, const struct collect_spec *spec)
{
	const unsigned int flags = shim_flags(spec, source_bpf_tells(c->bpf, TOLD_CALLS));
	if (flags != c->trial.flags) {
		overhead_trial_done(&c->trial);
		overhead_trial_start(flags, &c->trial);
	}
	return overhead_trial_finish(&c->trial, collector_sink(c));
}

/* Once per collector. META says which sources are there. */
static int open_sources(struct collector *c, const struct collect_spec *spec)
{
	if (c->has_opened)
		return 0;
	int r = open_bpf(c, spec);
	if (r >= 0)
		r = tell_unfollowed(c, spec);
	if (r >= 0)
		r = open_shim(c, spec);
	if (r >= 0 && c->bpf != NULL)
		r = source_bpf_tell(c->bpf, c->shim != NULL, collector_sink(c));
	if (r >= 0 && c->shim != NULL)
		r = finish_trial(c, spec);
	if (r >= 0 && c->perf != NULL)
		r = source_perf_open(c->perf, collector_sink(c));
	if (r < 0)
		return r;
	c->has_opened = true;
	/* Edge-triggered: the ring is readable whenever anything is in it; only a wake-up that the
	 * kernel side meant for us shall wake us. */
	r = collector_watch(c, c->bpf != NULL ? source_bpf_fd(c->bpf) : -1, WAKE_BPF, EPOLLET);
	if (r == 0)
		r = collector_watch(c, c->shim != NULL ? source_shim_fd(c->shim) : -1, WAKE_SHIM,
				    0);
	if (r == 0 && c->perf != NULL && c->bpf != NULL)
		r = collector_watch(c, source_bpf_stack_fd(c->bpf), WAKE_STACKS, EPOLLET);
	return r < 0 ? fail(r, "cannot wait for events: %s", strerror(-r)) : 0;
}

/* What has to stand before the command's process is made. */
static int run_prepare(struct run *r)
{
	struct collector *c = r->c;
	const struct collect_spec *spec = r->spec;
	int e = 0;
	if (spec->n_rules > 0)
		e = ready_watch_new(spec->rules, spec->n_rules, &r->watch);
	const struct probe_context context = {
		.rules = spec->rules,
		.n_rules = spec->n_rules,
		.user = spec->user,
		.sink = collector_sink(c),
		.idle_since = run_idle_since,
		.is_of_tree = run_has,
		.data = r,
	};
	if (e >= 0)
		e = probes_new(&context, &r->probes);
	/* Only here it matters to the command itself whether there are kernel probes. */
	if (e >= 0 && needs_output(spec))
		e = open_sources(c, spec);
	if (e >= 0 && !source_bpf_tells(c->bpf, TOLD_CALLS) && needs_output(spec)) {
		e = logpipe_open(&r->logpipe, spec);
		if (e >= 0)
			e = emit_meta(
				collector_sink(c), "note",
				"--ready log: the output went through a pipe, since there are "
				"no kernel probes");
	}
	return e;
}

static int run_watch(const struct run *r)
{
	const struct collector *c = r->c;
	int e = collector_watch(c, r->target.pidfd, WAKE_EXIT, 0);
	if (e >= 0)
		e = collector_watch(c, r->target.report_fd, WAKE_REPORT, 0);
	if (e >= 0 && r->probes != NULL)
		e = collector_watch(c, probes_fd(r->probes), WAKE_PROBES, 0);
	if (e >= 0)
		e = collector_watch(c, r->logpipe.fds[0], WAKE_OUTPUT, 0);
	if (e >= 0)
		e = collector_watch(c, r->logpipe.fds[1], WAKE_ERROR_OUTPUT, 0);
	return e < 0 ? fail(e, "cannot wait for events: %s", strerror(-e)) : 0;
}

static int run_spawn(struct run *r)
{
	const struct collect_spec *spec = r->spec;
	cgroup_make(&r->cgroup, spec->run);
	const struct target_spec target = {
		.cgroup_fd = r->cgroup.procs_fd,
		.argv = spec->argv,
		.directory = spec->directory,
		.environment = spec->environment,
		.user = spec->user,
		.null_stdin = spec->null_stdin,
		.output = spec->output,
		.output_fds = r->logpipe.write_fds,
		.notify_text = r->probes != NULL ? probes_environment(r->probes) : NULL,
	};
	const int e = target_spawn(&target, &r->target);
	logpipe_close_writers(&r->logpipe);
	r->pid = r->target.pid;
	return e;
}

/* Not to wait for what nobody here can tell. */
static int check_rules(const struct run *r, bool has_shim)
{
	const struct collect_spec *spec = r->spec;
	for (size_t i = 0; i < spec->n_rules; i++) {
		const struct ready_rule *rule = &spec->rules[i];
		const bool is_of_bytes = rule->type == READY_FIRST_BYTE;
		if (!ready_rule_is_of_sockets(rule) || source_bpf_tells(r->c->bpf, TOLD_CALLS) ||
		    (has_shim && !is_of_bytes))
			continue;
		const char *why = is_of_bytes ? "only kernel probes can tell, which are missing"
					      : "neither kernel probes nor the shim can tell here";
		if (spec->until == UNTIL_READY)
			return fail(-EINVAL,
				    "--ready %s: %s (see `startline doctor`); use tcp:HOST:PORT",
				    rule->spec, why);
		log_warning("--ready %s: %s (see `startline doctor`)", rule->spec, why);
	}
	return 0;
}

static int run_release(struct run *r)
{
	struct collector *c = r->c;
	struct resident own = { 0 };
	(void)source_proc_rss(getpid(), &own);
	r->own_peak_bytes = own.peak;
	const struct shim_environment *shim = NULL;
	if (c->shim != NULL) {
		source_shim_begin(c->shim);
		const struct shim_program program = {
			.path = r->target.path,
			.argv = r->spec->argv,
			.environment = r->spec->environment,
			.pad_bytes = r->spec->pad_bytes,
		};
		shim = source_shim_environment(c->shim, &program, collector_sink(c));
	}
	int e = check_rules(r, shim != NULL);
	/* From here on its time counts. */
	if (e >= 0)
		target_await(&r->target);
	if (e >= 0)
		e = cgroup_ensure(&r->cgroup, r->target.pid);
	if (e >= 0)
		e = source_proc_host(SL_WHEN_START, collector_sink(c));
	r->spawn_ns = now_ns();
	if (e >= 0)
		e = emit_mark(collector_sink(c), SL_MARK_SPAWN, r->spawn_ns, r->target.pid,
			      r->spec->run, 0, NULL);
	if (e >= 0 && r->spec->arm != NULL)
		e = emit_meta(collector_sink(c), "run.arm", "%s", r->spec->arm);
	if (e >= 0 && r->spec->arm != NULL && r->spec->is_warmup)
		e = emit_meta(collector_sink(c), "run.warmup", "1");
	if (e >= 0)
		e = target_release(&r->target, shim);
	if (e >= 0 && r->probes != NULL)
		probes_start(r->probes, r->spawn_ns);
	return e;
}

static int begin_stacks(struct run *r)
{
	struct collector *c = r->c;
	char program[PROGRAM_PATH];
	const bool is_exact = c->shim != NULL && r->spec->heap.kind == HEAP_EXACT;
	/* A search of PATH, and a look into a script. */
	const bool is_known =
		is_exact && r->target.path != NULL && program_find(r->target.path, program) == 0;
	const struct exact_target exact = {
		.directory = c->shim != NULL ? source_shim_directory(c->shim) : NULL,
		.uid = r->spec->user != NULL ? r->spec->user->uid : rights_uid(),
		.gid = r->spec->user != NULL ? r->spec->user->gid : rights_gid(),
		.shim_path = c->shim != NULL ? source_shim_path(c->shim) : NULL,
		.program = is_known ? program : NULL,
		.sample_bytes = r->spec->heap.sample_bytes,
		.keeps_blocks = r->spec->keeps_blocks,
	};
	const struct perf_target target = {
		.pid = r->target.pid,
		.bpf = c->bpf,
		.use_ns_pids = r->tree.use_ns_pids,
		.is_endless = r->spec->n_rules == 0,
		.shim_path = exact.shim_path,
		.exact = is_exact ? &exact : NULL,
	};
	const int e = source_perf_begin(c->perf, &target, collector_sink(c));
	return e < 0 ? e : collector_watch(c, source_perf_fd(c->perf), WAKE_STACKS, EPOLLET);
}

int run_launch(struct run *r)
{
	struct collector *c = r->c;
	int e = run_prepare(r);
	if (e >= 0)
		e = run_spawn(r);
	if (e < 0 || r->target.exec_errno != 0)
		return e;
	/* Joining its cgroup takes the kernel some 15 ms, loading the probes 100: at the same time. */
	e = open_sources(c, r->spec);
	if (e >= 0)
		e = tree_add(&r->tree, r->target.pid);
	r->tree.has_events = c->bpf != NULL;
	r->tree.has_strangers = r->spec->follow_cgroup != NULL || r->spec->follows_containers;
	if (e >= 0 && c->bpf != NULL)
		e = source_bpf_track(c->bpf, r->target.pidfd);
	if (e >= 0 && c->perf != NULL)
		e = begin_stacks(r);
	if (e >= 0)
		e = run_watch(r);
	return e < 0 ? e : run_release(r);
}
