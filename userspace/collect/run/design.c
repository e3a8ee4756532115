/* SPDX-License-Identifier: MIT */
/* What was asked for, as facts of the recording: the command, and how it was measured. */

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/collect/run/emit.h"
#include "userspace/collect/run/run.h"

static int emit_command(struct sink sink, const struct collect_spec *spec)
{
	int e = 0;
	for (size_t i = 0; e >= 0 && spec->argv[i] != NULL; i++)
		e = emit_meta(sink, "command", "%s", spec->argv[i]);
	return e;
}

static int emit_ready(struct sink sink, const struct collect_spec *spec)
{
	int e = 0;
	for (size_t i = 0; e >= 0 && i < spec->n_rules; i++) {
		const struct ready_rule *rule = &spec->rules[i];
		e = emit_meta(sink, "design.ready", "%s", rule->spec);
		if (e >= 0 && ready_rule_is_polled(rule))
			e = emit_meta(
				sink, "note",
				"--ready %s was probed every 20 ms: its time is late by up to "
				"that",
				rule->spec);
	}
	return e;
}

static int emit_until(struct sink sink, const struct collect_spec *spec)
{
	switch (spec->until) {
	case UNTIL_EXIT:
		return emit_meta(sink, "design.until", "exit");
	case UNTIL_READY:
		return emit_meta(sink, "design.until", "ready");
	case UNTIL_DURATION:
		break;
	}
	return emit_meta(sink, "design.until", "%llu", (unsigned long long)spec->duration_ns);
}

static int emit_stacks(struct sink sink, int hz)
{
	if (hz > 0)
		return emit_meta(sink, "design.stacks", "%d", hz);
	return emit_meta(sink, "design.stacks", "%s", hz == STACKS_OFF ? "off" : "auto");
}

static int emit_heap(struct sink sink, struct heap_mode mode)
{
	_cleanup_(buf_done) struct buf text = { .limit = 64 };
	heap_mode_text(mode, &text);
	return emit_meta(sink, "design.heap", "%s", buf_str(&text));
}

int emit_design(struct sink sink, const struct collect_spec *spec)
{
	int e = emit_command(sink, spec);
	if (e >= 0 && spec->redact != NULL)
		e = emit_meta(sink, "design.redacted", "1");
	if (e >= 0 && spec->user != NULL && spec->user->name != NULL)
		e = emit_meta(sink, "user", "%s", spec->user->name);
	if (e >= 0 && spec->runs > 0)
		e = emit_meta(sink, "design.runs", "%u", spec->runs);
	if (e >= 0 && spec->runs > 0)
		e = emit_meta(sink, "design.warmup", "%u", spec->warmup);
	if (e >= 0)
		e = emit_ready(sink, spec);
	if (e >= 0)
		e = emit_until(sink, spec);
	if (e >= 0)
		e = emit_heap(sink, spec->heap);
	if (e >= 0)
		e = emit_stacks(sink, spec->stacks_hz);
	if (e >= 0 && spec->wait_stacks_ns != 0)
		e = emit_meta(sink, "design.wait_stacks_ns", "%llu",
			      (unsigned long long)spec->wait_stacks_ns);
	if (e >= 0 && (spec->probes & (PROBE_BPF | PROBE_AUTO)))
		e = emit_meta(sink, "design.probes", "bpf");
	if (e >= 0 && (spec->probes & (PROBE_SHIM | PROBE_AUTO)))
		e = emit_meta(sink, "design.probes", "shim");
	return e;
}
