/* SPDX-License-Identifier: MIT */
/* Builds TASK, EXEC, ARGS and EXIT from what the collector knows itself. */

#include "userspace/collect/proc/synthesize.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "userspace/base/buf.h"
#include "userspace/base/cleanup.h"
#include "userspace/base/fs.h"
#include "userspace/base/units.h"
#include "userspace/collect/run/emit.h"

static int emit_args(struct sink sink, pid_t pid, uint64_t exec_ns, const struct buf *text)
{
	static union {
		struct sl_args args;
		char room[sizeof(struct sl_args) + SL_ARGS_PIECE + 8];
	} record;
	int e = 0;
	for (size_t at = 0; e >= 0 && at < text->len; at += SL_ARGS_PIECE) {
		const size_t left = text->len - at;
		const size_t n = left < SL_ARGS_PIECE ? left : SL_ARGS_PIECE;
		record.args = (struct sl_args){
			.event = emit_header(SL_KIND_ARGS, sizeof(record.args) + n, exec_ns, pid),
			.exec_ns = exec_ns,
			.offset = (uint32_t)at,
			.length = (uint32_t)n,
		};
		memcpy(record.args.bytes, text->data + at, n);
		memset(record.args.bytes + n, 0, 8);
		e = sink.event(sink.data, &record.args.event);
	}
	return e;
}

/* One time for the call and the new image: what the shim reports of the image comes later for
 * sure, and how long the kernel took is not known. */
static int emit_exec(struct sink sink, pid_t pid, uint64_t at_ns, const char *path,
		     const struct buf *args, size_t argv_bytes)
{
	union {
		struct sl_exec exec;
		char room[sizeof(struct sl_exec) + PATH_MAX + 8];
	} record = { 0 };
	const size_t n = strnlen(path, PATH_MAX);
	record.exec = (struct sl_exec){
		.event = emit_header(SL_KIND_EXEC, sizeof(record.exec) + n + 1, at_ns, pid),
		.enter_ns = at_ns,
		.caller_tid = (uint32_t)pid,
		.ns_pid = (uint32_t)pid,
		.argv_bytes = (uint32_t)argv_bytes,
		.flags = argv_bytes > args->len ? SL_EXEC_ARGS_CUT : 0,
	};
	memcpy(record.exec.text, path, n);
	const int e = sink.event(sink.data, &record.exec.event);
	return e < 0 ? e : emit_args(sink, pid, at_ns, args);
}

int synthesize_exec(struct sink sink, pid_t pid, uint64_t enter_ns, const char *path,
		    char *const *argv)
{
	_cleanup_(buf_done) struct buf text;
	size_t total = 0;
	buf_init(&text, SL_ARGS_MAX);
	for (size_t i = 0; argv[i] != NULL; i++) {
		const size_t n = strlen(argv[i]) + 1;
		const size_t room = SL_ARGS_MAX - text.len;
		(void)buf_add(&text, argv[i], n < room ? n : room);
		total += n;
	}
	return emit_exec(sink, pid, enter_ns, path, &text, total);
}

int synthesize_exit(struct sink sink, pid_t pid, int status)
{
	const struct sl_exit ended = {
		.event = emit_header(SL_KIND_EXIT, sizeof(ended), now_ns(), pid),
		.status = (uint32_t)status,
		.flags = SL_EXIT_PROCESS,
	};
	return sink.event(sink.data, &ended.event);
}

int synthesize_gone(struct sink sink, pid_t ns_pid, uint64_t at_ns)
{
	struct sl_exit ended = {
		.event = emit_header(SL_KIND_EXIT, sizeof(ended), at_ns, ns_pid),
		.flags = SL_EXIT_PROCESS | SL_EXIT_NO_STATUS,
	};
	ended.event.flags |= SL_FLAG_NS_IDS;
	return sink.event(sink.data, &ended.event);
}

/* What /proc says @pid executes. False: nothing, it is gone or somebody else's. */
static bool read_image(pid_t pid, char path[static PATH_MAX], struct buf *args)
{
	char name[64];
	(void)snprintf(name, sizeof(name), "/proc/%d/exe", pid);
	const ssize_t n = readlink(name, path, PATH_MAX - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	(void)snprintf(name, sizeof(name), "/proc/%d/cmdline", pid);
	buf_init(args, SL_ARGS_MAX);
	(void)fs_read_file(name, args);
	return true;
}

/* Where the stack of @pid's image begins, which execve chooses at random; 0: it is not told. */
static uint64_t stack_of(pid_t pid)
{
	char name[64];
	unsigned long long start = 0;
	_cleanup_(buf_done) struct buf text;
	(void)snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	buf_init(&text, 4096);
	(void)fs_read_file(name, &text);
	const char *after = strrchr(buf_str(&text), ')');
	/* The 28th field, of which the name is the second. */
	for (int field = 2; after != NULL && field < 28; field++)
		after = strchr(after + 1, ' ');
	return after != NULL && sscanf(after, "%llu", &start) == 1 ? start : 0;
}

/* A child that runs what its parent runs has not executed anything yet. Its arguments may be others:
 * some write what they do over them. */
static bool is_same_image(pid_t pid, pid_t parent, const char *path, const struct buf *args)
{
	char parents[PATH_MAX];
	_cleanup_(buf_done) struct buf text = { 0 };
	if (!read_image(parent, parents, &text) || strcmp(parents, path) != 0)
		return false;
	const uint64_t stack = stack_of(pid);
	if (stack != 0)
		return stack == stack_of(parent);
	return text.len == args->len &&
	       (args->len == 0 || memcmp(text.data, args->data, args->len) == 0);
}

int synthesize_found(struct sink sink, pid_t pid, pid_t parent, uint64_t not_before_ns)
{
	const long hertz = sysconf(_SC_CLK_TCK);
	const uint64_t tick_ns = hertz > 0 ? NS_PER_S / (uint64_t)hertz : 0;
	const uint64_t now = now_ns();
	const uint64_t since = source_proc_start(pid);
	/* /proc rounds down. Rounded up, a child does not precede what its parent said before. */
	const uint64_t latest = since == 0 || since + tick_ns > now ? now : since + tick_ns;
	const uint64_t at_ns = latest > not_before_ns ? latest : not_before_ns;
	const struct sl_task task = {
		.event = emit_header(SL_KIND_TASK, sizeof(task), at_ns, pid),
		.parent_pid = (uint32_t)parent,
		.parent_tid = (uint32_t)parent,
		.ns_pid = (uint32_t)pid,
		.ns_tid = (uint32_t)pid,
	};
	const int e = sink.event(sink.data, &task.event);
	char path[PATH_MAX];
	_cleanup_(buf_done) struct buf args = { 0 };
	if (e < 0 || !read_image(pid, path, &args) || is_same_image(pid, parent, path, &args))
		return e;
	return emit_exec(sink, pid, at_ns, path, &args, args.len);
}
