/* SPDX-License-Identifier: MIT */
/* See interpreter.h. */
#include "userspace/collect/perf/interpreter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/collect/run/emit.h"

#define UNREAD_BYTES 1024

_Static_assert(sizeof(struct python_frame) == sizeof(struct python_frame_taken), "the same record");

int interpreters_begin(struct interpreters *i, struct modules *modules, struct source_bpf *bpf)
{
	i->bpf = bpf;
	if (i->processes != NULL)
		return 0;
	i->processes = python_processes_new(modules);
	i->jvms = hotspot_processes_new(modules);
	i->pending = calloc(ALONG_MAX, sizeof(*i->pending));
	return i->processes == NULL || i->jvms == NULL || i->pending == NULL ? -ENOMEM : 0;
}

void interpreters_end(struct interpreters *i)
{
	pid_t pid;
	while (i->processes != NULL && (pid = python_processes_any(i->processes)) > 0)
		interpreters_gone(i, pid);
	if (i->jvms != NULL)
		hotspot_processes_gone(i->jvms);
	i->bpf = NULL;
}

void interpreters_done(struct interpreters *i)
{
	i->processes = python_processes_free(i->processes);
	i->jvms = hotspot_processes_free(i->jvms);
	free(i->pending);
	i->pending = NULL;
}

int interpreters_tell(const struct interpreters *i, struct sink sink)
{
	_cleanup_(buf_done) struct buf unread;
	buf_init(&unread, UNREAD_BYTES);
	if (i->processes != NULL)
		python_processes_unread(i->processes, &unread);
	const int r =
		i->is_unprobed
			? emit_meta(sink, "note",
				    "Python: time in it shows as the interpreter's own; which "
				    "functions run is read with kernel probes only")
			: 0;
	return r < 0 || unread.len == 0
		       ? r
		       : emit_meta(sink, "note",
				   "%s: time in it shows as the interpreter's own; which "
				   "functions run is read of Python " PYTHON_KNOWN " only",
				   buf_str(&unread));
}

/* ---- which processes ---- */

static void have_taken(const struct interpreters *i, pid_t pid, const struct python_target *target)
{
	const struct python_layout *l = &target->layout;
	const struct python_process python = {
		.runtime = target->runtime,
		.interpreters_head = l->interpreters_head,
		.interpreter_next = l->interpreter_next,
		.threads_head = l->threads_head,
		.thread_next = l->thread_next,
		.native_thread_id = l->native_thread_id,
		.current_frame = l->current_frame,
		.frame_of_cframe = l->frame_of_cframe,
		.previous = l->previous,
		.code = l->code,
		.instruction = l->instruction,
		.owner = l->owner,
		.is_entry = l->is_entry,
		.filename = l->filename,
		.name = l->name,
		.line_table = l->line_table,
		.instructions = l->instructions,
	};
	source_bpf_take_python(i->bpf, pid, &python);
}

void interpreters_mapped(struct interpreters *i, pid_t pid, const struct region *region)
{
	struct python_target target;
	if (i->jvms != NULL && region != NULL)
		hotspot_process_found(i->jvms, pid, region);
	if (i->processes == NULL || region == NULL ||
	    !python_process_found(i->processes, pid, region, &target))
		return;
	if (i->bpf != NULL)
		have_taken(i, pid, &target);
	else
		i->is_unprobed = true;
}

void interpreters_forked(struct interpreters *i, pid_t child, pid_t parent)
{
	struct python_target target;
	if (i->bpf != NULL && python_process_forked(i->processes, child, parent, &target))
		have_taken(i, child, &target);
}

void interpreters_gone(struct interpreters *i, pid_t pid)
{
	if (i->jvms != NULL)
		hotspot_process_gone(i->jvms, pid);
	if (i->processes != NULL && python_process_gone(i->processes, pid) && i->bpf != NULL)
		source_bpf_take_python(i->bpf, pid, NULL);
}

/* ---- whose frames ---- */

/* Memory that is there as some pieces. */
static int read_pieces(void *data, uint64_t address, void *to, size_t n)
{
	const struct python_code_taken *taken = data;
	const struct {
		const uint8_t *bytes;
		size_t size;
	} pieces[PYTHON_PIECES] = { { taken->code, sizeof(taken->code) },
				    { taken->file, sizeof(taken->file) },
				    { taken->name, sizeof(taken->name) },
				    { taken->lines, sizeof(taken->lines) } };
	for (size_t i = 0; i < PYTHON_PIECES; i++) {
		const uint64_t at = address - taken->addresses[i];
		if (taken->addresses[i] == 0 || at > pieces[i].size || n > pieces[i].size - at)
			continue;
		memcpy(to, pieces[i].bytes + at, n);
		return 0;
	}
	return -EFAULT;
}

void interpreters_learn(struct interpreters *i, const struct stack_snapshot *taken, pid_t pid)
{
	struct python_code_taken code;
	if (i->bpf == NULL || taken->n_bytes != sizeof(code))
		return;
	memcpy(&code, taken->bytes, sizeof(code));
	python_process_learn(i->processes, pid, code.addresses[0],
			     (struct memory_reader){ read_pieces, &code });
}

void interpreters_keep(struct interpreters *i, const struct stack_snapshot *taken, pid_t tid)
{
	const size_t n = taken->n_bytes / sizeof(struct python_frame_taken);
	struct pending_frames *kept =
		i->pending != NULL ? &i->pending[i->next++ % ALONG_MAX] : NULL;
	if (kept == NULL)
		return;
	kept->along = along_of(taken, tid);
	kept->n = n <= PYTHON_FRAMES ? n : PYTHON_FRAMES;
	memcpy(kept->frames, taken->bytes, kept->n * sizeof(kept->frames[0]));
}

void interpreters_merge(struct interpreters *i, const struct snapshot *snapshot, bool is_timer,
			struct unwound *unwound)
{
	if (i->bpf == NULL || i->pending == NULL)
		return;
	for (size_t k = 0; k < ALONG_MAX; k++) {
		struct pending_frames *kept = &i->pending[k];
		if (along_claim(&kept->along, snapshot, is_timer))
			python_process_merge(i->processes, snapshot->pid, kept->frames, kept->n,
					     unwound);
	}
}
