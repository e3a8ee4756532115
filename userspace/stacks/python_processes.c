/* SPDX-License-Identifier: MIT */
/* A few processes in a list; code objects of all of them in one table, found by what identifies them. */
#include "userspace/stacks/python_processes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/vec.h"
#include "userspace/stacks/elf_symbols.h"
#include "userspace/stacks/module_file.h"

enum {
	PROCESSES_MAX = 4096,
	CODES_MAX = 1 << 16,
	CODE_BUCKETS = 1 << 17,
	TABLES_MAX = 32 << 20, /* bytes of names and lines of all code objects */
	LINE_BITS = 24,
	UNREAD_MAX = 16,
};

#define PYPY 0xffffu /* in place of a version */

struct process {
	pid_t pid;
	struct python_target target;
	uint32_t module;		   /* that has the evaluation function … */
	uint64_t evaluates, evaluates_end; /* … at these offsets */
};

/* One code object of one process, as it was found. */
struct code_node {
	pid_t pid;
	uint64_t code;
	uint64_t names[3];
	uint32_t module; /* its source file; 0: it could not be read */
	struct python_code read;
};

struct python_processes {
	struct modules *modules;
	struct VEC(struct process) processes;
	struct VEC(struct code_node) codes;
	size_t n_bytes;
	uint32_t buckets[CODE_BUCKETS];
	unsigned int unread[UNREAD_MAX]; /* versions that were met */
	size_t n_unread;
};

struct python_processes *python_processes_new(struct modules *modules)
{
	struct python_processes *p = calloc(1, sizeof(*p));
	if (p != NULL)
		p->modules = modules;
	return p;
}

struct python_processes *python_processes_free(struct python_processes *p)
{
	if (p == NULL)
		return NULL;
	vec_foreach(code, &p->codes)
		python_code_done(&code->read);
	vec_done(&p->codes);
	vec_done(&p->processes);
	free(p);
	return NULL;
}

/* ---- processes ---- */

static struct process *find_process(const struct python_processes *p, pid_t pid)
{
	vec_foreach(process, &p->processes)
		if (process->pid == pid)
			return process;
	return NULL;
}

static bool add_process(struct python_processes *p, const struct process *process)
{
	struct process *before = find_process(p, process->pid);
	if (before != NULL)
		*before = *process;
	return before != NULL ||
	       (p->processes.n < PROCESSES_MAX && vec_push(&p->processes, *process) == 0);
}

/* "python3.11", "libpython3.11.so.1.0": 0x030b; "pypy3.9", "libpypy3-c.so": PYPY; 0: none of these. */
static unsigned int version_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	unsigned int minor = 0;
	if (strncmp(name, "lib", 3) == 0)
		name += 3;
	if (strncmp(name, "pypy", 4) == 0)
		return PYPY;
	return sscanf(name, "python3.%u", &minor) == 1 && minor < 256 ? 0x0300u | minor : 0;
}

static void note_unread(struct python_processes *p, unsigned int version)
{
	for (size_t i = 0; i < p->n_unread; i++)
		if (p->unread[i] == version)
			return;
	if (p->n_unread < UNREAD_MAX)
		p->unread[p->n_unread++] = version;
}

void python_processes_unread(const struct python_processes *p, struct buf *ret)
{
	for (size_t i = 0; i < p->n_unread; i++) {
		const unsigned int version = p->unread[i];
		(void)buf_adds(ret, i > 0 ? ", " : "");
		if (version == PYPY)
			(void)buf_adds(ret, "PyPy");
		else
			(void)buf_addf(ret, "Python %u.%u%s", version >> 8, version & 0xffu,
				       python_layout_is_known(version) ? " without its lock" : "");
	}
}

static bool is_in(const Elf64_Sym *symbol)
{
	return symbol->st_size > 0;
}

bool python_process_found(struct python_processes *p, pid_t pid, const struct region *region,
			  struct python_target *ret)
{
	struct module *module = region->module;
	const unsigned int version =
		module != NULL && module->type == MODULE_FILE ? version_of(module->path) : 0;
	if (version != 0 && !python_layout_is_known(version))
		note_unread(p, version);
	if (version == 0 || !python_layout_is_known(version))
		return false;
	Elf64_Sym runtime, evaluate;
	uint64_t address = 0;
	/* The first look needs to know who has it. */
	if (modules_look(p->modules, module, pid, region->start, region->end) == NULL)
		return false;
	const struct module_file *f = modules_open(p->modules, module, pid);
	if (f == NULL || !module_file_address(f, region->offset, &address))
		return false;
	const struct elf_image image = { .elf = f->elf, .fd = f->fd };
	if (!elf_symbol_named(&image, "_PyRuntime", &runtime) ||
	    !elf_symbol_named(&image, "_PyEval_EvalFrameDefault", &evaluate) || !is_in(&evaluate))
		return false;
	struct process process = { .pid = pid,
				   .module = module->id,
				   .evaluates = evaluate.st_value,
				   .evaluates_end = evaluate.st_value + evaluate.st_size,
				   .target.runtime = runtime.st_value + region->start - address };
	const struct memory_reader memory = memory_of_process(pid);
	const int r =
		python_layout_of(version, process.target.runtime, memory, &process.target.layout);
	if (r == -ENOTSUP)
		note_unread(p, version);
	if (r < 0 || !add_process(p, &process))
		return false;
	*ret = process.target;
	return true;
}

bool python_process_forked(struct python_processes *p, pid_t child, pid_t parent,
			   struct python_target *ret)
{
	const struct process *of = find_process(p, parent);
	if (of == NULL)
		return false;
	struct process process = *of;
	process.pid = child;
	*ret = process.target;
	return add_process(p, &process);
}

bool python_process_gone(struct python_processes *p, pid_t pid)
{
	struct process *process = find_process(p, pid);
	if (process == NULL)
		return false;
	*process = p->processes.items[--p->processes.n];
	return true;
}

pid_t python_processes_any(const struct python_processes *p)
{
	return p->processes.n > 0 ? p->processes.items[0].pid : 0;
}

/* ---- code objects ---- */

static size_t bucket_of(pid_t pid, const struct python_frame *frame)
{
	uint64_t hash = (uint64_t)pid * UINT64_C(0x9e3779b97f4a7c15) ^ frame->code;
	hash = (hash ^ hash >> 29) * UINT64_C(0xbf58476d1ce4e5b9) ^ frame->names[0];
	return (size_t)((hash ^ hash >> 32) % CODE_BUCKETS);
}

static bool is_same(const struct code_node *node, pid_t pid, const struct python_frame *frame)
{
	return node->pid == pid && node->code == frame->code &&
	       memcmp(node->names, frame->names, sizeof(node->names)) == 0;
}

/* Reads it, if it still is what was seen. */
static void read_code(struct python_processes *p, const struct process *process,
		      struct memory_reader memory, struct code_node *node)
{
	const struct python_layout *l = &process->target.layout;
	uint64_t names[3];
	const int r = python_code_read(l, node->code, memory, &node->read);
	if (r < 0 || p->n_bytes > TABLES_MAX ||
	    memory.read(memory.data, node->code + l->filename, names, sizeof(names)) < 0 ||
	    memcmp(names, node->names, sizeof(names)) != 0) {
		python_code_done(&node->read);
		return;
	}
	const struct module *module =
		modules_intern(p->modules, MODULE_PYTHON, buf_str(&node->read.file), NULL, 0);
	node->module = module != NULL ? module->id : 0;
	p->n_bytes += node->read.name.len + node->read.file.len + node->read.lines.len;
}

/* Number of the code object, from 1; 0: no room. */
static uint32_t code_of(struct python_processes *p, const struct process *process,
			struct memory_reader memory, const struct python_frame *frame)
{
	size_t at = bucket_of(process->pid, frame);
	for (; p->buckets[at] != 0; at = (at + 1) % CODE_BUCKETS)
		if (is_same(&p->codes.items[p->buckets[at] - 1], process->pid, frame))
			return p->buckets[at];
	struct code_node node = { .pid = process->pid, .code = frame->code };
	memcpy(node.names, frame->names, sizeof(node.names));
	if (p->codes.n == CODES_MAX)
		return 0;
	read_code(p, process, memory, &node);
	/* What could not be read may be told yet. */
	if (node.module == 0 || vec_push(&p->codes, node) < 0) {
		python_code_done(&node.read);
		return 0;
	}
	return p->buckets[at] = (uint32_t)p->codes.n;
}

void python_process_learn(struct python_processes *p, pid_t pid, uint64_t code,
			  struct memory_reader memory)
{
	const struct process *process = find_process(p, pid);
	struct python_frame frame = { .code = code };
	if (process != NULL && memory.read(memory.data, code + process->target.layout.filename,
					   frame.names, sizeof(frame.names)) == 0)
		(void)code_of(p, process, memory, &frame);
}

bool python_process_name(const struct python_processes *p, uint64_t offset,
			 struct code_function *ret)
{
	const uint64_t number = offset >> LINE_BITS;
	if (number == 0 || number > p->codes.n)
		return false;
	const struct python_code *code = &p->codes.items[number - 1].read;
	ret->name = buf_str(&code->name);
	ret->file = buf_str(&code->file);
	ret->line = (uint32_t)(offset & ((1u << LINE_BITS) - 1));
	return true;
}

/* ---- in the native stack ---- */

static bool is_evaluation(const struct process *process, const struct code_frame *frame)
{
	return frame->module == process->module && frame->offset >= process->evaluates &&
	       frame->offset < process->evaluates_end;
}

/* What is not known stands as the interpreter that runs it. */
static struct code_frame frame_of(struct python_processes *p, const struct process *process,
				  const struct python_frame *frame, const struct code_frame *native)
{
	const struct memory_reader memory = memory_of_process(process->pid);
	const uint32_t number = code_of(p, process, memory, frame);
	if (number == 0)
		return *native;
	const struct code_node *node = &p->codes.items[number - 1];
	const int line = python_code_line(&node->read, frame->offset);
	return (struct code_frame){
		.module = node->module,
		.offset =
			(uint64_t)number << LINE_BITS | ((uint32_t)line & ((1u << LINE_BITS) - 1)),
		.address = native->address,
	};
}

static size_t count_evaluations(const struct process *process, const struct unwound *unwound)
{
	size_t n = 0;
	for (size_t i = 0; i < unwound->n; i++)
		n += is_evaluation(process, &unwound->frames[i]);
	return n;
}

static size_t count_entries(const struct python_frame *frames, size_t n)
{
	size_t n_entries = 0;
	for (size_t i = 0; i < n; i++)
		n_entries += frames[i].is_entry != 0;
	return n_entries;
}

void python_process_merge(struct python_processes *p, pid_t pid, const struct python_frame *frames,
			  size_t n, struct unwound *unwound)
{
	const struct process *process = find_process(p, pid);
	if (process == NULL || n == 0)
		return;
	static struct unwound merged;
	const size_t n_evaluations = count_evaluations(process, unwound);
	const size_t n_entries = count_entries(frames, n);
	/* An evaluation that has only begun, or that is over, has no frame. */
	size_t skip = unwound->end == UNWIND_OUTERMOST && n_evaluations > n_entries
			      ? n_evaluations - n_entries
			      : 0;
	size_t k = 0;
	merged.n = 0;
	for (size_t i = 0; i < unwound->n && merged.n < FRAMES_MAX; i++) {
		const struct code_frame native = unwound->frames[i];
		const bool is_one = is_evaluation(process, &native);
		const bool is_skipped = is_one && skip > 0;
		skip -= is_skipped;
		if (!is_one || is_skipped || k == n) {
			merged.frames[merged.n++] = native;
			continue;
		}
		bool is_last = false;
		while (k < n && !is_last && merged.n < FRAMES_MAX) {
			is_last = frames[k].is_entry != 0;
			merged.frames[merged.n++] = frame_of(p, process, &frames[k++], &native);
		}
	}
	memcpy(unwound->frames, merged.frames, merged.n * sizeof(merged.frames[0]));
	unwound->n = merged.n;
}
