/* SPDX-License-Identifier: MIT */
/* See announce.h. Asked of /proc and not of the program's stack, which other code may have
 * rewritten by now; where /proc is missing the process stays without a name. */
#include "preload/announce.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "preload/lane.h"
#include "preload/shim.h"
#include "preload/sys.h"

/* Programs lie deeper only in tests; then the first argument has to do as a name. This may run
 * on a small stack. */
enum { PATH_LIMIT = 512 };

static void announce_task(uint32_t parent_pid)
{
	struct sl_task *task = (struct sl_task *)(void *)shim_notice(sizeof(*task));

	if (task == NULL)
		return;
	task->parent_pid = parent_pid;
	task->parent_tid = parent_pid;
	task->ns_pid = task->event.pid;
	task->ns_tid = task->event.tid;
	lane_commit(&task->event, SL_KIND_TASK);
}

/* Bytes of the argument vector; the first @limit of them are at @to. */
static size_t read_arguments(char *to, size_t limit)
{
	char rest[256];
	const int fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)"/proc/self/cmdline",
				      O_RDONLY | O_CLOEXEC, 0);
	size_t total = 0;

	if (fd < 0)
		return 0;
	for (;;) {
		const bool has_room = total < limit;
		const long n = sys_call3(SYS_read, fd, (long)(has_room ? to + total : rest),
					 (long)(has_room ? limit - total : sizeof(rest)));
		if (n <= 0)
			break;
		total += (size_t)n;
	}
	(void)sys_call3(SYS_close, fd, 0, 0);
	return total;
}

static uint64_t announce_exec(size_t argv_bytes)
{
	char path[PATH_LIMIT];
	const long n = sys_call3(SYS_readlink, (long)"/proc/self/exe", (long)path, sizeof(path));
	const size_t length = n > 0 && n < (long)sizeof(path) ? (size_t)n : 0;
	struct sl_exec *exec = (struct sl_exec *)(void *)shim_record(sizeof(*exec) + length + 1);

	if (exec == NULL)
		return 0;
	exec->caller_tid = exec->event.pid;
	exec->ns_pid = exec->event.pid;
	exec->argv_bytes = (uint32_t)argv_bytes;
	exec->flags = argv_bytes > SL_ARGS_MAX ? SL_EXEC_ARGS_CUT : 0;
	copy_bytes(exec->text, path, length);
	const uint64_t time_ns = exec->event.time_ns;
	lane_commit(&exec->event, SL_KIND_EXEC);
	return time_ns;
}

static void announce_arguments(uint64_t exec_ns, const char *text, size_t length)
{
	for (size_t at = 0; at < length; at += SL_ARGS_PIECE) {
		const size_t left = length - at;
		const size_t n = left < SL_ARGS_PIECE ? left : SL_ARGS_PIECE;
		struct sl_args *args = (struct sl_args *)(void *)shim_record(sizeof(*args) + n);
		if (args == NULL)
			return;
		args->exec_ns = exec_ns;
		args->offset = (uint32_t)at;
		args->length = (uint32_t)n;
		copy_bytes(args->bytes, text + at, n);
		lane_commit(&args->event, SL_KIND_ARGS);
	}
}

static void announce_image(void)
{
	/* Pages of it that are not needed are never touched. */
	const long at = sys_call6(SYS_mmap, 0, SL_ARGS_MAX, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_failed(at))
		return;
	const size_t total = read_arguments((char *)at, SL_ARGS_MAX);
	const uint64_t exec_ns = announce_exec(total);
	if (exec_ns != 0)
		announce_arguments(exec_ns, (const char *)at,
				   total < SL_ARGS_MAX ? total : SL_ARGS_MAX);
	(void)sys_call3(SYS_munmap, at, SL_ARGS_MAX, 0);
}

void announce(bool is_forked, uint32_t parent_pid)
{
	if ((shim.settings.flags & SHIM_WRAPS_NETWORK) == 0)
		return;
	announce_task(parent_pid != 0 ? parent_pid : (uint32_t)sys_call3(SYS_getppid, 0, 0, 0));
	if (!is_forked)
		announce_image();
}

static bool is_asked_for(void)
{
	return (shim.settings.flags & SHIM_WRAPS_NETWORK) != 0 && life.lane != NULL &&
	       !shim.is_sealed;
}

void announce_child(void)
{
	if (is_asked_for() && !shim_is_own_process())
		announce_task(shim.pid);
}

enum status { STATUS_PEAK, STATUS_KINDS, STATUS_NUMBERS = STATUS_KINDS + SL_MEMORY_KINDS };

/* In the order in which the kernel writes them, which is also that of enum sl_memory_kind. */
static const char status_keys[STATUS_NUMBERS][12] = { "\nVmHWM:", "\nRssAnon:", "\nRssFile:",
						      "\nRssShmem:" };

/* What the kernel knows of this image's memory, in KiB, 0 where it cannot be asked. Nobody can once the
 * process has ended, and what a parent is told is never lower than what the image before had. A name that
 * a program gives itself stands before it, but never at the beginning of a line. */
static __attribute__((noinline)) void read_status(uint64_t numbers[static STATUS_NUMBERS])
{
	char text[512]; /* the stack may be a signal's */
	size_t key = 0, same = 0;
	long n = 0;
	const int fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)"/proc/self/status",
				      O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	while (key < STATUS_NUMBERS &&
	       (n = sys_call3(SYS_read, fd, (long)text, sizeof(text))) > 0) {
		for (long at = 0; at < n && key < STATUS_NUMBERS; at++) {
			const char want = status_keys[key][same];
			if (want != '\0') {
				same = text[at] == want ? same + 1 : text[at] == '\n';
			} else if (text[at] >= '0' && text[at] <= '9') {
				numbers[key] = numbers[key] * 10 + (uint64_t)(text[at] - '0');
			} else if (text[at] == '\n') {
				key++;
				same = 1; /* it begins the next line */
			}
		}
	}
	(void)sys_call3(SYS_close, fd, 0, 0);
}

void announce_end(void)
{
	if (!is_asked_for() || !shim_may_call() || !shim_is_own_process())
		return;
	/* Before what takes time, which is not the program's. */
	const uint64_t left_ns = clock_ns();
	uint64_t numbers[STATUS_NUMBERS] = { 0 };
	read_status(numbers);
	life.lane->rss_peak_bytes = numbers[STATUS_PEAK] * 1024;
	for (int i = 0; i < SL_MEMORY_KINDS; i++)
		life.lane->rss_kinds[i] = numbers[STATUS_KINDS + i] * 1024;
	life.lane->left_ns = left_ns;
}
